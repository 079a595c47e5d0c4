//! The reconcile loop over the ports: caches, queues, the executor. See docs/ARCHITECTURE.md for the data's path.

pub mod charts;
pub mod commit;
pub mod destinations;
pub mod difference;
pub mod events;
pub mod execute;
pub mod home;
pub mod informer;
pub mod installation;
pub mod live;
pub mod metrics;
pub mod queue;
pub mod reconcile;
pub mod remotes;
pub mod render;
pub mod repositories;
pub mod settings;

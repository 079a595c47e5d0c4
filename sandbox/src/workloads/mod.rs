//! The controllers and nodes of a cluster, simulated on the sandbox' clock.
//!
//! ```text
//!  store --changes--> queue of (controller, object) --one at a time--> reconcile --writes--> store
//!                          ^                                              |
//!                          '------------- timers on the clock <-----------'
//! ```
//!
//! All controllers run one after another in one task, in a fixed order, and read nothing but the store and the clock:
//! the same history gives the same world. Entry: [`Engine`]; each file below is one controller with a `reconcile`.

mod autoscalers;
mod bootstrap;
mod budgets;
mod conditions;
mod containers;
mod context;
mod crds;
pub(crate) mod cron;
mod cron_jobs;
mod daemon_sets;
mod deployments;
mod endpoints;
mod engine;
mod events;
mod garbage;
mod job_policy;
mod jobs;
mod loads;
pub(crate) mod logs;
mod mirroring;
mod namespaces;
mod nodes;
mod pod_set;
mod pods;
mod preemption;
mod program;
mod quotas;
mod references;
mod replica_sets;
mod revisions;
mod routing;
mod scenario;
pub(crate) mod schedule;
mod stateful_sets;
mod volumes;

pub(crate) use autoscalers::Memory as AutoscalerMemory;
pub(crate) use bootstrap::{bootstrap, bootstrap_own_maps, keep_authority, set_rule, set_scenario};
pub(crate) use engine::Engine;

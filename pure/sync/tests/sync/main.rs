//! Whole stories over the crate's path: what is promised (`promises`), and random histories with crashes (`histories`).

mod histories;
mod promises;
mod world;

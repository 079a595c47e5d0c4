//! The controller in a simulated world: random histories and faults at every await point, against invariants.
//!
//! ```text
//!  person, Git, faults (history.rs | injection.rs)          time.rs: virtual time, moved on when nothing else runs
//!        |                      |
//!        v                      v
//!   embedded control plane <- ports with a gate (gate.rs, cluster.rs, git.rs, charts.rs) <- controller (process.rs)
//!        |                          every call is numbered: let through, failed, or the process dies at it
//!        v
//!      judge.rs: every write is held against what Git says and what was there
//! ```
//!
//! Everything runs on one thread and in virtual time: an hour passes in a moment, and nothing depends on the machine's
//! speed. A history is made from its seed alone, so a seed that fails can be repeated:
//! `cargo run -p landfall-lab -- --seed N`.

pub mod charts;
pub mod cluster;
pub mod expectation;
pub mod gate;
pub mod git;
pub mod history;
pub mod injection;
pub mod judge;
pub mod manifests;
pub mod process;
pub mod random;
pub mod time;
pub mod weather;
pub mod world;

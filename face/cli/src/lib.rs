//! The command line: verbs, output formats, progress.
//!
//! ```text
//! Verb (clap) ── run ──> verbs::*  ── reads and writes through ──> Outside   files, the terminal, a connection
//!                          |                                       Cluster   Applications and what they have
//!                          |                                       Web       a server's API (remote::*)
//!                          '── output::*  text for people and machines, pure functions
//! ```
//!
//! Entry: [`Verb`], which the program flattens into its own, and [`run`], which answers with the exit code. Exit codes are
//! Argo CD's: 0 done, 1 an operation failed or a wait ran out (or `app diff` found differences), 20 anything else, which
//! is an error here.

mod applications;
mod charts;
mod deferred;
mod output;
mod outside;
mod remote;
mod verbs;

pub use charts::ChartAccess;
pub use deferred::Deferred;
pub use outside::{Connection, Fetched, Outside};
pub use verbs::{Verb, run};

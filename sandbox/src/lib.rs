//! A Kubernetes API server in process, with simulated workloads.
//!
//! [`Sandbox`] serves the API of Kubernetes 1.36 out of this process: to a `kube::Client` without any socket
//! ([`Sandbox::client_service`]), and over TLS to kubectl and every other client ([`Sandbox::serve_tls`]). What nodes and
//! controllers do in a cluster is simulated on a clock that is the machine's or the test's: Deployments roll out, pods
//! become ready or fail as they are told to, namespaces and owners clean up after themselves.
//!
//! ```text
//!  http       paths, media types, watches             serve   TLS, certificates, tokens
//!    |                                                   |
//!  operations create, get, list, update, patch, delete <-'
//!    |-- registry, crd     which kinds there are           |-- admission, kinds   what a write becomes
//!    |-- discovery, openapi, table   what is told of them
//!  store      objects, revisions, change log, one SQLite file
//!    ^
//!  workloads  the controllers and the nodes, simulated         faults   what goes wrong on demand
//!    |
//!  traffic    requests that nobody makes, and their metrics    promql   the language to ask for them
//!    |
//!  front      plain HTTP: what pods answer, Prometheus' API
//! ```
//!
//! It is for trying, testing and previewing, not for running anything.

mod access;
mod addresses;
mod admission;
mod cel;
mod clock;
mod convert;
mod crd;
mod discovery;
mod error;
mod faults;
mod front;
mod http;
mod json;
mod kinds;
mod openapi;
mod operations;
mod outside;
mod promql;
mod quantity;
mod random;
mod registry;
mod sandbox;
mod selector;
mod serve;
mod service;
mod snapshot;
mod store;
mod table;
mod tokens;
mod traffic;
mod workloads;

pub use clock::Clock;
pub use faults::{Fault, FaultError, Rule, RuleError};
pub use front::HttpServing;
pub use http::SandboxBody;
pub use sandbox::{Sandbox, SandboxBuilder, StartError};
pub use serve::{ServeError, Serving};
pub use service::{ClientService, ResponseFuture};
pub use snapshot::{Snapshot, SnapshotError};
pub use store::JournalError;

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

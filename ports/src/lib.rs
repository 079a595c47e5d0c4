//! Small async traits for the outside world, and their plain request and answer types. No implementation.
//!
//! ```text
//! charts   Helm chart repositories over HTTP
//! clock    the time
//! cluster  a Kubernetes API server
//! dependencies  what a chart needs, fetched over the ports
//! git      Git repositories
//! registry OCI registries
//! web      HTTP to servers that a setting or a person names
//! ```

pub mod charts;
pub mod clock;
pub mod cluster;
pub mod dependencies;
pub mod git;
pub mod registry;
pub mod web;

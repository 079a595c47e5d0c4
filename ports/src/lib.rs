//! Small async traits for the outside world, and their plain request and answer types. No implementation.
//!
//! ```text
//! clock    the time
//! cluster  a Kubernetes API server
//! git      Git repositories
//! ```

pub mod clock;
pub mod cluster;
pub mod git;

//! The end-to-end suite's world: a control plane (embedded or real), a Git repository, and a controller between them.
//!
//! Every scenario is written once and runs on both control planes; where they differ, the sandbox is wrong.

pub mod argocd;
pub mod plane;
pub mod repository;
pub mod serve;
pub mod world;

//! Where sources come from, as data: addresses, credentials, references, and what a `targetRevision` means.
//!
//! ```text
//! Secret data --config--> RepositoryConfig --lookup(url, project)--> Repository (address + how to reach it)
//! Secret data --cluster--> ClusterConfig: where applications may go
//! Refs + targetRevision --revision--> Resolved::Commit | Resolved::ShortId (a question for the object database)
//! index.yaml --chart_index--> Index --chart_versions(constraint)--> the version to download
//! Chart.yaml + Chart.lock + charts/ --dependencies--> what must be fetched, and from where
//! ```
//!
//! Nothing here connects anywhere: the crates under `io/` take a [`repository::Repository`] and do. Every failure they
//! report is a [`problem::SourceError`], which says what happened, why, and what to do.
//! Entry: [`config::parse`], [`lookup::Repositories`], [`revision::resolve`].

pub mod address;
pub mod chart_index;
pub mod chart_versions;
pub mod cluster;
pub mod config;
pub mod dependencies;
pub mod lookup;
pub mod problem;
pub mod refs;
pub mod repository;
pub mod revision;
pub mod secret;

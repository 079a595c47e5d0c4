//! Projects, roles and policies: what an application may use and touch, and when.
//!
//! ```text
//! project   Permissions: sources, destinations, kinds and namespaces a project permits, each answer with its reason
//! windows   sync windows: may a sync begin now, and when does that change
//! cron      schedules with five fields
//! pattern   globs as Argo CD's users write them
//! installation  kinds that are left alone, projects whose rules hold for others
//! orphans   the settings for objects that no application has
//! policy    policy.csv: who may do what
//! ```
//!
//! Data in, data out: the moment and the resolved destination are handed in. A rule that cannot be read never permits.

pub mod cron;
pub mod installation;
pub mod orphans;
pub mod pattern;
pub mod policy;
pub mod project;
pub mod windows;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

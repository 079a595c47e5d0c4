//! The ChartRepo port: Helm chart repositories over HTTP.
//!
//! ```text
//! client        indexes kept in memory and on disk, revalidated by ETag; downloads checked by digest
//! dependencies  what a chart needs, fetched over the ports
//! settings      where copies live, how long and how much is allowed
//! ```
//!
//! Entry: [`client::ChartClient`], [`dependencies::fetch`].

pub mod client;
pub mod dependencies;
pub mod settings;

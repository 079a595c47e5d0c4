//! The ChartRepo port: Helm chart repositories over HTTP.
//!
//! ```text
//! client        indexes kept in memory and on disk, revalidated by ETag; downloads checked by digest
//! settings      where copies live, how long and how much is allowed
//! ```
//!
//! Entry: [`client::ChartClient`]; what a chart needs is fetched over the ports ([`landfall_ports::dependencies`]).

pub mod client;
pub mod settings;

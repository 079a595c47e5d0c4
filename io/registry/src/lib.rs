//! The Registry port: OCI registries for charts and other artifacts, over oci-client.
//!
//! `client` speaks for one repository at a time, `failure` puts what registries answer into words.
//! Entry: [`client::RegistryClient`].

pub mod client;
mod failure;

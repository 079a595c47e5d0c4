//! The Registry port: OCI registries for charts and artifacts.

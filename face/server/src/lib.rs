//! The HTTP server: health, metrics, webhook and API.

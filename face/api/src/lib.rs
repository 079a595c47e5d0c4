//! The API's messages. The definitions are in `proto/`; every operation takes and gives JSON in the shape of its
//! message, and this crate turns that into protobuf and back, finds the operation of a REST request, and describes all
//! of it as OpenAPI.
//!
//! ```text
//! gRPC, gRPC-web  bytes -> wire::decode ─┐                   ┌─> wire::encode -> bytes
//!                                        ├─> JSON operation ─┤
//! REST            path, query, body ─────┘   (face/server)   └─> the JSON itself
//!                 rest::find, shape::conform
//! ```

pub mod error;
pub mod openapi;
pub mod rest;
pub mod schema;
pub mod shape;
pub mod wire;

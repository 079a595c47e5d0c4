//! Ways of combining Kubernetes objects, as pure functions over `serde_json::Value`: JSON patch ([`json_patch`]), JSON merge patch
//! ([`merge_patch`]), strategic merge patch ([`strategic`]) and structured merge, which is server-side apply ([`structured`]).
//!
//! What the last two need to know about a kind (merge keys, list and map types, defaults of keys) is a [`schema::Schema`]: built in
//! for Kubernetes' own kinds ([`builtin`]), converted from `openAPIV3Schema` for custom resources ([`crd`]), or deduced.
//!
//! ```text
//! builtin, crd -> schema -> strategic            patch in, object out; two and three objects in, patch out
//!                        -> typed -> structured  object + managedFields + configuration in, object + managedFields out
//!                 value  -> fields ---^          sets of paths, as managedFields writes them
//! ```

pub mod builtin;
pub mod crd;
pub mod defaults;
pub mod fields;
pub mod json_patch;
pub mod managed;
pub mod merge_patch;
pub mod ownership;
pub mod schema;
pub mod strategic;
pub mod structured;
pub mod typed;
pub mod upgrade;
pub mod value;

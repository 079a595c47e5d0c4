//! How the objects that should be differ from those that are, with knowledge of who owns what.
//!
//! ```text
//! desired --normalise--> desired --predict: what would live be after our apply?--> predicted --+
//! live ----------------------------^                                                          +--> ignore rules --> compare --> Difference
//! live ----------------------------------------------------------------------------------------+
//! ```
//!
//! The prediction is a structured merge (server-side apply) where we own fields of the live object or nobody applied it before, and
//! a three-way merge where only `kubectl apply` or a tool like it did. So what others added is no difference, what was taken out of
//! Git is one, and what the API server fills in by itself is none.
//!
//! Source: the behaviour to be at least as good as is Argo CD's (gitops-engine/pkg/diff, util/argo/normalizers).

pub mod carry;
pub mod compare;
pub mod jq;
mod normalise;
pub mod places;
mod predict;
pub mod quantity;
pub mod render;
pub mod rules;
pub mod schemas;
pub mod settings;
mod tree;

pub use normalise::declared;

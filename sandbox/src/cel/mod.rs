//! Common Expression Language as Kubernetes uses it: rules of definitions, admission policies, match conditions.
//!
//! ```text
//!  text --[syntax]--> Expression --[evaluate] with variables--> Value or an error
//!                                      |-- functions: the standard ones, Kubernetes' own, by the kind of their receiver
//! ```
//!
//! Expressions are interpreted without types; what a type checker would find, [`check`] finds where it can. Every step costs, and too many of
//! them end an evaluation, so that no rule can hold the server up.
//! Source: the CEL specification, and the libraries of `k8s.io/apiserver/pkg/cel/library` 1.36.

pub(crate) mod check;
mod evaluate;
mod functions;
mod libraries;
pub(crate) mod syntax;
pub(crate) mod value;

pub(crate) use evaluate::{Evaluation, Lazy};
pub(crate) use syntax::{Expression, parse};

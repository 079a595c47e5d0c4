//! The nouns of Landfall. Every crate may use them; they use nothing of ours.
//!
//! ```text
//! key          ObjectKey, GroupKind, GroupVersionKind: how objects are named
//! object       reading a Kubernetes object held as JSON
//! application  Application: spec, operation, status, as Argo CD's users have them (argoproj.io/v1alpha1)
//! project      AppProject
//! crds         the custom resource definitions
//! annotations  every annotation, label and finalizer that changes behaviour
//! selector     label selectors
//! sync_options the options of an application and of one object, parsed once
//! tracking     which application an object belongs to
//! health       how an object does
//! duration     Go durations
//! window       what a project's sync windows say at a moment
//! plan         what is to be done: steps in groups
//! outcome      what became of them; Events
//! ```
//!
//! Nothing here reads a clock, a file or the network. Times are `jiff::Timestamp`; on the wire they are RFC 3339 with
//! whole seconds, as Kubernetes writes them ([`time`]).

pub mod annotations;
pub mod application;
pub mod crds;
pub mod duration;
pub mod health;
pub mod key;
pub mod object;
pub mod outcome;
pub mod plan;
pub mod project;
pub mod selector;
pub mod status;
pub mod sync_options;
pub mod time;
pub mod tracking;
pub mod window;

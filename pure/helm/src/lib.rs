//! Renders Helm charts in process: chart bytes, values and capabilities in; objects, hooks, notes and warnings out. The
//! output is that of `helm template`, to the byte, for Helm 3.21.4 and Helm 4.2.4.
//!
//! ```
//! use landfall_gotemplate::context::NoHost;
//! use landfall_helm::{Profile, chart::Chart, render::{Request, render}};
//! use landfall_tree::MemoryTree;
//!
//! let tree = MemoryTree::of([
//!     ("app/Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}"),
//!     ("app/values.yaml", "{replicas: 2}"),
//!     ("app/templates/x.yaml", "{kind: ConfigMap, data: {count: {{ .Values.replicas | quote }}}}"),
//! ]);
//! let chart = Chart::from_tree(&tree, "app")?;
//! let rendered = render(&chart, &Request::new("demo", "default", Profile::Helm3), &mut NoHost)?;
//! assert_eq!(rendered.manifests[0].object["data"]["count"], "2");
//! # Ok::<(), landfall_helm::error::Error>(())
//! ```
//!
//! Nothing here touches a disk, a clock, a network or a cluster: files come from a [`landfall_tree::Tree`], and time,
//! randomness and `lookup` from a [`landfall_gotemplate::context::Host`]. Entry: [`chart::Chart`], [`render::render`].

pub mod argocd;
pub mod capabilities;
pub mod chart;
mod engine;
pub mod error;
mod family;
mod glob;
mod go;
pub mod index;
pub mod lint;
pub mod lock;
pub mod manifest;
mod objects;
pub mod package;
mod remembered;
pub mod render;
mod schema;
pub mod strvals;
pub mod values;

/// Says which Helm's behaviour to reproduce. They differ in nulls, `.Chart`, versions with suffixes, blank lines between
/// documents and the order of webhook configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// Helm 3.21.4.
    #[default]
    Helm3,
    /// Helm 4.2.4.
    Helm4,
}

impl Profile {
    /// Reads a profile's name: `helm3` or `helm4`, also `v3`, `v4`, `3`, `4`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim() {
            "helm3" | "v3" | "3" => Some(Self::Helm3),
            "helm4" | "v4" | "4" => Some(Self::Helm4),
            _ => None,
        }
    }
}

/// Says whether a version satisfies a constraint; false where either cannot be read.
pub(crate) fn is_compatible(constraint: &str, version: &str) -> bool {
    let constraint = landfall_semver::Constraint::parse(constraint);
    let version = landfall_semver::Version::parse(version);
    matches!((constraint, version), (Ok(constraint), Ok(version)) if constraint.check(&version))
}

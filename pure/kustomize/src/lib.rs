//! Builds kustomizations: a file tree in, objects out, identical to `kustomize build` 5.8.1.
//!
//! ```text
//! Tree + directory ── loader ──> kustomization ── accumulate ──> resources ── hash, references, vars ──> order ──> Built
//!                                      │ resources, components: the same again, depth first
//!                                      └ generators, transformers in the reference's order
//! ```
//!
//! ```
//! use landfall_kustomize::{Options, Outside, Session, build};
//! use landfall_tree::MemoryTree;
//!
//! let tree = MemoryTree::of([
//!     ("kustomization.yaml", "resources: [cm.yaml]\nnamePrefix: demo-\n"),
//!     ("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"),
//! ]);
//! let built = build(&tree, "", &Options::default(), &Outside::default(), &Session::new())?;
//! assert_eq!(built.objects[0]["metadata"]["name"], "demo-settings");
//! # Ok::<(), landfall_kustomize::BuildError>(())
//! ```
//!
//! Nothing here touches a disk, a network or a process: files come from a [`landfall_tree::Tree`], remote resources are a
//! question put to [`Remote`], Helm charts one put to [`Charts`]. Entry: [`build`]; Argo CD's overrides: [`argocd`].

pub mod argocd;
mod build;
mod configurations;
mod decode;
mod error;
mod field_spec;
mod generators;
mod hash;
mod ids;
mod key_values;
mod kustomization;
mod label_selector;
mod loader;
mod merge;
mod name_reference;
mod native_charts;
mod node;
mod order;
mod origin;
mod outside;
mod plugins;
mod resource;
mod resources;
mod schema;
mod selector;
mod session;
mod target;
mod transformers;
mod variables;

pub use error::{BuildError, ErrorClass};
pub use native_charts::{FetchChart, NativeCharts};
pub use outside::{ChartRequest, ChartSource, Charts, NoRemotes, Outside, Remote, RemoteContent, RemoteRequest};
pub use session::Session;

use landfall_tree::Tree;
use serde_json::Value;

/// The version of kustomize whose behaviour is reproduced, as it stands in the managed-by label.
pub const KUSTOMIZE_VERSION: &str = "v5.8.1";

/// Chooses the order of the output, as `kustomize build --reorder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reorder {
    /// No flag was given: `sortOptions` of the root decides, and the legacy order without them.
    #[default]
    Unspecified,
    /// Resources stay in the order in which they were read, unless `sortOptions` says otherwise.
    None,
    /// Namespaces and definitions first, webhooks last, unless `sortOptions` says otherwise.
    Legacy,
}

/// Chooses where files may be read from, as `kustomize build --load-restrictor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LoadRestrictor {
    /// Files must be in or below the directory of the kustomization that names them; directories may be anywhere.
    #[default]
    RootOnly,
    /// Files may be anywhere in the tree.
    None,
}

/// What a build is asked for besides its directory. The default is `kustomize build` without flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The order of the output.
    pub reorder: Reorder,
    /// Where files may be read from.
    pub load_restrictor: LoadRestrictor,
    /// Whether `helmCharts` may be inflated (`--enable-helm`); [`Outside::charts`] does it.
    pub enable_helm: bool,
    /// The Kubernetes version for charts (`--helm-kube-version`); empty: the chart entry's own, then the renderer's default.
    pub helm_kube_version: String,
    /// API versions for charts (`--helm-api-versions`); empty: the chart entry's own.
    pub helm_api_versions: Vec<String>,
    /// Whether every resource gets the label `app.kubernetes.io/managed-by` (`--enable-managedby-label`).
    pub managed_by_label: bool,
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Built {
    /// The resources in output order.
    pub objects: Vec<Value>,
    /// What the reference would print beside the output: deprecated fields, unused variables. One sentence each.
    pub warnings: Vec<String>,
}

impl Built {
    /// The output of `kustomize build`: YAML documents, keys sorted, joined by `---`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (at, object) in self.objects.iter().enumerate() {
            if at > 0 {
                text.push_str("---\n");
            }
            text.push_str(&landfall_yaml::write(object));
        }
        text
    }
}

/// Builds the kustomization in `directory` of `tree`.
///
/// `directory` is relative to the root of the tree (`""` or `"."` is the root). `session` keeps parsed files between
/// builds; a fresh one serves a single build. The result depends on nothing but the files read, the options and the
/// answers of `outside`.
///
/// Errors: the first thing that stops the build, with its class, its place and what to do about it.
#[expect(clippy::result_large_err, reason = "errors are rare and callers want them unboxed")]
pub fn build(
    tree: &dyn Tree,
    directory: &str,
    options: &Options,
    outside: &Outside<'_>,
    session: &Session,
) -> Result<Built, BuildError> {
    build::run(tree, directory, options, outside, session).map_err(|error| *error)
}

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
mod flags;
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
mod pattern;
mod plugins;
mod remotes;
mod resource;
mod resources;
mod schema;
mod selector;
mod session;
mod target;
mod transformers;
mod variables;

pub use error::{BuildError, ErrorClass};
pub use flags::BuildFlags;
pub use native_charts::{FetchChart, NativeCharts};
pub use outside::{ChartRequest, ChartSource, Charts, NoRemotes, Outside, Remote, RemoteContent, RemoteRequest};
pub use remotes::{AllowList, Answers, FetchedChart, Question, ROUNDS_MAX};
pub use session::Session;

use std::collections::{BTreeMap, BTreeSet};

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
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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
    /// Whether each object is of a kind that is certainly outside of namespaces, in the order of `objects`.
    pub is_cluster_scoped: Vec<bool>,
}

impl Built {
    /// The files that `kustomize build --output DIR` writes: names and texts, sorted by name. Of two with one name, the
    /// later one in output order counts.
    pub fn files(&self) -> BTreeMap<String, String> {
        let text_of =
            |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let namespace_of = |object: &Value| match text_of(object, "/metadata/namespace") {
            empty if empty.is_empty() => "default".to_owned(),
            namespace => namespace,
        };
        let with_scope = || self.objects.iter().zip(&self.is_cluster_scoped);
        let namespaces: BTreeSet<String> = with_scope()
            .filter(|(_, is_cluster_scoped)| !**is_cluster_scoped)
            .map(|(object, _)| namespace_of(object))
            .collect();
        let mut files = BTreeMap::new();
        for (object, is_cluster_scoped) in with_scope() {
            let api_version = text_of(object, "/apiVersion").replacen('/', "_", 1);
            let parts = [api_version, text_of(object, "/kind"), text_of(object, "/metadata/name")];
            let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            let mut name = format!("{}.yaml", parts.join("_")).to_lowercase();
            if !*is_cluster_scoped && namespaces.len() > 1 {
                name = format!("{}_{name}", namespace_of(object).to_lowercase());
            }
            files.insert(name, landfall_yaml::write(object));
        }
        files
    }

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

/// Takes a text apart as an entry of `resources` that names a repository; `None` if it names none.
pub fn remote_request(text: &str) -> Option<RemoteRequest> {
    Some(loader::parse_remote(text)).filter(|request| request.repository.is_some())
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

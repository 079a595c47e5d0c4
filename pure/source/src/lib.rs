//! What kind of source a folder is, what a folder of plain manifests holds, and what a repository says over its own
//! source. Reads a [`landfall_tree::Tree`]; the Helm and Kustomize renderers have crates of their own.
//!
//! ```text
//! Source + tree -> overrides (.argocd-source*.yaml) -> detect -> Helm | Kustomize | Directory | Plugin
//!                                                                                   |
//!                                                                        directory::objects
//! ```
//! Source of the behaviour: Argo CD 3.5 `util/app/discovery`, `reposerver/repository/repository.go`.

pub mod detect;
pub mod directory;
pub mod overrides;

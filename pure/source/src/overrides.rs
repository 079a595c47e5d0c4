//! What a repository says over its own source: `.argocd-source.yaml`, then `.argocd-source-<application>.yaml`, in the
//! folder of the source. Image updaters write the new image there.

use landfall_model::application::Source;
use landfall_tree::{ResolveError, Tree, join, read};
use landfall_yaml::Resolver;
use serde_json::Value;

/// Says why an override file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// It is no YAML, or not of a source's shape.
    #[error("{path}: {reason}; it must hold fields of an Application's source, such as `helm` or `kustomize`")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, with the line where known.
        reason: String,
    },
    /// The tree failed.
    #[error(transparent)]
    Tree(#[from] ResolveError),
}

/// Merges the override files over `source`. Where manifests come from (`repoURL`, `path`, `chart`, `targetRevision`)
/// stays as the Application has it.
pub fn apply(tree: &dyn Tree, folder: &str, application: &str, source: &Source) -> Result<Source, OverrideError> {
    let mut merged = source.clone();
    for name in [".argocd-source.yaml".to_owned(), format!(".argocd-source-{application}.yaml")] {
        let path = join(folder, &name);
        let Some(text) = read(tree, &path)? else { continue };
        let invalid = |reason: String| OverrideError::Invalid { path: path.clone(), reason };
        let patch = landfall_yaml::read_one(&text, Resolver::Kubernetes).map_err(|error| invalid(error.to_string()))?;
        let mut value = serde_json::to_value(&merged).map_err(|error| invalid(error.to_string()))?;
        merge(&mut value, &patch);
        merged = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        merged.repo_url.clone_from(&source.repo_url);
        merged.path.clone_from(&source.path);
        merged.chart.clone_from(&source.chart);
        merged.target_revision.clone_from(&source.target_revision);
        merged.reference.clone_from(&source.reference);
    }
    Ok(merged)
}

/// RFC 7396: maps are merged, null removes, anything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(fields), Value::Object(patches)) => {
            for (name, patch) in patches {
                if patch.is_null() {
                    fields.remove(name);
                } else {
                    merge(fields.entry(name.clone()).or_insert(Value::Null), patch);
                }
            }
        }
        (target, patch) => {
            *target = patch.clone();
            if let Value::Object(fields) = target {
                fields.retain(|_, value| !value.is_null());
            }
        }
    }
}

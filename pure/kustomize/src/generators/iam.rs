//! The built-in IAMPolicyGenerator: a ServiceAccount bound to a Google Cloud one.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Generator;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::loader::Loader;
use crate::node::json::Numbers;
use crate::resource::{Resource, Source};

/// The configuration, as read from a generator file.
#[derive(Debug, Clone)]
pub(crate) struct IamPolicy {
    pub(crate) config: Value,
    pub(crate) source: Arc<Source>,
}

impl Generator for IamPolicy {
    fn generate(&self, build: &mut Build<'_>, _loader: &Rc<Loader<'_>>) -> Result<Vec<Resource>> {
        let text = |pointer: &str| self.config.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/cloud") != "gke" {
            return Err(BuildError::new(
                ErrorClass::ExternalPlugin,
                format!("the cloud {:?} is not known", text("/cloud")),
            )
            .file(&self.source.file)
            .field("cloud")
            .hint("write cloud: gke, the only one that is built in"));
        }
        let account =
            format!("{}@{}.iam.gserviceaccount.com", text("/serviceAccount/name"), text("/serviceAccount/projectId"));
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "annotations": {"iam.gke.io/gcp-service-account": account},
                "name": text("/kubernetesService/name"),
            },
        });
        let namespace = text("/kubernetesService/namespace");
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        let root = build.arena.build_json(&object, Numbers::Kept);
        Ok(vec![Resource::new(root, self.source.clone())])
    }
}

//! Hash suffixes: the names of generated objects end in a hash of their content.
//!
//! Source: sigs.k8s.io/kustomize/api v0.21.1 hasher: SHA-256 of compact JSON, ten characters, without those that could
//! spell something.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::node::{Kind, NodeId};
use crate::resource::{NEEDS_HASH, Resource, shape_error};
use crate::transformers::Transformer;

const HASH_CHARS: usize = 10;

/// The transformer that adds the suffixes.
pub(crate) struct Hashes;

impl Transformer for Hashes {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        build.add_hashes(resources)
    }
}

impl Build<'_> {
    /// Adds the hash suffix to every resource that wants one.
    pub(crate) fn add_hashes(&mut self, resources: &mut [Resource]) -> Result<()> {
        for resource in resources.iter() {
            let Some(root) = resource.root.filter(|root| self.arena.is_enabled(*root, NEEDS_HASH)) else { continue };
            let hash = self.hash(root).map_err(|error| resource.locate(error))?;
            self.note_current_id(root).map_err(|error| resource.locate(error))?;
            let name = format!("{}-{hash}", self.arena.object_name(root));
            self.arena.set_object_name(root, &name).map_err(|error| resource.locate(shape_error(&error)))?;
        }
        Ok(())
    }

    fn hash(&self, root: NodeId) -> Result<String> {
        let kind = self.arena.object_kind(root);
        let mut content = Map::new();
        let fields: &[&str] = match &*kind {
            "ConfigMap" => &["data", "binaryData"],
            "Secret" => &["type", "data", "stringData"],
            _ => &[],
        };
        if fields.is_empty() {
            // Any other kind is asked for by an annotation that only a build sets; its whole content counts.
            let value = self.arena.to_json(root).map_err(|problem| self.json_error(&problem, "the object to hash"))?;
            return Ok(encode(&value));
        }
        content.insert("kind".to_owned(), json!(&*kind));
        // The reference looks the name up by a path that never exists.
        content.insert("name".to_owned(), json!(""));
        for field in fields {
            let value = match self.arena.field(root, field) {
                None => json!(""),
                Some(node) if self.arena.kind(node) == Kind::Scalar => json!(self.arena.value(node)),
                Some(node) => self.arena.to_json(node).map_err(|problem| {
                    BuildError::new(
                        ErrorClass::UnprintableOutput,
                        format!("the data to hash has no form in JSON: {}", problem.message),
                    )
                    .field(format!("{field}.{}", problem.field))
                })?,
            };
            if value.is_object() || !matches!(*field, "binaryData" | "stringData") {
                content.insert((*field).to_owned(), value);
            }
        }
        Ok(encode(&Value::Object(content)))
    }
}

fn encode(content: &Value) -> String {
    let digest = Sha256::digest(landfall_yaml::json::encode(content).as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars()
        .take(HASH_CHARS)
        .map(|character| match character {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_contents_have_the_hashes_of_the_reference() {
        let config_map = json!({"kind": "ConfigMap", "name": "", "data": {"a": "1", "b": "2"}});
        assert_eq!(encode(&config_map), "7gdc49gk6d");
        let secret = json!({"kind": "Secret", "name": "", "type": "Opaque", "data": {"k": "dg=="}});
        assert_eq!(encode(&secret), "ftgtgc4t9f");
        let escaped = json!({"kind": "ConfigMap", "name": "", "data": {"h": "<a>&é\u{2028}"}});
        assert_eq!(encode(&escaped), "bm57242h85");
    }
}

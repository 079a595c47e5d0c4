//! `Chart.lock`: which exact versions a chart's dependencies were resolved to.
//!
//! Source: Helm 3.21.4 `internal/resolver`, `pkg/downloader/manager.go`.

use landfall_yaml::json;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::chart::{Dependency, ImportValue, Lock};
use crate::package::lock_json;

/// The digest that a lock carries: over what is declared and what it was resolved to.
pub fn digest(declared: &[Dependency], locked: &[Dependency]) -> String {
    let list = |dependencies: &[Dependency]| dependencies.iter().map(encoded).collect::<Vec<_>>().join(",");
    let text = format!("[[{}],[{}]]", list(declared), list(locked));
    let hexadecimal: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

/// The text of a lock file.
pub fn text(lock: &Lock) -> String {
    landfall_yaml::write(&lock_json(lock))
}

/// A dependency as Go writes it: fields in the order of their declaration.
fn encoded(dependency: &Dependency) -> String {
    let quoted = |text: &str| json::encode(&Value::from(text));
    let mut fields = vec![format!("\"name\":{}", quoted(&dependency.name))];
    let mut push = |key: &str, text: String| fields.push(format!("\"{key}\":{text}"));
    if !dependency.version.is_empty() {
        push("version", quoted(&dependency.version));
    }
    push("repository", quoted(&dependency.repository));
    if !dependency.condition.is_empty() {
        push("condition", quoted(&dependency.condition));
    }
    if !dependency.tags.is_empty() {
        push("tags", format!("[{}]", dependency.tags.iter().map(|tag| quoted(tag)).collect::<Vec<_>>().join(",")));
    }
    if dependency.enabled {
        push("enabled", "true".to_owned());
    }
    if !dependency.import_values.is_empty() {
        let imports = dependency.import_values.iter().map(|import| match import {
            ImportValue::Table { child, parent } => {
                format!("{{\"child\":{},\"parent\":{}}}", quoted(child), quoted(parent))
            }
            ImportValue::Export(name) => quoted(name),
            ImportValue::Other(value) => json::encode(value),
        });
        push("import-values", format!("[{}]", imports.collect::<Vec<_>>().join(",")));
    }
    if !dependency.alias.is_empty() {
        push("alias", quoted(&dependency.alias));
    }
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_helms() {
        let declared = Dependency {
            name: "lib".to_owned(),
            version: "1.x.x".to_owned(),
            repository: "file://../lib".to_owned(),
            condition: "a.b".to_owned(),
            alias: "al".to_owned(),
            import_values: vec![
                ImportValue::Export("x".to_owned()),
                ImportValue::Table { child: "a".to_owned(), parent: "b".to_owned() },
            ],
            ..Dependency::default()
        };
        let locked = Dependency {
            name: "lib".to_owned(),
            version: "1.2.3".to_owned(),
            repository: "file://../lib".to_owned(),
            ..Dependency::default()
        };
        // Made with `helm dependency update` of Helm 3.21.4; Helm 4.2.4 takes it as its own.
        let wanted = "sha256:07e90eb560eb5ea9c065f286b07eb6e45b847d864acaa1fb8b22280ac6f8ef0c";
        assert_eq!(digest(&[declared], &[locked]), wanted);
    }
}

//! Folders of a repository: which of them can be applications, and what one of them holds.

use landfall_model::application::Source;
use landfall_source::detect::{self, SourceType};
use landfall_tree::{EntryKind, Tree};
use serde_json::{Value, json};

/// How many folders are looked into.
const FOLDERS_MAX: usize = 20_000;

/// Finds the folders that hold a chart or a kustomization, by path.
pub(super) fn walk(tree: &dyn Tree) -> Result<Vec<(String, SourceType)>, String> {
    let mut found = Vec::new();
    let mut waiting = vec![String::new()];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        seen += 1;
        if seen > FOLDERS_MAX {
            return Err(format!("the repository has more than {FOLDERS_MAX} folders"));
        }
        let entries = tree.directory(&path).map_err(|error| error.to_string())?.unwrap_or_default();
        let kind = detect::detect(tree, &path, &Source::default()).map_err(|error| error.to_string())?;
        if kind != SourceType::Directory {
            found.push((if path.is_empty() { ".".to_owned() } else { path.clone() }, kind));
        }
        for entry in entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory) {
            waiting.push(if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) });
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Says what a folder is and what can be set about it.
pub(super) fn describe(tree: &dyn Tree, path: &str) -> Result<(SourceType, Value), String> {
    let folder = detect::folder(tree, path).map_err(|error| error.to_string())?;
    let kind = detect::detect(tree, &folder, &Source::default()).map_err(|error| error.to_string())?;
    let inside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let described = match kind {
        SourceType::Helm => helm(tree, &folder, &inside)?,
        SourceType::Kustomize => kustomize(tree, &inside)?,
        SourceType::Directory | SourceType::Plugin => json!({}),
    };
    Ok((kind, described))
}

fn text_of(tree: &dyn Tree, path: &str) -> Result<Option<String>, String> {
    let read = landfall_tree::read(tree, path).map_err(|error| error.to_string())?;
    Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn yaml(text: &str) -> Value {
    let read = landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap_or_default();
    read.into_iter().next().unwrap_or_default()
}

fn helm(tree: &dyn Tree, folder: &str, inside: &dyn Fn(&str) -> String) -> Result<Value, String> {
    let chart = yaml(&text_of(tree, &inside("Chart.yaml"))?.unwrap_or_default());
    let entries = tree.directory(folder).map_err(|error| error.to_string())?.unwrap_or_default();
    let mut files: Vec<String> = entries
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| name.contains("values") && (name.ends_with(".yaml") || name.ends_with(".yml")))
        .collect();
    files.sort();
    let values = text_of(tree, &inside("values.yaml"))?.unwrap_or_default();
    let mut parameters = Vec::new();
    flatten("", &yaml(&values), &mut parameters);
    parameters.sort();
    let parameters: Vec<Value> =
        parameters.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    Ok(json!({"name": chart["name"], "valueFiles": files, "values": values, "parameters": parameters}))
}

/// Values as `a.b[0].c` and text, as `--set` takes them.
fn flatten(prefix: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let name = name.replace('.', "\\.");
                let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(&path, value, into);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                flatten(&format!("{prefix}[{at}]"), value, into);
            }
        }
        Value::String(text) => into.push((prefix.to_owned(), text.clone())),
        Value::Null => into.push((prefix.to_owned(), String::new())),
        other => into.push((prefix.to_owned(), other.to_string())),
    }
}

fn kustomize(tree: &dyn Tree, inside: &dyn Fn(&str) -> String) -> Result<Value, String> {
    let mut images: Vec<String> = Vec::new();
    for name in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
        let Some(text) = text_of(tree, &inside(name))? else { continue };
        for image in yaml(&text)["images"].as_array().into_iter().flatten() {
            let part = |field: &str| image[field].as_str().unwrap_or("").to_owned();
            let name = if part("newName").is_empty() { part("name") } else { part("newName") };
            images.push(match (part("digest").as_str(), part("newTag").as_str()) {
                ("", "") => name,
                ("", tag) => format!("{name}:{tag}"),
                (digest, _) => format!("{name}@{digest}"),
            });
        }
    }
    Ok(json!({"images": images}))
}

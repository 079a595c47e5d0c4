//! Images of a kustomization: the entries of its `images`.
//!
//! Source: kustomize 5.8.1 `kustomize edit set image`, which replaces new name, tag and digest of an entry as a whole; `*`
//! keeps the name.

use crate::{Error, ImageChange, ImageReference, Planned};
use landfall_yaml::edit::{Change, Path};
use serde_json::{Map, Value};

/// Plans the change of one entry, or a new one at the end.
pub(crate) fn plan(document: &Value, change: &ImageChange) -> Result<Vec<Planned>, Error> {
    let images = match &document["images"] {
        Value::Null => &[][..],
        Value::Array(images) => images,
        _ => return Err(Error::OddImages),
    };
    if !images.iter().all(|image| image["name"].is_string()) {
        return Err(Error::OddImages);
    }
    let list = Path::default().key("images");
    let after = |old_name: &str| ImageReference {
        name: change.new_name.clone().unwrap_or_else(|| old_name.to_owned()),
        tag: change.tag.clone(),
        digest: change.digest.clone(),
    };
    let Some(index) = images.iter().position(|image| image["name"] == change.name.as_str()) else {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), change.name.clone().into());
        let new_name = change.new_name.as_ref().filter(|new_name| **new_name != change.name);
        for (key, value) in [("newName", new_name), ("newTag", change.tag.as_ref()), ("digest", change.digest.as_ref())]
        {
            if let Some(value) = value {
                entry.insert(key.to_owned(), value.clone().into());
            }
        }
        let note = format!("images[{}]: {} -> {}", images.len(), change.name, after(&change.name));
        let place = list.index(images.len());
        return Ok(vec![Planned { note, changes: vec![Change::Set(place, Value::Object(entry))] }]);
    };
    let image = &images[index];
    let text = |key: &str| match &image[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let old_name = text("newName").unwrap_or_else(|| change.name.clone());
    let before = ImageReference { name: old_name.clone(), tag: text("newTag"), digest: text("digest") };
    let place = list.index(index);
    let note = format!("{place}: {before} -> {}", after(&old_name));
    let mut changes = Vec::new();
    if let Some(new_name) = change.new_name.as_ref().filter(|new_name| **new_name != old_name) {
        changes.push(Change::Set(place.clone().key("newName"), new_name.clone().into()));
    }
    for (key, value) in [("newTag", &change.tag), ("digest", &change.digest)] {
        let place = place.clone().key(key);
        changes.push(match value {
            Some(value) => Change::Set(place, value.clone().into()),
            None if change.tag.is_none() && change.digest.is_none() => continue,
            None => Change::Remove(place),
        });
    }
    // What is new comes before what goes, so that an entry never loses its last key on the way.
    changes.sort_by_key(|change| matches!(change, Change::Remove(_)));
    Ok(vec![Planned { note, changes }])
}

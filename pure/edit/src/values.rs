//! Images of Helm values: where charts keep them by custom.

use crate::{Error, ImageChange, ImageReference, Planned};
use landfall_yaml::edit::{Change, Path};
use serde_json::{Map, Value};

/// An image as the values hold it.
struct Found {
    /// The place of the map or text.
    place: Path,
    image: ImageReference,
    form: Form,
}

enum Form {
    /// One text: `image: nginx:1.27`.
    Text,
    /// A map of parts, or a text with its tag beside it.
    Parts {
        registry: Option<Path>,
        repository: Path,
        tag: Path,
        /// The place of the digest, if there is one.
        digest: Option<Path>,
    },
}

/// Plans the change of every image with the name asked for, or of the one at the path asked for.
pub(crate) fn plan(values: &Value, change: &ImageChange) -> Result<Vec<Planned>, Error> {
    let mut found = Vec::new();
    search(values, &Path::default(), &mut found);
    let (by_path, by_name): (Vec<_>, Vec<_>) = found.iter().partition(|found| found.place.to_string() == change.name);
    let chosen: Vec<&Found> = if by_path.is_empty() {
        by_name.into_iter().filter(|found| full(&found.image.name) == full(&change.name)).collect()
    } else {
        by_path
    };
    if chosen.is_empty() {
        let found = found.iter().map(|found| format!("{} ({})", found.image, found.place)).collect();
        return Err(Error::NotFound { name: change.name.clone(), found });
    }
    chosen.into_iter().map(|found| of_one(found, change)).collect()
}

/// Completes a name as container runtimes do: `nginx` is `docker.io/library/nginx`.
fn full(name: &str) -> String {
    let image = ImageReference { name: name.to_owned(), ..ImageReference::default() };
    match image.registry_and_repository() {
        ("" | "docker.io" | "index.docker.io", repository) if repository.contains('/') => {
            format!("docker.io/{repository}")
        }
        ("" | "docker.io" | "index.docker.io", repository) => format!("docker.io/library/{repository}"),
        _ => image.name,
    }
}

fn search(value: &Value, place: &Path, found: &mut Vec<Found>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                search(item, &place.clone().index(index), found);
            }
        }
        Value::Object(map) => {
            found.extend(of_parts(map, place));
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                let below = place.clone().key(key);
                match map[key].as_str() {
                    Some(text) => found.extend(of_text(map, key, text, place, below)),
                    None => search(&map[key], &below, found),
                }
            }
        }
        _ => {}
    }
}

/// Recognises a map like `{registry, repository, tag, digest}`, or `{name, tag}`.
fn of_parts(map: &Map<String, Value>, place: &Path) -> Option<Found> {
    let text = |key: &str| map.get(key).and_then(scalar).filter(|text| !text.is_empty());
    let has_tag = map.contains_key("tag") || map.contains_key("digest");
    let key = match (text("repository"), text("name")) {
        (Some(_), _) => "repository",
        (None, Some(_)) if has_tag => "name",
        _ => return None,
    };
    let repository = text(key)?;
    // Helm repositories and Git addresses are called repository too.
    if repository.contains("://") || repository.contains(char::is_whitespace) {
        return None;
    }
    let registry = text("registry");
    let name = registry.as_ref().map_or(repository.clone(), |registry| format!("{registry}/{repository}"));
    Some(Found {
        place: place.clone(),
        image: ImageReference { name, tag: text("tag"), digest: text("digest") },
        form: Form::Parts {
            registry: map.contains_key("registry").then(|| place.clone().key("registry")),
            repository: place.clone().key(key),
            tag: place.clone().key("tag"),
            digest: map.contains_key("digest").then(|| place.clone().key("digest")),
        },
    })
}

/// Recognises a text like `image: nginx:1.27`, or `image: nginx` beside `imageTag: 1.27` or `tag: 1.27`.
fn of_text(map: &Map<String, Value>, key: &str, text: &str, around: &Path, place: Path) -> Option<Found> {
    let is_image = key == "image" || key.ends_with("Image") || key.ends_with("_image");
    if !is_image || text.is_empty() || text.contains(char::is_whitespace) || text.contains("{{") {
        return None;
    }
    let mut image = ImageReference::parse(text);
    let beside = [format!("{key}Tag"), "tag".to_owned()]
        .into_iter()
        .find(|name| map.get(name).is_some_and(|tag| scalar(tag).is_some()));
    match beside {
        Some(name) if image.tag.is_none() && image.digest.is_none() => {
            image.tag = scalar(&map[&name]);
            let form =
                Form::Parts { registry: None, repository: place.clone(), tag: around.clone().key(name), digest: None };
            Some(Found { place, image, form })
        }
        _ => Some(Found { place, image, form: Form::Text }),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) => Some(landfall_yaml::to_yaml(value)),
        _ => None,
    }
}

fn of_one(found: &Found, change: &ImageChange) -> Result<Planned, Error> {
    let old = &found.image;
    let keeps_version = change.tag.is_none() && change.digest.is_none();
    let new = ImageReference {
        name: change.new_name.clone().unwrap_or_else(|| old.name.clone()),
        tag: if keeps_version { old.tag.clone() } else { change.tag.clone() },
        digest: if keeps_version { old.digest.clone() } else { change.digest.clone() },
    };
    let note = format!("{}: {old} -> {new}", found.place);
    let set = |place: &Path, text: &str| Change::Set(place.clone(), text.into());
    let Form::Parts { registry, repository, tag, digest } = &found.form else {
        return Ok(Planned { note, changes: vec![set(&found.place, &new.to_string())] });
    };
    let mut changes = Vec::new();
    if new.name != old.name {
        match registry {
            Some(place) => {
                let (registry, name) = new.registry_and_repository();
                changes.push(set(place, if registry.is_empty() { "docker.io" } else { registry }));
                changes.push(set(repository, name));
            }
            None => changes.push(set(repository, &new.name)),
        }
    }
    if !keeps_version {
        match (&new.tag, &new.digest, digest) {
            (Some(version), None, place) => {
                changes.push(set(tag, version));
                // A digest would win over the tag.
                changes.extend(place.as_ref().filter(|_| old.digest.is_some()).map(|place| set(place, "")));
            }
            (version, Some(new_digest), Some(place)) => {
                changes.extend(version.as_ref().map(|version| set(tag, version)));
                changes.push(set(place, new_digest));
            }
            (version, Some(new_digest), None) => {
                // A tag may carry the digest: NAME:TAG@DIGEST is a valid reference.
                let old_tag = old.tag.as_deref().and_then(|tag| tag.split('@').next());
                let Some(version) = version.as_deref().or(old_tag).filter(|tag| !tag.is_empty()) else {
                    return Err(Error::NoDigest { place: found.place.to_string(), digest: new_digest.clone() });
                };
                changes.push(set(tag, &format!("{version}@{new_digest}")));
            }
            (None, None, _) => {}
        }
    }
    Ok(Planned { note, changes })
}

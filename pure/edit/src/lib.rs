//! Sets container images in kustomizations and Helm values in place, comments, order and quotes kept.
//!
//! Entry: [`set_images`]; [`choose_file`] says which file of a directory is meant. Requests are [`ImageChange`]s, as people
//! write them on the command line. The text is changed by [`landfall_yaml::edit`], which refuses side effects.

mod kustomization;
mod reference;
mod values;

pub use reference::{ImageChange, ImageReference};

use landfall_yaml::edit::{Change, EditError, apply};
use landfall_yaml::{Resolver, read_one};

/// The names under which kustomize looks for its file, in this order.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A changed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The new text; the same as the old one if every image already was as asked.
    pub text: String,
    /// What changed, one line per image: place, old and new.
    pub notes: Vec<String>,
}

/// Says why no image was set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request is none.
    #[error(
        "{request:?} is no image change: {reason}\nhint: write NAME=IMAGE:TAG, NAME=IMAGE@DIGEST, NAME:TAG or NAME@DIGEST"
    )]
    BadRequest {
        /// What was asked.
        request: String,
        /// The reason in words.
        reason: &'static str,
    },
    /// The values have no such image.
    #[error("no image {name:?} in the values\nhint: {}", found_hint(found))]
    NotFound {
        /// The name asked for.
        name: String,
        /// The images that are there: place and image.
        found: Vec<String>,
    },
    /// The values have no place for a digest.
    #[error(
        "{place} has neither a digest nor a tag to carry {digest}\nhint: set a tag too (IMAGE:TAG@DIGEST), or add a digest to the values if the chart reads one"
    )]
    NoDigest {
        /// The place of the image.
        place: String,
        /// The digest asked for.
        digest: String,
    },
    /// `images` of the kustomization is no list of maps.
    #[error(
        "images of the kustomization is no list of maps with a name\nhint: see https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/images/"
    )]
    OddImages,
    /// The text cannot be read or changed.
    #[error(transparent)]
    Edit(#[from] EditError),
}

fn found_hint(found: &[String]) -> String {
    if found.is_empty() {
        "there are no images that this command recognises; name the path of the value, as in server.image".to_owned()
    } else {
        format!("there are: {}", found.join(", "))
    }
}

/// Chooses the file of a directory that holds its images: the kustomization, else `values.yaml` or `values.yml`. `names`
/// are the directory's entries.
pub fn choose_file<'a>(names: &[&'a str]) -> Option<&'a str> {
    let candidates = KUSTOMIZATION_NAMES.into_iter().chain(["values.yaml", "values.yml"]);
    candidates.into_iter().find_map(|candidate| names.iter().copied().find(|name| *name == candidate))
}

/// Sets images in the text of a file, whose name (without folders) tells a kustomization from Helm values.
///
/// A file under another name is a kustomization if it says so by its `kind` or its API group.
///
/// Errors: see [`Error`]; nothing is changed then, not even by the requests before the failing one.
pub fn set_images(file_name: &str, text: &str, changes: &[ImageChange]) -> Result<Edited, Error> {
    let mut edited = Edited { text: text.to_owned(), notes: Vec::new() };
    for change in changes {
        let document = read_one(edited.text.as_bytes(), Resolver::Kubernetes).map_err(EditError::Unreadable)?;
        let is_kustomization = KUSTOMIZATION_NAMES.contains(&file_name)
            || matches!(document["kind"].as_str(), Some("Kustomization" | "Component"))
            || document["apiVersion"].as_str().is_some_and(|version| version.starts_with("kustomize.config.k8s.io/"));
        let planned =
            if is_kustomization { kustomization::plan(&document, change)? } else { values::plan(&document, change)? };
        for Planned { note, changes } in planned {
            let text = apply(&edited.text, 0, &changes)?;
            if text != edited.text {
                edited.notes.push(note);
                edited.text = text;
            }
        }
    }
    Ok(edited)
}

/// What one image needs.
struct Planned {
    note: String,
    changes: Vec<Change>,
}

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

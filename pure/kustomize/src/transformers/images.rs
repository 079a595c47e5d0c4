//! `images`: new names, tags and digests of container images.

use regex::Regex;

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{FieldSpec, apply};
use crate::kustomization::ImageChange;
use crate::node::access::Access;
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{Resource, shape_error};

/// A change of an image and the fields that hold images.
pub(crate) struct Images {
    pub(crate) change: ImageChange,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transformer for Images {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        // The name is a regular expression to the reference, dots and all.
        let pattern =
            Regex::new(&format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", self.change.name))
                .map_err(|error| {
                    BuildError::new(
                        ErrorClass::WrongType,
                        format!("the image name {:?} is no regular expression: {error}", self.change.name),
                    )
                    .field("images")
                })?;
        for resource in resources.iter() {
            let Some(root) = resource.root else { continue };
            let gvk = build.gvk(root);
            if &*gvk.kind == "CustomResourceDefinition" {
                continue;
            }
            let arena = &mut build.arena;
            self.walk(arena, root, &pattern).map_err(|error| resource.locate(shape_error(&error).field("image")))?;
        }
        for resource in resources.iter() {
            let Some(root) = resource.root else { continue };
            let gvk = build.gvk(root);
            if &*gvk.kind == "CustomResourceDefinition" {
                continue;
            }
            for spec in self.specs.iter().filter(|spec| spec.gvk.fits(&gvk)) {
                apply(&mut build.arena, spec, root, &None, &mut |arena: &mut Arena, node: NodeId| {
                    self.set(arena, node, &pattern)
                })
                .map_err(|error| resource.locate(shape_error(&error).field(spec.path.as_str())))?;
            }
        }
        Ok(())
    }
}

impl Images {
    /// Containers anywhere in an object, whatever its kind.
    fn walk(&self, arena: &mut Arena, node: NodeId, pattern: &Regex) -> Access<()> {
        match arena.kind(node) {
            Kind::Scalar => Ok(()),
            Kind::Sequence => {
                arena.get(node).content.clone().into_iter().try_for_each(|element| self.walk(arena, element, pattern))
            }
            Kind::Mapping => {
                for (key, value) in arena.pairs(node) {
                    self.walk(arena, value, pattern)?;
                    let holds_containers = matches!(arena.value(key), "containers" | "initContainers");
                    if !holds_containers || arena.kind(value) != Kind::Sequence {
                        continue;
                    }
                    for container in arena.get(value).content.clone() {
                        if let Some(image) = arena.get_field(container, "image")? {
                            self.set(arena, image, pattern)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set(&self, arena: &mut Arena, node: NodeId, pattern: &Regex) -> Access<()> {
        arena.need(node, Kind::Scalar)?;
        let value = arena.value(node);
        if !pattern.is_match(value) {
            return Ok(());
        }
        let (mut name, mut tag, mut digest) = split_image(value);
        let change = &self.change;
        if !change.new_name.is_empty() {
            name.clone_from(&change.new_name);
        }
        match (change.new_tag.is_empty(), change.digest.is_empty()) {
            (false, false) => (tag, digest) = (change.new_tag.clone(), change.digest.clone()),
            (false, true) => (tag, digest) = (change.new_tag.clone(), String::new()),
            (true, false) => (tag, digest) = (String::new(), change.digest.clone()),
            (true, true) if !change.tag_suffix.is_empty() => {
                tag.push_str(&change.tag_suffix);
                digest.clear();
            }
            (true, true) => {}
        }
        if !tag.is_empty() {
            name.push(':');
            name.push_str(&tag);
        }
        if !digest.is_empty() {
            name.push('@');
            name.push_str(&digest);
        }
        let image = arena.scalar(name, Tag::Empty, Style::Plain);
        arena.set_scalar(node, image)
    }
}

/// Name, tag and digest of an image; a colon before the first slash belongs to the registry's port.
pub(crate) fn split_image(image: &str) -> (String, String, String) {
    let searched_from = image.find('/').unwrap_or(0);
    let searched = &image[searched_from..];
    let at = searched.find('@').map(|at| at + searched_from);
    let colon = searched.find(':').map(|colon| colon + searched_from);
    match (at, colon) {
        (None, None) => (image.to_owned(), String::new(), String::new()),
        (Some(at), colon) if colon.is_none_or(|colon| at < colon) => {
            (image[..at].to_owned(), String::new(), image[at + 1..].to_owned())
        }
        (Some(at), Some(colon)) => {
            (image[..colon].to_owned(), image[colon + 1..at].to_owned(), image[at + 1..].to_owned())
        }
        (_, Some(colon)) => (image[..colon].to_owned(), image[colon + 1..].to_owned(), String::new()),
        (Some(at), None) => (image[..at].to_owned(), String::new(), image[at + 1..].to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::split_image;

    #[test]
    fn images_are_taken_apart_at_tag_and_digest() {
        for (image, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1", ("nginx", "1", "")),
            ("host:5000/nginx", ("host:5000/nginx", "", "")),
            ("host:5000/a/nginx:1@sha256:ab", ("host:5000/a/nginx", "1", "sha256:ab")),
            ("nginx@sha256:ab", ("nginx", "", "sha256:ab")),
        ] {
            let (name, tag, digest) = split_image(image);
            assert_eq!((name.as_str(), tag.as_str(), digest.as_str()), parts, "{image}");
        }
    }
}

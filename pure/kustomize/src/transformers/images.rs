//! `images`: new names, tags and digests of container images.

use super::Transformer;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{FieldSpec, apply};
use crate::kustomization::ImageChange;
use crate::node::access::Access;
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::pattern::{Pattern, fit_length};
use crate::resource::{Resource, shape_error};

/// A change of an image and the fields that hold images.
pub(crate) struct Images {
    pub(crate) change: ImageChange,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transformer for Images {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        // The name is a regular expression to the reference, dots and all.
        let pattern = Pattern::of(&self.change.name, |name| {
            format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$")
        })
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
    fn walk(&self, arena: &mut Arena, node: NodeId, pattern: &Pattern) -> Access<()> {
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

    fn set(&self, arena: &mut Arena, node: NodeId, pattern: &Pattern) -> Access<()> {
        arena.need(node, Kind::Scalar)?;
        let value = arena.value(node);
        if !fits(pattern, value) {
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

/// Whether an image has the name that the pattern asks for, whatever its tag and digest.
fn fits(pattern: &Pattern, image: &str) -> bool {
    let Pattern::Word(name) = pattern else { return pattern.fits(image) };
    let Some(length) = fit_length(name, image) else { return false };
    let mut rest = &image[length..];
    for lead in [":", "@sha256:"] {
        if let Some(after) = rest.strip_prefix(lead) {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'{' | b'}' | b'-');
            rest = after.trim_start_matches(|character: char| u8::try_from(character).is_ok_and(is_part));
        }
    }
    rest.is_empty()
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
    use super::{fits, split_image};
    use crate::pattern::Pattern;
    use regex::Regex;

    #[test]
    fn a_name_chooses_images_as_its_expression_does() {
        let names = ["nginx", "r:5000/a.b", "", "a@sha256", "nginx:1"];
        let images = [
            "nginx",
            "nginx:",
            "nginx:1",
            "nginx:1@sha256:ab",
            "nginx@sha256:ab",
            "nginx@sha512:ab",
            "nginx:1:2",
            "nginxx",
            "r:5000/a.b:2",
            "r:5000/aXb",
            "",
            ":1",
            "nginx:{x}-y_z.1",
            "nginx:é",
            "a@sha256:x",
            "a@sha256:@sha256:",
            "nginx:1:2@sha256:3",
        ];
        for name in names {
            let Ok(pattern) = Pattern::of(name, str::to_owned) else { panic!("{name}") };
            let expression = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
            let expression = Regex::new(&expression).unwrap();
            for image in images {
                assert_eq!(fits(&pattern, image), expression.is_match(image), "{name:?} {image:?}");
            }
        }
    }

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

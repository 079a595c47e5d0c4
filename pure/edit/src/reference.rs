//! Names of images, and requests to change them.

use crate::Error;
use std::fmt;

/// The name of an image with its tag and digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageReference {
    /// Registry and repository, as in `ghcr.io/example/web`.
    pub name: String,
    /// What follows `:`.
    pub tag: Option<String>,
    /// What follows `@`, as in `sha256:...`.
    pub digest: Option<String>,
}

impl ImageReference {
    /// Splits a text. A colon before the last `/` belongs to the registry's port.
    pub fn parse(text: &str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let path = rest.rfind('/').map_or(0, |at| at + 1);
        match rest[path..].find(':') {
            Some(at) => {
                let tag = rest[path + at + 1..].to_owned();
                Self { name: rest[..path + at].to_owned(), tag: Some(tag), digest }
            }
            None => Self { name: rest.to_owned(), tag: None, digest },
        }
    }

    /// Splits the name into registry and repository; the registry is empty if the name has none.
    pub(crate) fn registry_and_repository(&self) -> (&str, &str) {
        match self.name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("", &self.name),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// A request: the image of this name shall be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// The image as it is called now, without tag; or, for values, the path of a value.
    pub name: String,
    /// The name it shall have; `None` to leave the name alone.
    pub new_name: Option<String>,
    /// The tag it shall have.
    pub tag: Option<String>,
    /// The digest it shall have.
    pub digest: Option<String>,
}

impl ImageChange {
    /// Parses `NAME=IMAGE[:TAG][@DIGEST]`, `NAME:TAG` or `NAME@DIGEST`; `*` for IMAGE leaves the name alone.
    ///
    /// Errors: [`Error::BadRequest`] if a part is empty or has characters that no image may have.
    pub fn parse(request: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BadRequest { request: request.to_owned(), reason };
        let (name, image) = match request.split_once('=') {
            Some((name, image)) => (name.to_owned(), ImageReference::parse(image)),
            None => {
                let ImageReference { name, tag, digest } = ImageReference::parse(request);
                (name, ImageReference { name: "*".to_owned(), tag, digest })
            }
        };
        if name.is_empty() || image.name.is_empty() {
            return Err(bad("the name is empty"));
        }
        if image.tag.as_deref() == Some("") || image.digest.as_deref() == Some("") {
            return Err(bad("the tag or digest is empty"));
        }
        if image.digest.as_deref().is_some_and(|digest| !digest.contains(':')) {
            return Err(bad("a digest names its algorithm, as in sha256:..."));
        }
        let is_odd =
            |character: char| character.is_whitespace() || character.is_control() || "\"'{}".contains(character);
        if request.contains(is_odd) {
            return Err(bad("it has characters that no image has"));
        }
        let new_name = (image.name != "*").then_some(image.name);
        if new_name.is_none() && image.tag.is_none() && image.digest.is_none() {
            return Err(bad("it says nothing new"));
        }
        Ok(Self { name, new_name, tag: image.tag, digest: image.digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_split_at_the_last_path_element() {
        for (text, name, tag, digest) in [
            ("nginx", "nginx", None, None),
            ("nginx:1.27", "nginx", Some("1.27"), None),
            ("localhost:5000/a/b", "localhost:5000/a/b", None, None),
            ("localhost:5000/a/b:v1@sha256:00", "localhost:5000/a/b", Some("v1"), Some("sha256:00")),
            ("a@sha256:00", "a", None, Some("sha256:00")),
        ] {
            let image = ImageReference::parse(text);
            assert_eq!((image.name.as_str(), image.tag.as_deref(), image.digest.as_deref()), (name, tag, digest));
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn requests_without_sense_are_refused() {
        for request in ["", "=a:b", "a=", "a=b:", "a=b@", "a=b@sha256", "a", "a=*", "a=b c", "a='b'"] {
            assert!(matches!(ImageChange::parse(request), Err(Error::BadRequest { .. })), "{request:?}");
        }
        let change = ImageChange::parse("web:v2").unwrap();
        assert_eq!((change.name.as_str(), change.new_name, change.tag.as_deref()), ("web", None, Some("v2")));
    }
}

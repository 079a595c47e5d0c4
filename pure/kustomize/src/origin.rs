//! Where resources come from and what changed them, as `buildMetadata` asks to note it in annotations.

use std::fmt::Write as _;

use crate::build::Build;
use crate::error::Result;
use crate::loader::parse_remote;
use crate::node::emit::plain_or_quoted;
use crate::node::resolve::{Resolved, is_base_60, is_old_bool, resolve};
use crate::node::{Arena, Style, Tag};
use crate::resource::{ORIGIN, Resource, TRANSFORMATIONS, shape_error};

/// The place of a resource, or of the configuration of a generator or transformer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) path: String,
    pub(crate) repository: String,
    pub(crate) reference: String,
    pub(crate) configured_in: String,
    pub(crate) configured_by: Option<ConfiguredBy>,
}

/// The identity of a generator or transformer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConfiguredBy {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Origin {
    /// The origin of something that is named relative to this one.
    pub(crate) fn below(&self, path: &str) -> Self {
        let mut origin = self.clone();
        let request = parse_remote(path);
        match request.repository {
            Some(repository) => {
                origin.repository = repository;
                origin.reference = request.reference;
                origin.path = join_path("", &request.path);
            }
            None => origin.path = join_path(&origin.path, path),
        }
        origin
    }

    /// The origin of what a field of the kustomization file makes.
    pub(crate) fn of_builtin(&self, file_name: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            repository: self.repository.clone(),
            reference: self.reference.clone(),
            configured_in: join_path(&self.path, file_name),
            configured_by: Some(ConfiguredBy {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..ConfiguredBy::default()
            }),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut field = |indent: &str, name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{indent}{name}: {}", yaml_text(value));
            }
        };
        field("", "path", &self.path);
        field("", "repo", &self.repository);
        field("", "ref", &self.reference);
        field("", "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            let mut inner = String::new();
            for (name, value) in
                [("apiVersion", &by.api_version), ("kind", &by.kind), ("name", &by.name), ("namespace", &by.namespace)]
            {
                if !value.is_empty() {
                    let _ = writeln!(inner, "  {name}: {}", yaml_text(value));
                }
            }
            if !inner.is_empty() {
                text.push_str("configuredBy:\n");
                text.push_str(&inner);
            }
        }
        if text.is_empty() { "{}\n".to_owned() } else { text }
    }

    /// Reads an origin annotation that this build wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let value = landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kustomize).unwrap_or_default();
        let field = |name: &str| value.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Self {
            path: field("path"),
            repository: field("repo"),
            reference: field("ref"),
            configured_in: field("configuredIn"),
            configured_by: None,
        }
    }
}

fn yaml_text(value: &str) -> String {
    let style = if resolve(value) != Resolved::Text || is_base_60(value) || is_old_bool(value) {
        Style::Double
    } else {
        plain_or_quoted(value)
    };
    let mut arena = Arena::default();
    let id = arena.scalar(value, Tag::Str, style);
    crate::node::emit::scalar_text(&arena, id)
}

/// Joins and cleans as Go does: leading `..` stay.
pub(crate) fn join_path(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() && !(base.is_empty() && path.is_empty()) { ".".to_owned() } else { parts.join("/") }
}

impl Build<'_> {
    /// Notes the origin on resources that have none.
    pub(crate) fn note_origin(&mut self, resources: &[Resource], origin: &Origin) -> Result<()> {
        for root in resources.iter().filter_map(|resource| resource.root) {
            if self.arena.annotation(root, ORIGIN).is_none() {
                self.arena
                    .set_annotation_rewriting(root, ORIGIN, &origin.text())
                    .map_err(|error| shape_error(&error))?;
            }
        }
        Ok(())
    }

    /// Notes a transformer on every resource.
    pub(crate) fn note_transformation(&mut self, resources: &[Resource], origin: &Origin) -> Result<()> {
        for root in resources
            .iter()
            .filter(|resource| !resource.is_gone(&self.arena))
            .filter_map(|resource| resource.root)
            .collect::<Vec<_>>()
        {
            if self.arena.annotation(root, ORIGIN).is_none() {
                self.arena
                    .set_annotation_rewriting(root, ORIGIN, &origin.text())
                    .map_err(|error| shape_error(&error))?;
                continue;
            }
            let mut text =
                self.arena.annotation(root, TRANSFORMATIONS).map(|text| text.to_string()).unwrap_or_default();
            for (at, line) in origin.text().lines().enumerate() {
                text.push_str(if at == 0 { "- " } else { "  " });
                text.push_str(line);
                text.push('\n');
            }
            self.arena.set_annotation_rewriting(root, TRANSFORMATIONS, &text).map_err(|error| shape_error(&error))?;
        }
        Ok(())
    }
}

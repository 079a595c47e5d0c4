//! Parsed templates and the sets they are looked up in.
//!
//! [`parse`] turns one file into an immutable [`File`] that any number of renders and threads share; a [`TemplateSet`] is a
//! table of its named templates. Adding a file to a set costs a few pointers.

use crate::error::Error;
use crate::function::Functions;
use crate::parse::ast::{Node, NodeId};
use crate::text::Str;
use std::collections::HashMap;
use std::sync::Arc;

/// One parsed text: the tree of all templates in it.
#[derive(Debug)]
pub struct File {
    pub(crate) name: String,
    pub(crate) text: Str,
    pub(crate) nodes: Vec<Node>,
    /// The templates by name: the file's own under its name, then each `define` and `block`.
    pub(crate) templates: Vec<(Str, NodeId)>,
}

impl File {
    /// The name it was parsed under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the templates it holds, its own first.
    pub fn template_names(&self) -> impl Iterator<Item = &Str> {
        self.templates.iter().map(|(name, _)| name)
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// A named template inside a parsed file.
#[derive(Debug, Clone)]
pub struct Template {
    pub(crate) file: Arc<File>,
    pub(crate) root: NodeId,
    pub(crate) name: Str,
}

/// Parses a text under a name. The result depends on the name, the text and the function table only, so it may be cached by them.
///
/// # Errors
/// Go's parse errors, in Go's words, with the line.
///
/// Source: text/template, Go 1.27.
pub fn parse(name: &str, text: impl Into<Str>, functions: &Functions) -> Result<Arc<File>, Error> {
    crate::parse::parser::parse(name, text.into(), functions).map(Arc::new)
}

/// Templates by name. A later file's template replaces an earlier one, except that an empty one replaces nothing.
#[derive(Debug, Clone)]
pub struct TemplateSet {
    pub(crate) name: String,
    pub(crate) templates: HashMap<Str, Template>,
}

impl TemplateSet {
    /// Makes an empty set. Its name appears in messages (Helm's is `gotpl`).
    pub fn new(name: impl Into<String>) -> TemplateSet {
        TemplateSet { name: name.into(), templates: HashMap::new() }
    }

    /// Adds all templates of a file.
    pub fn add(&mut self, file: &Arc<File>) {
        for (name, root) in &file.templates {
            let is_known = self.templates.contains_key(name);
            if is_known && crate::parse::ast::is_empty(file, *root) {
                continue;
            }
            self.templates.insert(name.clone(), Template { file: file.clone(), root: *root, name: name.clone() });
        }
    }

    /// Looks a template up.
    pub fn get(&self, name: &[u8]) -> Option<&Template> {
        self.templates.get(name)
    }
}

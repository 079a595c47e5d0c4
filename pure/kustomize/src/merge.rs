//! Strategic merge as the reference's node library does it: over nodes, with its own merge keys and list order.
//!
//! Maps merge field by field, null removes, scalars replace. Lists merge by the schema's keys where it has the merge
//! strategy, otherwise they are replaced. `$patch: delete | replace | merge` works in maps and as a list element; other
//! directives are ordinary fields. Source: sigs.k8s.io/kustomize/kyaml v0.21.1, yaml/merge2 and yaml/walk.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::node::access::{Access, AccessError};
use crate::node::{Kind, NodeId, Style};
use crate::schema::SchemaRef;

/// Where elements that only the patch has go in a merged list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListOrder {
    /// Before the others, as patches do.
    Prepend,
    /// After the others, as Helm values do.
    Append,
}

/// A merged node; `keeps_null` marks a null that was written out and stays.
#[derive(Debug, Clone, Copy)]
struct Merged {
    node: NodeId,
    keeps_null: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

const DIRECTIVE_KEY: &str = "$patch";

/// How deep a merge may go; deeper input is refused as the YAML reader refuses it.
const DEPTH_MAX: usize = 1_000;

fn merged(node: Option<NodeId>) -> Option<Merged> {
    node.map(|node| Merged { node, keeps_null: false })
}

impl Build<'_> {
    /// Merges `patch` into `target`, in place; `None` if the patch deletes it. The patch's nodes become part of the target.
    pub(crate) fn merge(&mut self, patch: NodeId, target: NodeId, order: ListOrder) -> Result<Option<NodeId>> {
        let mut merge = Merge { build: self, order, path: Vec::new() };
        let result = merge.walk(Some(target), Some(patch), None);
        let path = merge.path.join(".");
        match result {
            Ok(found) => Ok(found.map(|found| found.node)),
            Err(error) => {
                let error = match &error {
                    AccessError::Kind { .. } => {
                        BuildError::new(ErrorClass::MergeType, format!("the patch does not fit: {error}")).hint(
                            "a patch must have lists where the object has lists and mappings where it has mappings",
                        )
                    }
                    AccessError::Path(reason) => {
                        BuildError::new(ErrorClass::BadPatch, format!("the patch cannot be used: {reason}"))
                    }
                };
                Err(if path.is_empty() { error } else { error.field(path) })
            }
        }
    }
}

struct Merge<'b, 'a> {
    build: &'b mut Build<'a>,
    order: ListOrder,
    /// The fields on the way down; after an error, where it happened.
    path: Vec<String>,
}

impl Merge<'_, '_> {
    fn is_missing_or_null(&self, node: Option<NodeId>) -> bool {
        node.is_none_or(|node| self.build.arena.is_null(node))
    }

    fn schema_of(
        &mut self,
        known: Option<SchemaRef>,
        target: Option<NodeId>,
        patch: Option<NodeId>,
    ) -> Option<SchemaRef> {
        if known.is_some() {
            return known;
        }
        for node in
            [target, patch].into_iter().flatten().filter(|node| !self.build.arena.is_null(*node)).collect::<Vec<_>>()
        {
            let arena = &self.build.arena;
            let text = |name: &str| {
                arena.field(node, name).filter(|id| !arena.is_null_or_empty(*id)).map(|id| arena.value(id).to_owned())
            };
            if let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind"))
                && let Some(schema) = self.build.schemas.of_kind(&api_version, &kind)
            {
                return Some(schema);
            }
        }
        None
    }

    fn walk(
        &mut self,
        target: Option<NodeId>,
        patch: Option<NodeId>,
        schema: Option<SchemaRef>,
    ) -> Access<Option<Merged>> {
        if self.path.len() > DEPTH_MAX {
            return Err(AccessError::Path("the patch is nested too deeply".to_owned()));
        }
        let schema = self.schema_of(schema, target, patch);
        let kind = [target, patch]
            .into_iter()
            .flatten()
            .find(|node| !self.build.arena.is_null(*node))
            .map(|node| self.build.arena.kind(node));
        for node in [target, patch].into_iter().flatten() {
            if let Some(kind) = kind {
                self.build.arena.need(node, kind)?;
            }
        }
        match kind {
            None | Some(Kind::Mapping) => self.walk_map(target, patch, schema.as_ref()),
            Some(Kind::Sequence) => match schema.as_ref().and_then(SchemaRef::list_merge) {
                Some(list) => self.walk_list(target, patch, schema.as_ref(), &list.keys),
                None => Ok(merged(patch.or(target))),
            },
            Some(Kind::Scalar) => Ok(merged(patch.or(target))),
        }
    }

    /// An empty collection takes over the style of what is merged into it.
    fn adopt_style(&mut self, target: Option<NodeId>, patch: Option<NodeId>) {
        if let (Some(target), Some(patch)) = (target, patch) {
            let node = self.build.arena.get(target);
            if node.kind != Kind::Scalar && node.content.is_empty() {
                let style = self.build.arena.get(patch).style;
                self.build.arena.get_mut(target).style = style;
            }
        }
    }

    fn visit_map(&mut self, target: Option<NodeId>, patch: Option<NodeId>) -> Access<Option<Merged>> {
        self.adopt_style(target, patch);
        if self.is_missing_or_null(target) {
            if let Some(patch) = patch
                && self.build.arena.kind(patch) != Kind::Scalar
                && self.directive(patch)? == Directive::Delete
            {
                return Ok(None);
            }
            if let (None, Some(target)) = (patch, target)
                && !self.build.arena.value(target).is_empty()
            {
                // A null that is written as a word stays; one that is an empty place goes.
                let text = self.build.arena.get(target).value.clone();
                let node = self.build.arena.scalar(text, crate::node::Tag::Null, Style::Plain);
                return Ok(Some(Merged { node, keeps_null: true }));
            }
            return Ok(merged(patch));
        }
        let Some(patch) = patch else { return Ok(merged(target)) };
        if self.build.arena.is_null(patch) {
            return Ok(None);
        }
        Ok(match self.directive(patch)? {
            Directive::Delete => None,
            Directive::Replace => merged(Some(patch)),
            Directive::Merge => merged(target),
        })
    }

    fn walk_map(
        &mut self,
        target: Option<NodeId>,
        patch: Option<NodeId>,
        schema: Option<&SchemaRef>,
    ) -> Access<Option<Merged>> {
        let Some(visited) = self.visit_map(target, patch)? else { return Ok(None) };
        let target = visited.node;
        if self.build.arena.kind(target) == Kind::Scalar {
            return Ok(Some(visited));
        }
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for node in [Some(target), patch].into_iter().flatten() {
            names.extend(self.build.arena.field_names(node)?);
        }
        for name in names {
            let field_schema = schema.and_then(|schema| schema.field(&name));
            let ours = self.build.arena.field(target, &name);
            let theirs = patch.and_then(|patch| self.build.arena.field_pair(patch, &name));
            self.path.push(name.to_string());
            let value = self.walk(ours, theirs.map(|(_, value)| value), field_schema)?;
            let key_style = theirs
                .filter(|(_, theirs)| value.is_some_and(|value| value.node == *theirs))
                .map_or(Style::Plain, |(key, _)| self.build.arena.get(key).style);
            let keeps_null = value.is_some_and(|value| value.keeps_null);
            self.build.arena.set_field_styled(target, &name, value.map(|value| value.node), keeps_null, key_style)?;
            self.path.pop();
        }
        Ok(Some(visited))
    }

    fn visit_list(&mut self, target: Option<NodeId>, patch: Option<NodeId>) -> Access<Option<NodeId>> {
        self.adopt_style(target, patch);
        if self.is_missing_or_null(target) {
            return Ok(patch);
        }
        let Some(patch) = patch else { return Ok(target) };
        if self.build.arena.is_null(patch) {
            return Ok(None);
        }
        Ok(match self.directive(patch)? {
            Directive::Delete => None,
            Directive::Replace => Some(patch),
            Directive::Merge => target,
        })
    }

    /// What `$patch` in a map or list element asks for; the directive is taken out.
    fn directive(&mut self, patch: NodeId) -> Access<Directive> {
        let arena = &mut self.build.arena;
        let parse = |text: &str| match text {
            "delete" => Ok(Directive::Delete),
            "replace" => Ok(Directive::Replace),
            "merge" => Ok(Directive::Merge),
            other => Err(AccessError::Path(format!(
                "{DIRECTIVE_KEY}: {other} is no directive; write delete, replace or merge"
            ))),
        };
        match arena.kind(patch) {
            Kind::Mapping => {
                let Some(value) = arena.field(patch, DIRECTIVE_KEY) else { return Ok(Directive::Merge) };
                let directive = parse(arena.value(value))?;
                arena.clear_field(patch, DIRECTIVE_KEY)?;
                Ok(directive)
            }
            Kind::Sequence => {
                let element = arena
                    .get(patch)
                    .content
                    .iter()
                    .copied()
                    .find(|element| arena.field(*element, DIRECTIVE_KEY).is_some());
                let Some(element) = element.filter(|element| arena.get(*element).content.len() <= 2) else {
                    return Ok(Directive::Merge);
                };
                let Some(value) = arena.field(element, DIRECTIVE_KEY) else { return Ok(Directive::Merge) };
                let text = arena.value(value).to_owned();
                let directive = parse(&text)?;
                arena.set_element(patch, None, &[DIRECTIVE_KEY.to_owned()], &[text])?;
                Ok(directive)
            }
            Kind::Scalar if arena.is_null(patch) => Ok(Directive::Merge),
            Kind::Scalar => Err(AccessError::Path(format!("{:?} cannot be merged", arena.value(patch)))),
        }
    }

    fn walk_list(
        &mut self,
        target: Option<NodeId>,
        patch: Option<NodeId>,
        schema: Option<&SchemaRef>,
        keys: &[String],
    ) -> Access<Option<Merged>> {
        let Some(visited) = self.visit_list(target, patch)? else { return Ok(None) };
        let keys_of_scalars = [String::new()];
        let (keys, values) = if keys.is_empty() {
            (keys_of_scalars.as_slice(), self.scalar_values(visited, patch))
        } else {
            (keys, self.element_values(visited, patch, keys)?)
        };
        let elements = schema.and_then(SchemaRef::elements);
        self.merge_elements(visited, patch, elements.as_ref(), values, keys).map(merged)
    }

    fn in_order(&self, target: NodeId, patch: Option<NodeId>) -> [Option<NodeId>; 2] {
        match self.order {
            ListOrder::Prepend => [patch, Some(target)],
            ListOrder::Append => [Some(target), patch],
        }
    }

    /// The key values of all elements, each combination once; an absent key is an empty text.
    fn element_values(&self, target: NodeId, patch: Option<NodeId>, keys: &[String]) -> Access<Vec<Vec<String>>> {
        let arena = &self.build.arena;
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for list in self.in_order(target, patch).into_iter().flatten() {
            for element in arena.elements(list)? {
                let values: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        arena
                            .field(element, key)
                            .filter(|value| !arena.is_null_or_empty(*value))
                            .map(|value| arena.value(value).to_owned())
                            .unwrap_or_default()
                    })
                    .collect();
                if seen.insert(values.clone()) {
                    found.push(values);
                }
            }
        }
        Ok(found)
    }

    fn scalar_values(&self, target: NodeId, patch: Option<NodeId>) -> Vec<Vec<String>> {
        let arena = &self.build.arena;
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for list in self.in_order(target, patch).into_iter().flatten() {
            for element in &arena.get(list).content {
                let value = arena.value(*element).to_owned();
                if seen.insert(value.clone()) {
                    found.push(vec![value]);
                }
            }
        }
        found
    }

    fn element(&self, list: Option<NodeId>, keys: &[String], values: &[String]) -> Option<NodeId> {
        let list = list?;
        let arena = &self.build.arena;
        if arena.kind(list) != Kind::Sequence {
            return None;
        }
        let (keys, values) = valid_keys(std::slice::from_ref(&values.to_vec()), values, keys);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        if keys.iter().any(|key| !key.is_empty()) && keys.len() != values.len() {
            return None;
        }
        arena.match_element(list, &keys, &values).ok().flatten()
    }

    fn merge_elements(
        &mut self,
        target: NodeId,
        patch: Option<NodeId>,
        schema: Option<&SchemaRef>,
        mut all_values: Vec<Vec<String>>,
        keys: &[String],
    ) -> Access<Option<NodeId>> {
        let added = self.build.arena.bare(Kind::Sequence);
        if keys.len() > 1 {
            unify_partial_keys(&mut all_values);
        }
        let mut valid = (Vec::new(), Vec::new());
        for values in &all_values {
            if values.is_empty() {
                continue;
            }
            valid = valid_keys(&all_values, values, keys);
            let (valid_keys, valid_values) = (&valid.0, &valid.1);
            let ours = self.element(Some(target), valid_keys, valid_values);
            let theirs = self.element(patch, valid_keys, valid_values);
            self.path.push(format!("[{}]", valid_values.join(",")));
            let value = self.walk(ours, theirs, schema.cloned())?.map(|value| value.node);
            let mut is_gone = false;
            for (at, key) in valid_keys.iter().enumerate() {
                let gone = value.is_none_or(|value| self.build.arena.is_empty_map(value));
                if gone {
                    self.build.arena.set_element(target, None, valid_keys, valid_values)?;
                    is_gone = true;
                } else if let Some(value) = value
                    && !key.is_empty()
                    && self.build.arena.field(value, key).is_none()
                    && valid_values.get(at).is_some_and(|text| !text.is_empty())
                {
                    let text = self.build.arena.untyped(valid_values[at].as_str());
                    self.build.arena.set_field(value, key, Some(text), false)?;
                }
            }
            if !is_gone && let Some(value) = value {
                self.build.arena.set_element(added, Some(value), valid_keys, valid_values)?;
            }
            self.path.pop();
        }
        if all_values.is_empty() {
            return Ok((!self.build.arena.is_null(target)).then_some(target));
        }
        let (onto, from) = match self.order {
            ListOrder::Prepend => (added, target),
            ListOrder::Append => (target, added),
        };
        self.append_elements(onto, from, &valid.0)?;
        Ok(Some(onto))
    }

    /// Appends the elements of `from`; one that `onto` has already takes that one's place.
    fn append_elements(&mut self, onto: NodeId, from: NodeId, keys: &[String]) -> Access<()> {
        for element in self.build.arena.get(from).content.clone() {
            if keys.first().is_none_or(String::is_empty) {
                let value = self.build.arena.value(element).to_owned();
                self.build.arena.set_element(onto, Some(element), &[String::new()], &[value])?;
                continue;
            }
            let mut values = Vec::new();
            for key in keys {
                match self.build.arena.get_field(element, key)? {
                    Some(value) => values.push(self.build.arena.value(value).to_owned()),
                    None => self.build.arena.get_mut(onto).content.push(element),
                }
            }
            if keys.len() > 1 {
                self.build.arena.set_element(onto, None, keys, &values)?;
            }
            self.build.arena.set_element(onto, Some(element), keys, &values)?;
        }
        Ok(())
    }
}

/// Keeps the keys that any element has; if none has any, all of them.
fn valid_keys(all_values: &[Vec<String>], values: &[String], keys: &[String]) -> (Vec<String>, Vec<String>) {
    let is_valid = |at: usize| all_values.iter().any(|values| values.get(at).is_some_and(|value| !value.is_empty()));
    if !(0..keys.len()).any(is_valid) {
        return (keys.to_vec(), values.to_vec());
    }
    let valid_keys = keys.iter().enumerate().filter(|(at, _)| is_valid(*at)).map(|(_, key)| key.clone()).collect();
    let valid_values = values
        .iter()
        .enumerate()
        .filter(|(at, value)| !value.is_empty() || is_valid(*at))
        .map(|(_, value)| value.clone())
        .collect();
    (valid_keys, valid_values)
}

/// Fills absent keys from another element that agrees in the others.
fn unify_partial_keys(all_values: &mut [Vec<String>]) {
    for left in 0..all_values.len() {
        // The reference compares with the values as they were when the outer step began.
        let own = all_values[left].clone();
        for right in 0..all_values.len() {
            let other = all_values[right].clone();
            if let Some(both) = agree(&own, &other) {
                all_values[left].clone_from(&both);
                all_values[right] = both;
            }
        }
    }
}

fn agree(left: &[String], right: &[String]) -> Option<Vec<String>> {
    if left.len() != right.len() {
        return None;
    }
    let mut common = false;
    let mut both = Vec::with_capacity(left.len());
    for (left, right) in left.iter().zip(right) {
        if left == right {
            common = true;
            both.push(left.clone());
        } else if !left.is_empty() && !right.is_empty() {
            return None;
        } else {
            both.push(if left.is_empty() { right.clone() } else { left.clone() });
        }
    }
    common.then_some(both)
}

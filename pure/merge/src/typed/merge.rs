//! Laying an applied configuration over a live object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::validate::Duplicates;
use super::{
    Shape, Trail, TypeProblem, alike, as_list, as_map, identity, is_atomic_list, is_atomic_map, scalar_fault, shape,
};
use crate::fields::Element;
use crate::schema::Schema;

/// The live object with the configuration laid over it: maps and keyed lists merge, scalars and atoms are replaced. Elements keep the
/// configuration's order, woven with the live object's own.
///
/// # Errors
/// A place where neither has a value of the type that it must have; duplicates in the configuration.
pub fn merge(live: &Value, configuration: &Value, schema: Schema<'_>) -> Result<Value, Vec<TypeProblem>> {
    let mut walk = Walk { path: Trail::default(), problems: Vec::new() };
    let merged = walk.visit(Some(live), Some(configuration), schema);
    if walk.problems.is_empty() { Ok(merged.unwrap_or_default()) } else { Err(walk.problems) }
}

struct Walk<'v> {
    path: Trail<'v>,
    problems: Vec<TypeProblem>,
}

impl<'v> Walk<'v> {
    fn report(&mut self, reason: impl Into<String>) {
        self.problems.push(self.path.problem(reason));
    }

    fn visit(&mut self, left: Option<&'v Value>, right: Option<&'v Value>, schema: Schema<'_>) -> Option<Value> {
        match (left, right) {
            (Some(l), Some(r)) if !alike(schema, l, r) => {
                self.visit_as(shape(schema, left), left, right, schema);
                self.visit_as(shape(schema, right), left, right, schema)
            }
            (_, Some(_)) => self.visit_as(shape(schema, right), left, right, schema),
            _ => self.visit_as(shape(schema, left), left, right, schema),
        }
    }

    fn visit_as(
        &mut self,
        shape: Shape,
        left: Option<&'v Value>,
        right: Option<&'v Value>,
        schema: Schema<'_>,
    ) -> Option<Value> {
        let leaf = || right.or(left).cloned();
        match shape {
            Shape::Scalar(scalar) => {
                let faults = (scalar_fault(scalar, left), scalar_fault(scalar, right));
                if let (Some(l), Some(r)) = faults {
                    self.report(format!("lhs: {l}"));
                    self.report(format!("rhs: {r}"));
                    return None;
                }
                leaf()
            }
            Shape::Map => {
                let (l, r) = (as_map(left), as_map(right));
                let is_empty = l.is_none_or(Map::is_empty) && r.is_none_or(Map::is_empty);
                if is_empty || is_atomic_map(schema) {
                    return leaf();
                }
                let merged = self.merge_maps(l, r, schema);
                (!merged.is_empty()).then_some(Value::Object(merged))
            }
            Shape::List => {
                let (l, r) = (as_list(left), as_list(right));
                let is_empty = l.is_none_or(<[Value]>::is_empty) && r.is_none_or(<[Value]>::is_empty);
                if is_empty || is_atomic_list(schema) {
                    return leaf();
                }
                let merged = self.merge_lists(l.unwrap_or_default(), r.unwrap_or_default(), schema)?;
                (!merged.is_empty()).then_some(Value::Array(merged))
            }
        }
    }

    fn merge_maps(
        &mut self,
        left: Option<&'v Map<String, Value>>,
        right: Option<&'v Map<String, Value>>,
        schema: Schema<'_>,
    ) -> Map<String, Value> {
        let mut merged = Map::new();
        let keys: BTreeSet<&String> = left.into_iter().chain(right).flat_map(|m| m.keys()).collect();
        for key in keys {
            let (l, r) = (left.and_then(|m| m.get(key)), right.and_then(|m| m.get(key)));
            self.path.enter(key);
            match schema.entry(key) {
                Some(inside) => {
                    if let Some(value) = self.visit(l, r, inside) {
                        merged.insert(key.clone(), value);
                    }
                }
                None => self.report("field not declared in schema"),
            }
            self.path.leave();
        }
        merged
    }

    /// Elements by identity, and their identities in order. Duplicates, where allowed, count as null: they are not merged into.
    fn index(
        &mut self,
        list: &'v [Value],
        schema: Schema<'_>,
        duplicates_allowed: Duplicates,
    ) -> (Vec<Element>, BTreeMap<Element, &'v Value>) {
        static NULL: Value = Value::Null;
        let mut order = Vec::with_capacity(list.len());
        let mut by_identity = BTreeMap::new();
        for (index, value) in list.iter().enumerate() {
            match identity(schema, value) {
                Err(reason) => self.report(format!("element {index}: {reason}")),
                Ok(element) if by_identity.contains_key(&element) => match duplicates_allowed {
                    Duplicates::Refused => self.report(format!("duplicate entries for key {element}")),
                    Duplicates::Allowed => {
                        by_identity.insert(element.clone(), &NULL);
                        order.push(element);
                    }
                },
                Ok(element) => {
                    by_identity.insert(element.clone(), value);
                    order.push(element);
                }
            }
        }
        (order, by_identity)
    }

    fn merge_lists(&mut self, left: &'v [Value], right: &'v [Value], schema: Schema<'_>) -> Option<Vec<Value>> {
        let problems_before = self.problems.len();
        let (right_order, ours) = self.index(right, schema, Duplicates::Refused);
        let (left_order, theirs) = self.index(left, schema, Duplicates::Allowed);
        if self.problems.len() > problems_before {
            return None;
        }
        // The shared elements in the configuration's order; the first is the one that the live list is read up to.
        let mut shared = right_order.iter().filter(|element| theirs.contains_key(*element)).peekable();
        let mut done: BTreeSet<&Element> = BTreeSet::new();
        let mut merged = Vec::new();
        let (mut l, mut r) = (0, 0);
        while l < left_order.len() || r < right_order.len() {
            let live = left_order.get(l);
            let applied = right_order.get(r);
            if let (Some(live), Some(applied)) = (live, applied) {
                if live == applied {
                    done.insert(applied);
                    merged.extend(self.merge_elements(
                        applied,
                        theirs.get(applied).copied(),
                        ours.get(applied).copied(),
                        schema,
                    ));
                    l += 1;
                    r += 1;
                    shared.next();
                    continue;
                }
                // A shared element that is not the next one in the configuration's order: it comes later.
                if ours.contains_key(live) && shared.peek().is_some_and(|next| *next != live) {
                    l += 1;
                    continue;
                }
            }
            if let Some(live) = live {
                if !ours.contains_key(live) {
                    merged.extend(self.merge_elements(live, left.get(l), None, schema));
                    l += 1;
                    continue;
                }
                if done.contains(live) {
                    l += 1;
                }
            }
            if let Some(applied) = applied {
                done.insert(applied);
                merged.extend(self.merge_elements(
                    applied,
                    theirs.get(applied).copied(),
                    ours.get(applied).copied(),
                    schema,
                ));
                r += 1;
                if shared.peek().is_some_and(|next| *next == applied) {
                    shared.next();
                }
            }
        }
        Some(merged)
    }

    /// Problems inside elements are not reported: the upstream merge forgets them, and validation has seen the elements before.
    fn merge_elements(
        &mut self,
        element: &Element,
        left: Option<&'v Value>,
        right: Option<&'v Value>,
        schema: Schema<'_>,
    ) -> Option<Value> {
        let problems_before = self.problems.len();
        self.path.enter_element(element.clone());
        let merged = self.visit(left, right, schema.items());
        self.path.leave();
        self.problems.truncate(problems_before);
        merged
    }
}

//! A set of paths, kept as a tree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Element, Path};
use crate::schema::Schema;

/// A set of paths. A path being in it says nothing about the paths below or above.
///
/// Nodes without members below are never kept, so that equal sets compare equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The last elements of paths that end here.
    pub members: BTreeSet<Element>,
    /// What is below; an element here is not itself a member.
    pub children: BTreeMap<Element, FieldSet>,
}

impl FieldSet {
    /// The set of these paths.
    pub fn of(paths: impl IntoIterator<Item = Path>) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path);
        }
        set
    }

    /// Adds a path; the empty path, the whole object, is nobody's and is not added.
    pub fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path is in the set.
    #[must_use]
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|below| below.has(rest)),
        }
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(FieldSet::is_empty)
    }

    /// The number of paths.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len() + self.children.values().map(FieldSet::size).sum::<usize>()
    }

    /// All paths, parents before children, members of a node before what is below it.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Path, paths: &mut Vec<Path>) {
        for member in &self.members {
            let mut path = prefix.clone();
            path.push(member.clone());
            paths.push(path);
        }
        for (element, below) in &self.children {
            prefix.push(element.clone());
            below.collect(prefix, paths);
            prefix.pop();
        }
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.members.extend(other.members.iter().cloned());
        for (element, below) in &other.children {
            let mine = both.children.entry(element.clone()).or_default();
            *mine = mine.union(below);
        }
        both
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.below(|element, below| other.children.get(element).map(|theirs| below.intersection(theirs))),
        }
    }

    /// What is here and not in the other, path by path: a parent does not take its children along.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.below(|element, below| {
                Some(match other.children.get(element) {
                    Some(theirs) => below.difference(theirs),
                    None => below.clone(),
                })
            }),
        }
    }

    /// What is here and neither in the other nor below a path of the other.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.below(|element, below| {
                if other.members.contains(element) {
                    return None;
                }
                Some(match other.children.get(element) {
                    Some(theirs) => below.recursive_difference(theirs),
                    None => below.clone(),
                })
            }),
        }
    }

    /// Only the paths with nothing below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        Self {
            members: self.members.iter().filter(|member| !self.children.contains_key(*member)).cloned().collect(),
            children: self.below(|_, below| Some(below.leaves())),
        }
    }

    /// The set with every declared field that has something below it as a member.
    #[must_use]
    pub fn with_named_fields(&self, schema: Option<Schema<'_>>) -> Self {
        let mut members = self.members.clone();
        for element in self.children.keys() {
            if let (Element::Field(name), Some(schema)) = (element, schema)
                && schema.field(name).is_some()
            {
                members.insert(element.clone());
            }
        }
        let children = self
            .children
            .iter()
            .map(|(element, below)| {
                let inside = match element {
                    Element::Field(name) => schema.and_then(|schema| schema.entry(name)),
                    Element::Key(_) => schema.map(|schema| schema.items()),
                    Element::Value(_) | Element::Index(_) => None,
                };
                (element.clone(), below.with_named_fields(inside))
            })
            .collect();
        Self { members, children }
    }

    fn below(&self, change: impl Fn(&Element, &FieldSet) -> Option<FieldSet>) -> BTreeMap<Element, FieldSet> {
        self.children
            .iter()
            .filter_map(|(element, below)| {
                let changed = change(element, below)?;
                (!changed.is_empty()).then(|| (element.clone(), changed))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields::path;

    fn set(paths: &[&[&str]]) -> FieldSet {
        FieldSet::of(paths.iter().map(|fields| path(fields)))
    }

    #[test]
    fn a_difference_keeps_children_and_a_recursive_one_does_not() {
        let all = set(&[&["a"], &["a", "b"], &["c", "d"]]);
        assert_eq!(all.difference(&set(&[&["a"]])), set(&[&["a", "b"], &["c", "d"]]));
        assert_eq!(all.recursive_difference(&set(&[&["a"]])), set(&[&["c", "d"]]));
        assert_eq!(all.leaves(), set(&[&["a", "b"], &["c", "d"]]));
    }

    fn any_set() -> impl Strategy<Value = FieldSet> {
        let step = prop::sample::select(vec!["a", "b", "c"]);
        prop::collection::vec(prop::collection::vec(step, 1..4), 0..8)
            .prop_map(|paths| FieldSet::of(paths.iter().map(|fields| path(fields))))
    }

    proptest! {
        #[test]
        fn sets_obey_the_laws_of_sets(a in any_set(), b in any_set()) {
            let union = a.union(&b);
            for one in union.paths() {
                prop_assert!(a.has(&one) || b.has(&one));
                prop_assert_eq!(a.intersection(&b).has(&one), a.has(&one) && b.has(&one));
                prop_assert_eq!(a.difference(&b).has(&one), a.has(&one) && !b.has(&one));
            }
            prop_assert_eq!(union.size(), a.size() + b.size() - a.intersection(&b).size());
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert!(a.difference(&a).is_empty());
        }
    }
}

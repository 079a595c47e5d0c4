//! Changes to a YAML text that leave everything else as it was: comments, order, quotes, line ends.
//!
//! [`apply`] finds the places by the positions of the tree, splices the text, reads it again, and refuses the result if
//! anything but the asked-for values is different. It never guesses: what it cannot do is an error.

mod render;
mod splice;

use crate::{Error, Limits, Resolver, read_with};
use serde_json::Value;
use std::fmt;

/// One step down a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Into a map, by key.
    Key(String),
    /// Into a list, by index from 0.
    Index(usize),
}

/// A place in a document: the steps from its root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// Goes one key further.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    /// Goes one index further.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// Finds the value at this place.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }
}

/// Prints as people write it: `images[0].newTag`.
impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(formatter, "{key}")?,
                Step::Key(key) => write!(formatter, ".{key}")?,
                Step::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A change to one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Puts a value at a place. What is missing on the way is made: maps for keys, and an item at the end of a list for the
    /// index that is its length. A scalar that replaces a scalar keeps its quotes if it can.
    Set(Path, Value),
    /// Takes the entry of a map away; nothing happens if it is not there.
    Remove(Path),
}

/// Says why a text was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is no YAML.
    #[error("cannot read the text to be changed: {0}")]
    Unreadable(#[from] Error),
    /// The text has no document of that number.
    #[error("the text has no document {number}, counted from 0")]
    NoDocument {
        /// The number asked for.
        number: usize,
    },
    /// The place cannot be changed in this text.
    #[error("line {line}: cannot change {path}: {reason}")]
    Impossible {
        /// The place.
        path: Path,
        /// The line of the nearest thing that is there.
        line: usize,
        /// The reason in words.
        reason: &'static str,
    },
    /// The text would have changed more than it should, for instance because an anchor is used elsewhere.
    #[error("changing {path} would change other values too; is it an anchor that other places use?")]
    SideEffect {
        /// The place.
        path: Path,
    },
}

/// Applies changes to a document of a text, one after the other, and returns the new text.
///
/// `document` counts from 0. A text without content counts as one document that is an empty map. Texts in UTF-16 are
/// refused; a byte order mark stays.
///
/// Errors: see [`EditError`]; the text is then as it was.
pub fn apply(text: &str, document: usize, changes: &[Change]) -> Result<String, EditError> {
    let mut current = text.to_owned();
    for change in changes {
        let (path, new_value) = match change {
            Change::Set(path, value) => (path, Some(value)),
            Change::Remove(path) => (path, None),
        };
        let before = values(&current)?;
        let expected = expected(&before, document, path, new_value)?;
        if expected == before {
            continue;
        }
        let changed = splice::change(&current, document, path, new_value)?;
        let is_as_intended = values(&changed).is_ok_and(|after| after == expected);
        if !is_as_intended {
            return Err(EditError::SideEffect { path: path.clone() });
        }
        current = changed;
    }
    Ok(current)
}

/// Reads all documents, at least one.
fn values(text: &str) -> Result<Vec<Value>, EditError> {
    let mut values = read_with(text.as_bytes(), Resolver::Kubernetes, &Limits::default())?;
    if values.is_empty() {
        values.push(Value::Null);
    }
    Ok(values)
}

/// Says what the documents should be after a change.
fn expected(before: &[Value], document: usize, path: &Path, value: Option<&Value>) -> Result<Vec<Value>, EditError> {
    let mut expected = before.to_vec();
    let root = expected.get_mut(document).ok_or(EditError::NoDocument { number: document })?;
    let impossible = |reason| EditError::Impossible { path: path.clone(), line: 1, reason };
    match value {
        Some(value) => put(root, &path.0, value).map_err(impossible)?,
        None => {
            let Some((Step::Key(key), parents)) = path.0.split_last() else {
                return Err(impossible("only entries of maps can be taken away"));
            };
            let parent = parents.iter().try_fold(root, |value, step| match step {
                Step::Key(key) => value.get_mut(key),
                Step::Index(index) => value.get_mut(index),
            });
            if let Some(Value::Object(map)) = parent {
                map.remove(key);
            }
        }
    }
    Ok(expected)
}

fn put(place: &mut Value, steps: &[Step], value: &Value) -> Result<(), &'static str> {
    let Some((step, rest)) = steps.split_first() else {
        *place = value.clone();
        return Ok(());
    };
    if place.is_null() {
        *place = match step {
            Step::Key(_) => Value::Object(serde_json::Map::new()),
            Step::Index(_) => Value::Array(Vec::new()),
        };
    }
    let next = match (step, place) {
        (Step::Key(key), Value::Object(map)) => map.entry(key.clone()).or_insert(Value::Null),
        (Step::Index(index), Value::Array(items)) => {
            if *index == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(*index).ok_or("the list is shorter than the index")?
        }
        (Step::Key(_), _) => return Err("there is something on the way that is no map"),
        (Step::Index(_), _) => return Err("there is something on the way that is no list"),
    };
    put(next, rest, value)
}

//! Label selectors, as `a=b,c!=d,e in (f,g),h,!i`.

use std::collections::BTreeMap;

use landfall_api::error::ApiError;

enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

/// A selector.
pub(crate) struct Selector(Vec<Requirement>);

impl Selector {
    /// Reads a selector; `""` selects everything.
    pub(crate) fn read(text: &str) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            requirements.push(requirement(part).ok_or_else(|| {
                ApiError::invalid(format!("the selector {text:?} cannot be read at {part:?}"))
                    .hint("write name=value, name!=value, name in (a,b), name notin (a,b), name or !name")
            })?);
        }
        Ok(Self(requirements))
    }

    /// Says whether everything is selected.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether labels are selected.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => labels.get(name).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(name, values) => labels.get(name).is_none_or(|value| !values.contains(value)),
            Requirement::Exists(name) => labels.contains_key(name),
            Requirement::Missing(name) => !labels.contains_key(name),
        })
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((name, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(label(name)?, one(value)));
    }
    if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(label(name)?, one(value)));
    }
    if let Some((head, list)) = part.split_once('(') {
        let values = list.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        let (name, word) = head.trim().rsplit_once(char::is_whitespace)?;
        return match word {
            "in" => Some(Requirement::In(label(name)?, values)),
            "notin" => Some(Requirement::NotIn(label(name)?, values)),
            _ => None,
        };
    }
    match part.strip_prefix('!') {
        Some(name) => Some(Requirement::Missing(label(name)?)),
        None => Some(Requirement::Exists(label(part)?)),
    }
}

fn label(name: &str) -> Option<String> {
    let name = name.trim();
    let is_valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    is_valid.then(|| name.to_owned())
}

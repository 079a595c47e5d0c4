//! The `--set` family: `a.b=1,c[0]={x,y}` and its relatives, written into a values map.
//!
//! Numbers keep Go's types: a whole number of `--set` is an integer (Go's `int64`), one of `--set-json` is always a float
//! (Go's `float64`), and templates can tell. Source: Helm 3.21.4 and 4.2.4, `pkg/strvals`. Entry: [`parse_into`].

mod json;
mod literal;
mod parser;

use serde_json::{Map, Value};

use crate::Profile;

/// The largest list index that may be written. Source: Helm's `MaxIndex`.
pub const INDEX_MAX: i64 = 65_536;
/// How deep names may nest with dots. Source: Helm's `MaxNestedNameLevel`.
pub const NAME_LEVELS_MAX: usize = 30;
/// How deep list indices may nest in one name. Helm has no bound here; this one keeps a hostile argument off the stack.
pub const STEPS_MAX: usize = 500;

/// Names one member of the `--set` family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// `--set`: true, false, null and whole numbers are recognised.
    Typed,
    /// `--set-string`: every value is a string.
    Text,
    /// `--set-json`: values are JSON.
    Json,
    /// `--set-file`: values are paths, replaced by what the file holds.
    File,
    /// `--set-literal`: everything after the first `=` is the value.
    Literal,
}

impl Flavour {
    /// The flag on Helm's command line.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Typed => "--set",
            Self::Text => "--set-string",
            Self::Json => "--set-json",
            Self::File => "--set-file",
            Self::Literal => "--set-literal",
        }
    }
}

/// Reads a file for `--set-file`; the error is shown as it is.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// Writes one argument into `values`.
///
/// On an error `values` may hold a part of the argument. The error text is Helm's, without the leading
/// `failed parsing --set data: `.
pub fn parse_into(
    flavour: Flavour,
    argument: &str,
    values: &mut Map<String, Value>,
    profile: Profile,
    read: &ReadFile<'_>,
) -> Result<(), String> {
    match flavour {
        Flavour::Literal => literal::parse(argument, values, profile),
        Flavour::Typed | Flavour::Text | Flavour::Json | Flavour::File => {
            parser::parse(flavour, argument, values, profile, read)
        }
    }
}

/// Why a parser stopped: the text is at its end (often no error at all), or something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    End,
    Wrong(String),
}

impl Stop {
    fn wrong<T>(message: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Wrong(message.into()))
    }

    /// The failure of reading what stands between brackets: Helm 4 looks through the wrapping and takes the end for a
    /// regular one, Helm 3 does not.
    fn in_index(self, profile: Profile) -> Stop {
        match (self, profile) {
            (Stop::End, Profile::Helm4) => Stop::End,
            (Stop::End, Profile::Helm3) => Stop::Wrong("error parsing index: EOF".to_owned()),
            (Stop::Wrong(message), _) => Stop::Wrong(format!("error parsing index: {message}")),
        }
    }
}

/// The characters of an argument, read one by one.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = &self.rest[character.len_utf8()..];
        Some(character)
    }

    /// Reads up to one of `stops`, which is taken and returned; `None` instead of it means that the text ended first.
    /// With `escapes`, a backslash takes the meaning from the character after it.
    fn until(&mut self, stops: &[char], escapes: bool) -> (String, Option<char>) {
        let mut read = String::new();
        while let Some(character) = self.next() {
            if stops.contains(&character) {
                return (read, Some(character));
            }
            if character == '\\' && escapes {
                match self.next() {
                    Some(escaped) => read.push(escaped),
                    None => return (read, None),
                }
            } else {
                read.push(character);
            }
        }
        (read, None)
    }

    /// Reads the number of `[number]`, after the opening bracket.
    fn index(&mut self, escapes: bool) -> Result<i64, Stop> {
        let (digits, end) = self.until(&[']'], escapes);
        if end.is_none() {
            return Err(Stop::End);
        }
        digits.parse::<i64>().map_err(|error| {
            use std::num::IntErrorKind;
            let reason = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Stop::Wrong(format!("strconv.Atoi: parsing {}: {reason}", crate::go::quote(&digits)))
        })
    }
}

/// Writes a value under a key; the empty key is silently dropped.
fn set(values: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        values.insert(key, value);
    }
}

/// Writes an item of a list, filling gaps with null.
fn set_index(list: &mut Vec<Value>, index: i64, value: Value) -> Result<(), Stop> {
    if index > INDEX_MAX {
        return Stop::wrong(format!("index of {index} is greater than maximum supported index of {INDEX_MAX}"));
    }
    let Ok(index) = usize::try_from(index) else {
        return Stop::wrong(format!("negative {index} index not allowed"));
    };
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

/// Puts an inner list or map that was taken out back into its list. When reading it stopped early, only what was there
/// before comes back.
fn put_back(list: &mut Vec<Value>, index: i64, inner: Value, outcome: Result<(), Stop>) -> Result<(), Stop> {
    if outcome.is_ok() {
        return set_index(list, index, inner);
    }
    if let Some(place) = usize::try_from(index).ok().and_then(|index| list.get_mut(index)) {
        *place = inner;
    }
    outcome
}

fn negative_index<T>(index: i64) -> Result<T, Stop> {
    Stop::wrong(format!("negative {index} index not allowed"))
}

/// The failure of a Go type assertion.
fn not_a(found: &Value, wanted: &str) -> Stop {
    let found = match found {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    Stop::Wrong(format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}"))
}

/// Takes the map that stands under a key out of its place, or a new one; the caller puts it back.
fn take_map(values: &mut Map<String, Value>, key: &str) -> Result<Map<String, Value>, Stop> {
    match values.get_mut(key) {
        None => Ok(Map::new()),
        Some(Value::Object(inner)) => Ok(std::mem::take(inner)),
        Some(other) => Err(not_a(other, "map[string]interface {}")),
    }
}

/// Takes the list that stands under a key out of its place, or a new one; the caller puts it back.
fn take_list(values: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, Stop> {
    match values.get_mut(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(inner)) => Ok(std::mem::take(inner)),
        Some(other) => Err(not_a(other, "[]interface {}")),
    }
}

/// The list inside a list at an index, for `a[0][1]`; null counts as absent.
fn take_inner_list(list: &mut [Value], index: i64) -> Result<Vec<Value>, Stop> {
    match usize::try_from(index).ok().and_then(|index| list.get_mut(index)) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(inner)) => Ok(std::mem::take(inner)),
        Some(other) => Err(not_a(other, "[]interface {}")),
    }
}

/// The map inside a list at an index, for `a[0].b`; anything else there is replaced.
fn take_inner_map(list: &mut [Value], index: i64) -> Map<String, Value> {
    match usize::try_from(index).ok().and_then(|index| list.get_mut(index)) {
        Some(Value::Object(inner)) => std::mem::take(inner),
        None | Some(_) => Map::new(),
    }
}

/// Go's `%q` of a slice of characters.
fn quote_each(text: &str) -> String {
    let quoted: Vec<String> = text.chars().map(crate::go::quote_char).collect();
    format!("[{}]", quoted.join(" "))
}

fn too_deep<T>() -> Result<T, Stop> {
    Stop::wrong(format!("value name nests lists deeper than the supported {STEPS_MAX} levels"))
}

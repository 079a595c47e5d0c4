//! `--set`, `--set-string`, `--set-json` and `--set-file`: one grammar, four ways to read a value.

use serde_json::{Map, Value};

use super::{
    Flavour, NAME_LEVELS_MAX, ReadFile, STEPS_MAX, Scanner, Stop, json, negative_index, put_back, quote_each, set,
    set_index, take_inner_list, take_inner_map, take_list, take_map, too_deep,
};
use crate::Profile;

/// Reads the whole argument, pair after pair.
pub(super) fn parse(
    flavour: Flavour,
    argument: &str,
    values: &mut Map<String, Value>,
    profile: Profile,
    read: &ReadFile<'_>,
) -> Result<(), String> {
    let mut parser = Parser { scanner: Scanner { rest: argument }, flavour, profile, read, steps: 0 };
    loop {
        parser.steps = 0;
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Wrong(message)) => return Err(message),
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    flavour: Flavour,
    profile: Profile,
    read: &'a ReadFile<'a>,
    /// How many levels of names and indices the current pair has entered.
    steps: usize,
}

/// What stands after a `=`.
enum Found {
    /// A list in braces.
    List(Vec<Value>),
    /// Nothing: the text ended.
    Nothing,
    /// Something else, not yet read.
    Scalar,
}

impl Parser<'_> {
    fn key(&mut self, values: &mut Map<String, Value>, level: usize) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return too_deep();
        }
        let (key, stop) = self.scanner.until(&['=', '[', ',', '.'], true);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Stop::wrong(format!("key {} has no value", crate::go::quote(&key))),
            Some('[') => {
                let index = self.scanner.index(true).map_err(|stop| stop.in_index(self.profile))?;
                let mut list = take_list(values, &key)?;
                let outcome = self.list_item(&mut list, index, level);
                set(values, key, Value::Array(list));
                outcome
            }
            Some('=') => self.value(values, key),
            Some(',') => Stop::wrong(format!("key {} has no value (cannot end with ,)", crate::go::quote(&key))),
            Some(_) => {
                if level + 1 > NAME_LEVELS_MAX {
                    return Stop::wrong(format!(
                        "value name nested level is greater than maximum supported nested level of {NAME_LEVELS_MAX}"
                    ));
                }
                let mut inner = take_map(values, &key)?;
                let outcome = self.key(&mut inner, level + 1);
                if outcome.is_ok() && inner.is_empty() {
                    return Stop::wrong(format!("key map {} has no value", crate::go::quote(&key)));
                }
                if !inner.is_empty() || values.contains_key(&key) {
                    set(values, key, Value::Object(inner));
                }
                outcome
            }
        }
    }

    /// Reads what stands after `key=` and writes it.
    fn value(&mut self, values: &mut Map<String, Value>, key: String) -> Result<(), Stop> {
        if self.flavour == Flavour::Json {
            let value = self.json_value()?;
            set(values, key, value);
            self.skip_separator();
            return Ok(());
        }
        match self.list()? {
            Found::List(list) => set(values, key, Value::Array(list)),
            Found::Nothing => {
                set(values, key, Value::String(String::new()));
                return Err(Stop::End);
            }
            Found::Scalar => {
                let (text, _) = self.scanner.until(&[','], true);
                let value = self.scalar(text)?;
                set(values, key, value);
            }
        }
        Ok(())
    }

    /// Reads what stands after `[index]` and writes it into the list.
    fn list_item(&mut self, list: &mut Vec<Value>, index: i64, level: usize) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return too_deep();
        }
        if index < 0 {
            return negative_index(index);
        }
        let (unexpected, stop) = self.scanner.until(&['[', '.', '='], true);
        if !unexpected.is_empty() {
            return Stop::wrong(format!("unexpected data at end of array index: {}", quote_each(&unexpected)));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') if self.flavour == Flavour::Json => {
                let value = self.json_value()?;
                set_index(list, index, value)?;
                self.skip_separator();
                Ok(())
            }
            Some('=') => {
                let value = match self.list()? {
                    Found::List(items) => Value::Array(items),
                    Found::Nothing => Value::String(String::new()),
                    Found::Scalar => {
                        let (text, _) = self.scanner.until(&[','], true);
                        self.scalar(text)?
                    }
                };
                set_index(list, index, value)
            }
            Some('[') => {
                let next = self.scanner.index(true).map_err(|stop| stop.in_index(self.profile))?;
                let mut inner = take_inner_list(list, index)?;
                let outcome = self.list_item(&mut inner, next, level);
                put_back(list, index, Value::Array(inner), outcome)
            }
            Some(_) => {
                let mut inner = take_inner_map(list, index);
                let outcome = self.key(&mut inner, level);
                put_back(list, index, Value::Object(inner), outcome)
            }
        }
    }

    /// Reads `{a,b}` if it stands here.
    fn list(&mut self) -> Result<Found, Stop> {
        match self.scanner.rest.chars().next() {
            None => return Ok(Found::Nothing),
            Some('{') => self.scanner.next(),
            Some(_) => return Ok(Found::Scalar),
        };
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.scanner.until(&[',', '}'], true);
            match stop {
                None => return Stop::wrong("list must terminate with '}'"),
                Some(',') => items.push(self.scalar(text)?),
                Some(_) => {
                    if self.scanner.rest.starts_with(',') {
                        self.scanner.next();
                    }
                    items.push(self.scalar(text)?);
                    return Ok(Found::List(items));
                }
            }
        }
    }

    fn scalar(&self, text: String) -> Result<Value, Stop> {
        match self.flavour {
            Flavour::Typed => Ok(typed(text)),
            Flavour::File => (self.read)(&text).map(Value::String).map_err(Stop::Wrong),
            Flavour::Text | Flavour::Json | Flavour::Literal => Ok(Value::String(text)),
        }
    }

    /// Reads one JSON value; nothing before a comma or the end is null.
    fn json_value(&mut self) -> Result<Value, Stop> {
        let rest = self.scanner.rest.trim_start();
        if rest.is_empty() || rest.starts_with(',') {
            return Ok(Value::Null);
        }
        let length = json::length(rest).ok_or_else(|| Stop::Wrong("invalid JSON".to_owned()))?;
        let value = json::read(&rest[..length]).map_err(Stop::Wrong)?;
        self.scanner.rest = &rest[length..];
        Ok(value)
    }

    /// Skips blanks and at most one comma after a JSON value.
    fn skip_separator(&mut self) {
        let rest = self.scanner.rest.trim_start();
        self.scanner.rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Gives the text of `--set` its type. Only words and whole numbers without a leading zero are more than text.
fn typed(text: String) -> Value {
    // Go folds the long s onto s, so `falſe` is false.
    let folded = text.replace('\u{17f}', "s").to_ascii_lowercase();
    match folded.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        "0" => Value::from(0),
        _ if text.starts_with('0') => Value::String(text),
        _ => text.parse::<i64>().map_or(Value::String(text), Value::from),
    }
}

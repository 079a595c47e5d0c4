//! `--set-literal`: no escapes, no lists in braces, no types; the value is everything after the first `=`.

use serde_json::{Map, Value};

use super::{
    NAME_LEVELS_MAX, STEPS_MAX, Scanner, Stop, negative_index, put_back, quote_each, set, set_index, take_inner_list,
    take_inner_map, take_list, take_map, too_deep,
};
use crate::Profile;

/// Reads the whole argument.
pub(super) fn parse(argument: &str, values: &mut Map<String, Value>, profile: Profile) -> Result<(), String> {
    let mut parser = Parser { scanner: Scanner { rest: argument }, profile, steps: 0 };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Wrong(message)) => return Err(message),
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    profile: Profile,
    steps: usize,
}

impl Parser<'_> {
    fn key(&mut self, values: &mut Map<String, Value>, level: usize) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return too_deep();
        }
        let (key, stop) = self.scanner.until(&['=', '[', '.'], false);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Stop::wrong(format!("key {} has no value", crate::go::quote(&key))),
            Some('=') => {
                set(values, key, self.rest());
                Ok(())
            }
            Some('[') => {
                let index = self.scanner.index(false).map_err(|stop| stop.in_index(self.profile))?;
                let mut list = take_list(values, &key)?;
                let outcome = self.list_item(&mut list, index, level);
                set(values, key, Value::Array(list));
                outcome
            }
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

    fn list_item(&mut self, list: &mut Vec<Value>, index: i64, level: usize) -> Result<(), Stop> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return too_deep();
        }
        if index < 0 {
            return negative_index(index);
        }
        let (unexpected, stop) = self.scanner.until(&['[', '.', '='], false);
        if !unexpected.is_empty() {
            return Stop::wrong(format!("unexpected data at end of array index: {}", quote_each(&unexpected)));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let value = self.rest();
                set_index(list, index, value)
            }
            Some('[') => {
                let next = self.scanner.index(false).map_err(|stop| stop.in_index(self.profile))?;
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

    fn rest(&mut self) -> Value {
        Value::String(std::mem::take(&mut self.scanner.rest).to_owned())
    }
}

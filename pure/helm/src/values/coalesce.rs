//! Chart values and user values laid over each other, chart by chart, as templates will see them.
//!
//! Works on the template engine's maps, which are shared by reference as Go's are: what a subchart's values share with
//! its parent's, they share here too, and a template that changes one changes the other.
//! Source: Helm 3.21.4 `pkg/chartutil/coalesce.go`, Helm 4.2.4 `pkg/chart/common/util/coalesce.go`.

use landfall_gotemplate::text::Str;
use landfall_gotemplate::types;
use landfall_gotemplate::value::{Map, Value};

use crate::Profile;
use crate::error::{Error, ErrorKind};
use crate::family::{Family, Member};

/// The key whose values every chart sees.
const GLOBAL: &str = "global";

/// Whether nulls take keys away or are kept for a later step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A null of the user removes the key (Helm's "coalesce").
    Remove,
    /// Nulls stay (Helm's "merge").
    Keep,
}

/// Lays `values` over the values of a chart and of all charts below it. `values` is not changed.
///
/// Errors: the value for a subchart is no map.
pub(crate) fn coalesce(
    family: &Family,
    chart: Member,
    values: &Value,
    nulls: Nulls,
    warnings: &mut Vec<String>,
) -> Result<Map, Error> {
    let target = match deep_copy(values) {
        Value::Map(map) => map,
        _ => new_map(),
    };
    let mut pass = Pass { family, warnings };
    pass.chart(chart, &target, "", nulls)?;
    Ok(target)
}

struct Pass<'a> {
    family: &'a Family<'a>,
    warnings: &'a mut Vec<String>,
}

impl Pass<'_> {
    fn chart(&mut self, chart: Member, target: &Map, prefix: &str, nulls: Nulls) -> Result<(), Error> {
        self.own_values(chart, target, prefix, nulls);
        self.subcharts(chart, target, prefix, nulls)
    }

    fn subcharts(&mut self, chart: Member, target: &Map, prefix: &str, nulls: Nulls) -> Result<(), Error> {
        for subchart in self.family.children(chart) {
            let name = self.family.name(subchart);
            let inner = match get(target, name) {
                None => {
                    let inner = new_map();
                    put(target, name, Value::Map(inner.clone()));
                    inner
                }
                Some(Value::Map(inner)) => inner,
                Some(other) => {
                    let path = join(prefix, self.family.name(chart));
                    return Err(Error::new(ErrorKind::Values, format!("type mismatch on {name}: {}", shown_as_truth(&other)))
                        .with_hint(format!(
                            "the value `{name}` holds the settings of the subchart {name} of {path} and must be a map, not {}",
                            other.type_name()
                        )));
                }
            };
            let prefix = join(prefix, self.family.name(chart));
            self.globals(&inner, target, &prefix);
            self.chart(subchart, &inner, &prefix, nulls)?;
        }
        Ok(())
    }

    /// Hands the globals of a chart down to one below it. The higher chart's win.
    fn globals(&mut self, target: &Map, source: &Map, prefix: &str) {
        let below = match get(target, GLOBAL) {
            None => new_map(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(format!("skipping globals because destination {GLOBAL} is not a table."));
                return;
            }
        };
        let above = match get(source, GLOBAL) {
            None => new_map(),
            Some(Value::Map(map)) => map,
            Some(_) => {
                self.warn(format!("skipping globals because source {GLOBAL} is not a table."));
                return;
            }
        };
        for (key, value) in above.entries() {
            let existing = below.get(&key);
            match (&value, &existing) {
                (Value::Map(table), None) => set(&below, key, Value::Map(shallow_copy(table))),
                (Value::Map(table), Some(Value::Map(existing))) => {
                    let table = shallow_copy(table);
                    self.tables(&table, existing, &join(prefix, &key.text()), Nulls::Keep);
                    set(&below, key, Value::Map(table));
                }
                (Value::Map(_), Some(_)) => {
                    self.warn(format!("Conflict: cannot merge map onto non-map for {:?}. Skipping.", key.text()));
                }
                (_, Some(Value::Map(_))) => self.warn(format!("key {} is table. Skipping", key.text())),
                _ => set(&below, key, value),
            }
        }
        put(target, GLOBAL, Value::Map(below));
    }

    /// Lays what is there already over a chart's own values.
    fn own_values(&mut self, chart: Member, target: &Map, prefix: &str, nulls: Nulls) {
        let prefix = join(prefix, self.family.name(chart));
        let cleans = self.family.profile() == Profile::Helm4 && nulls == Nulls::Remove;
        for (key, default) in self.family.values(chart).entries() {
            let default = deep_copy(&default);
            match target.get(&key) {
                Some(Value::Nil) if nulls == Nulls::Remove => target.remove(&key),
                Some(Value::Map(given)) => match &default {
                    Value::Map(defaults) => {
                        let is_subchart = self.family.has_child(chart, &key.text());
                        let nulls = if is_subchart { Nulls::Keep } else { nulls };
                        // Helm 4 cleans only where it removes: a subchart's table keeps its nulls for the next step.
                        if cleans && nulls == Nulls::Remove {
                            remove_nils(defaults);
                        }
                        self.tables(&given, defaults, &join(&prefix, &key.text()), nulls);
                    }
                    Value::Nil => {}
                    _ => self.warn(format!("skipped value for {}: Not a table.", join(&prefix, &key.text()))),
                },
                Some(_) => {}
                None if cleans && matches!(default, Value::Nil) => {}
                None => {
                    if let (true, Value::Map(table)) = (cleans, &default) {
                        remove_nils(table);
                    }
                    set(target, key, default);
                }
            }
        }
    }

    fn tables(&mut self, target: &Map, source: &Map, prefix: &str, nulls: Nulls) {
        tables(target, source, prefix, nulls, self.warnings);
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

/// Merges `source` into `target`, whose values win. Nulls of `target` are written into `source` on the way, as in Helm.
pub(crate) fn tables(target: &Map, source: &Map, prefix: &str, nulls: Nulls, warnings: &mut Vec<String>) {
    if target.is_same(source) {
        return;
    }
    let had_value: Vec<(Str, bool)> =
        source.borrow().iter().map(|(key, value)| (key.clone(), !matches!(value, Value::Nil))).collect();
    let nil_keys: Vec<Str> = {
        let entries = target.borrow();
        entries.iter().filter(|(_, value)| matches!(value, Value::Nil)).map(|(key, _)| key.clone()).collect()
    };
    for key in &nil_keys {
        set(source, key.clone(), Value::Nil);
    }
    let mut keys = had_value;
    for key in nil_keys {
        if !keys.iter().any(|(known, _)| *known == key) {
            keys.push((key, false));
        }
    }
    for (key, had_value) in keys {
        let value = source.get(&key).unwrap_or_default();
        match (target.get(&key), value) {
            (None, value) => set(target, key, value),
            (Some(Value::Nil), _) if nulls == Nulls::Remove && had_value => target.remove(&key),
            (Some(Value::Map(inner)), Value::Map(source)) => {
                tables(&inner, &source, &join(prefix, &key.text()), nulls, warnings);
            }
            (Some(_), Value::Map(_)) => {
                warnings.push(format!("cannot overwrite table with non table for {}", join(prefix, &key.text())));
            }
            (Some(Value::Map(_)), value) if !matches!(value, Value::Nil) => {
                warnings.push(format!(
                    "destination for {} is a table. Ignoring non-table value",
                    join(prefix, &key.text())
                ));
            }
            (Some(_), _) => {}
        }
    }
}

/// Finds the table at a dotted path.
pub(crate) fn table_at(values: &Map, path: &str) -> Option<Map> {
    let mut table = values.clone();
    for part in path.split('.') {
        table = match get(&table, part) {
            Some(Value::Map(inner)) => inner,
            _ => return None,
        };
    }
    Some(table)
}

/// Finds the value at a dotted path, unless it is a table.
pub(crate) fn value_at(values: &Map, path: &str) -> Option<Value> {
    let found = match path.rsplit_once('.') {
        None => get(values, path),
        Some((tables, key)) => get(&table_at(values, tables)?, key),
    };
    found.filter(|value| !matches!(value, Value::Map(_)))
}

/// Copies maps and lists all the way down; the rest never changes and is shared.
pub(crate) fn deep_copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let entries = map.borrow().iter().map(|(key, item)| (key.clone(), deep_copy(item))).collect();
            Value::Map(Map::new(&types::MAP_ANY, entries))
        }
        Value::List(list) if list.items.iter().any(|item| matches!(item, Value::Map(_) | Value::List(_))) => {
            Value::typed_list(list.info, list.items.iter().map(deep_copy).collect())
        }
        shared => shared.clone(),
    }
}

/// Makes an empty map.
pub(crate) fn new_map() -> Map {
    Map::new(&types::MAP_ANY, std::collections::BTreeMap::new())
}

fn shallow_copy(map: &Map) -> Map {
    Map::new(&types::MAP_ANY, map.borrow().clone())
}

fn remove_nils(map: &Map) {
    for (key, value) in map.entries() {
        match value {
            Value::Nil => map.remove(&key),
            Value::Map(inner) => remove_nils(&inner),
            _ => {}
        }
    }
}

fn get(map: &Map, key: &str) -> Option<Value> {
    map.get(key.as_bytes())
}

fn put(map: &Map, key: &str, value: Value) {
    set(map, Str::from(key), value);
}

fn set(map: &Map, key: Str, value: Value) {
    map.set(key, value).expect("value maps are never Go's nil map");
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// Helm prints the offending value with Go's `%t`.
fn shown_as_truth(value: &Value) -> String {
    match value {
        Value::Bool(truth) => truth.to_string(),
        Value::Nil => "%!t(<nil>)".to_owned(),
        other => {
            let text = match other {
                Value::Str(text) => text.to_string(),
                Value::Int(number, _) => number.to_string(),
                Value::Float(number, _) => landfall_yaml::go_number::format_g(*number),
                _ => "...".to_owned(),
            };
            format!("%!t({}={text})", other.type_name())
        }
    }
}

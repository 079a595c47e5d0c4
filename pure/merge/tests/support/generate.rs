//! Random numbers, schemas and objects, the same for the same seed.

use landfall_merge::schema::{ListKind, Schema, Unknown, ValueType};
use serde_json::{Map, Value, json};

/// A small random number generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("small")
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// How wild objects are: chances in percent.
#[derive(Clone, Copy)]
pub struct Wildness {
    pub nulls: usize,
    pub duplicates: usize,
    pub mistakes: usize,
    /// Whether keyed elements always have their keys.
    pub keys_always: bool,
    /// How likely a declared field is there.
    pub fields: usize,
}

pub const TAME: Wildness = Wildness { nulls: 0, duplicates: 0, mistakes: 0, keys_always: true, fields: 55 };
pub const WILD: Wildness = Wildness { nulls: 4, duplicates: 5, mistakes: 1, keys_always: false, fields: 50 };

/// The OpenAPI schema of a random custom kind.
pub fn custom_schema(random: &mut Random) -> Value {
    json!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
            "spec": map_schema(random, 3),
            "status": map_schema(random, 1),
        }
    })
}

fn map_schema(random: &mut Random, depth: usize) -> Value {
    let mut properties = Map::new();
    for name in ["a", "b", "c", "d", "e"] {
        if random.percent(60) {
            properties.insert(name.to_owned(), any_schema(random, depth));
        }
    }
    let mut schema = json!({"type": "object"});
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    map_kind(random, &mut schema);
    if random.percent(10) {
        schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    schema
}

fn map_kind(random: &mut Random, schema: &mut Value) {
    match random.below(8) {
        0 => schema["x-kubernetes-map-type"] = json!("atomic"),
        1 => schema["x-kubernetes-map-type"] = json!("granular"),
        _ => {}
    }
}

fn scalar_schema(random: &mut Random) -> Value {
    match random.below(6) {
        0 | 1 => json!({"type": "string"}),
        2 => json!({"type": "integer"}),
        3 => json!({"type": "boolean"}),
        4 => json!({"type": "number"}),
        _ => json!({"x-kubernetes-int-or-string": true}),
    }
}

fn any_schema(random: &mut Random, depth: usize) -> Value {
    if depth == 0 {
        return scalar_schema(random);
    }
    match random.below(9) {
        0 | 1 => scalar_schema(random),
        2 | 3 => map_schema(random, depth - 1),
        4 => {
            let mut schema = json!({"type": "object", "additionalProperties": any_schema(random, depth - 1)});
            map_kind(random, &mut schema);
            schema
        }
        5 => {
            let kind = random.pick(&["string", "integer"]);
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": kind}})
        }
        6 => json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": any_schema(random, depth - 1)}),
        _ => keyed_list_schema(random, depth - 1),
    }
}

fn keyed_list_schema(random: &mut Random, depth: usize) -> Value {
    let mut items = map_schema(random, depth);
    items.as_object_mut().expect("map").remove("x-kubernetes-map-type");
    let mut keys = vec!["name"];
    items["properties"]["name"] = json!({"type": "string"});
    if random.percent(40) {
        keys.push("port");
        items["properties"]["port"] = json!({"type": "integer"});
        if random.percent(50) {
            items["properties"]["port"]["default"] = json!(80);
        }
    }
    json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": items})
}

/// A random value of a schema. `depth` bounds how far recursive types are followed.
pub fn value(random: &mut Random, schema: Schema<'_>, wild: Wildness, depth: usize) -> Value {
    if random.percent(wild.nulls) {
        return Value::Null;
    }
    if random.percent(wild.mistakes) {
        return scalar(random);
    }
    match schema.node().value_type {
        ValueType::String => json!(random.pick(&["x", "y", "z", "<&>"])),
        ValueType::Integer => json!(random.below(4)),
        ValueType::Number => random.pick(&[json!(0.5), json!(1), json!(2)]).clone(),
        ValueType::Boolean => json!(random.percent(50)),
        ValueType::AnyScalar => random.pick(&[json!(1), json!("1"), json!("500m")]).clone(),
        ValueType::Any if schema.node().int_or_string && wild.mistakes == 0 => {
            random.pick(&[json!(1), json!("x")]).clone()
        }
        ValueType::Any | ValueType::AnyAtomic => anything(random, 2),
        ValueType::Object => Value::Object(map(random, schema, wild, depth)),
        ValueType::Array => Value::Array(list(random, schema, wild, depth)),
    }
}

fn scalar(random: &mut Random) -> Value {
    random.pick(&[json!("s"), json!(1), json!(true), json!(0.5)]).clone()
}

fn anything(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 3 } else { 5 }) {
        3 => (0..random.below(3)).map(|_| anything(random, depth - 1)).collect(),
        4 => {
            let mut map = Map::new();
            for _ in 0..random.below(3) {
                map.insert((*random.pick(&["a", "b", "c"])).to_owned(), anything(random, depth - 1));
            }
            Value::Object(map)
        }
        _ => scalar(random),
    }
}

fn map(random: &mut Random, schema: Schema<'_>, wild: Wildness, depth: usize) -> Map<String, Value> {
    let mut map = Map::new();
    if depth == 0 {
        return map;
    }
    let count = schema.node().properties.len();
    let chance = wild.fields.min(wild.fields * 8 / count.max(8) + 4);
    for name in schema.node().properties.keys() {
        if random.percent(chance) {
            let inside = schema.field(name).expect("declared");
            map.insert(name.clone(), value(random, inside, wild, depth - 1));
        }
    }
    if let Some(inside) = schema.unknown()
        && (schema.node().properties.is_empty() || random.percent(20))
    {
        for name in ["k", "l", "app.io/m"] {
            if random.percent(50) {
                map.insert(name.to_owned(), value(random, inside, wild, depth - 1));
            }
        }
    }
    if schema.node().unknown == Unknown::Denied && random.percent(wild.mistakes) {
        map.insert("undeclared".to_owned(), json!(1));
    }
    map
}

fn list(random: &mut Random, schema: Schema<'_>, wild: Wildness, depth: usize) -> Vec<Value> {
    if depth == 0 {
        return Vec::new();
    }
    let count = random.below(4);
    let mut list: Vec<Value> = Vec::new();
    for _ in 0..count {
        let mut element = value(random, schema.items(), wild, depth - 1);
        if element.is_null() && wild.keys_always {
            continue;
        }
        let mut keys: Vec<String> = match schema.list_kind() {
            ListKind::Keyed(keys) => keys.clone(),
            _ => Vec::new(),
        };
        keys.extend(schema.node().patch_merge_key.clone());
        if let Value::Object(map) = &mut element {
            for key in &keys {
                if wild.keys_always || random.percent(90) {
                    let inside = schema.items().field(key).unwrap_or_else(Schema::deduced);
                    map.insert(key.clone(), value(random, inside, TAME, 1));
                }
            }
        }
        let is_known = |other: &Value| match schema.list_kind() {
            ListKind::Atomic => keys.first().is_some_and(|key| other.get(key) == element.get(key)),
            ListKind::Set => *other == element,
            ListKind::Keyed(_) => keys.last().is_some_and(|_| {
                let by_merge_key =
                    schema.node().patch_merge_key.as_ref().is_some_and(|key| other.get(key) == element.get(key));
                by_merge_key || keys.iter().all(|key| other.get(key) == element.get(key))
            }),
        };
        let is_duplicate = list.iter().any(is_known);
        if !is_duplicate || random.percent(wild.duplicates) {
            list.push(element);
        }
    }
    list
}

/// Another version of a value: parts replaced, added and taken away.
pub fn changed(random: &mut Random, before: &Value, schema: Schema<'_>, wild: Wildness, depth: usize) -> Value {
    if random.percent(20) || depth == 0 {
        return value(random, schema, wild, depth);
    }
    match before {
        Value::Object(before) => {
            let mut after = before.clone();
            for (name, inside) in before {
                if random.percent(15) {
                    after.remove(name);
                } else if random.percent(40)
                    && let Some(schema) = schema.entry(name)
                {
                    after.insert(name.clone(), changed(random, inside, schema, wild, depth - 1));
                }
            }
            for (name, inside) in map(random, schema, wild, depth) {
                if random.percent(25) {
                    after.entry(name).or_insert(inside);
                }
            }
            Value::Object(after)
        }
        Value::Array(before) => {
            let mut after: Vec<Value> = Vec::new();
            for element in before {
                match random.below(5) {
                    0 => {}
                    1 if schema.items().node().value_type == ValueType::Object => {
                        let mut other = changed(random, element, schema.items(), wild, depth - 1);
                        let keys = match schema.list_kind() {
                            ListKind::Keyed(keys) => keys.clone(),
                            _ => Vec::new(),
                        };
                        for key in keys.iter().chain(&schema.node().patch_merge_key) {
                            if let (Some(old), Some(map)) = (element.get(key), other.as_object_mut()) {
                                map.insert(key.clone(), old.clone());
                            }
                        }
                        if other.is_object() {
                            after.push(other);
                        }
                    }
                    _ => after.push(element.clone()),
                }
            }
            if after.len() > 1 && random.percent(25) {
                after.rotate_left(1);
            }
            Value::Array(after)
        }
        _ => value(random, schema, wild, depth),
    }
}

//! What templates compute with: Go's values, with Go's types kept where a template can see them.
//!
//! Maps and lists are shared by reference, as in Go: `set` through one name is seen through every other. Structures of the
//! host (a chart's metadata, capabilities) are [`Struct`]s described by a [`TypeInfo`].
//! Values live inside one render and one thread; build them from `serde_json` with [`Value::from_json`].

use crate::text::Str;
use crate::types::{self, Kind, TypeInfo};
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// A value of a template.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// The untyped nil: a missing value, JSON's null.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// A signed integer of the named Go type.
    Int(i64, &'static TypeInfo),
    /// An unsigned integer of the named Go type.
    Uint(u64, &'static TypeInfo),
    /// `float64`, or `float32` where the type says so.
    Float(f64, &'static TypeInfo),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// A string of the named Go type, usually [`types::STRING`].
    Str(Str),
    /// `[]byte`.
    Bytes(Str),
    /// A slice, nil or not.
    List(Rc<List>),
    /// A map with string keys, nil or not.
    Map(Map),
    /// A structure, or a pointer to one.
    Struct(Rc<Struct>),
    /// `time.Time`.
    Time(Rc<jiff::Zoned>),
    /// An error as a value.
    Error(Str),
    /// A function as a value: `call` applies it, `range` walks it if it is an iterator.
    Function(Rc<Closure>),
}

/// A slice. Template functions never change one in place, so its items are fixed.
#[derive(Debug)]
pub struct List {
    /// The slice's type, e.g. [`types::LIST_ANY`].
    pub info: &'static TypeInfo,
    /// The items.
    pub items: Vec<Value>,
    /// Whether this is Go's nil slice (empty, JSON null).
    pub is_nil: bool,
}

/// A map with string keys; shared, mutable, iterated in key order. A clone is the same map, as in Go.
#[derive(Debug, Clone)]
pub struct Map {
    /// The type under which this holder sees the map, e.g. [`types::MAP_ANY`].
    pub info: &'static TypeInfo,
    storage: Rc<Storage>,
}

#[derive(Debug)]
struct Storage {
    is_nil: bool,
    entries: RefCell<BTreeMap<Str, Value>>,
}

/// A structure of the host with named fields, or a pointer to one.
#[derive(Debug, Clone)]
pub struct Struct {
    /// The structure's type (not the pointer's).
    pub info: &'static TypeInfo,
    /// The fields' values, in the order of `info.fields`.
    pub fields: Vec<Value>,
    /// Whether the template holds a pointer to it.
    pub is_pointer: bool,
    /// Whether it was reached through a pointer, so that methods of the pointer apply. Passing it to a function ends that.
    pub is_addressable: bool,
}

/// A function as a value.
pub struct Closure {
    /// Its Go type, e.g. `func(int) string`.
    pub type_name: &'static str,
    /// What it does.
    pub body: Body,
}

/// Items one after another.
pub type Items<Item> = Box<dyn Iterator<Item = Item>>;

/// A function of any number of arguments; the error is its text.
pub type Callable = Box<dyn Fn(&[Value]) -> Result<Value, String>>;

/// What a [`Closure`] does.
pub enum Body {
    /// An iterator over single values.
    Iterate(Box<dyn Fn() -> Items<Value>>),
    /// An iterator over pairs.
    IteratePairs(Box<dyn Fn() -> Items<(Value, Value)>>),
    /// A function of any number of arguments.
    Call(Callable),
}

impl std::fmt::Debug for Closure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Closure({})", self.type_name)
    }
}

impl Map {
    /// Makes a map of the given type from its entries.
    pub fn new(info: &'static TypeInfo, entries: BTreeMap<Str, Value>) -> Map {
        Map { info, storage: Rc::new(Storage { is_nil: false, entries: RefCell::new(entries) }) }
    }

    /// Makes the nil map of a type.
    pub fn nil(info: &'static TypeInfo) -> Map {
        Map { info, storage: Rc::new(Storage { is_nil: true, entries: RefCell::default() }) }
    }

    /// The same map seen under another type, as an assignment converts it.
    pub fn seen_as(&self, info: &'static TypeInfo) -> Map {
        Map { info, storage: self.storage.clone() }
    }

    /// Says whether this is Go's nil map, which reads as empty and refuses writes.
    pub fn is_nil(&self) -> bool {
        self.storage.is_nil
    }

    /// Says whether both are the same map, whatever they hold.
    pub fn is_same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.storage, &other.storage)
    }

    /// A number that is equal for holders of the same map while one of them lives.
    pub fn address(&self) -> usize {
        Rc::as_ptr(&self.storage).addr()
    }

    /// A holder that does not keep the map alive.
    pub(crate) fn downgrade(&self) -> WeakMap {
        WeakMap { info: self.info, storage: Rc::downgrade(&self.storage) }
    }

    /// The value under `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.storage.entries.borrow().get(key).cloned()
    }

    /// Says whether `key` is there.
    pub fn has(&self, key: &[u8]) -> bool {
        self.storage.entries.borrow().contains_key(key)
    }

    /// Puts a value under `key`, seen through every alias. Writing a nil map is refused with Go's words.
    pub fn set(&self, key: Str, value: Value) -> Result<(), &'static str> {
        if self.storage.is_nil {
            return Err("assignment to entry in nil map");
        }
        let old = self.storage.entries.borrow_mut().insert(key, value);
        drop(old);
        Ok(())
    }

    /// Takes `key` out.
    pub fn remove(&self, key: &[u8]) {
        let old = self.storage.entries.borrow_mut().remove(key);
        drop(old);
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.storage.entries.borrow().len()
    }

    /// Says whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.storage.entries.borrow().is_empty()
    }

    /// The entries, borrowed. Nothing may write the map while the borrow lives: copy out ([`Map::entries`]) before running templates.
    pub fn borrow(&self) -> Ref<'_, BTreeMap<Str, Value>> {
        self.storage.entries.borrow()
    }

    /// A copy of the entries as they are now, in key order.
    pub fn entries(&self) -> Vec<(Str, Value)> {
        self.storage.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Empties the map.
    pub fn clear(&self) {
        let old = std::mem::take(&mut *self.storage.entries.borrow_mut());
        drop(old);
    }
}

/// Holds a map without keeping it alive.
pub(crate) struct WeakMap {
    info: &'static TypeInfo,
    storage: Weak<Storage>,
}

impl WeakMap {
    pub(crate) fn upgrade(&self) -> Option<Map> {
        self.storage.upgrade().map(|storage| Map { info: self.info, storage })
    }
}

impl Struct {
    /// Makes a structure; `fields` in the order of `info.fields`, missing ones nil.
    pub fn new(info: &'static TypeInfo, mut fields: Vec<Value>) -> Struct {
        fields.resize(info.fields.len(), Value::Nil);
        Struct { info, fields, is_pointer: false, is_addressable: false }
    }

    /// The same structure behind a pointer.
    pub fn pointer(self) -> Struct {
        Struct { is_pointer: true, is_addressable: true, ..self }
    }

    /// The value of a field, looking into embedded structures as Go promotes their fields.
    pub fn field(&self, name: &[u8]) -> Option<Value> {
        let at = self.info.fields.iter().position(|field| field.name.as_bytes() == name);
        if let Some(index) = at {
            let value = self.fields.get(index)?.clone();
            return Some(match value {
                Value::Struct(inner) if !inner.is_pointer && self.is_addressable && !inner.is_addressable => {
                    Value::Struct(Rc::new(Struct { is_addressable: true, ..(*inner).clone() }))
                }
                other => other,
            });
        }
        let embedded = self.info.fields.iter().zip(&self.fields).filter(|(field, _)| field.is_embedded);
        embedded.filter_map(|(_, value)| if let Value::Struct(inner) = value { inner.field(name) } else { None }).next()
    }
}

impl Value {
    /// Makes a Go `int`.
    pub fn int(number: i64) -> Value {
        Value::Int(number, &types::INT)
    }

    /// Makes a Go `int64`.
    pub fn int64(number: i64) -> Value {
        Value::Int(number, &types::INT64)
    }

    /// Makes a Go `float64`.
    pub fn float(number: f64) -> Value {
        Value::Float(number, &types::FLOAT64)
    }

    /// Makes a string.
    pub fn str(text: impl Into<Str>) -> Value {
        Value::Str(text.into())
    }

    /// Makes an `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Value {
        Value::typed_list(&types::LIST_ANY, items)
    }

    /// Makes a slice of the given type.
    pub fn typed_list(info: &'static TypeInfo, items: Vec<Value>) -> Value {
        Value::List(Rc::new(List { info, items, is_nil: false }))
    }

    /// Makes the nil slice of a type.
    pub fn nil_list(info: &'static TypeInfo) -> Value {
        Value::List(Rc::new(List { info, items: Vec::new(), is_nil: true }))
    }

    /// Makes a `[]string`.
    pub fn strings(items: impl IntoIterator<Item = Str>) -> Value {
        Value::typed_list(&types::LIST_STRING, items.into_iter().map(Value::Str).collect())
    }

    /// Makes a `map[string]interface {}`.
    pub fn map(entries: impl IntoIterator<Item = (Str, Value)>) -> Value {
        Value::Map(Map::new(&types::MAP_ANY, entries.into_iter().collect()))
    }

    /// Makes a map of the given type.
    pub fn typed_map(info: &'static TypeInfo, entries: impl IntoIterator<Item = (Str, Value)>) -> Value {
        Value::Map(Map::new(info, entries.into_iter().collect()))
    }

    /// Makes a value from JSON as Go's decoder does: every number becomes a float64, null nil.
    pub fn from_json(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Nil,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => Value::float(number.as_f64().unwrap_or(0.0)),
            Json::String(text) => Value::str(text.as_str()),
            Json::Array(items) => Value::list(items.iter().map(Value::from_json).collect()),
            Json::Object(entries) => {
                Value::map(entries.iter().map(|(key, item)| (Str::from(key.as_str()), Value::from_json(item))))
            }
        }
    }

    /// Makes a value from JSON that keeps whole numbers as int64 and others as float64, for values that did not pass
    /// through JSON in Go (`--set`).
    pub fn from_json_with_integers(json: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::int64(whole),
                None => Value::float(number.as_f64().unwrap_or(0.0)),
            },
            Json::Array(items) => Value::list(items.iter().map(Value::from_json_with_integers).collect()),
            Json::Object(entries) => Value::map(
                entries.iter().map(|(key, item)| (Str::from(key.as_str()), Value::from_json_with_integers(item))),
            ),
            plain => Value::from_json(plain),
        }
    }

    /// The Go type of the value; nil has none.
    pub fn info(&self) -> Option<&'static TypeInfo> {
        Some(match self {
            Value::Nil => return None,
            Value::Bool(_) => &types::BOOL,
            Value::Int(_, info) | Value::Uint(_, info) | Value::Float(_, info) => info,
            Value::Complex(..) => &types::COMPLEX128,
            Value::Str(_) => &types::STRING,
            Value::Bytes(_) => &types::BYTES,
            Value::List(list) => list.info,
            Value::Map(map) => map.info,
            Value::Struct(structure) => structure.info,
            Value::Time(_) => &types::TIME,
            Value::Error(_) => &types::ERROR_STRING,
            Value::Function(_) => &types::FUNCTION,
        })
    }

    /// The Go type's name as `%T` prints it; `<nil>` for nil.
    pub fn type_name(&self) -> String {
        match self {
            Value::Struct(structure) if structure.is_pointer => format!("*{}", structure.info.name),
            Value::Function(closure) => closure.type_name.to_string(),
            other => other.info().map_or("<nil>", |info| info.name).to_string(),
        }
    }

    /// The reflection kind.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Nil => Kind::Invalid,
            Value::Struct(structure) if structure.is_pointer => Kind::Pointer,
            other => other.info().map_or(Kind::Invalid, |info| info.kind),
        }
    }

    /// Go's truth: not the zero of its type. Structures are true, nil is false.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(truth) => *truth,
            Value::Int(number, _) => *number != 0,
            Value::Uint(number, _) => *number != 0,
            Value::Float(number, _) => *number != 0.0,
            Value::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Value::Str(text) | Value::Bytes(text) => !text.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Struct(_) | Value::Time(_) | Value::Error(_) | Value::Function(_) => true,
        }
    }

    /// The string's bytes, if it is a string.
    pub fn as_str(&self) -> Option<&Str> {
        if let Value::Str(text) = self { Some(text) } else { None }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// The whole number, if it is a signed integer.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(number, _) = self { Some(*number) } else { None }
    }

    /// The value as it arrives in a function that takes it by value: a structure is copied and loses its address.
    pub fn passed(self) -> Value {
        match self {
            Value::Struct(structure) if structure.is_addressable && !structure.is_pointer => {
                Value::Struct(Rc::new(Struct { is_addressable: false, ..(*structure).clone() }))
            }
            other => other,
        }
    }

    /// Says whether two values are the same under Go's `reflect.DeepEqual`: types count, so 1 and 1.0 differ.
    pub fn deep_equal(&self, other: &Value) -> bool {
        deep_equal(self, other, 0)
    }
}

impl From<Arc<str>> for Str {
    fn from(text: Arc<str>) -> Str {
        Str::from(text.as_bytes())
    }
}

/// Bounds how deep values are compared, copied and printed: a map may hold itself.
pub const NESTING_MAX: usize = 1000;

fn deep_equal(left: &Value, right: &Value, depth: usize) -> bool {
    if depth > NESTING_MAX {
        return true;
    }
    match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, x), Value::Int(b, y)) => a == b && std::ptr::eq(*x, *y),
        (Value::Uint(a, x), Value::Uint(b, y)) => a == b && std::ptr::eq(*x, *y),
        (Value::Float(a, x), Value::Float(b, y)) => a == b && std::ptr::eq(*x, *y),
        (Value::Complex(a, b), Value::Complex(x, y)) => a == x && b == y,
        (Value::Str(a), Value::Str(b)) | (Value::Bytes(a), Value::Bytes(b)) | (Value::Error(a), Value::Error(b)) => {
            a == b
        }
        (Value::List(a), Value::List(b)) => {
            Rc::ptr_eq(a, b)
                || (a.info.name == b.info.name
                    && a.is_nil == b.is_nil
                    && a.items.len() == b.items.len()
                    && a.items.iter().zip(&b.items).all(|(x, y)| deep_equal(x, y, depth + 1)))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.is_same(b)
                || (a.info.name == b.info.name
                    && a.is_nil() == b.is_nil()
                    && a.len() == b.len()
                    && a.borrow()
                        .iter()
                        .zip(b.borrow().iter())
                        .all(|((k, x), (l, y))| k == l && deep_equal(x, y, depth + 1)))
        }
        (Value::Struct(a), Value::Struct(b)) => {
            Rc::ptr_eq(a, b)
                || (std::ptr::eq(a.info, b.info)
                    && a.is_pointer == b.is_pointer
                    && a.fields.iter().zip(&b.fields).all(|(x, y)| deep_equal(x, y, depth + 1)))
        }
        (Value::Time(a), Value::Time(b)) => a == b && a.time_zone() == b.time_zone(),
        _ => false,
    }
}

// Deeply nested values (`$x = list $x` in a long loop) would overflow the stack if each level dropped the next one
// recursively, so containers hand their items to a queue that the outermost drop empties.
thread_local! {
    static DOOMED: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

fn drop_flat(items: impl Iterator<Item = Value>) {
    let nested: Vec<Value> =
        items.filter(|item| matches!(item, Value::List(_) | Value::Map(_) | Value::Struct(_))).collect();
    if nested.is_empty() {
        return;
    }
    let is_outermost = DOOMED
        .try_with(|queue| match &mut *queue.borrow_mut() {
            Some(waiting) => {
                waiting.extend(nested);
                false
            }
            empty => {
                *empty = Some(nested);
                true
            }
        })
        .unwrap_or(false);
    if !is_outermost {
        return;
    }
    loop {
        let next = DOOMED.with(|queue| queue.borrow_mut().as_mut().and_then(Vec::pop));
        if next.is_none() {
            DOOMED.with(|queue| *queue.borrow_mut() = None);
            return;
        }
        drop(next);
    }
}

impl Drop for List {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut self.items).into_iter());
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        drop_flat(std::mem::take(self.entries.get_mut()).into_values());
    }
}

//! Go's types as far as a template can see them: names in messages, kinds, elements, fields, methods.
//!
//! Hosts describe their own structures and named maps with a `static` [`TypeInfo`].

use crate::context::Context;
use crate::error::Error;
use crate::value::Value;

/// Go's reflection kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Go's own and say it all")]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float32,
    Float64,
    Complex128,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
}

impl Kind {
    /// The name that `kindOf` prints.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Int8 => "int8",
            Kind::Int16 => "int16",
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Uint => "uint",
            Kind::Uint8 => "uint8",
            Kind::Uint16 => "uint16",
            Kind::Uint32 => "uint32",
            Kind::Uint64 => "uint64",
            Kind::Float32 => "float32",
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::Func => "func",
            Kind::Interface => "interface",
            Kind::Map => "map",
            Kind::Pointer => "ptr",
            Kind::Slice => "slice",
            Kind::String => "string",
            Kind::Struct => "struct",
        }
    }
}

/// Describes a Go type. Types are compared by address, so each is one `static`.
#[derive(Debug)]
pub struct TypeInfo {
    /// The name that `%T` prints, e.g. `map[string]interface {}`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The type of the items of a slice or map; [`ANY`] if they are interfaces.
    pub element: Option<&'static TypeInfo>,
    /// The fields of a structure.
    pub fields: &'static [Field],
    /// Methods callable from a template.
    pub methods: &'static [Method],
    /// `String()` (or `Error()`) of the value, which all printing uses.
    pub string: Option<fn(&Value) -> String>,
    /// `String()` of the pointer only, which printing uses for pointers and for fields reached through one.
    pub pointer_string: Option<fn(&Value) -> String>,
    /// `MarshalJSON` or `MarshalText`, where the type has one.
    pub json: Option<fn(&Value) -> serde_json::Value>,
}

/// A field of a structure.
#[derive(Debug)]
pub struct Field {
    /// The Go name.
    pub name: &'static str,
    /// The JSON key.
    pub json: &'static str,
    /// Whether JSON leaves it out when empty.
    pub omit_empty: bool,
    /// Whether it is embedded, so that its own fields are promoted.
    pub is_embedded: bool,
}

impl Field {
    /// Makes a field whose JSON key is `json`.
    pub const fn new(name: &'static str, json: &'static str) -> Field {
        Field { name, json, omit_empty: false, is_embedded: false }
    }

    /// The same field, left out of JSON when empty.
    pub const fn omit_empty(self) -> Field {
        Field { omit_empty: true, ..self }
    }

    /// The same field, embedded.
    pub const fn embedded(self) -> Field {
        Field { is_embedded: true, ..self }
    }
}

/// What a method does: the receiver, then the checked arguments.
pub type MethodBody = fn(&mut Context<'_>, &Value, &[Value]) -> Result<Value, Error>;

/// A method that templates can call.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its parameters and result.
    pub signature: Signature<'static>,
    /// Whether it needs a pointer (or something reached through one).
    pub needs_pointer: bool,
    /// What it does.
    pub body: MethodBody,
}

/// The parameters and the result of a function or method.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    /// The parameters; of a variadic function the last is the type of each further argument.
    pub parameters: &'a [&'static TypeInfo],
    /// Whether the last parameter takes any number of arguments.
    pub is_variadic: bool,
    /// Whether the result's Go type is `interface {}`, so that a nil in it is a nil interface and not nothing.
    pub returns_any: bool,
}

impl TypeInfo {
    /// Makes a type without items, fields or methods.
    pub const fn plain(name: &'static str, kind: Kind) -> TypeInfo {
        TypeInfo {
            name,
            kind,
            element: None,
            fields: &[],
            methods: &[],
            string: None,
            pointer_string: None,
            json: None,
        }
    }

    /// Makes a slice or map type.
    pub const fn container(name: &'static str, kind: Kind, element: &'static TypeInfo) -> TypeInfo {
        TypeInfo { element: Some(element), ..TypeInfo::plain(name, kind) }
    }

    /// Makes a structure type.
    pub const fn structure(name: &'static str, fields: &'static [Field]) -> TypeInfo {
        TypeInfo { fields, ..TypeInfo::plain(name, Kind::Struct) }
    }

    /// The same type with methods.
    pub const fn with_methods(self, methods: &'static [Method]) -> TypeInfo {
        TypeInfo { methods, ..self }
    }

    /// Says whether this is an interface type.
    pub fn is_any(&self) -> bool {
        self.kind == Kind::Interface
    }

    /// Says whether an untyped nil can stand for the type.
    pub fn can_be_nil(&self) -> bool {
        matches!(self.kind, Kind::Func | Kind::Interface | Kind::Map | Kind::Pointer | Kind::Slice)
    }
}

/// `interface {}`.
pub static ANY: TypeInfo = TypeInfo::plain("interface {}", Kind::Interface);
/// `reflect.Value`: what the language's own functions take; everything fits, and nil stays nothing.
pub static REFLECT: TypeInfo = TypeInfo::plain("reflect.Value", Kind::Interface);
/// `bool`.
pub static BOOL: TypeInfo = TypeInfo::plain("bool", Kind::Bool);
/// `int`.
pub static INT: TypeInfo = TypeInfo::plain("int", Kind::Int);
/// `int32`.
pub static INT32: TypeInfo = TypeInfo::plain("int32", Kind::Int32);
/// `int64`.
pub static INT64: TypeInfo = TypeInfo::plain("int64", Kind::Int64);
/// `uint`.
pub static UINT: TypeInfo = TypeInfo::plain("uint", Kind::Uint);
/// `uint8`.
pub static UINT8: TypeInfo = TypeInfo::plain("uint8", Kind::Uint8);
/// `uint32`.
pub static UINT32: TypeInfo = TypeInfo::plain("uint32", Kind::Uint32);
/// `uint64`.
pub static UINT64: TypeInfo = TypeInfo::plain("uint64", Kind::Uint64);
/// `float32`.
pub static FLOAT32: TypeInfo = TypeInfo::plain("float32", Kind::Float32);
/// `float64`.
pub static FLOAT64: TypeInfo = TypeInfo::plain("float64", Kind::Float64);
/// `complex128`.
pub static COMPLEX128: TypeInfo = TypeInfo::plain("complex128", Kind::Complex128);
/// `string`.
pub static STRING: TypeInfo = TypeInfo::plain("string", Kind::String);
/// `[]uint8`.
pub static BYTES: TypeInfo = TypeInfo::container("[]uint8", Kind::Slice, &UINT8);
/// `[]interface {}`.
pub static LIST_ANY: TypeInfo = TypeInfo::container("[]interface {}", Kind::Slice, &ANY);
/// `[]string`.
pub static LIST_STRING: TypeInfo = TypeInfo::container("[]string", Kind::Slice, &STRING);
/// `[]int`.
pub static LIST_INT: TypeInfo = TypeInfo::container("[]int", Kind::Slice, &INT);
/// `[][]interface {}`.
pub static LIST_LIST_ANY: TypeInfo = TypeInfo::container("[][]interface {}", Kind::Slice, &LIST_ANY);
/// `[]map[string]interface {}`.
pub static LIST_MAP_ANY: TypeInfo = TypeInfo::container("[]map[string]interface {}", Kind::Slice, &MAP_ANY);
/// `map[string]interface {}`.
pub static MAP_ANY: TypeInfo = TypeInfo::container("map[string]interface {}", Kind::Map, &ANY);
/// `map[string]string`.
pub static MAP_STRING: TypeInfo = TypeInfo::container("map[string]string", Kind::Map, &STRING);
/// `*errors.errorString`.
pub static ERROR_STRING: TypeInfo = TypeInfo::plain("*errors.errorString", Kind::Pointer);
/// A function.
pub static FUNCTION: TypeInfo = TypeInfo::plain("func()", Kind::Func);
/// `time.Time`.
pub static TIME: TypeInfo = TypeInfo { methods: crate::time::METHODS, ..TypeInfo::structure("time.Time", &[]) };
/// `time.Duration`.
pub static DURATION: TypeInfo = TypeInfo {
    methods: crate::time::DURATION_METHODS,
    string: Some(crate::time::duration_value_text),
    ..TypeInfo::plain("time.Duration", Kind::Int64)
};
/// `time.Month`.
pub static MONTH: TypeInfo = TypeInfo {
    string: Some(crate::time::month_text),
    methods: crate::time::NAME_METHODS,
    ..TypeInfo::plain("time.Month", Kind::Int)
};
/// `time.Weekday`.
pub static WEEKDAY: TypeInfo = TypeInfo {
    string: Some(crate::time::weekday_text),
    methods: crate::time::NAME_METHODS,
    ..TypeInfo::plain("time.Weekday", Kind::Int)
};

/// The zero of a type, as Go's `reflect.Zero`: what a missing key of a typed map answers.
pub fn zero(info: &'static TypeInfo) -> Value {
    match info.kind {
        Kind::Bool => Value::Bool(false),
        Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => Value::Int(0, info),
        Kind::Uint | Kind::Uint8 | Kind::Uint16 | Kind::Uint32 | Kind::Uint64 => Value::Uint(0, info),
        Kind::Float32 | Kind::Float64 => Value::Float(0.0, info),
        Kind::Complex128 => Value::Complex(0.0, 0.0),
        Kind::String => Value::Str(crate::text::Str::empty()),
        Kind::Slice if std::ptr::eq(info, &BYTES) => Value::nil_list(info),
        Kind::Slice => Value::nil_list(info),
        Kind::Map => Value::Map(crate::value::Map::nil(info)),
        Kind::Struct => {
            let fields = info.fields.iter().map(|_| Value::Nil).collect();
            Value::Struct(std::rc::Rc::new(crate::value::Struct::new(info, fields)))
        }
        Kind::Invalid | Kind::Func | Kind::Interface | Kind::Pointer => Value::Nil,
    }
}

//! Versions and constraints, as Masterminds/semver answers them.

use super::arguments::{Outcome, string};
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::text::Str;
use crate::types::{Field, Method, MethodBody, STRING, Signature, TypeInfo};
use crate::value::{Struct, Value};
use landfall_semver::{Constraint, Version};
use std::cmp::Ordering;
use std::rc::Rc;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    functions.add(Function::fixed("semver", &[&STRING], |_, v| {
        let version = Version::parse(&string(v, 0).text()).map_err(|error| Error::function(error.to_string()))?;
        Ok(wrapped(&version))
    }));
    functions.add(Function::fixed("semverCompare", &[&STRING, &STRING], |context, v| {
        context.charge_steps(8)?;
        let constraint = Constraint::parse(&string(v, 0).text()).map_err(|error| Error::function(error.to_string()))?;
        let version = Version::parse(&string(v, 1).text()).map_err(|error| Error::function(error.to_string()))?;
        Ok(Value::Bool(constraint.check(&version)))
    }));
}

static FIELDS: [Field; 6] = [
    Field::new("major", "-"),
    Field::new("minor", "-"),
    Field::new("patch", "-"),
    Field::new("pre", "-"),
    Field::new("metadata", "-"),
    Field::new("original", "-"),
];
static NONE: [&TypeInfo; 0] = [];
static TEXT: [&TypeInfo; 1] = [&STRING];
static OTHER: [&TypeInfo; 1] = [&VERSION_POINTER];
static METHODS: [Method; 18] = [
    method("Major", &NONE, |_, r, _| Ok(Value::Uint(version(r).major, &crate::types::UINT64))),
    method("Minor", &NONE, |_, r, _| Ok(Value::Uint(version(r).minor, &crate::types::UINT64))),
    method("Patch", &NONE, |_, r, _| Ok(Value::Uint(version(r).patch, &crate::types::UINT64))),
    method("Prerelease", &NONE, |_, r, _| Ok(Value::str(version(r).prerelease))),
    method("Metadata", &NONE, |_, r, _| Ok(Value::str(version(r).metadata))),
    method("Original", &NONE, |_, r, _| Ok(Value::str(version(r).original))),
    method("String", &NONE, |_, r, _| Ok(Value::str(shown(r)))),
    method("IncMajor", &NONE, |_, r, _| Ok(plain(&version(r).next_major()))),
    method("IncMinor", &NONE, |_, r, _| Ok(plain(&version(r).next_minor()))),
    method("IncPatch", &NONE, |_, r, _| Ok(plain(&version(r).next_patch()))),
    method("SetPrerelease", &TEXT, |_, r, a| changed(version(r).with_prerelease(&text(a)))),
    method("SetMetadata", &TEXT, |_, r, a| changed(version(r).with_metadata(&text(a)))),
    method("Compare", &OTHER, |_, r, a| Ok(Value::int(compare(r, a) as i64))),
    method("Equal", &OTHER, |_, r, a| Ok(Value::Bool(compare(r, a) == Ordering::Equal))),
    method("LessThan", &OTHER, |_, r, a| Ok(Value::Bool(compare(r, a) == Ordering::Less))),
    method("GreaterThan", &OTHER, |_, r, a| Ok(Value::Bool(compare(r, a) == Ordering::Greater))),
    method("LessThanEqual", &OTHER, |_, r, a| Ok(Value::Bool(compare(r, a) != Ordering::Greater))),
    method("GreaterThanEqual", &OTHER, |_, r, a| Ok(Value::Bool(compare(r, a) != Ordering::Less))),
];

/// `semver.Version`.
static VERSION: TypeInfo = TypeInfo {
    methods: &METHODS,
    string: Some(shown),
    json: Some(|value| serde_json::Value::String(shown(value))),
    ..TypeInfo::structure("semver.Version", &FIELDS)
};
/// `*semver.Version`, as a parameter.
static VERSION_POINTER: TypeInfo =
    TypeInfo { element: Some(&VERSION), ..TypeInfo::plain("*semver.Version", crate::types::Kind::Pointer) };

const fn method(name: &'static str, parameters: &'static [&'static TypeInfo], body: MethodBody) -> Method {
    Method {
        name,
        signature: Signature { parameters, is_variadic: false, returns_any: false },
        needs_pointer: false,
        body,
    }
}

fn made(version: &Version) -> Struct {
    let number = |number| Value::Uint(number, &crate::types::UINT64);
    let text = |text: &str| Value::Str(Str::from(text));
    let fields = vec![
        number(version.major),
        number(version.minor),
        number(version.patch),
        text(&version.prerelease),
        text(&version.metadata),
        text(&version.original),
    ];
    Struct::new(&VERSION, fields)
}

fn wrapped(version: &Version) -> Value {
    Value::Struct(Rc::new(made(version).pointer()))
}

fn plain(version: &Version) -> Value {
    Value::Struct(Rc::new(made(version)))
}

fn version(value: &Value) -> Version {
    let field = |index: usize| match value {
        Value::Struct(structure) => structure.fields.get(index).cloned().unwrap_or_default(),
        _ => Value::Nil,
    };
    let number = |index| if let Value::Uint(number, _) = field(index) { number } else { 0 };
    let text = |index| field(index).as_str().map(|text| text.text().into_owned()).unwrap_or_default();
    Version {
        major: number(0),
        minor: number(1),
        patch: number(2),
        prerelease: text(3),
        metadata: text(4),
        original: text(5),
    }
}

fn shown(value: &Value) -> String {
    let version = version(value);
    let mut out = format!("{}.{}.{}", version.major, version.minor, version.patch);
    if !version.prerelease.is_empty() {
        out.push_str(&format!("-{}", version.prerelease));
    }
    if !version.metadata.is_empty() {
        out.push_str(&format!("+{}", version.metadata));
    }
    out
}

fn text(arguments: &[Value]) -> String {
    arguments.first().and_then(Value::as_str).map(|text| text.text().into_owned()).unwrap_or_default()
}

fn changed(result: Result<Version, landfall_semver::VersionError>) -> Outcome {
    result.map(|version| plain(&version)).map_err(|error| Error::function(error.to_string()))
}

fn compare(receiver: &Value, arguments: &[Value]) -> Ordering {
    match arguments.first() {
        Some(other @ Value::Struct(_)) => version(receiver).precedence(&version(other)),
        _ => Ordering::Greater,
    }
}

//! `values.schema.json`: values checked against the JSON schemas of a chart and of the charts below it.
//!
//! Messages are worded as Helm's validator words them. Nothing is ever fetched: a `$ref` to another host is an error.
//! Source: Helm 3.21.4 `pkg/chartutil/jsonschema.go`; santhosh-tekuri/jsonschema 6.0.2 for the words.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Retrieve, Uri, ValidationError, Validator};
use landfall_gotemplate::value::{Map, Value};
use serde_json::Value as Json;

use crate::chart::Chart;
use crate::error::{Error, ErrorKind};
use crate::family::{Family, Member};
use crate::remembered::Remembered;

/// A schema ready to be used.
#[derive(Debug)]
pub(crate) struct Compiled {
    validator: Validator,
}

/// Checks the coalesced values of a chart and of every chart below it.
///
/// Errors: [`ErrorKind::Schema`] naming every chart and path.
pub(crate) fn check(family: &Family<'_>, values: &Map) -> Result<(), Error> {
    let mut report = String::new();
    check_member(family, family.root(), values, &mut report);
    if report.is_empty() {
        return Ok(());
    }
    let message = format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{report}");
    Err(Error::new(ErrorKind::Schema, message)
        .in_chart(family.name(family.root()))
        .with_hint("correct the values named above; paths start at the values of the chart they are listed under"))
}

fn check_member(family: &Family<'_>, member: Member, values: &Map, report: &mut String) {
    let chart = family.chart(member);
    let failure = chart.schema.as_ref().and_then(|schema| check_one(chart, schema, values).err());
    if let Some(failure) = failure {
        report.push_str(&format!("{}:\n{failure}", family.name(member)));
    }
    for child in family.children(member) {
        match values.get(family.name(child).as_bytes()) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(inner)) => check_member(family, child, &inner, report),
            Some(other) => report.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                family.name(child),
                other.type_name()
            )),
        }
    }
}

/// Checks values against a schema that belongs to no chart yet: for linting.
///
/// Errors: the report, one line per path.
pub(crate) fn check_json(schema: &[u8], values: &serde_json::Map<String, Json>) -> Result<(), String> {
    let compiled = compile(schema)?;
    let values = to_json(&Value::from_json_with_integers(&Json::Object(values.clone())));
    let errors: Vec<ValidationError<'_>> = compiled.validator.iter_errors(&values).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    describe(errors.iter(), 0, &mut text);
    Err(text)
}

fn check_one(chart: &Chart, schema: &Bytes, values: &Map) -> Result<(), String> {
    let compiled =
        chart.compiled_schema.get_or_init(|| compiled(schema)).as_ref().map_err(|reason| format!("{reason}\n"))?;
    let values = to_json(&Value::Map(values.clone()));
    if compiled.validator.is_valid(&values) {
        return Ok(());
    }
    let errors: Vec<ValidationError<'_>> = compiled.validator.iter_errors(&values).collect();
    let mut text = String::new();
    describe(errors.iter(), 0, &mut text);
    Err(text)
}

/// The schema dialects that are known without asking the network.
const DIALECTS: [&str; 5] = ["draft-04", "draft-06", "draft-07", "2019-09", "2020-12"];

/// How much text of schemas stays compiled.
const SCHEMAS_BYTES_MAX: usize = 2 << 20;

static COMPILED: Remembered<Bytes, Result<Arc<Compiled>, String>> = Remembered::of(SCHEMAS_BYTES_MAX);

fn compiled(schema: &Bytes) -> Result<Arc<Compiled>, String> {
    COMPILED.get_or_make(schema, || schema.clone(), schema.len(), || compile(schema).map(Arc::new))
}

fn compile(schema: &[u8]) -> Result<Compiled, String> {
    let schema = schema.strip_prefix(b"\xef\xbb\xbf").unwrap_or(schema);
    let mut schema: Json =
        serde_json::from_slice(schema).map_err(|error| format!("cannot read values.schema.json: {error}"))?;
    if let Json::Object(fields) = &mut schema {
        let dialect = fields.get("$schema").and_then(Json::as_str).unwrap_or_default();
        // A dialect of somebody's own cannot be fetched; the newest is the best guess.
        if !DIALECTS.iter().any(|known| dialect.contains(known)) {
            fields.remove("$schema");
        }
    }
    let validator = jsonschema::options()
        .with_retriever(Offline)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .map_err(|error| format!("cannot use values.schema.json: {error}"))?;
    Ok(Compiled { validator })
}

struct Offline;

impl Retrieve for Offline {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.as_str().starts_with("urn:") {
            return Ok(Json::Bool(true));
        }
        Err(format!("the schema refers to {uri}, and schemas are not fetched while rendering; put it into the chart")
            .into())
    }
}

/// Values as JSON; floats without a fraction are integers, as the validator has them.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number, _) => Json::from(*number),
        Value::Uint(number, _) => Json::from(*number),
        Value::Float(number, _) if number.fract() == 0.0 && number.abs() < 9e15 => {
            #[expect(clippy::cast_possible_truncation, reason = "the bound above is well inside i64")]
            let whole = *number as i64;
            Json::from(whole)
        }
        Value::Float(number, _) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::String(text.text().into_owned()),
        Value::List(list) => Json::Array(list.items.iter().map(to_json).collect()),
        Value::Map(map) => {
            let entries = map.borrow();
            Json::Object(entries.iter().map(|(key, item)| (key.text().into_owned(), to_json(item))).collect())
        }
        _ => Json::Null,
    }
}

/// Prints errors as the validator prints them: by path, causes indented below.
fn describe<'e>(errors: impl Iterator<Item = &'e ValidationError<'e>>, depth: usize, out: &mut String) {
    let mut lines: BTreeMap<String, Vec<(String, &ValidationError<'e>)>> = BTreeMap::new();
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for error in errors {
        let path = error.instance_path().to_string();
        if let ValidationErrorKind::Required { property } = error.kind() {
            missing.entry(path.clone()).or_default().push(property.as_str().unwrap_or_default().to_owned());
            if missing[&path].len() > 1 {
                continue;
            }
        }
        lines.entry(path).or_default().push((words(error), error));
    }
    for (path, errors) in lines {
        for (mut words, error) in errors {
            if matches!(error.kind(), ValidationErrorKind::Required { .. }) {
                let names = &missing[&path];
                words = match names.as_slice() {
                    [name] => format!("missing property {}", quote(name)),
                    names => format!("missing properties {}", quote_all(names)),
                };
            }
            out.push_str(&format!("{}- at {}: {words}\n", "  ".repeat(depth), quote(&path)));
            let causes = match error.kind() {
                ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context,
                _ => continue,
            };
            for branch in causes {
                describe(branch.iter(), depth + 1, out);
            }
        }
    }
}

fn words(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    let instance = error.instance();
    let size = || match &**instance {
        Json::Array(items) => items.len(),
        Json::Object(fields) => fields.len(),
        Json::String(text) => text.chars().count(),
        _ => 0,
    };
    match error.kind() {
        Kind::Type { kind } => {
            let wanted: Vec<String> = match kind {
                TypeKind::Single(wanted) => vec![wanted.to_string()],
                TypeKind::Multiple(wanted) => wanted.iter().map(|wanted| wanted.to_string()).collect(),
            };
            format!("got {}, want {}", type_name(instance), wanted.join(" or "))
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("additional properties {} not allowed", quote_all(unexpected))
        }
        Kind::AdditionalItems { limit } => {
            format!("last {} additionalItem(s) not allowed", size().saturating_sub(*limit))
        }
        Kind::AnyOf { .. } => "'anyOf' failed".to_owned(),
        Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".to_owned(),
        Kind::OneOfMultipleValid { .. } => "'oneOf' failed, several subschemas matched".to_owned(),
        Kind::Not { .. } => "'not' failed".to_owned(),
        Kind::FalseSchema => "false schema".to_owned(),
        Kind::Constant { expected_value } => format!("value must be {}", shown(expected_value)),
        Kind::Enum { options } => match options.as_array().map(Vec::as_slice) {
            Some([only]) => format!("value must be {}", shown(only)),
            Some(options) => {
                let options: Vec<String> = options.iter().map(shown).collect();
                format!("value must be one of {}", options.join(", "))
            }
            None => "'enum' failed".to_owned(),
        },
        Kind::Format { format } => format!("{} is not valid {format}", shown(instance)),
        Kind::MinProperties { limit } => format!("minProperties: got {}, want {limit}", size()),
        Kind::MaxProperties { limit } => format!("maxProperties: got {}, want {limit}", size()),
        Kind::MinItems { limit } => format!("minItems: got {}, want {limit}", size()),
        Kind::MaxItems { limit } => format!("maxItems: got {}, want {limit}", size()),
        Kind::MinLength { limit } => format!("minLength: got {}, want {limit}", size()),
        Kind::MaxLength { limit } => format!("maxLength: got {}, want {limit}", size()),
        Kind::Minimum { limit } => format!("minimum: got {instance}, want {limit}"),
        Kind::Maximum { limit } => format!("maximum: got {instance}, want {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("exclusiveMinimum: got {instance}, want {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("exclusiveMaximum: got {instance}, want {limit}"),
        Kind::Pattern { pattern } => format!("{} does not match pattern {}", shown(instance), quote(pattern)),
        Kind::UniqueItems => "items are not unique".to_owned(),
        Kind::Contains => "no items match contains schema".to_owned(),
        Kind::PropertyNames { error } => format!("invalid propertyName: {error}"),
        _ => error.to_string(),
    }
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        plain => plain.to_string(),
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn quote_all(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

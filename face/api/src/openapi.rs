//! OpenAPI 3.1 of the methods, from their tables.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::schema::{Field, Form, Kind, Message, Method, Rule, Schema, schema};

/// Methods that answer anybody.
const OPEN: [&str; 5] = [
    "version.VersionService/Version",
    "cluster.SettingsService/Get",
    "session.SessionService/Create",
    "session.SessionService/Delete",
    "session.SessionService/GetUserInfo",
];

/// Describes every method that is reached over REST.
pub fn document() -> Value {
    let schema = schema();
    let mut paths = Map::new();
    let mut used = BTreeSet::new();
    for method in &schema.methods {
        for (index, rule) in method.rules.iter().enumerate() {
            let path = rule.path.split('/').map(plain_parameter).collect::<Vec<_>>().join("/");
            let entry = paths.entry(path).or_insert_with(|| json!({}));
            let verb = rule.verb.to_lowercase();
            // Two names for one request: the first describes it.
            if entry.get(&verb).is_none() {
                entry[&verb] = operation(schema, method, rule, index, &mut used);
            }
        }
    }
    let mut schemas = Map::new();
    while let Some(at) = used.iter().find(|at| !schemas.contains_key(&schema.messages[**at].name)).copied() {
        let message = &schema.messages[at];
        let described = described(schema, message, &mut used);
        schemas.insert(message.name.clone(), described);
    }
    schemas.insert("Error".to_owned(), json!({
        "type": "object", "required": ["error", "code", "message"],
        "properties": {
            "error": {"type": "string", "description": "message and hint"}, "code": {"type": "integer", "description": "a gRPC code"},
            "message": {"type": "string"}, "hint": {"type": "string", "description": "what to do about it"},
        },
    }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Landfall", "version": "1",
            "description": "The API of Argo CD 3.5, answered by Landfall, and what Landfall adds to it (tag landfall). The same methods are reached over gRPC and gRPC-web at the same port.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "a token of a login, of an account or of a project's role"}},
        },
    })
}

/// What a part of a path is called: `{id.value}` is a field inside another, and dots are nothing that generators of
/// clients can name a variable by.
fn plain_parameter(part: &str) -> String {
    match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => format!("{{{}}}", parameter(name.trim_end_matches("=**"))),
        None => part.to_owned(),
    }
}

/// `id.value` as `idValue`.
fn parameter(name: &str) -> String {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        name + &capital + letters.as_str()
    })
}

fn operation(schema: &Schema, method: &Method, rule: &Rule, index: usize, used: &mut BTreeSet<usize>) -> Value {
    let takes = &schema.messages[method.takes];
    let in_path: Vec<&str> = rule
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|part| part.trim_end_matches("=**"))
        .collect();
    let mut parameters: Vec<Value> = in_path
        .iter()
        .map(|name| json!({"name": parameter(name), "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let body = rule.body.as_deref();
    if body != Some("*") {
        for field in takes.fields.iter().filter(|field| Some(field.name.as_str()) != body) {
            query(schema, field, "", &in_path, &mut parameters, 2);
        }
    }
    let says = if method.says.is_empty() { method.name.clone() } else { method.says.clone() };
    let suffix = if index == 0 { String::new() } else { format!("_{index}") };
    let answer = reference(schema, method.gives, used);
    let answer = if method.gives_stream {
        json!({"type": "object", "properties": {"result": answer}, "description": "one object per line"})
    } else {
        answer
    };
    let mut operation = json!({
        "operationId": format!("{}_{}{suffix}", method.service.rsplit('.').next().unwrap_or(""), method.name),
        "summary": says, "tags": [method.service.rsplit('.').next().unwrap_or("")],
        "parameters": parameters,
        "responses": {
            "200": {"description": "an answer", "content": {"application/json": {"schema": answer}}},
            "default": {"description": "a refusal", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
        },
    });
    match body {
        None => {}
        Some("*") => {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": reference(schema, method.takes, used)}}})
        }
        Some(name) => {
            if let Some(field) = takes.field(name) {
                let of = field_schema(schema, field, used);
                operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": of}}});
            }
        }
    }
    if OPEN.contains(&method.path().as_str()) {
        operation["security"] = json!([]);
    }
    operation
}

/// Fields that a query can set, those of messages inside with a dot.
fn query(schema: &Schema, field: &Field, prefix: &str, in_path: &[&str], into: &mut Vec<Value>, depth: u32) {
    let name = format!("{prefix}{}", field.name);
    if in_path.contains(&name.as_str()) || field.is_map {
        return;
    }
    let kind = match field.kind {
        Kind::String | Kind::Bytes => json!({"type": "string"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int32 => json!({"type": "integer", "format": "int32"}),
        Kind::Int64 => json!({"type": "integer", "format": "int64"}),
        Kind::Message(at) => match schema.messages[at].form {
            Form::Time | Form::MicroTime => json!({"type": "string", "format": "date-time"}),
            Form::Object if depth > 0 && !field.is_repeated => {
                for inner in &schema.messages[at].fields {
                    query(schema, inner, &format!("{name}."), in_path, into, depth - 1);
                }
                return;
            }
            _ => return,
        },
    };
    let kind = if field.is_repeated { json!({"type": "array", "items": kind}) } else { kind };
    into.push(json!({"name": name, "in": "query", "required": false, "schema": kind}));
}

fn reference(schema: &Schema, at: usize, used: &mut BTreeSet<usize>) -> Value {
    used.insert(at);
    json!({"$ref": format!("#/components/schemas/{}", schema.messages[at].name)})
}

fn field_schema(schema: &Schema, field: &Field, used: &mut BTreeSet<usize>) -> Value {
    let one = match field.kind {
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Int32 => json!({"type": "integer", "format": "int32"}),
        Kind::Int64 => json!({"type": "integer", "format": "int64"}),
        Kind::Message(at) => reference(schema, at, used),
    };
    match (field.is_map, field.is_repeated) {
        (true, _) => json!({"type": "object", "additionalProperties": one}),
        (_, true) => json!({"type": "array", "items": one}),
        _ => one,
    }
}

fn described(schema: &Schema, message: &Message, used: &mut BTreeSet<usize>) -> Value {
    match message.form {
        Form::Time | Form::MicroTime => json!({"type": ["string", "null"], "format": "date-time"}),
        Form::Any => json!({"description": "any JSON"}),
        Form::IntOrString => json!({"type": ["integer", "string"]}),
        Form::Only => message.fields.first().map(|field| field_schema(schema, field, used)).unwrap_or_default(),
        Form::Object => {
            let mut properties = Map::new();
            collect(schema, message, &mut properties, used);
            json!({"type": "object", "properties": properties})
        }
    }
}

fn collect(schema: &Schema, message: &Message, into: &mut Map<String, Value>, used: &mut BTreeSet<usize>) {
    for field in &message.fields {
        match field.kind {
            Kind::Message(at) if field.is_inline => collect(schema, &schema.messages[at], into, used),
            _ => {
                let described = field_schema(schema, field, used);
                into.insert(field.name.clone(), described);
            }
        }
    }
}

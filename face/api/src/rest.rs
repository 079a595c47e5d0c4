//! REST: which method a request means, and the request message that its path, query and body make.

use std::sync::OnceLock;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::schema::{Method, Rule, schema};
use crate::shape;

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// A field, by its path in the message; with `true` it takes all that is left.
    Field(Vec<String>, bool),
}

struct Route {
    verb: &'static str,
    segments: Vec<Segment>,
    method: &'static Method,
    rule: &'static Rule,
}

/// What a REST request means.
pub struct Found {
    /// The method.
    pub method: &'static Method,
    /// The rule by which it was found.
    pub rule: &'static Rule,
    fields: Vec<(Vec<String>, String)>,
}

fn routes() -> &'static [Route] {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let mut routes: Vec<Route> = schema()
            .methods
            .iter()
            .flat_map(|method| {
                method.rules.iter().map(move |rule| Route {
                    verb: rule.verb.as_str(),
                    segments: segments(&rule.path),
                    method,
                    rule,
                })
            })
            .collect();
        // A literal is meant before a field: `applications/manifestsWithFiles` before `applications/{name}`.
        routes.sort_by_key(|route| route.segments.iter().map(|s| matches!(s, Segment::Field(..))).collect::<Vec<_>>());
        routes
    })
}

fn segments(path: &str) -> Vec<Segment> {
    let segment = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None => Segment::Literal(text.to_owned()),
        Some(field) => {
            let (field, takes_all) = field.strip_suffix("=**").map_or((field, false), |field| (field, true));
            Segment::Field(field.split('.').map(str::to_owned).collect(), takes_all)
        }
    };
    path.trim_start_matches('/').split('/').map(segment).collect()
}

/// Finds the method that a request means. `path` is as sent, not yet decoded. `None` if no path matches; an error if one
/// does, with another verb.
pub fn find(verb: &str, path: &str) -> Option<Result<Found, Vec<&'static str>>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut verbs = Vec::new();
    for route in routes() {
        if let Some(fields) = matched(&route.segments, &parts) {
            if route.verb == verb {
                return Some(Ok(Found { method: route.method, rule: route.rule, fields }));
            }
            verbs.push(route.verb);
        }
    }
    verbs.sort_unstable();
    verbs.dedup();
    (!verbs.is_empty()).then_some(Err(verbs))
}

fn matched(segments: &[Segment], parts: &[&str]) -> Option<Vec<(Vec<String>, String)>> {
    let mut fields = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        match segment {
            Segment::Field(field, true) => {
                let rest = parts.get(at..).unwrap_or_default().join("/");
                fields.push((field.clone(), decoded(&rest)));
                return Some(fields);
            }
            Segment::Literal(text) if parts.get(at) == Some(&text.as_str()) => {}
            Segment::Field(field, false) if parts.get(at).is_some_and(|part| !part.is_empty()) => {
                fields.push((field.clone(), decoded(parts[at])));
            }
            _ => return None,
        }
    }
    (segments.len() == parts.len()).then_some(fields)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Found {
    /// Reads the messages of a method that takes several: objects, one after the other.
    ///
    /// Errors: something is no JSON, no object, or of another shape.
    pub fn messages(&self, body: &[u8]) -> Result<Vec<Value>, ApiError> {
        let read = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
        read.map(|value| {
            let value = value.map_err(|error| ApiError::invalid(format!("the body is no JSON: {error}")))?;
            match value.is_object() {
                true => shape::conform(self.method.takes, value),
                false => Err(ApiError::invalid("the body must be objects, one after the other")),
            }
        })
        .collect()
    }

    /// Puts the request message together.
    ///
    /// Errors: the body is no JSON or of another shape, a parameter is of another type.
    pub fn request(&self, query: &str, body: &[u8]) -> Result<Value, ApiError> {
        let mut request = Value::Object(Map::new());
        let body_field = self.rule.body.as_deref();
        if let Some(field) = body_field {
            let read = if body.iter().all(u8::is_ascii_whitespace) {
                Value::Null
            } else {
                serde_json::from_slice(body).map_err(|error| {
                    ApiError::invalid(format!("the body is no JSON: {error}"))
                        .hint("send an object with Content-Type: application/json")
                })?
            };
            if field == "*" {
                if !read.is_null() {
                    request = read;
                }
            } else if let Some(map) = request.as_object_mut() {
                map.insert(field.to_owned(), read);
            }
            if !request.is_object() {
                return Err(ApiError::invalid("the body must be an object"));
            }
            request = shape::conform(self.method.takes, request)?;
        }
        for (name, text) in pairs(query) {
            let is_of_body = body_field.is_some_and(|field| field == "*" || name.split('.').next() == Some(field));
            if !is_of_body {
                shape::put_parameter(self.method.takes, &mut request, &name, &text)?;
            }
        }
        for (field, text) in &self.fields {
            shape::put_parameter(self.method.takes, &mut request, &field.join("."), text)?;
        }
        Ok(request)
    }
}

/// Splits a query into its parameters, decoded.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decoded(&text.replace('+', " "));
        (plain(name), plain(value))
    })
}

//! Which representation a client wants, from its `Accept` header.

use crate::error::ApiError;

/// The form of objects in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Whole,
    /// Rows with printer columns (`meta.k8s.io/v1` Table).
    Table,
    /// Only metadata.
    Metadata,
}

/// The encoding of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What was negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// The form.
    pub(crate) form: Form,
    /// The encoding.
    pub(crate) encoding: Encoding,
}

/// The media types that this server writes.
pub(crate) const WRITTEN: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Parses one clause of an Accept header: media type and parameters.
fn clause(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = text.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let parameters = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_string()))
        .collect();
    (media_type, parameters)
}

fn quality(parameters: &[(String, String)]) -> f32 {
    parameters.iter().find(|(key, _)| key == "q").and_then(|(_, value)| value.parse().ok()).unwrap_or(1.0)
}

/// The clauses of an Accept header, best first (equal ones in the order written).
pub(crate) fn clauses(accept: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut all: Vec<_> = accept.split(',').map(str::trim).filter(|part| !part.is_empty()).map(clause).collect();
    all.sort_by(|one, other| quality(&other.1).total_cmp(&quality(&one.1)));
    all
}

/// Chooses the representation of objects. Protobuf is passed over; alone it is refused with 406.
pub(crate) fn objects(accept: &str) -> Result<Negotiated, ApiError> {
    if accept.trim().is_empty() {
        return Ok(Negotiated { form: Form::Whole, encoding: Encoding::Json });
    }
    for (media_type, parameters) in clauses(accept) {
        let encoding = match media_type.as_str() {
            "application/json" | "application/*" | "*/*" => Encoding::Json,
            "application/yaml" => Encoding::Yaml,
            _ => continue,
        };
        let parameter =
            |name: &str| parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let form = match (parameter("as"), parameter("g"), parameter("v")) {
            ("", _, _) => Form::Whole,
            ("Table", "meta.k8s.io", "v1" | "v1beta1") => Form::Table,
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1" | "v1beta1") => Form::Metadata,
            _ => continue,
        };
        return Ok(Negotiated { form, encoding });
    }
    let transforms = clauses(accept).iter().any(|(_, parameters)| parameters.iter().any(|(key, _)| key == "as"));
    let is_protobuf = clauses(accept).iter().any(|(media_type, _)| media_type == "application/vnd.kubernetes.protobuf");
    if transforms || is_protobuf {
        return Err(ApiError::not_acceptable(WRITTEN));
    }
    let mut error = ApiError::not_acceptable(WRITTEN);
    error.message = format!("406: Not Acceptable\n\nAvailable representations: {}", WRITTEN.join(", "));
    error.details = serde_json::json!({});
    Err(error)
}

/// True when the client prefers the aggregated form of discovery (`apidiscovery.k8s.io/v2`).
pub(crate) fn wants_aggregated_discovery(accept: &str) -> Option<&'static str> {
    for (media_type, parameters) in clauses(accept) {
        if media_type != "application/json" {
            continue;
        }
        let parameter =
            |name: &str| parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        return match (parameter("as"), parameter("g"), parameter("v")) {
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some("v2"),
            ("", _, _) => None,
            _ => continue,
        };
    }
    None
}

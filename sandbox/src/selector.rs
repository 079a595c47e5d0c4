//! Label and field selectors, as they come in query parameters and in specs.
//!
//! Entry: [`LabelSelector::parse`], [`LabelSelector::of_spec`], [`FieldSelector::parse`].

use serde_json::Value;

use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    GreaterThan(i64),
    LessThan(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    condition: Condition,
}

/// All of its requirements must hold; without any it selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
    matches_nothing: bool,
}

impl LabelSelector {
    /// Reads the form of `?labelSelector=`: `app=web,tier in (a,b),!canary`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(ApiError::bad_request(format!(
                    "unable to parse requirement: found '', expected: identifier after ','; the selector was {text:?}"
                )));
            }
            requirements.push(parse_requirement(part)?);
        }
        Ok(Self { requirements, matches_nothing: false })
    }

    /// Reads a `metav1.LabelSelector`; absent selects nothing, empty selects everything.
    pub(crate) fn of_spec(selector: Option<&Value>) -> Self {
        let Some(selector) = selector.filter(|selector| selector.is_object()) else {
            return Self { requirements: Vec::new(), matches_nothing: true };
        };
        let mut all = Self::of_map(selector.get("matchLabels"));
        all.matches_nothing = false;
        for expression in json::list(selector, "/matchExpressions") {
            let values =
                || json::list(expression, "/values").iter().filter_map(Value::as_str).map(str::to_string).collect();
            let condition = match json::text(expression, "/operator") {
                "In" => Condition::In(values()),
                "NotIn" => Condition::NotIn(values()),
                "Exists" => Condition::Exists,
                "DoesNotExist" => Condition::Absent,
                _ => {
                    all.matches_nothing = true;
                    continue;
                }
            };
            all.requirements.push(Requirement { key: json::text(expression, "/key").to_string(), condition });
        }
        all
    }

    /// Reads a plain map of labels (Services, ReplicationControllers); absent or empty selects nothing.
    pub(crate) fn of_map(labels: Option<&Value>) -> Self {
        let requirements: Vec<Requirement> = labels
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| Requirement {
                key: key.clone(),
                condition: Condition::In(vec![value.as_str().unwrap_or("").to_string()]),
            })
            .collect();
        let matches_nothing = requirements.is_empty();
        Self { requirements, matches_nothing }
    }

    /// True when nothing is asked of the object.
    pub(crate) fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.matches_nothing
    }

    /// True when the object's labels meet every requirement.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.matches_labels(object.get("metadata").and_then(|metadata| metadata.get("labels")))
    }

    /// True when these labels meet every requirement.
    pub(crate) fn matches_labels(&self, labels: Option<&Value>) -> bool {
        !self.matches_nothing
            && self.requirements.iter().all(|requirement| {
                let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
                requirement.condition.holds(value)
            })
    }
}

/// The text form, as the scale subresource reports it.
impl std::fmt::Display for LabelSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts: Vec<String> = self
            .requirements
            .iter()
            .map(|requirement| {
                let key = &requirement.key;
                match &requirement.condition {
                    Condition::In(values) if values.len() == 1 => format!("{key}={}", values[0]),
                    Condition::In(values) => format!("{key} in ({})", values.join(",")),
                    Condition::NotIn(values) if values.len() == 1 => format!("{key}!={}", values[0]),
                    Condition::NotIn(values) => format!("{key} notin ({})", values.join(",")),
                    Condition::Exists => key.clone(),
                    Condition::Absent => format!("!{key}"),
                    Condition::GreaterThan(bound) => format!("{key}>{bound}"),
                    Condition::LessThan(bound) => format!("{key}<{bound}"),
                }
            })
            .collect();
        parts.sort();
        formatter.write_str(&parts.join(","))
    }
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|unwanted| unwanted != value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::GreaterThan(bound) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|v| v > *bound),
            Self::LessThan(bound) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|v| v < *bound),
        }
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, ApiError> {
    let refuse =
        |why: &str| ApiError::bad_request(format!("unable to parse requirement: {why}; the requirement was {part:?}"));
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement { key: checked_key(key.trim(), &refuse)?, condition: Condition::Absent });
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let value = checked_value(key.trim(), value.trim())?;
            let condition = if negated { Condition::NotIn(vec![value]) } else { Condition::In(vec![value]) };
            return Ok(Requirement { key: checked_key(key.trim(), &refuse)?, condition });
        }
    }
    for (operator, greater) in [(">", true), ("<", false)] {
        if let Some((key, bound)) = part.split_once(operator) {
            let bound = bound.trim().parse().map_err(|_| refuse("for '>' and '<' the value must be an integer"))?;
            let condition = if greater { Condition::GreaterThan(bound) } else { Condition::LessThan(bound) };
            return Ok(Requirement { key: checked_key(key.trim(), &refuse)?, condition });
        }
    }
    let mut words = part.splitn(2, char::is_whitespace);
    let key = checked_key(words.next().unwrap_or_default(), &refuse)?;
    let Some(rest) = words.next().map(str::trim).filter(|rest| !rest.is_empty()) else {
        return Ok(Requirement { key, condition: Condition::Exists });
    };
    let (operator, set) = rest.split_once('(').ok_or_else(|| refuse("expected '(' after in or notin"))?;
    let set = set.trim().strip_suffix(')').ok_or_else(|| refuse("expected ')' at the end of the set"))?;
    let values = set.split(',').map(|value| checked_value(key.trim(), value.trim())).collect::<Result<Vec<_>, _>>()?;
    match operator.trim() {
        "in" => Ok(Requirement { key, condition: Condition::In(values) }),
        "notin" => Ok(Requirement { key, condition: Condition::NotIn(values) }),
        other => Err(refuse(&format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"))),
    }
}

fn checked_key(key: &str, refuse: &dyn Fn(&str) -> ApiError) -> Result<String, ApiError> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let is_name = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if name.len() > 63 || !is_name(name) { Err(refuse("the label key is not valid")) } else { Ok(key.to_string()) }
}

fn checked_value(key: &str, value: &str) -> Result<String, ApiError> {
    let is_valid = value.is_empty()
        || (value.len() <= 63
            && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && value.starts_with(|c: char| c.is_ascii_alphanumeric())
            && value.ends_with(|c: char| c.is_ascii_alphanumeric()));
    if is_valid {
        return Ok(value.to_string());
    }
    if value.starts_with('=') {
        return Err(ApiError::bad_request("unable to parse requirement: found '=', expected: identifier"));
    }
    Err(ApiError::bad_request(format!(
        "unable to parse requirement: values[0][{key}]: Invalid value: {value:?}: {}",
        crate::operations::LABEL_VALUE_RULE
    )))
}

/// All of its terms must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    equal: bool,
}

/// The refusal of a field by which a resource cannot be selected.
fn unselectable(resource: &Resource, field: &str) -> ApiError {
    let own = ["pods", "nodes", "replicationcontrollers", "secrets", "namespaces", "events"];
    if resource.custom.is_some() || own.contains(&resource.key.as_str()) {
        return ApiError::bad_request(format!("field label not supported: {field}"));
    }
    ApiError::bad_request(format!(
        "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    ))
}

impl FieldSelector {
    /// Reads the form of `?fieldSelector=` and checks that the resource can be selected by those fields.
    pub(crate) fn parse(text: &str, resource: &Resource) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !is_selectable(resource, field) {
                return Err(unselectable(resource, field));
            }
            let value = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\");
            terms.push(Term { field: field.to_string(), value, equal });
        }
        Ok(Self { terms })
    }

    /// True when nothing is asked of the object.
    pub(crate) fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// True when the object's fields meet every term.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (field_text(object, &term.field) == term.value) == term.equal)
    }
}

/// Fields beyond name and namespace by which built-in kinds can be selected.
/// Source: the field label conversion functions of Kubernetes 1.36.
fn is_selectable(resource: &Resource, field: &str) -> bool {
    if field == "metadata.name" || (field == "metadata.namespace" && resource.is_namespaced()) {
        return true;
    }
    if let Some(custom) = &resource.custom {
        return custom.selectable_fields.iter().any(|selectable| selectable.trim_start_matches('.') == field);
    }
    let fields: &[&str] = match resource.key.as_str() {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reportingController",
        ],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "replicationcontrollers" | "replicasets.apps" => &["status.replicas"],
        "jobs.batch" => &["status.successful"],
        "certificatesigningrequests.certificates.k8s.io" => &["spec.signerName"],
        _ => &[],
    };
    fields.contains(&field)
}

fn field_text(object: &Value, field: &str) -> String {
    // Events are kept under the names of their older form.
    if let Some(rest) = field.strip_prefix("regarding.") {
        return field_text(object, &format!("involvedObject.{rest}"));
    }
    if field == "reportingController" {
        return field_text(object, "reportingComponent");
    }
    if field == "source" && object.pointer("/source/component").and_then(Value::as_str).is_none_or(str::is_empty) {
        return field_text(object, "reportingComponent");
    }
    let field = match field {
        "source" => "source.component",
        "status.successful" => "status.succeeded",
        "regarding.kind" => "involvedObject.kind",
        "regarding.namespace" => "involvedObject.namespace",
        "regarding.name" => "involvedObject.name",
        "regarding.uid" => "involvedObject.uid",
        other => other,
    };
    let mut at = object;
    for key in field.trim_start_matches('.').split('.') {
        match at.get(key) {
            Some(inner) => at = inner,
            None => {
                return match field {
                    "spec.unschedulable" | "spec.hostNetwork" => "false".to_string(),
                    "status.replicas" | "status.succeeded" => "0".to_string(),
                    _ => String::new(),
                };
            }
        }
    }
    match at {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

//! Metadata that the server writes or checks: names, uids, timestamps, generation.

use landfall_merge::builtin;
use serde_json::{Value, json};

use super::{Core, Memory, Part};
use crate::clock::rfc3339;
use crate::error::{ApiError, Cause};
use crate::json;
use crate::registry::{GenerationFollows, Resource, generation_follows};

/// The longest generated prefix; a name has at most 63 letters in most kinds and five are added.
const GENERATE_NAME_BASE_MAX: usize = 58;

impl Core {
    /// Fills a new object's metadata: name from generateName, namespace, uid, creation time, generation.
    pub(super) fn stamp_new(&self, resource: &Resource, namespace: &str, value: &mut Value, memory: &Memory) {
        let suffix_needed = json::name(value).is_empty() && !json::text(value, "/metadata/generateName").is_empty();
        let prefix: String = json::text(value, "/metadata/generateName").chars().take(GENERATE_NAME_BASE_MAX).collect();
        let metadata = json::child(value, "metadata");
        if suffix_needed {
            let suffix = memory.choice("name", || self.random.name_suffix());
            metadata.insert("name".into(), json!(format!("{prefix}{suffix}")));
        }
        for ignored in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"]
        {
            metadata.remove(ignored);
        }
        if resource.is_namespaced() {
            metadata.insert("namespace".into(), json!(namespace));
        } else {
            metadata.remove("namespace");
        }
        metadata.insert("uid".into(), json!(memory.choice("uid", || self.random.uid())));
        metadata.insert("creationTimestamp".into(), json!(rfc3339(self.clock.now())));
        if generation_follows(resource) != GenerationFollows::Nothing {
            metadata.insert("generation".into(), json!(1));
        }
        drop_empty(value);
    }
}

/// Drops empty maps and lists of the metadata, which Kubernetes' types omit.
pub(super) fn drop_empty(value: &mut Value) {
    let metadata = json::child(value, "metadata");
    for key in ["labels", "annotations"] {
        if metadata
            .get(key)
            .is_some_and(|held| held.is_null() || held.as_object().is_some_and(serde_json::Map::is_empty))
        {
            metadata.remove(key);
        }
    }
    for key in ["finalizers", "ownerReferences"] {
        if metadata.get(key).is_some_and(|held| held.is_null() || held.as_array().is_some_and(Vec::is_empty)) {
            metadata.remove(key);
        }
    }
}

/// Refuses an object whose kind or version is not the one of the path.
pub(super) fn check_type(resource: &Resource, value: &Value) -> Result<(), ApiError> {
    let (api_version, kind) = (json::text(value, "/apiVersion"), json::text(value, "/kind"));
    let wanted = resource.api_version();
    if kind.is_empty() && resource.custom.is_some() {
        let body = value.to_string();
        let summary = crate::http::body::summary(body.as_bytes());
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{body}' ({summary})",
            resource.kind
        )));
    }
    if let Some((given, why)) = type_problem(resource, value) {
        return Err(ApiError::bad_request(format!("{given} cannot be handled as a {}: {why}", resource.kind)));
    }
    if !api_version.is_empty() && api_version != wanted {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
        )));
    }
    if let Some(custom) = resource.custom.as_ref().filter(|_| kind != resource.kind) {
        // Nothing is known of the other kind: no defaults, no pruning.
        let mut causes = vec![Cause::invalid("kind", &json!(kind), &format!("must be {}", resource.kind))];
        crate::crd::schema::validate(custom, resource.scale.as_ref(), value, None, &mut causes);
        return Err(ApiError::invalid(&resource.group, kind, json::name(value), causes));
    }
    Ok(())
}

/// Why an object of a built-in kind cannot be read as what the path names: what it says it is (`Kind in version "v1"`), and the reason.
pub(super) fn type_problem(resource: &Resource, value: &Value) -> Option<(String, String)> {
    let wanted = resource.api_version();
    let or = |given: &str, wanted: &str| if given.is_empty() { wanted.to_string() } else { given.to_string() };
    let api_version = or(json::text(value, "/apiVersion"), &wanted);
    let kind = or(json::text(value, "/kind"), &resource.kind);
    if resource.custom.is_some() || (api_version == wanted && kind == resource.kind) {
        return None;
    }
    let (group, version) = crate::registry::split_api_version(&api_version);
    let given = format!("{kind} in version {version:?}");
    let Some(schema) = builtin::kubernetes().kind(group, version, &kind) else {
        let why = format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/runtime/scheme.go:111\""
        );
        return Some((given, why));
    };
    if kind == resource.kind {
        return None;
    }
    // It is read as what it says it is first.
    let why = super::unknown::mistyped(value, schema).unwrap_or_else(|| {
        let internal = match resource.group.split('.').next().unwrap_or_default() {
            "" => "core",
            first => first,
        };
        format!("converting ({version}.{kind}) to ({internal}.{}): unknown conversion", resource.kind)
    });
    Some((given, why))
}

/// Checks the parts of the metadata that every kind shares.
pub(super) fn validate(resource: &Resource, value: &Value, causes: &mut Vec<Cause>) {
    let name = json::name(value);
    let field = "metadata.name";
    if name.is_empty() {
        causes.push(Cause::required(field, "name or generateName is required"));
    } else if let Some(problem) = name_problem(resource, name) {
        causes.push(Cause::invalid(field, &json!(name), problem));
    }
    if let Some(labels) = json::object(value, "/metadata/labels") {
        check_labels(labels, "metadata.labels", causes);
    }
    if let Some(annotations) = json::object(value, "/metadata/annotations") {
        let mut size_bytes = 0;
        for (key, text) in annotations {
            if !is_qualified_name(&key.to_lowercase()) {
                causes.push(Cause::invalid("metadata.annotations", &json!(key), qualified_name_rule(key)));
            }
            match text.as_str() {
                Some(text) => size_bytes += key.len() + text.len(),
                None => {
                    causes.push(Cause::type_invalid(format!("metadata.annotations.{key}"), text, "must be a string"))
                }
            }
        }
        if size_bytes > ANNOTATIONS_BYTES_MAX {
            causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS_BYTES_MAX));
        }
    }
    for owner in json::list(value, "/metadata/ownerReferences") {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if json::text(owner, &format!("/{key}")).is_empty() {
                let why = if key == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{key}"), &json!(""), why));
            }
        }
        if json::text(owner, "/kind") == "Event"
            && matches!(json::text(owner, "/apiVersion"), "v1" | "events.k8s.io/v1")
        {
            let (group, version) = crate::registry::split_api_version(json::text(owner, "/apiVersion"));
            let why = format!("{group}/{version}, Kind=Event is disallowed from being an owner");
            causes.push(Cause::invalid("metadata.ownerReferences", owner, &why));
        }
    }
    let controllers = json::list(value, "/metadata/ownerReferences").iter().filter(|o| json::flag(o, "/controller"));
    if controllers.count() > 1 {
        let shown: Vec<String> = json::list(value, "/metadata/ownerReferences").iter().map(shown_owner).collect();
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: format!(
                "Invalid value: [{}]: Only one reference can have Controller set to true. Found \"true\" in references for {}",
                shown.join(","),
                controlling(value)
            ),
            field: "metadata.ownerReferences".to_string(),
        });
    }
    for (index, finalizer) in json::list(value, "/metadata/finalizers").iter().enumerate() {
        let text = finalizer.as_str().unwrap_or_default();
        let known = ["kubernetes", "orphan", "foregroundDeletion"];
        if !is_qualified_name(text) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, QUALIFIED_NAME_RULE));
        }
        let is_checked = resource.custom.is_none() && resource.key.as_str() != crate::crd::CRD_RESOURCE;
        if !text.contains('/') && !known.contains(&text) && is_checked {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            // The real server tells this twice in its causes and once in its sentence, unless something else is wrong with it.
            for _ in 0..if is_qualified_name(text) { 2 } else { 1 } {
                causes.push(Cause::invalid(format!("metadata.finalizers[{index}]"), finalizer, why));
            }
        }
    }
}

/// An owner reference with its fields in the order of Go's type.
fn shown_owner(owner: &Value) -> String {
    let fields: Vec<String> = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"]
        .iter()
        .filter_map(|key| Some(format!("{key:?}:{}", owner.get(*key)?)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// The controllers among owners, as a sentence names them.
fn controlling(value: &Value) -> String {
    let names: Vec<String> = json::list(value, "/metadata/ownerReferences")
        .iter()
        .filter(|owner| json::flag(owner, "/controller"))
        .map(|owner| format!("{}/{}", json::text(owner, "/kind"), json::text(owner, "/name")))
        .collect();
    names.join(" and ")
}

/// Checks what of the metadata may not change.
pub(super) fn validate_change(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    if !json::is_terminating(old) {
        return;
    }
    let held = json::list(old, "/metadata/finalizers");
    let added: Vec<String> = json::list(new, "/metadata/finalizers")
        .iter()
        .filter(|finalizer| !held.contains(finalizer))
        .map(Value::to_string)
        .collect();
    if !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        for _ in 0..2 {
            causes.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
}

/// The most that all annotations of an object may take together. Source: `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

pub(crate) const QUALIFIED_NAME_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const PREFIX_RULE: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Says what is wrong with a name that is not qualified.
fn qualified_name_rule(name: &str) -> &'static str {
    match name.split_once('/') {
        Some((prefix, _)) if !is_subdomain(prefix) => PREFIX_RULE,
        _ => QUALIFIED_NAME_RULE,
    }
}

pub(crate) const LABEL_VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub(crate) const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Checks a map of labels.
pub(crate) fn check_labels(labels: &serde_json::Map<String, Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid(field, &json!(key), qualified_name_rule(key)));
        }
        match value.as_str() {
            Some(text) if text.len() > 63 => causes.push(Cause::invalid(field, value, "must be no more than 63 bytes")),
            Some(text) if !text.is_empty() && !is_label_text(text) => {
                causes.push(Cause::invalid(field, value, LABEL_VALUE_RULE));
            }
            Some(_) => {}
            None => causes.push(Cause::type_invalid(format!("{field}.{key}"), value, "must be a string")),
        }
    }
}

/// True for `[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?`.
fn is_label_text(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// True for `prefix/name` or `name` as labels, annotations and finalizers are called.
pub(crate) fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(is_subdomain) && name.len() <= 63 && is_label_text(name)
}

/// True for RFC 1123 labels: lower case letters, digits and `-`, at most 63.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && text.chars().all(|c| edge(c) || c == '-') && text.starts_with(edge) && text.ends_with(edge)
}

/// True for RFC 1123 subdomains: labels joined by dots, at most 253.
pub(crate) fn is_subdomain(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253
        && text
            .split('.')
            .all(|part| part.chars().all(|c| edge(c) || c == '-') && part.starts_with(edge) && part.ends_with(edge))
}

/// Says what is wrong with an object's name.
fn name_problem(resource: &Resource, name: &str) -> Option<&'static str> {
    match resource.key.as_str() {
        // Path segments only: RBAC names hold colons, for example.
        "apiservices.apiregistration.k8s.io"
        | "roles.rbac.authorization.k8s.io"
        | "clusterroles.rbac.authorization.k8s.io"
        | "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => {
            if matches!(name, "." | "..") {
                Some("may not be '.' or '..'")
            } else if name.contains('/') || name.contains('%') {
                Some("may not contain '/' or '%'")
            } else {
                None
            }
        }
        "namespaces" if name.contains('.') => Some("must not contain dots"),
        "namespaces" => (!is_dns_label(name)).then_some(LABEL_RULE),
        "services" if name.contains('.') => Some("must not contain dots"),
        "services" => (!is_dns_label(name)).then_some(LABEL_RULE),
        "ipaddresses.networking.k8s.io" => {
            name.parse::<std::net::IpAddr>().is_err().then_some("must be a valid IP address")
        }
        _ if name.len() > 253 => Some("must be no more than 253 characters"),
        _ => (!is_subdomain(name)).then_some(SUBDOMAIN_RULE),
    }
}

/// Puts back everything that a write to one part of an object may not change.
pub(super) fn carry_over(resource: &Resource, part: Part, old: &Value, new: &mut Value) {
    let old_metadata = old.get("metadata").cloned().unwrap_or_default();
    {
        let metadata = json::child(new, "metadata");
        metadata.remove("selfLink");
        for key in
            ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace"]
        {
            match old_metadata.get(key) {
                Some(held) => metadata.insert(key.to_string(), held.clone()),
                None => metadata.remove(key),
            };
        }
        if !metadata.contains_key("managedFields")
            && let Some(held) = old_metadata.get("managedFields")
        {
            metadata.insert("managedFields".into(), held.clone());
        }
    }
    match part {
        Part::Main => {
            if resource.has_status {
                restore(old, new, "status");
            }
        }
        Part::Status => {
            let status = new.get("status").cloned();
            let given = new.get("metadata").cloned().unwrap_or_default();
            let mut whole = old.clone();
            match status {
                Some(status) => json::as_map(&mut whole).insert("status".into(), status),
                None => json::as_map(&mut whole).remove("status"),
            };
            let metadata = json::child(&mut whole, "metadata");
            for key in ["managedFields", "resourceVersion"] {
                match given.get(key) {
                    Some(value) => metadata.insert(key.into(), value.clone()),
                    None => metadata.remove(key),
                };
            }
            // Built-in kinds let labels and annotations through with the status; custom resources do not.
            if resource.custom.is_none() {
                for key in ["annotations", "labels", "finalizers"] {
                    if key == "labels" && resource.group == "apps" {
                        continue;
                    }
                    match given.get(key) {
                        Some(value) => metadata.insert(key.into(), value.clone()),
                        None => metadata.remove(key),
                    };
                }
            }
            *new = whole;
        }
        Part::Finalize => {
            keep_only(old, new, &["spec", "finalizers"]);
            if json::list(new, "/spec/finalizers").is_empty() {
                json::take(new, &["spec", "finalizers"]);
            }
        }
        Part::EphemeralContainers => keep_only(old, new, &["spec", "ephemeralContainers"]),
        Part::Resize => keep_only(old, new, &["spec", "containers"]),
        Part::Approval => {
            let conditions = new.pointer("/status/conditions").cloned();
            restore(old, new, "status");
            restore(old, new, "spec");
            if let Some(conditions) = conditions {
                json::set(new, &["status", "conditions"], conditions);
            }
        }
        Part::Scale | Part::Binding => {}
    }
    drop_empty(new);
}

fn restore(old: &Value, new: &mut Value, key: &str) {
    match old.get(key) {
        Some(held) => json::as_map(new).insert(key.to_string(), held.clone()),
        None => json::as_map(new).remove(key),
    };
}

/// Takes everything but one path (and the managers' records) from the old object.
fn keep_only(old: &Value, new: &mut Value, path: &[&str]) {
    let written = json::take(new, path);
    let given = new.get("metadata").cloned().unwrap_or_default();
    let mut whole = old.clone();
    match written {
        Some(written) => json::set(&mut whole, path, written),
        None => {
            json::take(&mut whole, path);
        }
    }
    for key in ["managedFields", "resourceVersion"] {
        if let Some(value) = given.get(key) {
            json::set(&mut whole, &["metadata", key], value.clone());
        }
    }
    *new = whole;
}

/// Raises the generation when the part of the object that it follows has changed.
pub(super) fn advance_generation(resource: &Resource, old: &Value, new: &mut Value) {
    let changed = match generation_follows(resource) {
        GenerationFollows::Nothing => return,
        GenerationFollows::Spec => old.get("spec") != new.get("spec"),
        GenerationFollows::AllButMetadata => {
            let relevant = |key: &str| {
                !(matches!(key, "metadata" | "apiVersion" | "kind") || (resource.has_status && key == "status"))
            };
            let empty = serde_json::Map::new();
            let before = old.as_object().unwrap_or(&empty);
            let after = new.as_object().unwrap_or(&empty);
            before.iter().filter(|(key, _)| relevant(key)).any(|(key, value)| after.get(key) != Some(value))
                || after.keys().filter(|key| relevant(key)).any(|key| !before.contains_key(key))
        }
    };
    if changed {
        let next = json::integer(old, "/metadata/generation").unwrap_or(0) + 1;
        json::set(new, &["metadata", "generation"], next);
    }
}

//! Admission policies: expressions that deny, warn about or change what is written.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/policy` 1.36.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::matching::{Act, constraints_match};
use crate::access::{self, Attributes};
use crate::cel::value::{Question, Value as Cel};
use crate::cel::{Evaluation, Lazy, parse};
use crate::error::ApiError;
use crate::json;
use crate::operations::Core;
use crate::selector::LabelSelector;

/// A policy with one of its bindings and the parameters that the binding names.
struct Bound {
    policy: Value,
    binding: Value,
    params: Vec<Value>,
}

const GROUP: &str = "admissionregistration.k8s.io";

/// The bindings of all policies of a kind that are about an act; an error is a binding that cannot be used.
fn bound(core: &Core, act: &Act<'_>, plural: &str) -> Vec<Result<Bound, (Value, Value, String)>> {
    let list = |name: &str| {
        let listing = core.store.list(&format!("{name}.{GROUP}").as_str().into(), None, None);
        listing.map(|listing| listing.items).unwrap_or_default()
    };
    let policies = list(&format!("{plural}policies"));
    if policies.is_empty() || act.resource.group == GROUP {
        return Vec::new();
    }
    let bindings = list(&format!("{plural}policybindings"));
    let mut found = Vec::new();
    for policy in policies {
        let constraints = policy.value.pointer("/spec/matchConstraints").unwrap_or(&Value::Null);
        if !constraints_match(core, constraints, act) {
            continue;
        }
        for binding in &bindings {
            let fits = json::text(&binding.value, "/spec/policyName") == json::name(&policy.value)
                && constraints_match(core, binding.value.pointer("/spec/matchResources").unwrap_or(&Value::Null), act);
            if !fits {
                continue;
            }
            let (policy, binding) = (Value::clone(&policy.value), Value::clone(&binding.value));
            found.push(match params(core, act, &policy, &binding) {
                Ok(params) => Ok(Bound { policy, binding, params }),
                Err(why) => Err((policy, binding, why)),
            });
        }
    }
    found
}

fn params(core: &Core, act: &Act<'_>, policy: &Value, binding: &Value) -> Result<Vec<Value>, String> {
    let Some(kind) = policy.pointer("/spec/paramKind").filter(|kind| kind.is_object()) else {
        return Ok(vec![Value::Null]);
    };
    let Some(reference) = binding.pointer("/spec/paramRef").filter(|reference| reference.is_object()) else {
        return Ok(vec![Value::Null]);
    };
    let resource = core
        .registry
        .of_kind(json::text(kind, "/apiVersion"), json::text(kind, "/kind"))
        .ok_or("failed to configure policy: failed to find resource referenced by paramKind")?;
    let namespace = match json::text(reference, "/namespace") {
        "" if resource.is_namespaced() => json::namespace(act.subject()).to_string(),
        given => given.to_string(),
    };
    let found: Vec<Value> = match json::text(reference, "/name") {
        "" => {
            let selector = LabelSelector::of_spec(reference.get("selector"));
            let scope = resource.is_namespaced().then_some(namespace.as_str());
            let listing = core.store.list(&resource.key, scope, None).map(|listing| listing.items).unwrap_or_default();
            listing.iter().filter(|item| selector.matches(&item.value)).map(|item| Value::clone(&item.value)).collect()
        }
        name => core.store.get(&resource.key, &namespace, name).iter().map(|held| Value::clone(&held.value)).collect(),
    };
    if found.is_empty() && json::text(reference, "/parameterNotFoundAction") != "Allow" {
        return Err(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
                .into(),
        );
    }
    Ok(found)
}

/// Runs a closure with the evaluation of a policy's expressions.
fn with_evaluation<T>(
    core: &Core,
    act: &Act<'_>,
    policy: &Value,
    params: &Value,
    body: impl FnOnce(&Evaluation<'_>) -> T,
) -> T {
    let uid = act.options.memory.choice("admission", || core.random.uid());
    let mut variables = BTreeMap::new();
    for (name, value) in [
        ("object", act.shown(&act.object)),
        ("oldObject", act.shown(&act.old)),
        ("request", act.request(&uid)),
        ("params", params.clone()),
        ("namespaceObject", act.namespace(core)),
    ] {
        variables.insert(name.to_string(), Cel::from_json(&value));
    }
    variables.insert("authorizer".into(), Cel::Authorizer(Arc::new(request_question(act))));
    let who = Arc::clone(&act.options.who);
    let authorize = move |set: &BTreeMap<String, String>, verb: &str| {
        let text = |key: &str| set.get(key).cloned().unwrap_or_default();
        let wanted = match set.get("path") {
            Some(path) => Attributes::of_path(verb, path),
            None => Attributes {
                verb: verb.to_string(),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: None,
            },
        };
        let subject = match set.get("account").and_then(|account| account.split_once('/')) {
            Some((namespace, name)) => crate::tokens::Identity::service_account(namespace, name, ""),
            None => who.as_ref().clone(),
        };
        let answer = access::authorize(core, &subject, &wanted);
        (answer.is_some(), answer.unwrap_or_default())
    };
    let base = variables.clone();
    let definitions: Vec<(String, String)> = json::list(policy, "/spec/variables")
        .iter()
        .map(|variable| (json::text(variable, "/name").to_string(), json::text(variable, "/expression").to_string()))
        .collect();
    // Each variable sees those before it.
    let mut lazy: BTreeMap<String, Lazy<'_>> = BTreeMap::new();
    for (name, text) in &definitions {
        let (base, definitions, authorize) = (&base, &definitions, &authorize);
        lazy.insert(name.clone(), Lazy::new(move || variable(base, definitions, text, name, authorize)));
    }
    let mut evaluation = Evaluation::new(variables);
    evaluation.lazy = Some(&lazy);
    evaluation.authorize = Some(&authorize);
    body(&evaluation)
}

/// Computes a variable, with those that were defined before it.
fn variable(
    base: &BTreeMap<String, Cel>,
    definitions: &[(String, String)],
    text: &str,
    name: &str,
    authorize: &dyn Fn(&BTreeMap<String, String>, &str) -> (bool, String),
) -> Result<Cel, String> {
    let before = definitions.iter().position(|(held, _)| held == name).unwrap_or(0);
    let mut lazy: BTreeMap<String, Lazy<'_>> = BTreeMap::new();
    for (earlier, text) in &definitions[..before] {
        lazy.insert(earlier.clone(), Lazy::new(move || variable(base, definitions, text, earlier, authorize)));
    }
    let expression = parse(text).map_err(|error| error.what)?;
    let mut evaluation = Evaluation::new(base.clone());
    evaluation.lazy = Some(&lazy);
    evaluation.authorize = Some(authorize);
    evaluation.run(&expression)
}

/// `authorizer.requestResource` begins with what the request is about.
fn request_question(act: &Act<'_>) -> Question {
    let mut question = Question::default();
    let subject = act.subject();
    for (key, value) in [
        ("group", act.resource.group.as_str()),
        ("resource", act.resource.plural.as_str()),
        ("subresource", act.subresource),
        ("namespace", json::namespace(subject)),
        ("name", json::name(subject)),
    ] {
        if !value.is_empty() {
            question.set.insert(key.to_string(), value.to_string());
        }
    }
    question
}

/// Whether the match conditions of a policy or webhook let an act through.
fn conditions_hold(evaluation: &Evaluation<'_>, conditions: &[Value]) -> Result<bool, String> {
    for condition in conditions {
        let text = json::text(condition, "/expression");
        let expression = parse(text).map_err(|error| error.what)?;
        match evaluation.holds(&expression) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => return Err(format!("expression '{text}' resulted in error: {why}")),
        }
    }
    Ok(true)
}

/// Whether the match conditions of a webhook let an act through.
pub(super) fn webhook_matches(core: &Core, act: &Act<'_>, webhook: &Value) -> Result<bool, String> {
    let conditions = json::list(webhook, "/matchConditions");
    if conditions.is_empty() {
        return Ok(true);
    }
    with_evaluation(core, act, &Value::Null, &Value::Null, |evaluation| conditions_hold(evaluation, conditions))
}

/// A validation that failed: its sentence and its reason.
type Failed = (String, String);

fn validate_one(core: &Core, act: &Act<'_>, policy: &Value, params: &Value) -> Vec<Failed> {
    let ignores = json::text(policy, "/spec/failurePolicy") == "Ignore";
    with_evaluation(core, act, policy, params, |evaluation| {
        match conditions_hold(evaluation, json::list(policy, "/spec/matchConditions")) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(_) if ignores => return Vec::new(),
            Err(why) => return vec![(why, "Invalid".into())],
        }
        let mut failed = Vec::new();
        for validation in json::list(policy, "/spec/validations") {
            let text = json::text(validation, "/expression");
            let outcome = parse(text).map_err(|error| error.what).and_then(|expression| evaluation.holds(&expression));
            let reason = match json::text(validation, "/reason") {
                "" => "Invalid",
                given => given,
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => {
                    let computed = parse(json::text(validation, "/messageExpression"))
                        .ok()
                        .and_then(|expression| evaluation.run(&expression).ok())
                        .and_then(|value| match value {
                            Cel::Text(text) if !text.trim().is_empty() && !text.contains('\n') => {
                                Some(text.to_string())
                            }
                            _ => None,
                        });
                    let message = computed.unwrap_or_else(|| match json::text(validation, "/message") {
                        "" => format!("failed expression: {}", text.trim()),
                        given => given.trim().to_string(),
                    });
                    failed.push((message, reason.to_string()));
                }
                Err(_) if ignores => {}
                Err(why) => failed.push((format!("expression '{text}' resulted in error: {why}"), "Invalid".into())),
            }
        }
        failed
    })
}

/// Holds an act against the validating policies.
pub(super) fn validate(core: &Core, act: &Act<'_>, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let mut denied: Vec<Failed> = Vec::new();
    for bound in bound(core, act, "validatingadmission") {
        let (policy, binding, failed) = match bound {
            Ok(bound) => {
                let failed: Vec<Failed> =
                    bound.params.iter().flat_map(|params| validate_one(core, act, &bound.policy, params)).collect();
                (bound.policy, bound.binding, failed)
            }
            Err((policy, _, _)) if json::text(&policy, "/spec/failurePolicy") == "Ignore" => continue,
            Err((policy, binding, why)) => (policy, binding, vec![(why, "Invalid".to_string())]),
        };
        let place =
            format!("ValidatingAdmissionPolicy '{}' with binding '{}'", json::name(&policy), json::name(&binding));
        let actions = json::list(&binding, "/spec/validationActions");
        let does = |action: &str| actions.iter().any(|held| held.as_str() == Some(action));
        for (message, reason) in failed {
            if does("Warn") {
                warnings.push(format!("Validation failed for {place}: {message}"));
            }
            if does("Deny") {
                denied.push((format!("{place} denied request: {message}"), reason));
            }
        }
    }
    let Some((_, reason)) = denied.first().cloned() else { return Ok(()) };
    let subject = act.subject();
    let causes: Vec<Value> = denied.iter().map(|(message, _)| json!({"message": message})).collect();
    let mut error = ApiError::forbidden(act.resource.qualified(), json::name(subject), &denied[0].0);
    (error.code, error.reason) = match reason.as_str() {
        "Forbidden" => (403, "Forbidden"),
        "Unauthorized" => (401, "Unauthorized"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    json::set(&mut error.details, &["causes"], causes);
    Err(error)
}

/// Lets the mutating policies change what is written.
pub(super) fn mutate(core: &Core, act: &mut Act<'_>) -> Result<(), ApiError> {
    for bound in bound(core, act, "mutatingadmission") {
        let (policy, binding, outcome) = match bound {
            Ok(bound) => {
                let outcome = bound.params.iter().try_for_each(|params| mutate_one(core, act, &bound.policy, params));
                (bound.policy, bound.binding, outcome)
            }
            Err((policy, binding, why)) => (policy, binding, Err(why)),
        };
        if let Err(why) = outcome
            && json::text(&policy, "/spec/failurePolicy") != "Ignore"
        {
            let place = format!("policy '{}' with binding '{}'", json::name(&policy), json::name(&binding));
            let mut error = ApiError::forbidden(
                act.resource.qualified(),
                json::name(act.subject()),
                &format!("{place} denied request: {why}"),
            );
            error.code = 422;
            error.reason = "Invalid";
            return Err(error);
        }
    }
    Ok(())
}

fn mutate_one(core: &Core, act: &mut Act<'_>, policy: &Value, params: &Value) -> Result<(), String> {
    let applies = with_evaluation(core, act, policy, params, |evaluation| {
        conditions_hold(evaluation, json::list(policy, "/spec/matchConditions"))
    })?;
    if !applies {
        return Ok(());
    }
    for mutation in json::list(policy, "/spec/mutations") {
        let (kind, pointer) = match json::text(mutation, "/patchType") {
            "JSONPatch" => ("JSONPatch", "/jsonPatch/expression"),
            _ => ("ApplyConfiguration", "/applyConfiguration/expression"),
        };
        let text = json::text(mutation, pointer);
        let expression = parse(text).map_err(|error| error.what)?;
        let made = with_evaluation(core, act, policy, params, |evaluation| evaluation.run(&expression))
            .map_err(|why| format!("expression '{text}' resulted in error: {why}"))?;
        let current = act.shown(&act.object);
        let mut next = if kind == "JSONPatch" {
            landfall_merge::json_patch::apply(&current, &made.to_json()).map_err(|error| error.to_string())?
        } else {
            crate::operations::merged_configuration(core, act.resource, &current, made.to_json())
                .map_err(|error| error.message)?
        };
        crate::convert::to_storage(act.resource, &mut next);
        act.object = next;
    }
    Ok(())
}

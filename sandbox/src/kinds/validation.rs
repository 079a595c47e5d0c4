//! Which objects of the built-in kinds are refused, kind by kind.
//!
//! Source: the validation of Kubernetes 1.36 (`pkg/apis/*/validation`): the rules that users meet daily, with its words.
//!
//! size: a few rules for each kind, and kinds are many; they are read one at a time.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{validate_network as network, validate_pod, validate_small as small};
use crate::crd;
use crate::error::Cause;
use crate::json;
use crate::operations::{Core, SUBDOMAIN_RULE, check_labels, is_dns_label, is_subdomain};
use crate::quantity::Quantity;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::workloads::cron::Schedule;

const IMMUTABLE: &str = "field is immutable";

/// Checks an object of a built-in kind.
pub(super) fn validate(_core: &Core, resource: &Resource, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    match resource.key.as_str() {
        crd::CRD_RESOURCE => crd::validate(value, old, causes),
        "namespaces" => crate::admission::check_security_labels(value, causes),
        "pods" => validate_pod::pod(value, old, causes),
        "deployments.apps"
        | "replicasets.apps"
        | "daemonsets.apps"
        | "statefulsets.apps"
        | "replicationcontrollers" => {
            workload(resource.key.as_str(), value, old, causes);
        }
        "jobs.batch" => whole_job(value, old, causes),
        "cronjobs.batch" => cron_job(value, causes),
        "services" => {
            service(value, old, causes);
            network::service(value, causes);
        }
        "ingresses.networking.k8s.io" => {
            ingress(value, causes);
            network::ingress(value, causes);
        }
        "configmaps" | "secrets" => data(resource.key.as_str(), value, old, causes),
        "persistentvolumeclaims" => claim(value, old, causes),
        "poddisruptionbudgets.policy" => budget(value, causes),
        "horizontalpodautoscalers.autoscaling" => autoscaler(value, causes),
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            binding(value, old, causes);
        }
        "storageclasses.storage.k8s.io" => {
            if json::text(value, "/provisioner").is_empty() {
                causes.push(Cause::required("provisioner", ""));
            }
            let modes = ["Immediate", "WaitForFirstConsumer"];
            one_of(value, "/volumeBindingMode", "volumeBindingMode", &modes, causes);
            one_of(value, "/reclaimPolicy", "reclaimPolicy", &["Delete", "Retain"], causes);
        }
        "priorityclasses.scheduling.k8s.io" => small::priority_class(value, old, causes),
        "networkpolicies.networking.k8s.io" => small::network_policy(value, causes),
        "roles.rbac.authorization.k8s.io" => small::role(value, true, causes),
        "clusterroles.rbac.authorization.k8s.io" => small::role(value, false, causes),
        "limitranges" => small::limit_range(value, causes),
        "resourcequotas" => small::quota(value, old, causes),
        "persistentvolumes" => small::volume(value, causes),
        "certificatesigningrequests.certificates.k8s.io" => small::signing_request(value, causes),
        "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io" => {
            let response = value.pointer("/spec/limited/limitResponse").unwrap_or(&Value::Null);
            if json::text(response, "/type") == "Queue" && response.get("queuing").is_none() {
                let why = "must not be empty if limited.limitResponse.type is Limited";
                causes.push(Cause::required("spec.limited.limitResponse.queuing", why));
            }
        }
        "leases.coordination.k8s.io" => small::lease(value, causes),
        "events" => small::event(value, causes),
        "endpointslices.discovery.k8s.io" => small::slice(value, old, causes),
        "validatingadmissionpolicies.admissionregistration.k8s.io" => small::admission_policy(value, false, causes),
        "mutatingadmissionpolicies.admissionregistration.k8s.io" => small::admission_policy(value, true, causes),
        _ => {}
    }
}

fn immutable(old: &Value, new: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    if old.pointer(pointer) != new.pointer(pointer) {
        causes.push(Cause::invalid(field, new.pointer(pointer).unwrap_or(&Value::Null), IMMUTABLE));
    }
}

pub(super) fn not_negative(value: &Value, pointer: &str, field: &str, causes: &mut Vec<Cause>) {
    if let Some(number) = json::integer(value, pointer).filter(|number| *number < 0) {
        causes.push(Cause::invalid(field, &json!(number), "must be greater than or equal to 0"));
    }
}

pub(super) fn one_of(value: &Value, pointer: &str, field: &str, allowed: &[&str], causes: &mut Vec<Cause>) {
    let text = json::text(value, pointer);
    if !text.is_empty() && !allowed.contains(&text) {
        causes.push(Cause::not_supported(field, &json!(text), allowed));
    }
}

fn workload(resource: &str, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let is_old_kind = resource == "replicationcontrollers";
    not_negative(value, "/spec/replicas", "spec.replicas", causes);
    not_negative(value, "/spec/minReadySeconds", "spec.minReadySeconds", causes);
    not_negative(value, "/spec/revisionHistoryLimit", "spec.revisionHistoryLimit", causes);
    let selector = value.pointer("/spec/selector");
    let mut is_broken = false;
    let is_empty = selector.is_none_or(|selector| selector.as_object().is_none_or(serde_json::Map::is_empty));
    if selector.is_none() {
        causes.push(Cause::required("spec.selector", ""));
        if resource == "deployments.apps" {
            let labels = value.pointer("/spec/template/metadata/labels").cloned().unwrap_or(Value::Null);
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &labels, why));
        }
    } else if !is_old_kind && selector_problems(selector.unwrap_or(&Value::Null), "spec.selector", causes) {
        let shown = shown_selector(selector.unwrap_or(&Value::Null));
        causes.push(Cause {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {shown}: invalid label selector"),
            field: "spec.selector".to_string(),
        });
        is_broken = true;
    } else if is_empty {
        causes.push(Cause::invalid("spec.selector", &json!({}), "empty selector is invalid for deployment"));
    }
    let Some(template) = value.pointer("/spec/template").filter(|template| template.is_object()) else {
        if !is_empty {
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &Value::Null, why));
        }
        causes.push(Cause::required("spec.template.spec.containers", ""));
        return;
    };
    if !is_empty && !is_broken {
        let parsed = if is_old_kind { LabelSelector::of_map(selector) } else { LabelSelector::of_spec(selector) };
        if !parsed.matches(template) {
            let labels = template.pointer("/metadata/labels").cloned().unwrap_or(Value::Null);
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &labels, why));
        }
    }
    if let Some(labels) = json::object(template, "/metadata/labels") {
        check_labels(labels, "spec.template.labels", causes);
    }
    let spec = template.get("spec").unwrap_or(&Value::Null);
    match with_claims(value, spec).filter(|_| resource == "statefulsets.apps") {
        Some(spec) => validate_pod::spec(&spec, "spec.template.spec", causes),
        None => validate_pod::spec(spec, "spec.template.spec", causes),
    }
    let policy = json::text(template, "/spec/restartPolicy");
    if policy != "Always" && !policy.is_empty() {
        causes.push(Cause::not_supported("spec.template.spec.restartPolicy", &json!(policy), &["Always"]));
    }
    if resource == "deployments.apps" {
        let kind = json::text(value, "/spec/strategy/type");
        if !matches!(kind, "Recreate" | "RollingUpdate") {
            causes.push(strategy(
                "spec.strategy",
                kind,
                "Unsupported value",
                "supported values: \"Recreate\", \"RollingUpdate\"",
            ));
        }
        if template.pointer("/spec/activeDeadlineSeconds").is_some() {
            let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
            causes.push(Cause::forbidden("spec.template.spec.activeDeadlineSeconds", why));
        }
        for key in ["maxUnavailable", "maxSurge"] {
            let field = format!("spec.strategy.rollingUpdate.{key}");
            share_of(value.pointer(&format!("/spec/strategy/rollingUpdate/{key}")), &field, causes);
        }
        if json::text(value, "/spec/strategy/type") == "Recreate"
            && value.pointer("/spec/strategy/rollingUpdate").is_some()
        {
            let why = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", why));
        }
        let zero =
            |pointer: &str| value.pointer(pointer).is_some_and(|share| *share == 0 || *share == "0" || *share == "0%");
        if zero("/spec/strategy/rollingUpdate/maxUnavailable") && zero("/spec/strategy/rollingUpdate/maxSurge") {
            let field = "spec.strategy.rollingUpdate.maxUnavailable";
            let held = value.pointer("/spec/strategy/rollingUpdate/maxUnavailable").unwrap_or(&Value::Null);
            causes.push(Cause::invalid(field, held, "may not be 0 when `maxSurge` is 0"));
        }
        let deadline = json::integer(value, "/spec/progressDeadlineSeconds");
        let ready = json::integer(value, "/spec/minReadySeconds").unwrap_or(0);
        if let Some(deadline) = deadline.filter(|deadline| *deadline <= ready) {
            causes.push(Cause::invalid(
                "spec.progressDeadlineSeconds",
                &json!(deadline),
                "must be greater than minReadySeconds",
            ));
        }
    }
    if resource == "statefulsets.apps" {
        stateful_set(value, causes);
    }
    if resource == "daemonsets.apps" {
        let kind = json::text(value, "/spec/updateStrategy/type");
        if !matches!(kind, "RollingUpdate" | "OnDelete") {
            let why = "supported values: \"RollingUpdate\", \"OnDelete\"";
            causes.push(strategy("spec.updateStrategy", kind, "Unsupported value", why));
        }
        let zero = |key: &str| {
            value
                .pointer(&format!("/spec/updateStrategy/rollingUpdate/{key}"))
                .is_some_and(|share| *share == 0 || *share == "0%")
        };
        if zero("maxUnavailable") && zero("maxSurge") {
            let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
            causes.push(Cause::required(field, "cannot be 0 when maxSurge is 0"));
        }
    }
    let Some(old) = old else { return };
    if resource == "statefulsets.apps" {
        let mutable = [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ];
        let rest = |value: &Value| {
            let mut spec = value.get("spec").cloned().unwrap_or_default();
            for key in mutable {
                json::take(&mut spec, &[key]);
            }
            spec
        };
        if rest(old) != rest(value) {
            causes.push(Cause::forbidden(
                "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            ));
        }
    } else if !is_old_kind {
        immutable(old, value, "/spec/selector", "spec.selector", causes);
    }
}

/// The pod spec of a StatefulSet with the volumes that its claims will be; `None` without claims.
fn with_claims(set: &Value, spec: &Value) -> Option<Value> {
    let claims = json::list(set, "/spec/volumeClaimTemplates");
    if claims.is_empty() || !spec.is_object() {
        return None;
    }
    let mut volumes = json::list(spec, "/volumes").to_vec();
    for name in claims.iter().map(json::name).filter(|name| !name.is_empty()) {
        // A claim takes the place of a volume of its name.
        volumes.retain(|volume| json::text(volume, "/name") != name);
        volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
    }
    let mut whole = spec.clone();
    json::set(&mut whole, &["volumes"], volumes);
    Some(whole)
}

/// The refusal of a strategy of an unknown type, as Go's structs are shown.
fn strategy(field: &str, kind: &str, what: &str, why: &str) -> Cause {
    Cause {
        reason: if what == "Invalid value" { "FieldValueInvalid" } else { "FieldValueNotSupported" },
        message: format!("{what}: {{\"Type\":{kind:?},\"RollingUpdate\":null}}: {why}"),
        field: field.to_string(),
    }
}

/// Checks what only StatefulSets have.
fn stateful_set(value: &Value, causes: &mut Vec<Cause>) {
    let policy = json::text(value, "/spec/podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") {
        let why = "must be 'OrderedReady' or 'Parallel'";
        causes.push(Cause::invalid("spec.podManagementPolicy", &json!(policy), why));
    }
    let kind = json::text(value, "/spec/updateStrategy/type");
    let rolling = value.pointer("/spec/updateStrategy/rollingUpdate");
    match (kind, rolling) {
        ("RollingUpdate", _) => {
            let field = "spec.updateStrategy.rollingUpdate.partition";
            not_negative(value, "/spec/updateStrategy/rollingUpdate/partition", field, causes);
        }
        ("OnDelete", None) => {}
        ("OnDelete", Some(rolling)) => {
            let shown = json!({"Partition": rolling.get("partition"), "MaxUnavailable": rolling.get("maxUnavailable")});
            let names = ["Partition", "MaxUnavailable"];
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            causes.push(Cause::ordered("spec.updateStrategy.rollingUpdate", &names, json::map(&shown), why));
        }
        (other, _) => {
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            causes.push(strategy("spec.updateStrategy", other, "Invalid value", why));
        }
    }
    not_negative(value, "/spec/ordinals/start", "spec.ordinals.start", causes);
}

/// A label selector with its fields in the order of Go's type.
fn shown_selector(selector: &Value) -> String {
    let ordered = |value: &Value, names: &[&str]| {
        let fields: Vec<String> =
            names.iter().filter_map(|name| Some(format!("{name:?}:{}", value.get(*name)?))).collect();
        format!("{{{}}}", fields.join(","))
    };
    let mut fields = Vec::new();
    if let Some(labels) = selector.get("matchLabels") {
        fields.push(format!("\"matchLabels\":{labels}"));
    }
    let expressions = json::list(selector, "/matchExpressions");
    if !expressions.is_empty() {
        let shown: Vec<String> =
            expressions.iter().map(|expression| ordered(expression, &["key", "operator", "values"])).collect();
        fields.push(format!("\"matchExpressions\":[{}]", shown.join(",")));
    }
    format!("{{{}}}", fields.join(","))
}

/// Checks a label selector; true when something is wrong with it.
fn selector_problems(selector: &Value, field: &str, causes: &mut Vec<Cause>) -> bool {
    let before = causes.len();
    if let Some(labels) = json::object(selector, "/matchLabels") {
        check_labels(labels, &format!("{field}.matchLabels"), causes);
    }
    for (index, expression) in json::list(selector, "/matchExpressions").iter().enumerate() {
        let place = format!("{field}.matchExpressions[{index}]");
        let values = json::list(expression, "/values");
        match json::text(expression, "/operator") {
            "In" | "NotIn" if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{place}.values"), why));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.push(Cause::forbidden(format!("{place}.values"), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let why = "not a valid selector operator";
                causes.push(Cause::invalid(format!("{place}.operator"), &json!(other), why));
            }
        }
    }
    causes.len() > before
}

/// Checks a Job: its selector is generated, and a change is held against the rules of new ones first.
fn whole_job(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let selector = spec.get("selector").unwrap_or(&Value::Null);
    if !json::flag(spec, "/manualSelector") {
        let labels = json::object(selector, "/matchLabels");
        let is_generated = selector.as_object().is_some_and(|map| map.len() == 1)
            && labels
                .is_some_and(|labels| labels.len() == 1 && labels.contains_key("batch.kubernetes.io/controller-uid"));
        if !is_generated {
            causes.push(Cause::invalid("spec.selector", selector, "`selector` not auto-generated"));
        }
    }
    let unmatched = |causes: &mut Vec<Cause>| {
        if let Some(template) = spec.get("template").filter(|template| template.is_object())
            && !LabelSelector::of_spec(Some(selector)).matches(template)
        {
            let labels = template.pointer("/metadata/labels").cloned().unwrap_or(Value::Null);
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &labels, why));
        }
    };
    unmatched(causes);
    job(spec, None, "spec", causes);
    if let Some(old) = old {
        unmatched(causes);
        job(spec, old.get("spec"), "spec", causes);
    }
}

fn job(spec: &Value, old: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for key in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        not_negative(spec, &format!("/{key}"), &format!("{field}.{key}"), causes);
    }
    let Some(template) = spec.get("template") else {
        causes.push(Cause::required(format!("{field}.template"), ""));
        return;
    };
    validate_pod::spec(template.get("spec").unwrap_or(&Value::Null), &format!("{field}.template.spec"), causes);
    let policy = json::text(template, "/spec/restartPolicy");
    if policy == "Always" {
        let field = format!("{field}.template.spec.restartPolicy");
        causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\""));
    }
    one_of(spec, "/completionMode", &format!("{field}.completionMode"), &["NonIndexed", "Indexed"], causes);
    if let Some(limit) = json::integer(spec, "/backoffLimitPerIndex")
        && json::text(spec, "/completionMode") != "Indexed"
    {
        let why = "requires indexed completion mode";
        causes.push(Cause::invalid(format!("{field}.backoffLimitPerIndex"), &json!(limit), why));
    }
    if json::text(spec, "/completionMode") == "Indexed" && spec.get("completions").is_none() {
        causes.push(Cause::required(format!("{field}.completions"), "when completion mode is Indexed"));
    }
    if let Some(old) = old {
        let suspended = json::flag(old, "/suspend");
        for key in ["completions", "selector", "completionMode"] {
            if !(key == "completions" && json::text(spec, "/completionMode") == "Indexed") {
                immutable(old, spec, &format!("/{key}"), &format!("{field}.{key}"), causes);
            }
        }
        if !suspended {
            immutable(old, spec, "/template", &format!("{field}.template"), causes);
        }
    }
}

fn cron_job(value: &Value, causes: &mut Vec<Cause>) {
    let schedule = json::text(value, "/spec/schedule");
    if schedule.is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    } else if let Err(why) = Schedule::parse(schedule) {
        causes.push(Cause::invalid("spec.schedule", &json!(schedule), &why));
    }
    if schedule.contains("TZ=") {
        causes.retain(|cause| cause.field != "spec.schedule");
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        causes.push(Cause::invalid("spec.schedule", &json!(schedule), why));
    }
    for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        not_negative(value, &format!("/spec/{key}"), &format!("spec.{key}"), causes);
    }
    let zone = json::text(value, "/spec/timeZone");
    if !zone.is_empty() && TimeZone::get(zone).is_err() {
        causes.push(Cause::invalid("spec.timeZone", &json!(zone), &format!("unknown time zone {zone}")));
    }
    one_of(value, "/spec/concurrencyPolicy", "spec.concurrencyPolicy", &["Allow", "Forbid", "Replace"], causes);
    if json::name(value).len() > 52 {
        causes.push(Cause::invalid("metadata.name", &json!(json::name(value)), "must be no more than 52 characters"));
    }
    if let Some(spec) = value.pointer("/spec/jobTemplate/spec") {
        job(spec, None, "spec.jobTemplate.spec", causes);
    }
}

fn service(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let kind = json::text(value, "/spec/type");
    one_of(value, "/spec/type", "spec.type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"], causes);
    one_of(value, "/spec/sessionAffinity", "spec.sessionAffinity", &["ClientIP", "None"], causes);
    let ports = json::list(value, "/spec/ports");
    if kind == "ExternalName" {
        if json::text(value, "/spec/externalName").is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        }
    } else if ports.is_empty() && json::text(value, "/spec/clusterIP") != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut seen: Vec<(i64, &str)> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}]");
        let number = json::integer(port, "/port").unwrap_or(0);
        if !(1..=65535).contains(&number) {
            causes.push(Cause::invalid(
                format!("{field}.port"),
                &json!(number),
                "must be between 1 and 65535, inclusive",
            ));
        }
        one_of(port, "/protocol", &format!("{field}.protocol"), &["SCTP", "TCP", "UDP"], causes);
        match port.get("targetPort") {
            Some(Value::Number(target)) if !target.as_i64().is_some_and(|target| (1..=65535).contains(&target)) => {
                let why = "must be between 1 and 65535, inclusive";
                causes.push(Cause::invalid(format!("{field}.targetPort"), &Value::Number(target.clone()), why));
            }
            _ => {}
        }
        let name = json::text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{field}.name"), ""));
        } else if !name.is_empty() && !is_dns_label(name) {
            causes.push(Cause::invalid(format!("{field}.name"), &json!(name), "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
        } else if !name.is_empty() && names.contains(&name) {
            causes.push(Cause::duplicate(format!("{field}.name"), &json!(name)));
        }
        names.push(name);
        let identity = (number, json::text(port, "/protocol"));
        if seen.contains(&identity) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!(
                    "Duplicate value: {{\"Name\":\"\",\"Protocol\":{:?},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}",
                    identity.1
                ),
                field,
            });
        }
        seen.push(identity);
    }
    if let Some(old) = old {
        let held = json::text(old, "/spec/clusterIP");
        let stays = kind != "ExternalName" && json::text(old, "/spec/type") != "ExternalName";
        if stays && !held.is_empty() && held != json::text(value, "/spec/clusterIP") {
            let new = json!([json::text(value, "/spec/clusterIP")]);
            causes.push(Cause::invalid("spec.clusterIPs[0]", &new, "may not change once set"));
        }
    }
}

fn ingress(value: &Value, causes: &mut Vec<Cause>) {
    let rules = json::list(value, "/spec/rules");
    if rules.is_empty() && value.pointer("/spec/defaultBackend").is_none() {
        causes.push(Cause::invalid("spec", &json!([]), "either `defaultBackend` or `rules` must be specified"));
    }
    for (index, rule) in rules.iter().enumerate() {
        for (place, path) in json::list(rule, "/http/paths").iter().enumerate() {
            let field = format!("spec.rules[{index}].http.paths[{place}]");
            let kind = json::text(path, "/pathType");
            if kind.is_empty() {
                causes.push(Cause::required(format!("{field}.pathType"), "pathType must be specified"));
            } else {
                let allowed = ["Exact", "ImplementationSpecific", "Prefix"];
                one_of(path, "/pathType", &format!("{field}.pathType"), &allowed, causes);
            }
            let text = json::text(path, "/path");
            if matches!(kind, "Exact" | "Prefix") && !text.starts_with('/') {
                causes.push(Cause::invalid(format!("{field}.path"), &json!(text), "must be an absolute path"));
            }
            let backend = format!("{field}.backend");
            if let Some(service) = path.pointer("/backend/service") {
                if json::text(service, "/name").is_empty() {
                    causes.push(Cause::required(format!("{backend}.service.name"), ""));
                }
                let has_number = json::integer(service, "/port/number").is_some_and(|number| number != 0);
                if !has_number && json::text(service, "/port/name").is_empty() {
                    causes.push(Cause::required(backend, "port name or number is required"));
                }
            } else if path.pointer("/backend/resource").is_none() {
                causes.push(Cause::invalid(backend, &json!(""), "resource or service backend is required"));
            }
        }
    }
}

/// The most that a ConfigMap or Secret may hold. Source: `MaxSecretSize`.
const DATA_BYTES_MAX: usize = 1024 * 1024;

fn data(resource: &str, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let mut size_bytes = 0;
    for map in ["data", "binaryData"] {
        for (key, text) in json::object(value, &format!("/{map}")).into_iter().flatten() {
            let valid = !key.is_empty()
                && key.len() <= 253
                && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && key != "."
                && !key.starts_with("..");
            if key == "." || key == ".." {
                causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), &format!("must not be '{key}'")));
            } else if key.starts_with("..") {
                causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), "must not start with '..'"));
            } else if !valid {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), why));
            }
            size_bytes += text.as_str().map_or(0, str::len);
        }
    }
    let limit = if resource == "secrets" { DATA_BYTES_MAX * 4 / 3 } else { DATA_BYTES_MAX };
    if size_bytes > limit {
        causes.push(Cause::too_long(if resource == "secrets" { "data" } else { "" }, DATA_BYTES_MAX));
    }
    if resource == "configmaps" {
        for key in json::object(value, "/data").into_iter().flatten().map(|(key, _)| key) {
            if value.get("binaryData").is_some_and(|binary| binary.get(key).is_some()) {
                causes.push(Cause::invalid(
                    format!("data[{key}]"),
                    &json!(key),
                    "duplicate of key present in binaryData",
                ));
            }
        }
    }
    if resource == "secrets" {
        if json::text(value, "/type") == "kubernetes.io/service-account-token"
            && json::annotation(value, "kubernetes.io/service-account.name").is_none()
        {
            causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
        }
        let needed: &[&str] = match json::text(value, "/type") {
            "kubernetes.io/tls" => &["tls.crt", "tls.key"],
            "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
            "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
            "kubernetes.io/basic-auth"
                if ["username", "password"]
                    .iter()
                    .all(|key| value.get("data").and_then(|data| data.get(*key)).is_none()) =>
            {
                &["username", "password"]
            }
            _ => &[],
        };
        if json::text(value, "/type") == "kubernetes.io/dockerconfigjson"
            && let Some(why) = broken_registry_key(value)
        {
            let hidden = json!("<secret contents redacted>");
            causes.push(Cause::invalid("data[.dockerconfigjson]", &hidden, &why));
        }
        for key in needed {
            if value.get("data").and_then(|data| data.get(*key)).is_none() {
                causes.push(Cause::required(format!("data[{key}]"), ""));
            }
        }
    }
    let Some(old) = old else { return };
    if resource == "secrets" {
        immutable(old, value, "/type", "type", causes);
    }
    if json::flag(old, "/immutable") {
        let why = "field is immutable when `immutable` is set";
        if !json::flag(value, "/immutable") {
            causes.push(Cause::forbidden("immutable", why));
        }
        for map in ["data", "binaryData"] {
            if old.get(map) != value.get(map) {
                causes.push(Cause::forbidden(map, why));
            }
        }
    }
}

/// What is wrong with the key of a registry, which is JSON.
fn broken_registry_key(secret: &Value) -> Option<String> {
    use base64::Engine as _;
    let encoded = secret.get("data")?.get(".dockerconfigjson")?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.replace(['\n', '\r'], "")).ok()?;
    crate::http::body::decode_json(&bytes.into()).err()
}

fn claim(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if json::list(value, "/spec/accessModes").is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    let asked = json::list(value, "/spec/accessModes");
    for mode in asked {
        if !mode.as_str().is_some_and(|mode| modes.contains(&mode)) {
            causes.push(Cause::not_supported("spec.accessModes", mode, &modes));
        }
    }
    if asked.len() > 1 && asked.iter().any(|mode| mode == "ReadWriteOncePod") {
        causes.push(Cause::forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes"));
    }
    match value.pointer("/spec/resources/requests/storage") {
        None => causes.push(Cause::required("spec.resources[storage]", "")),
        Some(amount) if Quantity::of(amount).is_none_or(|size| size <= Quantity::default()) => {
            causes.push(Cause::invalid("spec.resources[storage]", amount, "must be greater than zero"));
        }
        Some(_) => {}
    }
    let class = json::text(value, "/spec/storageClassName");
    if !class.is_empty() && !is_subdomain(class) {
        causes.push(Cause::invalid("spec.storageClassName", &json!(class), SUBDOMAIN_RULE));
    }
    one_of(value, "/spec/volumeMode", "spec.volumeMode", &["Block", "Filesystem"], causes);
    let Some(old) = old else { return };
    let is_bound = json::text(old, "/status/phase") == "Bound";
    let fixed = |value: &Value| {
        let mut spec = value.get("spec").cloned().unwrap_or_default();
        if is_bound {
            json::take(&mut spec, &["resources"]);
        }
        json::take(&mut spec, &["volumeAttributesClassName"]);
        if json::text(old, "/spec/volumeName").is_empty() {
            json::take(&mut spec, &["volumeName"]);
        }
        spec
    };
    if fixed(old) != fixed(value) {
        causes.push(Cause::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -1 +1 @@",
        ));
    }
}

fn budget(value: &Value, causes: &mut Vec<Cause>) {
    let (least, most) = (value.pointer("/spec/minAvailable"), value.pointer("/spec/maxUnavailable"));
    if least.is_some() && most.is_some() {
        let spec = value.get("spec").cloned().unwrap_or_default();
        let shown = json!({"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy")});
        let names = ["MinAvailable", "Selector", "MaxUnavailable", "UnhealthyPodEvictionPolicy"];
        let why = "minAvailable and maxUnavailable cannot be both set";
        causes.push(Cause::ordered("spec", &names, json::map(&shown), why));
    }
    share_of(least, "spec.minAvailable", causes);
    share_of(most, "spec.maxUnavailable", causes);
}

/// Checks a number or percentage of pods.
fn share_of(share: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    match share {
        Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
            let held = Value::Number(number.clone());
            causes.push(Cause::invalid(field, &held, "must be greater than or equal to 0"));
        }
        Some(Value::String(text)) => match text.strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok()) {
            None => causes.push(Cause::invalid(field, &json!(text), PERCENT_RULE)),
            Some(percent) if percent > 100 && !field.ends_with("maxSurge") => {
                causes.push(Cause::invalid(field, &json!(text), "must not be greater than 100%"));
            }
            Some(_) => {}
        },
        _ => {}
    }
}

const PERCENT_RULE: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
'93%', regex used for validation is '[0-9]+%')";

fn autoscaler(value: &Value, causes: &mut Vec<Cause>) {
    let most = json::integer(value, "/spec/maxReplicas").unwrap_or(0);
    let least = json::integer(value, "/spec/minReplicas").unwrap_or(1);
    if least < 1 {
        causes.push(Cause::invalid("spec.minReplicas", &json!(least), "must be greater than or equal to 1"));
    }
    if most < 1 {
        causes.push(Cause::required("spec.maxReplicas", "must be set and greater than 0"));
    }
    if most < least {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    for key in ["kind", "name"] {
        if json::text(value, &format!("/spec/scaleTargetRef/{key}")).is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{key}"), ""));
        }
    }
    if json::text(value, "/spec/scaleTargetRef/apiVersion").is_empty() {
        let why = "apiVersion must specify API group";
        causes.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &json!(""), why));
    }
    let metrics = json::list(value, "/spec/metrics");
    let sources = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    for (index, metric) in metrics.iter().enumerate() {
        let field = format!("spec.metrics[{index}]");
        let kind = json::text(metric, "/type");
        match sources.iter().find(|(known, _)| *known == kind) {
            None => {
                let known: Vec<&str> = sources.iter().map(|(known, _)| *known).collect();
                // Told twice, as the real server does.
                for _ in 0..2 {
                    causes.push(Cause::not_supported(format!("{field}.type"), &json!(kind), &known));
                }
            }
            Some((_, key)) => match metric.get(*key) {
                None => {
                    let why = "must populate information for the given metric source";
                    causes.push(Cause::required(format!("{field}.{key}"), why));
                }
                Some(source) => {
                    if let Some(number) =
                        json::integer(source, "/target/averageUtilization").filter(|number| *number < 1)
                    {
                        let field = format!("{field}.{key}.target.averageUtilization");
                        causes.push(Cause::invalid(field, &json!(number), "must be greater than 0"));
                    }
                }
            },
        }
    }
    if least == 0 && !metrics.iter().any(|metric| matches!(json::text(metric, "/type"), "Object" | "External")) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        causes.push(Cause::forbidden("spec.metrics", why));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let pointer = format!("/spec/behavior/{direction}/stabilizationWindowSeconds");
        if let Some(seconds) = json::integer(value, &pointer).filter(|seconds| *seconds > 3600) {
            let field = format!("spec.behavior.{direction}.stabilizationWindowSeconds");
            causes.push(Cause::invalid(field, &json!(seconds), "must be less than or equal to 3600"));
        }
    }
}

fn binding(value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let api_group = json::text(value, "/roleRef/apiGroup");
    if api_group != "rbac.authorization.k8s.io" && !api_group.is_empty() {
        causes.push(Cause::not_supported("roleRef.apiGroup", &json!(api_group), &["rbac.authorization.k8s.io"]));
    }
    let kind = json::text(value, "/roleRef/kind");
    let kinds: &[&str] = if json::namespace(value).is_empty() { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
    if !kinds.contains(&kind) {
        causes.push(Cause::not_supported("roleRef.kind", &json!(kind), kinds));
    }
    if json::text(value, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (index, subject) in json::list(value, "/subjects").iter().enumerate() {
        if json::text(subject, "/name").is_empty() {
            causes.push(Cause::required(format!("subjects[{index}].name"), ""));
        }
        match json::text(subject, "/kind") {
            "User" | "Group" => {}
            "ServiceAccount" => {
                // Of a role in a namespace, accounts are of that namespace too.
                if json::text(subject, "/namespace").is_empty() && json::namespace(value).is_empty() {
                    causes.push(Cause::required(format!("subjects[{index}].namespace"), ""));
                }
            }
            other => {
                let field = format!("subjects[{index}].kind");
                causes.push(Cause::not_supported(field, &json!(other), &["ServiceAccount", "User", "Group"]));
            }
        }
    }
    if let Some(old) = old
        && old.get("roleRef") != value.get("roleRef")
    {
        let shown = json!({"APIGroup": json::text(value, "/roleRef/apiGroup"), "Kind": json::text(value, "/roleRef/kind"),
            "Name": json::text(value, "/roleRef/name")});
        causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
    }
}

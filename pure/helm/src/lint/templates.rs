//! What is found in templates and in what they write.

use landfall_gotemplate::context::NoHost;
use landfall_yaml::Resolver;
use serde_json::Value;

use super::{Message, Options, Report, Severity, names};
use crate::capabilities::Capabilities;
use crate::chart::Chart;
use crate::go;
use crate::render::{Request, render_for_lint};

/// Renders as Helm lints: `required` and `fail` pass, a chart that cannot be installed is looked at all the same.
pub(super) fn check(chart: &Chart, options: &Options, report: &mut Report) {
    let mut request = Request::new("test-release", &options.namespace, options.profile);
    request.values = options.values.clone();
    request.capabilities = Capabilities::offline(options.profile);
    if let Some(version) = &options.kube_version {
        request.capabilities.kube_version = version.clone();
    }
    request.skip_schema_validation = options.skip_schema_validation;
    request.is_lint = true;
    let written = match render_for_lint(chart, &request, &mut NoHost) {
        Ok(Some(written)) => written,
        Ok(None) => return,
        Err(error) => {
            report.failed(Severity::Error, "templates/", &error);
            return;
        }
    };
    for template in &chart.templates {
        let path = template.path.as_str();
        let source = String::from_utf8_lossy(&template.content);
        report.check(Severity::Error, path, check_extension(path));
        if has_definition_hook(&source) {
            let text = "manifest is a crd-install hook. This hook is no longer supported in v3 and all CRDs should also exist the crds/ directory at the top level of the chart";
            report.check(Severity::Warning, path, Err(text.to_owned()));
        }
        if source.contains(".Release.Time") {
            let text = ".Release.Time has been removed in v3, please replace with the `now` function in your templates";
            report.check(Severity::Error, path, Err(text.to_owned()));
        }
        if go::extension(path) != ".yaml" {
            continue;
        }
        let output = written.get(&format!("{}/{path}", chart.metadata.name));
        let output = output.map(|output| String::from_utf8_lossy(output).into_owned()).unwrap_or_default();
        if output.trim().is_empty() {
            continue;
        }
        report.check(Severity::Warning, path, check_indent(&output));
        for document in documents(&output) {
            match landfall_yaml::read_one(document.as_bytes(), Resolver::Kubernetes) {
                Ok(Value::Null) => {}
                Ok(object) => check_object(&object, &output, path, options, report),
                Err(error) => {
                    let text = format!("unable to parse YAML: {}", go::yaml_error(&error, document.as_bytes()));
                    let hint = Some(go::yaml_hint(&error));
                    report.0.push(Message { severity: Severity::Error, path: path.to_owned(), text, hint });
                    // As the reference: what cannot be read here ends the look at templates.
                    return;
                }
            }
        }
    }
}

fn check_extension(path: &str) -> Result<(), String> {
    match go::extension(path) {
        ".yaml" | ".yml" | ".tpl" | ".txt" => Ok(()),
        other => Err(format!("file extension '{other}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt")),
    }
}

fn has_definition_hook(source: &str) -> bool {
    source.match_indices("helm.sh/hook").any(|(at, mark)| {
        let rest = source[at + mark.len()..].trim_start_matches('"');
        let value = rest.strip_prefix(':').unwrap_or_default();
        value.starts_with(char::is_whitespace) && value.trim_start().starts_with("crd-install")
    })
}

fn check_indent(output: &str) -> Result<(), String> {
    match output.lines().find(|line| !line.trim().is_empty()) {
        Some(line) if line.starts_with([' ', '\t']) => Err(format!(
            "document starts with an illegal indent: {}, which may cause parsing problems",
            go::quote(line)
        )),
        _ => Ok(()),
    }
}

/// Cuts at lines that begin with `---`, as Kubernetes' decoder does.
fn documents(output: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in output.split_inclusive('\n') {
        match (line.starts_with("---"), documents.last_mut()) {
            (false, Some(last)) => last.push_str(line),
            _ => documents.push(String::new()),
        }
    }
    documents
}

fn check_object(object: &Value, output: &str, path: &str, options: &Options, report: &mut Report) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    let problems = names::problems(&kind, &name);
    if !problems.is_empty() {
        let each =
            problems.iter().map(|problem| format!("metadata.name: Invalid value: {}: {problem}", go::quote(&name)));
        let each: Vec<String> = each.collect();
        let all = if each.len() == 1 { each[0].clone() } else { format!("[{}]", each.join(", ")) };
        let shown = go::quote(&name);
        let text = format!("object name does not conform to Kubernetes naming requirements: {shown}: {all}");
        report.check(Severity::Warning, path, Err(text));
    }
    let version = options.kube_version.clone().unwrap_or_else(|| Capabilities::offline(options.profile).kube_version);
    let minor = match options.kube_version.is_none() && options.profile == crate::Profile::Helm3 {
        // Helm 3 judges by this version unless told another one.
        true => 20,
        false => version.minor.trim_end_matches('+').parse().unwrap_or(u32::MAX),
    };
    if let Some(warning) = deprecation(&text(&object["apiVersion"]), &kind, minor) {
        report.check(Severity::Warning, path, Err(warning));
    }
    let selects = output.contains("matchLabels") || output.contains("matchExpressions");
    if matches!(kind.as_str(), "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet") && !selects {
        let shown = go::quote(&name);
        let text = format!("a {kind} must contain matchLabels or matchExpressions, and {shown} does not");
        report.check(Severity::Error, path, Err(text));
    }
    let items = object["items"].as_array().into_iter().flatten();
    let keeps = |item: &Value| item["metadata"]["annotations"].get("helm.sh/resource-policy").is_some();
    if kind == "List" && items.into_iter().any(keeps) {
        let text = "Annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned();
        report.check(Severity::Error, path, Err(text));
    }
}

/// Kinds of Kubernetes that are deprecated: group and version, kinds, the minor versions in which they were deprecated and
/// taken out, and what to use instead. Source: k8s.io/api 0.36 `zz_generated.prerelease-lifecycle.go`.
const DEPRECATIONS: [(&str, &[&str], u32, u32, &str); 21] = [
    ("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], 8, 16, "apps/v1"),
    ("extensions/v1beta1", &["Ingress"], 14, 22, "networking.k8s.io/v1"),
    ("extensions/v1beta1", &["NetworkPolicy"], 9, 16, "networking.k8s.io/v1"),
    ("apps/v1beta1", &["Deployment", "StatefulSet", "ControllerRevision", "Scale"], 9, 16, "apps/v1"),
    (
        "apps/v1beta2",
        &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision", "Scale"],
        9,
        16,
        "apps/v1",
    ),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], 19, 22, "networking.k8s.io/v1"),
    ("policy/v1beta1", &["PodDisruptionBudget"], 22, 25, "policy/v1"),
    ("policy/v1beta1", &["PodSecurityPolicy"], 21, 25, ""),
    ("batch/v1beta1", &["CronJob"], 21, 25, "batch/v1"),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        17,
        23,
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "rbac.authorization.k8s.io/v1beta1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        17,
        22,
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        16,
        22,
        "admissionregistration.k8s.io/v1",
    ),
    ("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 19, 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", &["Lease"], 19, 22, "coordination.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", &["PriorityClass"], 14, 22, "scheduling.k8s.io/v1"),
    (
        "storage.k8s.io/v1beta1",
        &["StorageClass", "VolumeAttachment", "CSIDriver", "CSINode"],
        19,
        22,
        "storage.k8s.io/v1",
    ),
    ("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 24, 27, "storage.k8s.io/v1"),
    ("discovery.k8s.io/v1beta1", &["EndpointSlice"], 21, 25, "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", &["Event"], 22, 25, "events.k8s.io/v1"),
    ("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], 22, 25, "autoscaling/v2"),
    ("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], 23, 26, "autoscaling/v2"),
];

fn deprecation(api_version: &str, kind: &str, minor: u32) -> Option<String> {
    let found = DEPRECATIONS
        .iter()
        .find(|(known, kinds, since, ..)| *known == api_version && kinds.contains(&kind) && *since <= minor);
    let (_, _, since, gone, instead) = found?;
    let mut text = format!("{api_version} {kind} is deprecated in v1.{since}+, unavailable in v1.{gone}+");
    if !instead.is_empty() {
        text.push_str(&format!("; use {instead} {kind}"));
    }
    Some(text)
}

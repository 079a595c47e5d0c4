//! The built-in kinds of Kubernetes 1.36, as one table.
//!
//! One line per resource: `plural kind scope flags shortnames categories`. Flags: `s` status subresource, `c` scale
//! subresource, `v` virtual (created and answered, never stored).
//! Source: the discovery documents of kube-apiserver 1.36 with its default features.

use super::{Resource, ScalePaths, Scope};
use crate::store::ResourceKey;

struct Row {
    group: &'static str,
    version: &'static str,
    text: &'static str,
}

const fn row(group: &'static str, version: &'static str, text: &'static str) -> Row {
    Row { group, version, text }
}

/// Columns of `text`: plural, kind, N or C, flags or -, short names or -, categories or -.
const ROWS: &[Row] = &[
    row("", "v1", "bindings Binding N v - -"),
    row("", "v1", "componentstatuses ComponentStatus C - cs -"),
    row("", "v1", "configmaps ConfigMap N - cm -"),
    row("", "v1", "endpoints Endpoints N - ep -"),
    row("", "v1", "events Event N - ev -"),
    row("", "v1", "limitranges LimitRange N - limits -"),
    row("", "v1", "namespaces Namespace C s ns -"),
    row("", "v1", "nodes Node C s no -"),
    row("", "v1", "persistentvolumeclaims PersistentVolumeClaim N s pvc -"),
    row("", "v1", "persistentvolumes PersistentVolume C s pv -"),
    row("", "v1", "pods Pod N s po all"),
    row("", "v1", "podtemplates PodTemplate N - - -"),
    row("", "v1", "replicationcontrollers ReplicationController N sc rc all"),
    row("", "v1", "resourcequotas ResourceQuota N s quota -"),
    row("", "v1", "secrets Secret N - - -"),
    row("", "v1", "serviceaccounts ServiceAccount N - sa -"),
    row("", "v1", "services Service N s svc all"),
    row("admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies MutatingAdmissionPolicy C - - api-extensions"),
    row(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding C - - api-extensions",
    ),
    row(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations MutatingWebhookConfiguration C - - api-extensions",
    ),
    row(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicies ValidatingAdmissionPolicy C s - api-extensions",
    ),
    row(
        "admissionregistration.k8s.io",
        "v1",
        "validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding C - - api-extensions",
    ),
    row(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations ValidatingWebhookConfiguration C - - api-extensions",
    ),
    row("apiextensions.k8s.io", "v1", "customresourcedefinitions CustomResourceDefinition C s crd,crds api-extensions"),
    row("apiregistration.k8s.io", "v1", "apiservices APIService C s - api-extensions"),
    row("apps", "v1", "controllerrevisions ControllerRevision N - - -"),
    row("apps", "v1", "daemonsets DaemonSet N s ds all"),
    row("apps", "v1", "deployments Deployment N sc deploy all"),
    row("apps", "v1", "replicasets ReplicaSet N sc rs all"),
    row("apps", "v1", "statefulsets StatefulSet N sc sts all"),
    row("authentication.k8s.io", "v1", "selfsubjectreviews SelfSubjectReview C v - -"),
    row("authentication.k8s.io", "v1", "tokenreviews TokenReview C v - -"),
    row("authorization.k8s.io", "v1", "localsubjectaccessreviews LocalSubjectAccessReview N v - -"),
    row("authorization.k8s.io", "v1", "selfsubjectaccessreviews SelfSubjectAccessReview C v - -"),
    row("authorization.k8s.io", "v1", "selfsubjectrulesreviews SelfSubjectRulesReview C v - -"),
    row("authorization.k8s.io", "v1", "subjectaccessreviews SubjectAccessReview C v - -"),
    row("autoscaling", "v1", "horizontalpodautoscalers HorizontalPodAutoscaler N s hpa all"),
    row("autoscaling", "v2", "horizontalpodautoscalers HorizontalPodAutoscaler N s hpa all"),
    row("batch", "v1", "cronjobs CronJob N s cj all"),
    row("batch", "v1", "jobs Job N s - all"),
    row("certificates.k8s.io", "v1", "certificatesigningrequests CertificateSigningRequest C s csr -"),
    row("coordination.k8s.io", "v1", "leases Lease N - - -"),
    row("discovery.k8s.io", "v1", "endpointslices EndpointSlice N - - -"),
    row("events.k8s.io", "v1", "events Event N - ev -"),
    row("flowcontrol.apiserver.k8s.io", "v1", "flowschemas FlowSchema C s - -"),
    row("flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations PriorityLevelConfiguration C s - -"),
    row("networking.k8s.io", "v1", "ingressclasses IngressClass C - - -"),
    row("networking.k8s.io", "v1", "ingresses Ingress N s ing -"),
    row("networking.k8s.io", "v1", "ipaddresses IPAddress C - ip -"),
    row("networking.k8s.io", "v1", "networkpolicies NetworkPolicy N - netpol -"),
    row("networking.k8s.io", "v1", "servicecidrs ServiceCIDR C s - -"),
    row("node.k8s.io", "v1", "runtimeclasses RuntimeClass C - - -"),
    row("policy", "v1", "poddisruptionbudgets PodDisruptionBudget N s pdb -"),
    row("rbac.authorization.k8s.io", "v1", "clusterrolebindings ClusterRoleBinding C - - -"),
    row("rbac.authorization.k8s.io", "v1", "clusterroles ClusterRole C - - -"),
    row("rbac.authorization.k8s.io", "v1", "rolebindings RoleBinding N - - -"),
    row("rbac.authorization.k8s.io", "v1", "roles Role N - - -"),
    row("resource.k8s.io", "v1", "deviceclasses DeviceClass C - - -"),
    row("resource.k8s.io", "v1", "resourceclaims ResourceClaim N s - -"),
    row("resource.k8s.io", "v1", "resourceclaimtemplates ResourceClaimTemplate N - - -"),
    row("resource.k8s.io", "v1", "resourceslices ResourceSlice C - - -"),
    row("scheduling.k8s.io", "v1", "priorityclasses PriorityClass C - pc -"),
    row("storage.k8s.io", "v1", "csidrivers CSIDriver C - - -"),
    row("storage.k8s.io", "v1", "csinodes CSINode C - - -"),
    row("storage.k8s.io", "v1", "csistoragecapacities CSIStorageCapacity N - - -"),
    row("storage.k8s.io", "v1", "storageclasses StorageClass C - sc -"),
    row("storage.k8s.io", "v1", "volumeattachments VolumeAttachment C s - -"),
    row("storage.k8s.io", "v1", "volumeattributesclasses VolumeAttributesClass C - vac -"),
];

/// The order in which groups appear in discovery; custom groups follow in alphabetical order.
/// Source: the priorities of kube-apiserver's own APIServices.
pub(super) const GROUP_ORDER: &[&str] = &[
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

fn names(text: &str) -> Vec<String> {
    if text == "-" { Vec::new() } else { text.split(',').map(str::to_string).collect() }
}

/// The group of what pods and nodes use.
pub(crate) const METRICS_GROUP: &str = "metrics.k8s.io";

const METRICS: &[Row] = &[
    row(METRICS_GROUP, "v1beta1", "nodes NodeMetrics C - - -"),
    row(METRICS_GROUP, "v1beta1", "pods PodMetrics N - - -"),
];

/// Makes the rows of `metrics.k8s.io`, which the real server has from an add-on; its objects are never stored.
pub(super) fn metrics() -> Vec<Resource> {
    METRICS.iter().map(|row| Resource { singular: String::new(), ..resource(row) }).collect()
}

/// Makes the rows of the built-in kinds.
pub(super) fn resources() -> Vec<Resource> {
    ROWS.iter().map(resource).collect()
}

fn resource(row: &Row) -> Resource {
    let columns: Vec<&str> = row.text.split(' ').collect();
    let [plural, kind, scope, flags, short_names, categories] = columns[..] else {
        unreachable!("every row of the table has six columns: {}", row.text)
    };
    let (group, version) = (row.group.to_string(), row.version.to_string());
    // Events are one set of objects under two groups; autoscaling is stored in its richer version.
    let (key, storage_version) = match (row.group, plural) {
        ("events.k8s.io", "events") => (ResourceKey::new("", "events"), "v1"),
        ("autoscaling", _) => (ResourceKey::new(row.group, plural), "v2"),
        _ => (ResourceKey::new(row.group, plural), row.version),
    };
    Resource {
        group,
        version,
        storage_version: storage_version.to_string(),
        kind: kind.to_string(),
        list_kind: format!("{kind}List"),
        plural: plural.to_string(),
        singular: kind.to_lowercase(),
        short_names: names(short_names),
        categories: names(categories),
        scope: if scope == "N" { Scope::Namespaced } else { Scope::Cluster },
        has_status: flags.contains('s'),
        scale: flags.contains('c').then(|| ScalePaths {
            spec_replicas: "/spec/replicas".to_string(),
            status_replicas: "/status/replicas".to_string(),
            selector: Some("/spec/selector".to_string()),
        }),
        is_virtual: flags.contains('v'),
        key,
        custom: None,
    }
}

//! Which values the API server fills in by itself where a field of a built-in type is absent.
//!
//! The published OpenAPI documents do not say this: it is code. The table serves to recognise a default, not to set one, so a field
//! whose default depends on others lists every value that it may get.
//!
//! Source: Kubernetes v1.36.3, pkg/apis/{core,apps,batch,networking,storage,admissionregistration,autoscaling}/*/defaults.go,
//! apiextensions-apiserver and kube-aggregator v1/defaults.go.

use serde_json::Value;

use crate::schema::{Schema, ValueType};
use crate::value::equal;

/// Type, field, and the values that it may get by default as JSON. A type stands for every version of its group (`*`).
const DEFAULTS: &[(&str, &str, &[&str])] = &[
    ("core.v1.Container", "imagePullPolicy", &["\"IfNotPresent\"", "\"Always\""]),
    ("core.v1.Container", "terminationMessagePath", &["\"/dev/termination-log\""]),
    ("core.v1.Container", "terminationMessagePolicy", &["\"File\""]),
    ("core.v1.EphemeralContainer", "imagePullPolicy", &["\"IfNotPresent\"", "\"Always\""]),
    ("core.v1.EphemeralContainer", "terminationMessagePath", &["\"/dev/termination-log\""]),
    ("core.v1.EphemeralContainer", "terminationMessagePolicy", &["\"File\""]),
    ("core.v1.ContainerPort", "protocol", &["\"TCP\""]),
    ("core.v1.EndpointPort", "protocol", &["\"TCP\""]),
    ("core.v1.ServicePort", "protocol", &["\"TCP\""]),
    ("core.v1.ServiceSpec", "sessionAffinity", &["\"None\""]),
    ("core.v1.ServiceSpec", "type", &["\"ClusterIP\""]),
    ("core.v1.ServiceSpec", "internalTrafficPolicy", &["\"Cluster\""]),
    ("core.v1.ServiceSpec", "externalTrafficPolicy", &["\"Cluster\""]),
    ("core.v1.ServiceSpec", "allocateLoadBalancerNodePorts", &["true"]),
    ("core.v1.ServiceSpec", "ipFamilyPolicy", &["\"SingleStack\""]),
    ("core.v1.PodSpec", "dnsPolicy", &["\"ClusterFirst\""]),
    ("core.v1.PodSpec", "restartPolicy", &["\"Always\""]),
    ("core.v1.PodSpec", "securityContext", &["{}"]),
    ("core.v1.PodSpec", "terminationGracePeriodSeconds", &["30"]),
    ("core.v1.PodSpec", "schedulerName", &["\"default-scheduler\""]),
    ("core.v1.PodSpec", "enableServiceLinks", &["true"]),
    ("core.v1.PodSpec", "serviceAccountName", &["\"default\""]),
    ("core.v1.PodSpec", "preemptionPolicy", &["\"PreemptLowerPriority\""]),
    ("core.v1.PodSpec", "priority", &["0"]),
    ("core.v1.Probe", "timeoutSeconds", &["1"]),
    ("core.v1.Probe", "periodSeconds", &["10"]),
    ("core.v1.Probe", "successThreshold", &["1"]),
    ("core.v1.Probe", "failureThreshold", &["3"]),
    ("core.v1.HTTPGetAction", "path", &["\"/\""]),
    ("core.v1.HTTPGetAction", "scheme", &["\"HTTP\""]),
    ("core.v1.GRPCAction", "service", &["\"\""]),
    ("core.v1.SecretVolumeSource", "defaultMode", &["420"]),
    ("core.v1.ConfigMapVolumeSource", "defaultMode", &["420"]),
    ("core.v1.DownwardAPIVolumeSource", "defaultMode", &["420"]),
    ("core.v1.ProjectedVolumeSource", "defaultMode", &["420"]),
    ("core.v1.ServiceAccountTokenProjection", "expirationSeconds", &["3600"]),
    ("core.v1.Volume", "emptyDir", &["{}"]),
    ("core.v1.HostPathVolumeSource", "type", &["\"\""]),
    ("core.v1.ISCSIVolumeSource", "iscsiInterface", &["\"default\""]),
    ("core.v1.RBDVolumeSource", "pool", &["\"rbd\""]),
    ("core.v1.RBDVolumeSource", "user", &["\"admin\""]),
    ("core.v1.RBDVolumeSource", "keyring", &["\"/etc/ceph/keyring\""]),
    ("core.v1.ObjectFieldSelector", "apiVersion", &["\"v1\""]),
    ("core.v1.Secret", "type", &["\"Opaque\""]),
    ("core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy", &["\"Retain\""]),
    ("core.v1.PersistentVolumeSpec", "volumeMode", &["\"Filesystem\""]),
    ("core.v1.PersistentVolumeClaimSpec", "volumeMode", &["\"Filesystem\""]),
    ("core.v1.PersistentVolumeClaimStatus", "phase", &["\"Pending\""]),
    ("core.v1.PersistentVolumeClaim", "apiVersion", &["\"v1\""]),
    ("core.v1.PersistentVolumeClaim", "kind", &["\"PersistentVolumeClaim\""]),
    ("core.v1.NamespaceSpec", "finalizers", &["[\"kubernetes\"]"]),
    ("apps.v1.DeploymentSpec", "replicas", &["1"]),
    ("apps.v1.DeploymentSpec", "revisionHistoryLimit", &["10"]),
    ("apps.v1.DeploymentSpec", "progressDeadlineSeconds", &["600"]),
    ("apps.v1.DeploymentStrategy", "type", &["\"RollingUpdate\""]),
    ("apps.v1.RollingUpdateDeployment", "maxUnavailable", &["\"25%\""]),
    ("apps.v1.RollingUpdateDeployment", "maxSurge", &["\"25%\""]),
    ("apps.v1.DaemonSetSpec", "revisionHistoryLimit", &["10"]),
    ("apps.v1.DaemonSetUpdateStrategy", "type", &["\"RollingUpdate\""]),
    ("apps.v1.RollingUpdateDaemonSet", "maxUnavailable", &["1"]),
    ("apps.v1.RollingUpdateDaemonSet", "maxSurge", &["0"]),
    ("apps.v1.StatefulSetSpec", "replicas", &["1"]),
    ("apps.v1.StatefulSetSpec", "revisionHistoryLimit", &["10"]),
    ("apps.v1.StatefulSetSpec", "podManagementPolicy", &["\"OrderedReady\""]),
    ("apps.v1.StatefulSetUpdateStrategy", "type", &["\"RollingUpdate\""]),
    ("apps.v1.RollingUpdateStatefulSetStrategy", "partition", &["0"]),
    ("apps.v1.RollingUpdateStatefulSetStrategy", "maxUnavailable", &["1"]),
    ("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", &["\"Retain\""]),
    ("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", &["\"Retain\""]),
    ("apps.v1.ReplicaSetSpec", "replicas", &["1"]),
    ("batch.v1.JobSpec", "completions", &["1"]),
    ("batch.v1.JobSpec", "parallelism", &["1"]),
    ("batch.v1.JobSpec", "backoffLimit", &["6", "2147483647"]),
    ("batch.v1.JobSpec", "completionMode", &["\"NonIndexed\""]),
    ("batch.v1.JobSpec", "suspend", &["false"]),
    ("batch.v1.JobSpec", "podReplacementPolicy", &["\"Failed\"", "\"TerminatingOrFailed\""]),
    ("batch.v1.JobSpec", "manualSelector", &["false"]),
    ("batch.v1.CronJobSpec", "concurrencyPolicy", &["\"Allow\""]),
    ("batch.v1.CronJobSpec", "suspend", &["false"]),
    ("batch.v1.CronJobSpec", "successfulJobsHistoryLimit", &["3"]),
    ("batch.v1.CronJobSpec", "failedJobsHistoryLimit", &["1"]),
    ("batch.v1.PodFailurePolicyOnPodConditionsPattern", "status", &["\"True\""]),
    ("networking.v1.NetworkPolicyPort", "protocol", &["\"TCP\""]),
    ("networking.v1.NetworkPolicySpec", "policyTypes", &["[\"Ingress\"]", "[\"Ingress\",\"Egress\"]"]),
    ("networking.v1.IngressClassParametersReference", "scope", &["\"Cluster\""]),
    ("rbac.v1.RoleRef", "apiGroup", &["\"rbac.authorization.k8s.io\""]),
    ("rbac.v1.Subject", "apiGroup", &["\"rbac.authorization.k8s.io\"", "\"\""]),
    ("storage.v1.StorageClass", "reclaimPolicy", &["\"Delete\""]),
    ("storage.v1.StorageClass", "volumeBindingMode", &["\"Immediate\""]),
    ("storage.v1.CSIDriverSpec", "attachRequired", &["true"]),
    ("storage.v1.CSIDriverSpec", "podInfoOnMount", &["false"]),
    ("storage.v1.CSIDriverSpec", "storageCapacity", &["false"]),
    ("storage.v1.CSIDriverSpec", "fsGroupPolicy", &["\"ReadWriteOnceWithFSType\""]),
    ("storage.v1.CSIDriverSpec", "volumeLifecycleModes", &["[\"Persistent\"]"]),
    ("storage.v1.CSIDriverSpec", "requiresRepublish", &["false"]),
    ("storage.v1.CSIDriverSpec", "seLinuxMount", &["false"]),
    ("scheduling.v1.PriorityClass", "preemptionPolicy", &["\"PreemptLowerPriority\""]),
    ("admissionregistration.v1.ValidatingWebhook", "failurePolicy", &["\"Fail\""]),
    ("admissionregistration.v1.ValidatingWebhook", "matchPolicy", &["\"Equivalent\""]),
    ("admissionregistration.v1.ValidatingWebhook", "namespaceSelector", &["{}"]),
    ("admissionregistration.v1.ValidatingWebhook", "objectSelector", &["{}"]),
    ("admissionregistration.v1.ValidatingWebhook", "timeoutSeconds", &["10"]),
    ("admissionregistration.v1.MutatingWebhook", "failurePolicy", &["\"Fail\""]),
    ("admissionregistration.v1.MutatingWebhook", "matchPolicy", &["\"Equivalent\""]),
    ("admissionregistration.v1.MutatingWebhook", "namespaceSelector", &["{}"]),
    ("admissionregistration.v1.MutatingWebhook", "objectSelector", &["{}"]),
    ("admissionregistration.v1.MutatingWebhook", "timeoutSeconds", &["10"]),
    ("admissionregistration.v1.MutatingWebhook", "reinvocationPolicy", &["\"Never\""]),
    ("admissionregistration.v1.RuleWithOperations", "scope", &["\"*\""]),
    ("admissionregistration.v1.ServiceReference", "port", &["443"]),
    ("autoscaling.v2.HorizontalPodAutoscalerSpec", "minReplicas", &["1"]),
    ("autoscaling.v1.HorizontalPodAutoscalerSpec", "minReplicas", &["1"]),
    ("autoscaling.v2.HPAScalingRules", "selectPolicy", &["\"Max\""]),
    ("apiextensions.v1.ServiceReference", "port", &["443"]),
    ("apiextensions.v1.CustomResourceConversion", "strategy", &["\"None\""]),
    ("apiextensions.v1.CustomResourceDefinitionSpec", "conversion", &["{\"strategy\":\"None\"}"]),
    ("apiregistration.v1.ServiceReference", "port", &["443"]),
];

/// Whether a value may be what the server filled in where this field of this type was absent: a listed default, the schema's own
/// default for custom resources, or a map of nothing but such.
#[must_use]
pub fn is_default(schema: Schema<'_>, field: &str, value: &Value) -> bool {
    let listed = schema.type_name().and_then(short_name).is_some_and(|name| {
        DEFAULTS
            .iter()
            .filter(|(of, name_of_field, _)| *of == name && *name_of_field == field)
            .flat_map(|(_, _, values)| values.iter())
            .filter_map(|text| serde_json::from_str::<Value>(text).ok())
            .any(|default| equal(&default, value))
    });
    if listed {
        return true;
    }
    let is_custom = schema.type_name().is_none_or(|name| !name.starts_with("io.k8s."));
    if is_custom && schema.default_of(field).is_some_and(|default| equal(default, value)) {
        return true;
    }
    let Some(inside) = schema.field(field) else {
        return false;
    };
    match value {
        Value::Object(map) => {
            inside.node().value_type == ValueType::Object
                && !map.is_empty()
                && map.iter().all(|(name, value)| is_default(inside, name, value))
        }
        _ => false,
    }
}

/// `io.k8s.api.core.v1.Container` is `core.v1.Container`, and so for the types of apiextensions and apiregistration.
fn short_name(type_name: &str) -> Option<&str> {
    let mut dots = type_name.rmatch_indices('.').map(|(index, _)| index);
    let (_, _, third) = (dots.next()?, dots.next()?, dots.next()?);
    Some(&type_name[third + 1..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::builtin::{kubernetes, schema_of};
    use crate::crd::CustomSchema;

    #[test]
    fn every_line_of_the_table_names_a_field_that_exists() {
        for (of, field, values) in DEFAULTS {
            let schema = kubernetes()
                .names()
                .filter(|name| short_name(name) == Some(of))
                .filter_map(|name| kubernetes().named(name))
                .find(|schema| schema.field(field).is_some());
            assert!(schema.is_some(), "{of}.{field}");
            for text in *values {
                assert!(serde_json::from_str::<Value>(text).is_ok(), "{of}.{field}: {text}");
            }
        }
    }

    #[test]
    fn a_default_is_told_from_a_choice() {
        let spec = schema_of("apps/v1", "Deployment").field("spec").expect("declared");
        assert!(is_default(spec, "replicas", &json!(1)));
        assert!(!is_default(spec, "replicas", &json!(2)));
        let default = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        assert!(is_default(spec, "strategy", &default));
        assert!(!is_default(spec, "strategy", &json!({"type": "Recreate"})));
        assert!(!is_default(spec, "paused", &json!(true)));
    }

    #[test]
    fn a_custom_resource_has_the_defaults_of_its_schema() {
        let custom = CustomSchema::new(Some(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"policy": {"type": "string", "default": "Merge"}}}
        }})));
        let spec = custom.schema().field("spec").expect("declared");
        assert!(is_default(spec, "policy", &json!("Merge")));
        assert!(!is_default(spec, "policy", &json!("Other")));
    }
}

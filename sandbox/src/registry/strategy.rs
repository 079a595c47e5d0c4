//! How kinds differ in what a write may touch: generation and status.

use super::Resource;

/// Kinds that never carry a generation although they have a spec.
/// Source: the registry strategies of kube-apiserver 1.36; only kinds listed there bump `metadata.generation`.
const WITH_GENERATION: &[&str] = &[
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "cronjobs.batch",
    "jobs.batch",
    "ingresses.networking.k8s.io",
    "ingressclasses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "endpointslices.discovery.k8s.io",
    "priorityclasses.scheduling.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "deviceclasses.resource.k8s.io",
    "resourceslices.resource.k8s.io",
];

/// Which part of an object counts for its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GenerationFollows {
    /// There is no generation.
    Nothing,
    /// A change of `spec`.
    Spec,
    /// A change of anything but metadata (and status, where it is a subresource).
    AllButMetadata,
}

/// Says which changes raise `metadata.generation`.
pub(crate) fn generation_follows(resource: &Resource) -> GenerationFollows {
    if resource.custom.is_some() {
        return GenerationFollows::AllButMetadata;
    }
    let key = resource.key.as_str();
    if !WITH_GENERATION.contains(&key) {
        return GenerationFollows::Nothing;
    }
    match key {
        "podtemplates"
        | "priorityclasses.scheduling.k8s.io"
        | "endpointslices.discovery.k8s.io"
        | "mutatingwebhookconfigurations.admissionregistration.k8s.io"
        | "validatingwebhookconfigurations.admissionregistration.k8s.io" => GenerationFollows::AllButMetadata,
        _ => GenerationFollows::Spec,
    }
}

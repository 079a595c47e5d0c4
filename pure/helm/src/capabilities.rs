//! What the cluster can do, as templates ask for it: Kubernetes' version, API versions, Helm's own version.

use crate::Profile;
use crate::error::{Error, ErrorKind};
use crate::go;

/// The API versions that Helm knows without a cluster, in Helm's order. Source: client-go 0.36 and its apiextensions.
pub const DEFAULT_API_VERSIONS: [&str; 55] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha2",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// What templates read as `.Capabilities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The cluster's version.
    pub kube_version: KubeVersion,
    /// `group/version` and `group/version/Kind`, in order; asked by exact match.
    pub api_versions: Vec<String>,
    /// What the renderer says about itself.
    pub helm_version: HelmVersion,
}

impl Capabilities {
    /// What Helm assumes without a cluster: Kubernetes 1.36 and [`DEFAULT_API_VERSIONS`].
    pub fn offline(profile: Profile) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            kube_version: KubeVersion {
                version: text("v1.36.0"),
                normalized: text("v1.36.0"),
                major: text("1"),
                minor: text("36"),
            },
            api_versions: DEFAULT_API_VERSIONS.map(str::to_owned).to_vec(),
            helm_version: HelmVersion::of(profile),
        }
    }
}

/// The version of Kubernetes. Shape: `version` and `normalized` begin with `v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// What templates see: without a suffix under Helm 3, as the cluster says it under Helm 4 (`v1.33.4-gke.1`).
    pub version: String,
    /// The numbers alone (`v1.33.4`): what a chart's `kubeVersion` is compared with.
    pub normalized: String,
    /// The first number.
    pub major: String,
    /// The second number.
    pub minor: String,
}

impl KubeVersion {
    /// Reads a version as `--kube-version` does: `v1.33`, `1.33.4-gke.1`, `1.33+`.
    ///
    /// Errors: [`ErrorKind::Request`]. Source: k8s.io/apimachinery 0.36 `ParseGeneric`.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, Error> {
        let wrong = |reason: String| {
            Error::new(ErrorKind::Request, format!("invalid kube version '{text}': {reason}"))
                .with_hint("give it as the cluster does: v1.34.0")
        };
        let bare = text.trim_start();
        let bare = bare.strip_prefix('v').unwrap_or(bare);
        let end = bare.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(bare.len());
        // A dot belongs to the numbers only if a digit follows.
        let mut end = end;
        while bare[..end].ends_with('.') {
            end -= 1;
        }
        let end = bare[..end].find("..").unwrap_or(end);
        let numbers = &bare[..end];
        if numbers.is_empty() || numbers.starts_with('.') || bare[end..].contains('\n') {
            return Err(wrong(format!("could not parse {} as version", go::quote(text))));
        }
        let components: Vec<&str> = numbers.split('.').collect();
        if components.len() < 2 {
            return Err(wrong(format!("illegal version string {}", go::quote(text))));
        }
        if components[0].len() > 1 && components[0].starts_with('0') {
            return Err(wrong(format!(
                "illegal zero-prefixed version component {} in {}",
                go::quote(components[0]),
                go::quote(text)
            )));
        }
        let mut plain = Vec::new();
        for component in components {
            let number: u64 = component.parse().map_err(|_| {
                wrong(format!("illegal non-numeric version component {} in {}", go::quote(component), go::quote(text)))
            })?;
            plain.push(number.to_string());
        }
        let normalized = format!("v{}", plain.join("."));
        let version = match profile {
            Profile::Helm3 => normalized.clone(),
            Profile::Helm4 if text.starts_with('v') => text.to_owned(),
            Profile::Helm4 => format!("v{text}"),
        };
        Ok(Self { version, normalized, major: plain[0].clone(), minor: plain[1].clone() })
    }
}

/// What templates read as `.Capabilities.HelmVersion`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// Helm's version, with its `v`.
    pub version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// Whether that commit was clean.
    pub git_tree_state: String,
    /// The Go release it was built with.
    pub go_version: String,
    /// The version of its Kubernetes client; Helm 4 only.
    pub kube_client_version: String,
}

impl HelmVersion {
    /// The version that a profile reproduces.
    pub fn of(profile: Profile) -> Self {
        let (version, kube_client_version) = match profile {
            Profile::Helm3 => ("v3.21.4", ""),
            Profile::Helm4 => ("v4.2.4", "v1.36"),
        };
        Self {
            version: version.to_owned(),
            git_commit: String::new(),
            git_tree_state: String::new(),
            go_version: "go1.27.3".to_owned(),
            kube_client_version: kube_client_version.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_versions_are_read_as_kubernetes_reads_them() {
        let cases = [
            ("v1.31.9-gke.1000", "v1.31.9", "v1.31.9-gke.1000"),
            ("1.33", "v1.33", "v1.33"),
            ("1.28+", "v1.28", "v1.28+"),
            ("v1.30.1+k3s1", "v1.30.1", "v1.30.1+k3s1"),
            ("1.2.03", "v1.2.3", "v1.2.03"),
        ];
        for (text, helm3, helm4) in cases {
            assert_eq!(KubeVersion::parse(text, Profile::Helm3).unwrap().version, helm3, "{text}");
            assert_eq!(KubeVersion::parse(text, Profile::Helm4).unwrap().version, helm4, "{text}");
        }
        for text in ["", "1", "x", "01.2", "v.1", "99999999999999999999.1"] {
            assert!(KubeVersion::parse(text, Profile::Helm3).is_err(), "{text}");
        }
    }
}

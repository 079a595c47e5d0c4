//! Ingress: has its controller given it an address? Source: gitops-engine `pkg/health/health_ingress.go`.

use landfall_model::health::Health;
use serde_json::Value;

use super::Kind;
use super::core_service::has_address;
use crate::read::{healthy, progressing};

pub(super) const KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "Ingress",
    rule: "Progressing until its controller reports an address.",
    assess,
};

/// The same kind under the group it had before Kubernetes 1.22.
pub(super) const KIND_OF_EXTENSIONS: Kind = Kind { group: "extensions", ..KIND };

fn assess(live: &Value) -> Health {
    if has_address(live) { healthy() } else { progressing("waits for its controller to report an address") }
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn an_ingress_waits_for_its_address() {
        crate::read::check(
            "networking.k8s.io/v1",
            "Ingress",
            &[
                (json!({}), Progressing, "address"),
                (json!({"status": {"loadBalancer": {"ingress": []}}}), Progressing, "address"),
                (json!({"status": {"loadBalancer": {"ingress": [{"hostname": "shop.example.com"}]}}}), Healthy, ""),
            ],
        );
    }
}

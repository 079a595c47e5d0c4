//! Service: only a load balancer has something to wait for. Source: gitops-engine `pkg/health/health_service.go`.

use landfall_model::health::Health;
use landfall_model::object;
use serde_json::Value;

use super::Kind;
use crate::read::{healthy, progressing};

pub(super) const KIND: Kind = Kind {
    group: "",
    kind: "Service",
    rule: "A LoadBalancer is Progressing until it has an address; every other Service is Healthy.",
    assess,
};

fn assess(live: &Value) -> Health {
    let is_balancer = object::text(live, &["spec", "type"]) == "LoadBalancer";
    if is_balancer && !has_address(live) { progressing("waits for the load balancer's address") } else { healthy() }
}

/// Says whether a load balancer has reported an address in `status.loadBalancer.ingress`.
pub(super) fn has_address(live: &Value) -> bool {
    let addresses = object::at(live, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
    addresses.is_some_and(|addresses| !addresses.is_empty())
}

#[cfg(test)]
mod tests {
    use landfall_model::health::HealthStatus::{Healthy, Progressing};
    use serde_json::json;

    #[test]
    fn only_a_load_balancer_waits_for_an_address() {
        crate::read::check(
            "v1",
            "Service",
            &[
                (json!({"spec": {"type": "ClusterIP"}}), Healthy, ""),
                (json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}}), Progressing, "address"),
                (
                    json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}),
                    Healthy,
                    "",
                ),
            ],
        );
    }
}

//! What people look for in a list of applications: images that run, and links to what is served.
//! Source: Argo CD 3.5 `controller/cache/info.go`.

use landfall_model::object;
use serde_json::Value;

/// Annotations whose name begins so are links, as `URL` or `title|URL`.
const LINK_PREFIX: &str = "link.argocd.argoproj.io/";
/// `"true"` leaves out the links that are found by themselves.
const IGNORE_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";

/// Lists the images of an object that has a pod template, or is a pod; sorted, without repeats.
pub fn images(live: &Value) -> Vec<String> {
    const POD_SPECS: [&[&str]; 3] =
        [&["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"], &["spec"]];
    let mut images = Vec::new();
    for path in POD_SPECS {
        let Some(pod) = object::at(live, path) else { continue };
        for field in ["initContainers", "containers"] {
            let containers = pod.get(field).and_then(Value::as_array).into_iter().flatten();
            images.extend(
                containers.map(|container| object::text(container, &["image"])).filter(|image| !image.is_empty()),
            );
        }
        if !images.is_empty() {
            break;
        }
    }
    images.sort_unstable();
    images.dedup();
    images.into_iter().map(str::to_owned).collect()
}

/// Lists where an object can be reached: links in its annotations, an Ingress' hosts, a load balancer's address.
pub fn urls(live: &Value) -> Vec<String> {
    let mut urls = Vec::new();
    let annotations = object::text_map(live, &["metadata", "annotations"]);
    for (_, value) in annotations.iter().filter(|(name, _)| name.starts_with(LINK_PREFIX)) {
        let url = value.rsplit('|').next().unwrap_or(value).trim();
        if url.starts_with("https://") || url.starts_with("http://") {
            urls.push(url.to_owned());
        }
    }
    if annotations.get(IGNORE_DEFAULT_LINKS).map(String::as_str) != Some("true") {
        match object::text(live, &["kind"]) {
            "Ingress" => urls.extend(ingress_urls(live)),
            "Service" => urls.extend(service_urls(live)),
            _ => {}
        }
    }
    urls.sort_unstable();
    urls.dedup();
    urls
}

fn items<'a>(value: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> {
    object::at(value, path).and_then(Value::as_array).into_iter().flatten()
}

fn addresses(live: &Value) -> Vec<&str> {
    let entries = items(live, &["status", "loadBalancer", "ingress"]);
    let names = entries.map(|entry| match object::text(entry, &["hostname"]) {
        "" => object::text(entry, &["ip"]),
        name => name,
    });
    names.filter(|name| !name.is_empty()).collect()
}

fn ingress_urls(live: &Value) -> Vec<String> {
    let secured: Vec<&str> =
        items(live, &["spec", "tls"]).flat_map(|entry| items(entry, &["hosts"])).filter_map(Value::as_str).collect();
    let has_tls = items(live, &["spec", "tls"]).next().is_some();
    let addresses = addresses(live);
    let mut urls = Vec::new();
    for rule in items(live, &["spec", "rules"]) {
        let host = object::text(rule, &["host"]);
        let hosts = if host.is_empty() { addresses.clone() } else { vec![host] };
        let mut paths: Vec<&str> = items(rule, &["http", "paths"]).map(|path| object::text(path, &["path"])).collect();
        if paths.is_empty() {
            paths.push("");
        }
        for host in hosts {
            let is_secured = secured.contains(&host) || (has_tls && secured.is_empty());
            let scheme = if is_secured { "https" } else { "http" };
            for path in &paths {
                let path = path.trim_end_matches('*');
                urls.push(format!("{scheme}://{host}{}", if path == "/" { "" } else { path }));
            }
        }
    }
    urls
}

fn service_urls(live: &Value) -> Vec<String> {
    if object::text(live, &["spec", "type"]) != "LoadBalancer" {
        return Vec::new();
    }
    let ports: Vec<i64> = items(live, &["spec", "ports"]).filter_map(|port| object::integer(port, &["port"])).collect();
    let mut urls = Vec::new();
    for host in addresses(live) {
        if ports.contains(&443) {
            urls.push(format!("https://{host}"));
        } else if ports.contains(&80) {
            urls.push(format!("http://{host}"));
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_found_wherever_pods_are_described() {
        let pod =
            json!({"initContainers": [{"image": "init:1"}], "containers": [{"image": "web:2"}, {"image": "init:1"}]});
        assert_eq!(images(&json!({"kind": "Deployment", "spec": {"template": {"spec": pod}}})), ["init:1", "web:2"]);
        assert_eq!(images(&json!({"kind": "Pod", "spec": pod})), ["init:1", "web:2"]);
        assert_eq!(
            images(&json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}})).len(),
            2
        );
        assert!(images(&json!({"kind": "ConfigMap", "spec": 3})).is_empty());
    }

    #[test]
    fn links_come_from_annotations_ingresses_and_load_balancers() {
        let ingress = json!({"kind": "Ingress", "metadata": {"annotations": {"link.argocd.argoproj.io/docs": "Docs|https://docs.example.com", "link.argocd.argoproj.io/bad": "javascript:x"}},
            "spec": {"tls": [{"hosts": ["a.example.com"]}], "rules": [
                {"host": "a.example.com", "http": {"paths": [{"path": "/"}, {"path": "/api/*"}]}}, {"host": "b.example.com"}, {}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
        assert_eq!(
            urls(&ingress),
            [
                "http://192.0.2.1",
                "http://b.example.com",
                "https://a.example.com",
                "https://a.example.com/api/",
                "https://docs.example.com"
            ]
        );
        let service = json!({"kind": "Service", "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}});
        assert_eq!(urls(&service), ["http://lb.example.com"]);
    }
}

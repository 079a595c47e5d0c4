//! Simulated requests, what is measured of them, and what pods answer.

use std::time::Duration;

use crate::common::{client, deployment, object, sandbox};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, PostParams};
use landfall_sandbox::{Fault, Sandbox};
use serde_json::{Value, json};

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn serve(sandbox: &Sandbox, name: &str, image: &str) {
    let deployments: Api<Deployment> = Api::default_namespaced(client(sandbox));
    let services: Api<Service> = Api::default_namespaced(client(sandbox));
    deployments.create(&PostParams::default(), &object(deployment(name, 2, image))).await.unwrap();
    let service =
        object(json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}));
    services.create(&PostParams::default(), &service).await.unwrap();
    sandbox.settle().await;
}

/// The only value of a query, or what it came to instead.
fn value(sandbox: &Sandbox, query: &str) -> Result<f64, String> {
    let data = sandbox.query(query)?;
    match data["result"].as_array().map(Vec::as_slice) {
        Some([one]) => one["value"][1].as_str().and_then(|text| text.parse().ok()).ok_or(one.to_string()),
        _ => Err(data.to_string()),
    }
}

fn near(found: Result<f64, String>, wanted: f64) {
    assert!(
        found.as_ref().is_ok_and(|found| (found - wanted).abs() < wanted.abs() * 0.01 + 1e-6),
        "{found:?} is not {wanted}"
    );
}

/// The queries by which Flagger and others judge a version, for each of the providers.
fn judged(target: &str) -> Vec<(&'static str, String, String)> {
    let ratio = |metric: &str, selector: &str, good: &str| {
        format!("100 * sum(rate({metric}{{{selector},{good}}}[1m])) / sum(rate({metric}{{{selector}}}[1m]))")
    };
    let p99 = |metric: &str, selector: &str| {
        format!("histogram_quantile(0.99, sum(rate({metric}{{{selector}}}[1m])) by (le))")
    };
    let istio =
        format!(r#"reporter="destination",destination_workload_namespace="default",destination_workload=~"{target}""#);
    let linkerd = format!(r#"namespace="default",deployment=~"{target}",direction="inbound""#);
    let envoy = format!(r#"envoy_cluster_name=~"default_{target}_[0-9a-zA-Z-]+""#);
    let traefik = format!(r#"service=~"default-{target}-[0-9a-zA-Z-]+@kubernetescrd""#);
    let osm = format!(r#"destination_namespace="default",destination_kind="Deployment",destination_name="{target}""#);
    let pods = format!(r#"kubernetes_namespace="default",kubernetes_pod_name=~"{target}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)""#);
    vec![
        (
            "istio",
            ratio("istio_requests_total", &istio, r#"response_code!~"5.*""#),
            p99("istio_request_duration_milliseconds_bucket", &istio),
        ),
        (
            "linkerd",
            ratio("response_total", &linkerd, r#"classification!="failure""#),
            p99("response_latency_ms_bucket", &linkerd),
        ),
        (
            "contour",
            ratio("envoy_cluster_upstream_rq", &envoy, r#"envoy_response_code!~"5.*""#),
            p99("envoy_cluster_upstream_rq_time_bucket", &envoy),
        ),
        (
            "traefik",
            ratio(
                "traefik_service_request_duration_seconds_bucket",
                &format!(r#"{traefik},le="+Inf""#),
                r#"code!~"5..""#,
            ),
            format!("1000 * {}", p99("traefik_service_request_duration_seconds_bucket", &traefik)),
        ),
        (
            "osm",
            ratio("osm_request_total", &osm, r#"response_code!~"5.*""#),
            p99("osm_request_duration_ms_bucket", &osm),
        ),
        (
            "kubernetes",
            ratio("http_request_duration_seconds_count", &pods, r#"status!~"5.*""#),
            format!("1000 * {}", p99("http_request_duration_seconds_bucket", &pods)),
        ),
    ]
}

#[tokio::test]
async fn every_provider_measures_the_errors_and_the_latency_that_a_version_was_given() {
    let sandbox = sandbox().await;
    sandbox.fault_images(
        "*:bad",
        &[
            Fault::Errors { per_million: 200_000 },
            Fault::Latency { median: Duration::from_millis(400), p99: Duration::from_secs(1) },
        ],
    );
    serve(&sandbox, "good", "web:1").await;
    serve(&sandbox, "bad", "web:bad").await;
    assert!(value(&sandbox, "sum(rate(istio_requests_total[1m]))").is_err(), "nothing was measured yet");
    sandbox.advance(Duration::from_secs(120)).await;
    near(value(&sandbox, r#"sum(rate(http_requests_total{service="good"}[1m]))"#), 10.0);
    for (provider, success, p99) in judged("good") {
        near(value(&sandbox, &success).map_err(|error| format!("{provider}: {error}")), 100.0);
        let p99 = value(&sandbox, &p99);
        assert!(p99.as_ref().is_ok_and(|ms| (40.0..=110.0).contains(ms)), "{provider}: {p99:?}");
    }
    for (provider, success, p99) in judged("bad") {
        near(value(&sandbox, &success).map_err(|error| format!("{provider}: {error}")), 80.0);
        let p99 = value(&sandbox, &p99);
        assert!(p99.as_ref().is_ok_and(|ms| (900.0..=1100.0).contains(ms)), "{provider}: {p99:?}");
    }
    sandbox.heal_images("*:bad");
    sandbox.advance(Duration::from_secs(120)).await;
    for (provider, success, _) in judged("bad") {
        near(value(&sandbox, &success).map_err(|error| format!("{provider}: {error}")), 100.0);
    }
    near(value(&sandbox, "vector(1)"), 1.0);
}

#[tokio::test]
async fn an_ingress_and_its_canary_share_requests_by_weight() {
    let sandbox = sandbox().await;
    serve(&sandbox, "web", "web:1").await;
    serve(&sandbox, "web-canary", "web:2").await;
    let ingresses: Api<Ingress> = Api::default_namespaced(client(&sandbox));
    let ingress = |name: &str, service: &str, annotations: Value| {
        object::<Ingress>(
            json!({"metadata": {"name": name, "annotations": annotations}, "spec": {"rules": [{"host": "web.example",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}]}}]}}),
        )
    };
    let main = ingress("web", "web", json!({"sandbox.landfall.io/requests-per-second": "50"}));
    let weight =
        json!({"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "20"});
    ingresses.create(&PostParams::default(), &main).await.unwrap();
    ingresses.create(&PostParams::default(), &ingress("web-canary", "web-canary", weight)).await.unwrap();
    sandbox.advance(Duration::from_secs(120)).await;
    let rate = |canary: &str| {
        value(
            &sandbox,
            &format!(
                r#"sum(rate(nginx_ingress_controller_requests{{namespace="default",ingress="web",{canary}}}[1m]))"#
            ),
        )
    };
    near(rate(r#"canary!="""#), 10.0);
    near(rate(r#"canary="""#), 40.0);
    near(rate(r#"canary!="",status!~"5.*""#), 10.0);
    near(
        value(
            &sandbox,
            r#"1000 * sum(rate(nginx_ingress_controller_response_duration_seconds_sum{canary!=""}[1m])) / sum(rate(nginx_ingress_controller_response_duration_seconds_count{canary!=""}[1m]))"#,
        ),
        24.0,
    );
}

#[tokio::test]
async fn pods_answer_over_http_through_their_service_and_prometheus_answers_beside_them() {
    let sandbox = sandbox().await;
    serve(&sandbox, "web", "web:v7").await;
    sandbox.advance(Duration::from_secs(90)).await;
    let serving = sandbox.serve_http(([127, 0, 0, 1], 0).into()).await.unwrap();
    let ask = async |host: &str, path: &str| http_get(serving.addr, host, path).await;
    assert_eq!(ask("x", "/default/web/health").await.0, 200);
    assert_eq!(ask("web.default.svc.cluster.local", "/ready").await.0, 200);
    let (status, body) = ask("web.default", "/anything").await;
    assert!(status == 200 && body.contains("\"version\":\"v7\""), "{body}");
    assert!(ask("web.default", "/metrics").await.1.contains("http_requests_total{code=\"200\""));
    assert_eq!(ask("x", "/default/nobody/health").await.0, 404);
    let (status, body) = ask("x", "/api/v1/query?query=sum(rate(http_requests_total%5B1m%5D))").await;
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &told["status"], &told["data"]["resultType"]),
        (200, &json!("success"), &json!("vector")),
        "{body}"
    );
    assert_eq!(
        told["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<f64>().ok()).map(f64::round),
        Some(10.0)
    );
    let (status, body) = ask("x", "/api/v1/query?query=sum(").await;
    assert!(status == 400 && body.contains("bad_data") && body.contains("parse error"), "{body}");
    let (_, body) = ask("x", "/api/v1/label/__name__/values").await;
    assert!(body.contains("istio_requests_total") && body.contains("kube_pod_status_ready"), "{body}");

    sandbox.fault_images("web:v7", &[Fault::NotReady]);
    sandbox.settle().await;
    let (status, body) = ask("web.default", "/").await;
    assert!(status == 503 && body.contains("no endpoints available"), "{status} {body}");
}

/// A GET over a new connection.
#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn http_get(addr: std::net::SocketAddr, host: &str, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn what_pods_and_nodes_use_is_told_as_metrics_server_does() {
    let sandbox = sandbox().await;
    let mut web = deployment("web", 2, "web:1");
    web["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.landfall.io/utilization": "50"});
    web["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "200m", "memory": "100Mi"}});
    let client = client(&sandbox);
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &object(web)).await.unwrap();
    sandbox.settle().await;
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        client.request::<Value>(request).await
    };
    let pods = ask("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb").await.unwrap();
    assert_eq!(pods["kind"], "PodMetricsList");
    assert_eq!(pods["items"].as_array().unwrap().len(), 2);
    assert_eq!(pods["items"][0]["containers"][0]["usage"], json!({"cpu": "100000000n", "memory": "51200Ki"}));
    let name = pods["items"][0]["metadata"]["name"].as_str().unwrap();
    let one = ask(&format!("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/{name}")).await.unwrap();
    assert_eq!(one["metadata"]["labels"]["app"], "web");
    let nodes = ask("/apis/metrics.k8s.io/v1beta1/nodes").await.unwrap();
    let nodes = nodes["items"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["kind"] == "NodeMetrics"));
    let cores = |node: &Value| node["usage"]["cpu"].as_str().unwrap().trim_end_matches('n').parse::<u64>().unwrap();
    let wanted = nodes.len() as u64 * 100_000_000 + 2 * 100_000_000;
    assert_eq!(nodes.iter().map(cores).sum::<u64>(), wanted, "a node's own tenth of a core, and what its pods use");
    let missing = ask("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none").await.unwrap_err();
    assert!(missing.to_string().contains("podmetrics.metrics.k8s.io \"default/none\" not found"), "{missing}");
}

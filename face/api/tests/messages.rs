//! Promises of the messages: what goes over the wire comes back, what is no message is refused, REST requests mean what
//! the definitions say.

use landfall_api::schema::schema;
use landfall_api::{rest, shape, wire};
use serde_json::{Value, json};

fn place(name: &str) -> usize {
    schema().argo(name).unwrap()
}

fn round(at: usize, value: &Value) -> Value {
    wire::decode(at, &wire::encode(at, value)).unwrap()
}

#[test]
fn an_application_comes_back_as_it_went() {
    let application = json!({
        "metadata": {
            "name": "shop", "namespace": "argocd", "labels": {"a": "b"}, "creationTimestamp": "2026-01-31T12:00:00Z",
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "controller": false}],
        },
        "spec": {
            "project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "source": {
                "repoURL": "https://example.test/shop", "path": "app",
                "helm": {"valuesObject": {"replicas": 3, "list": [1, "two"]}, "parameters": [{"name": "a", "value": "b", "forceString": true}]},
                "kustomize": {"replicas": [{"name": "web", "count": 2}, {"name": "db", "count": "10%"}],
                    "patches": [{"patch": "- op: remove", "target": {"group": "apps", "kind": "Deployment", "name": "web", "labelSelector": "a=b"}}]},
                "plugin": {"parameters": [{"name": "list", "array": ["a", "b"]}, {"name": "map", "map": {"x": "y"}}, {"name": "text", "string": ""}]},
            },
            "syncPolicy": {"automated": {"prune": false}, "retry": {"limit": 0, "backoff": {"factor": 2}}},
            "revisionHistoryLimit": 0,
        },
        "status": {"sync": {"status": "Synced", "comparedTo": {"destination": {}}}, "health": {}, "summary": {}},
        "operation": {"sync": {"syncStrategy": {"hook": {"force": true}}}},
    });
    assert_eq!(round(place("Application"), &application), application);
}

#[test]
fn what_stands_inline_in_json_is_a_message_of_its_own_on_the_wire() {
    let node =
        json!({"kind": "Pod", "name": "web", "version": "v1", "parentRefs": [{"kind": "ReplicaSet", "name": "rs"}]});
    let bytes = wire::encode(place("ResourceNode"), &node);
    // Field 1, a message of which the kind is field 3.
    assert_eq!(bytes[0], 0x0a);
    assert_eq!(round(place("ResourceNode"), &node), node);
}

#[test]
fn zero_values_that_say_nothing_are_left_out_of_objects_and_kept_in_requests() {
    let schema = schema();
    let sync = schema.method("application.ApplicationService/Sync").unwrap().takes;
    let request = json!({"name": "shop", "dryRun": false, "prune": false});
    assert_eq!(round(sync, &request), request);
    // Go writes every field of a destination, those that are empty too.
    let destination =
        wire::encode(place("ApplicationDestination"), &json!({"server": "", "namespace": "shop", "name": ""}));
    assert_eq!(wire::decode(place("ApplicationDestination"), &destination).unwrap(), json!({"namespace": "shop"}));
    assert_eq!(round(place("SyncPolicyAutomated"), &json!({"enabled": false})), json!({"enabled": false}));
}

#[test]
fn required_fields_are_written_even_if_nothing_is_known_of_them() {
    let schema = schema();
    let windows = schema.method("application.ApplicationService/GetApplicationSyncWindows").unwrap().gives;
    assert_eq!(round(windows, &json!({})), json!({"canSync": false}));
    let entry = schema.method("application.ApplicationService/PodLogs").unwrap().gives;
    let read = round(entry, &json!({"content": "hello"}));
    assert_eq!((&read["content"], &read["last"], &read["podName"]), (&json!("hello"), &json!(false), &json!("")));
}

#[test]
fn bytes_that_are_no_message_are_refused_with_the_reason() {
    let at = place("Application");
    for (bytes, reason) in [
        (&[0x0a][..], "ends within a number"),
        (&[0x0a, 0x05, 0x01][..], "longer than what it is in"),
        (&[0x08, 0x01][..], "another type than it should"),
        (&[0x0b][..], "wire type 3"),
        (&[0x00, 0x00][..], "no valid number"),
        (&[0x0a, 0x03, 0x0a, 0x01, 0xff][..], "no UTF-8"),
        (&[0xff; 11][..], "longer than 64 bits"),
    ] {
        let error = wire::decode(at, bytes).unwrap_err();
        assert!(error.message.contains(reason), "{bytes:?}: {}", error.message);
    }
    // What nobody knows is skipped: newer clients send more.
    assert_eq!(wire::decode(at, &[0xfa, 0x01, 0x01, 0x00]).unwrap(), json!({}));
}

#[test]
fn messages_in_messages_end_somewhere() {
    // apiextensions JSON nests as text; a tree of generators nests as messages.
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x3a];
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(bytes);
        bytes = outer;
        if bytes.len() > 30_000 {
            break;
        }
    }
    let _no_panic = wire::decode(place("ApplicationSetGenerator"), &bytes);
}

fn request(verb: &str, path: &str, query: &str, body: &str) -> Result<(String, Value), String> {
    let found = rest::find(verb, path).ok_or("no path")?.map_err(|verbs| verbs.join(","))?;
    let message = found.request(query, body.as_bytes()).map_err(|error| error.message)?;
    Ok((found.method.path(), message))
}

#[test]
fn a_request_finds_its_method_and_makes_its_message() {
    let (method, message) =
        request("GET", "/api/v1/applications", "projects=a&projects=b&selector=x%3Dy&unknown=1", "").unwrap();
    assert_eq!(method, "application.ApplicationService/List");
    assert_eq!(message, json!({"projects": ["a", "b"], "selector": "x=y"}));

    let (method, message) =
        request("DELETE", "/api/v1/applications/shop", "cascade=false&propagationPolicy=background", "").unwrap();
    assert_eq!(method, "application.ApplicationService/Delete");
    assert_eq!(message, json!({"name": "shop", "cascade": false, "propagationPolicy": "background"}));

    let body = r#"{"metadata":{"name":"shop"},"spec":{"project":"default"}}"#;
    let (method, message) = request("POST", "/api/v1/applications", "upsert=true", body).unwrap();
    assert_eq!(method, "application.ApplicationService/Create");
    assert_eq!(
        message,
        json!({"application": {"metadata": {"name": "shop"}, "spec": {"project": "default"}}, "upsert": true})
    );

    let (method, message) =
        request("GET", "/api/v1/repositories/https%3A%2F%2Fexample.test%2Fshop", "forceRefresh=1", "").unwrap();
    assert_eq!(method, "repository.RepositoryService/Get");
    assert_eq!(message, json!({"repo": "https://example.test/shop", "forceRefresh": true}));

    let (method, message) = request("GET", "/api/v1/account/can-i/applications/sync/team/shop", "", "").unwrap();
    assert_eq!(method, "account.AccountService/CanI");
    assert_eq!(message, json!({"resource": "applications", "action": "sync", "subresource": "team/shop"}));

    let (method, message) = request("GET", "/api/v1/clusters/in-cluster", "id.type=name", "").unwrap();
    assert_eq!(method, "cluster.ClusterService/Get");
    assert_eq!(message, json!({"id": {"type": "name", "value": "in-cluster"}}));

    let (_, message) = request("PUT", "/api/v1/applications/shop", "", r#"{"spec":{}}"#).unwrap();
    assert_eq!(message, json!({"application": {"spec": {}, "metadata": {"name": "shop"}}}));
}

#[test]
fn a_request_that_means_nothing_says_why() {
    assert_eq!(request("GET", "/api/v1/nothing", "", "").unwrap_err(), "no path");
    assert_eq!(request("PATCH", "/api/v1/projects/x", "", "").unwrap_err(), "DELETE,GET,PUT");
    let error = request("POST", "/api/v1/applications/shop/sync", "", r#"{"prune":"yes"}"#).unwrap_err();
    assert_eq!(error, "prune must be true or false, but is a text");
    let error = request("POST", "/api/v1/applications", "", r#"{"spec":{"sources":[{"path":1}]}}"#).unwrap_err();
    assert_eq!(error, "application.spec.sources.0.path must be a text, but is a number");
    let error = request("GET", "/api/v1/applications/shop/logs", "tailLines=many", "").unwrap_err();
    assert_eq!(error, "the parameter tailLines must be a number, but is \"many\"");
    assert!(request("POST", "/api/v1/session", "", "{").unwrap_err().starts_with("the body is no JSON"));
}

#[test]
fn a_shape_leaves_out_what_the_message_does_not_know() {
    let given =
        json!({"metadata": {"name": "a", "what": 1}, "spec": {"syncPolicy": {"automated": {}}, "Project": "p"}});
    let kept = shape::conform(place("Application"), given).unwrap();
    assert_eq!(kept, json!({"metadata": {"name": "a"}, "spec": {"syncPolicy": {"automated": {}}, "project": "p"}}));
}

#[test]
fn every_method_of_argo_cd_is_there_and_is_described() {
    let schema = schema();
    let services: std::collections::BTreeSet<&str> =
        schema.methods.iter().map(|method| method.service.as_str()).collect();
    assert_eq!(services.len(), 13);
    assert_eq!(schema.methods.len(), 109);
    let document = landfall_api::openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    for method in &schema.methods {
        for rule in &method.rules {
            // Parameters are named without the dots of fields inside others: generators of clients make names of them.
            let part = |part: &str| match part.strip_prefix('{') {
                None => part.to_owned(),
                Some(name) => name.split('.').enumerate().fold("{".to_owned(), |all, (at, name)| {
                    let (first, rest) = name.split_at(1);
                    all + &(if at == 0 { first.to_owned() } else { first.to_uppercase() }) + rest
                }),
            };
            let path = rule.path.replace("=**", "").split('/').map(part).collect::<Vec<_>>().join("/");
            assert!(document["paths"][&path][rule.verb.to_lowercase()].is_object(), "{} {path}", rule.verb);
        }
    }
}

//! An Application's `helm` block becomes the values, names and capabilities that Argo CD would pass to Helm.

use std::collections::BTreeMap;

use landfall_helm::argocd::{Application, Environment, Files, Settings};
use landfall_helm::error::Error;
use landfall_helm::render::Request;
use landfall_helm::{Profile, argocd};
use landfall_tree::{MemoryTree, Tree};
use serde_json::{Value, json};

fn request(block: Value) -> Result<Request, Error> {
    let tree = MemoryTree::of([
        ("charts/app/base.yaml", "{from: base, base: yes}"),
        ("charts/app/envs/a.yaml", "{from: a, a: true}"),
        ("charts/app/envs/b.yaml", "{from: b, b: true}"),
        ("root.yaml", "{from: root, root: true}"),
        ("charts/app/text.txt", "hello, world\n"),
    ]);
    let other = MemoryTree::of([("env/demo/values.yaml", "{from: other, other: true}")]);
    let environment = Environment::from([("ARGOCD_APP_NAME".to_owned(), "demo".to_owned())]);
    let application = Application {
        name: "demo",
        namespace: "apps",
        kube_version: "v1.33.1",
        api_versions: &["example.com/v1/Thing".to_owned()],
        environment: &environment,
    };
    let files = Files {
        tree: &tree,
        chart_path: "charts/app",
        references: BTreeMap::from([("other".to_owned(), &other as &dyn Tree)]),
        remote: &|address| {
            if address.ends_with("/ok.yaml") { Ok(b"{from: web}".to_vec()) } else { Err("404".to_owned()) }
        },
    };
    Settings::decode(&block)?.request(&application, &files, Profile::Helm3)
}

#[test]
fn without_a_block_the_application_names_the_release() {
    let request = request(Value::Null).unwrap();
    assert_eq!((request.name.as_str(), request.namespace.as_str()), ("demo", "apps"));
    assert_eq!(request.capabilities.kube_version.version, "v1.33.1");
    assert!(request.capabilities.api_versions.contains(&"example.com/v1/Thing".to_owned()));
    assert!(request.capabilities.api_versions.contains(&"apps/v1".to_owned()));
    assert!(request.include_crds && !request.skip_tests && !request.skip_schema_validation);
}

#[test]
fn the_block_overrides_name_namespace_and_cluster() {
    let block = json!({
        "releaseName": "other", "namespace": "elsewhere", "kubeVersion": "1.30", "apiVersions": ["a/v1"],
        "skipCrds": true, "skipTests": true, "skipSchemaValidation": true,
    });
    let request = request(block).unwrap();
    assert_eq!((request.name.as_str(), request.namespace.as_str()), ("other", "elsewhere"));
    assert_eq!(request.capabilities.kube_version.version, "v1.30");
    assert_eq!(request.capabilities.api_versions.last().unwrap(), "a/v1");
    assert!(!request.include_crds && request.skip_tests && request.skip_schema_validation);
}

#[test]
fn values_take_precedence_in_argo_cds_order() {
    let block = json!({
        "valueFiles": ["base.yaml", "/root.yaml", "$other/env/$ARGOCD_APP_NAME/values.yaml"],
        "values": "from: values\nvalues: true\n",
        "parameters": [{"name": "p", "value": "a,b $ARGOCD_APP_NAME"}, {"name": "n", "value": "5", "forceString": true}],
        "fileParameters": [{"name": "text", "path": "text.txt"}],
    });
    let values = request(block).unwrap().values;
    assert_eq!(values["from"], "values");
    for key in ["base", "root", "other", "values"] {
        assert_eq!(values[key], true, "{key}");
    }
    assert_eq!(
        (&values["p"], &values["n"], &values["text"]),
        (&json!("a,b demo"), &json!("5"), &json!("hello, world\n"))
    );
    let object = json!({"values": "from: values", "valuesObject": {"from": "object", "x": 1}});
    let values = request(object).unwrap().values;
    assert_eq!(values["from"], "object");
    assert!(values["x"].is_f64());
    let parameter = json!({"valuesObject": {"from": "object"}, "parameters": [{"name": "from", "value": "parameter"}]});
    assert_eq!(request(parameter).unwrap().values["from"], "parameter");
}

#[test]
fn patterns_expand_in_lexical_order_and_leave_named_files_their_place() {
    let values =
        request(json!({"valueFiles": ["envs/a.yaml", "envs/*.yaml", "envs/b.yaml", "base.yaml"]})).unwrap().values;
    assert_eq!((&values["from"], &values["a"], &values["b"]), (&json!("base"), &json!(true), &json!(true)));
    let values = request(json!({"valueFiles": ["**/{b,a}.yaml"]})).unwrap().values;
    assert_eq!(values["from"], "b");
}

#[test]
fn missing_files_are_refused_unless_they_may_be_missing() {
    let error = request(json!({"valueFiles": ["nope.yaml"]})).unwrap_err();
    assert!(error.message.contains("charts/app/nope.yaml"), "{error}");
    let values =
        request(json!({"valueFiles": ["nope.yaml", "x/*.yaml"], "ignoreMissingValueFiles": true})).unwrap().values;
    assert!(values.is_empty());
}

#[test]
fn files_outside_the_repository_are_refused() {
    for file in ["../../../etc/passwd", "/../x.yaml", "$other/../x.yaml"] {
        let error = request(json!({"valueFiles": [file]})).unwrap_err();
        assert!(error.message.contains("outside the repository"), "{file}: {error}");
    }
}

#[test]
fn addresses_are_answered_by_the_caller() {
    let block = json!({"valueFiles": ["https://example.com/ok.yaml"]});
    let environment = Environment::new();
    assert_eq!(argocd::Settings::decode(&block).unwrap().remote_files(&environment), ["https://example.com/ok.yaml"]);
    assert_eq!(request(block).unwrap().values["from"], "web");
    let error = request(json!({"valueFiles": ["https://example.com/no.yaml"]})).unwrap_err();
    assert!(error.message.contains("404"), "{error}");
}

//! Promises about charts of a source: what is missing is named, supplied files are used, and the Helm that is asked for
//! renders.

use std::sync::Arc;

use landfall_gotemplate::context::NoHost;
use landfall_helm::Profile;
use landfall_model::application::Source;
use landfall_render::{Failure, Missing, Rendered, Request, Session, SourceType, Trees, remote_path, render};
use landfall_tree::{MemoryTree, Supplied, Tree};
use serde_json::{Value, json};

const SHOWN: &str = "kind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {values: '{{ toJson .Values }}', helm: '{{ .Capabilities.HelmVersion.Version }}'}\n";

fn tree(chart: &'static str) -> MemoryTree {
    MemoryTree::of([
        ("app/Chart.yaml", chart),
        ("app/values.yaml", "color: blue\n"),
        ("app/templates/a.yaml", SHOWN),
        ("lib/Chart.yaml", "{apiVersion: v2, name: lib, version: 1.4.0}"),
        ("lib/values.yaml", "size: 3\n"),
    ])
}

fn source(helm: Value) -> Source {
    Source { path: "app".to_owned(), helm: Some(helm), ..Source::default() }
}

fn run(tree: &dyn Tree, source: &Source, profile: Profile) -> Result<Rendered, Failure> {
    let request = Request { application: "shop", profile, ..Request::of(source) };
    render(&request, &Trees::of(tree), &mut NoHost, &Session::new())
}

fn values(rendered: &Rendered) -> Value {
    serde_json::from_str(rendered.objects[0]["data"]["values"].as_str().unwrap()).unwrap()
}

fn missing(failure: Failure) -> Missing {
    match failure {
        Failure::Missing(missing) => *missing,
        Failure::Refused(reason) => panic!("refused: {reason}"),
    }
}

const PLAIN: &str = "{apiVersion: v2, name: app, version: 1.0.0}";

#[test]
fn a_values_file_at_an_address_is_asked_for_and_then_used() {
    let source = source(json!({"valueFiles": ["https://values.example/${ARGOCD_APP_NAME}.yaml"]}));
    let missing = missing(run(&tree(PLAIN), &source, Profile::Helm3).unwrap_err());
    assert_eq!(missing.remote_files, ["https://values.example/shop.yaml"]);
    let file = (remote_path(&missing.remote_files[0]), "color: green\n".into());
    let supplied = Supplied::of(Arc::new(tree(PLAIN)), [file]);
    let rendered = run(&supplied, &source, Profile::Helm3).unwrap();
    assert_eq!(values(&rendered), json!({"color": "green"}));
    assert!(!rendered.is_deterministic, "the address may answer something else tomorrow");
}

#[test]
fn a_dependency_that_is_not_vendored_is_asked_for_and_then_used() {
    let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: ^1, repository: 'https://charts.example'}\n";
    let source = source(json!({"passCredentials": true}));
    let missing = missing(run(&tree(chart), &source, Profile::Helm3).unwrap_err());
    let [dependency] = missing.dependencies.as_slice() else { panic!("{missing:?}") };
    assert_eq!((dependency.name.as_str(), dependency.version.as_str()), ("lib", "^1"));
    assert!(missing.pass_credentials);
    let lib = landfall_helm::chart::Chart::from_tree(&tree(chart), "lib").unwrap();
    let packed = landfall_helm::package::package(&lib, &landfall_helm::package::Options::default()).unwrap();
    let file = (missing.supplied_file("lib", "1.4.0"), packed.content.into());
    let supplied = Supplied::of(Arc::new(tree(chart)), [file]);
    let rendered = run(&supplied, &source, Profile::Helm3).unwrap();
    assert_eq!(values(&rendered)["lib"]["size"], 3);
    assert!(rendered.is_deterministic);
}

#[test]
fn a_dependency_in_a_folder_beside_the_chart_is_simply_there() {
    let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: ^1, repository: 'file://../lib'}\n";
    let rendered = run(&tree(chart), &source(json!({})), Profile::Helm3).unwrap();
    assert_eq!(values(&rendered)["lib"]["size"], 3);
    let outside = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: ^1, repository: 'file://../../lib'}\n";
    let error = run(&tree(outside), &source(json!({})), Profile::Helm3).unwrap_err();
    assert!(error.to_string().contains("leads outside the repository"), "{error}");
}

#[test]
fn a_lock_that_does_not_fit_is_named() {
    let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {name: lib, version: ^2, repository: 'https://charts.example'}\n";
    let mut files = tree(chart);
    files.files.insert("app/Chart.lock".to_owned(), "dependencies: [{name: lib, version: 1.4.0}]\n".into());
    let error = run(&files, &source(json!({})), Profile::Helm3).unwrap_err();
    assert!(error.to_string().contains("Chart.lock is out of date") && error.to_string().contains("1.4.0"), "{error}");
}

#[test]
fn the_source_decides_which_helm_renders_before_anybody_else() {
    let helm = |helm: Value, profile: Profile| {
        let rendered = run(&tree(PLAIN), &source(helm), profile).unwrap();
        assert_eq!(rendered.source_type, SourceType::Helm);
        rendered.objects[0]["data"]["helm"].as_str().unwrap().to_owned()
    };
    assert_eq!(helm(json!({}), Profile::Helm3), "v3.21.4");
    assert_eq!(helm(json!({}), Profile::Helm4), "v4.2.4");
    assert_eq!(helm(json!({"version": "v4"}), Profile::Helm3), "v4.2.4");
    assert_eq!(helm(json!({"version": "v3"}), Profile::Helm4), "v3.21.4");
    let error = run(&tree(PLAIN), &source(json!({"version": "v5"})), Profile::Helm3).unwrap_err();
    assert!(error.to_string().contains("helm.version is \"v5\""), "{error}");
}

//! Promises about sources: which tool, which files, which overrides.

use landfall_model::application::{DirectorySource, Source};
use landfall_source::detect::{DetectError, SourceType, detect, folder};
use landfall_source::directory::{DirectoryError, objects};
use landfall_source::overrides::apply;
use landfall_tree::MemoryTree;
use serde_json::json;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n";

fn config(name: &str) -> String {
    CONFIG.replace("NAME", name)
}

fn names(tree: &MemoryTree, how: &DirectorySource) -> Vec<String> {
    let manifests = objects(tree, "app", how).unwrap();
    manifests.iter().map(|manifest| landfall_model::object::name(&manifest.object).to_owned()).collect()
}

#[test]
fn the_tool_is_what_the_source_names_or_what_the_folder_holds() {
    let tree = MemoryTree::of([
        ("k/kustomization.yaml", ""),
        ("k/Chart.yaml", ""),
        ("h/Chart.yaml", ""),
        ("d/x.yaml", ""),
        ("n/sub/Chart.yaml", ""),
    ]);
    let plain = Source::default();
    for (path, expected) in [
        ("k", SourceType::Kustomize),
        ("h", SourceType::Helm),
        ("d", SourceType::Directory),
        ("n", SourceType::Directory),
    ] {
        assert_eq!(detect(&tree, path, &plain), Ok(expected), "{path}");
    }
    let named = Source { directory: Some(DirectorySource::default()), ..Source::default() };
    assert_eq!(detect(&tree, "k", &named), Ok(SourceType::Directory));
    let both = Source { helm: Some(json!({})), kustomize: Some(json!({})), ..Source::default() };
    assert!(matches!(detect(&tree, "k", &both), Err(DetectError::Ambiguous { .. })));
    assert!(matches!(folder(&tree, "nowhere"), Err(DetectError::Missing { .. })));
    assert!(matches!(folder(&tree, "d/x.yaml"), Err(DetectError::NotAFolder { .. })));
    assert!(matches!(folder(&tree, "../x"), Err(DetectError::Tree(_))));
}

#[test]
fn files_are_chosen_by_extension_globs_and_depth() {
    let tree = MemoryTree::of([
        ("app/b.yaml", config("b") + "---\n" + &config("b2")),
        ("app/a.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#.to_owned()),
        ("app/readme.md", "# no".to_owned()),
        ("app/sub/c.yml", config("c")),
        ("app/skip.yaml", format!("# +argocd:skip-file-rendering\n{}", config("skip"))),
        ("app/values.yaml", "{{ not yaml".to_owned()),
    ]);
    assert_eq!(names(&tree, &DirectorySource::default()), ["a", "b", "b2"]);
    let recursive = DirectorySource { recurse: true, exclude: "{b.yaml,*.json}".into(), ..DirectorySource::default() };
    assert_eq!(names(&tree, &recursive), ["c"]);
    let included = DirectorySource { recurse: true, include: "sub/*".into(), ..DirectorySource::default() };
    assert_eq!(names(&tree, &included), ["c"]);
}

#[test]
fn lists_come_out_as_their_items_and_empty_documents_as_nothing() {
    let list = format!(
        "---\n---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: x}}}}\n---\n{}",
        config("z")
    );
    assert_eq!(names(&MemoryTree::of([("app/list.yaml", list)]), &DirectorySource::default()), ["x", "z"]);
}

#[test]
fn a_broken_manifest_names_its_file_and_line() {
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n name: y\n";
    let error = objects(&MemoryTree::of([("app/x.yaml", broken)]), "app", &DirectorySource::default()).unwrap_err();
    assert!(error.to_string().starts_with("app/x.yaml:5: "), "{error}");
}

#[test]
fn files_that_are_no_manifests_are_left_out_and_manifests_with_a_typo_are_told() {
    let read =
        |text: &str| objects(&MemoryTree::of([("app/x.yaml", text.to_owned())]), "app", &DirectorySource::default());
    for other in
        ["a: 1\n", "- just\n- a list\n", "apiVersion: v2\nname: chart\nversion: 1.0.0\n", "resources: [x.yaml]\n"]
    {
        assert_eq!(read(other).unwrap(), [], "{other}");
    }
    let typo = read("apiVersion: v1\nkid: ConfigMap\nmetadata: {name: x}\n").unwrap_err();
    assert!(matches!(&typo, DirectoryError::NotAnObject { document: 1, .. }), "{typo}");
    let second = read(&format!("{}---\na: 1\n", config("x"))).unwrap_err();
    assert!(matches!(&second, DirectoryError::NotAnObject { document: 2, .. }), "{second}");
}

#[test]
fn a_repository_overrides_its_own_source_but_not_where_it_comes_from() {
    let tree = MemoryTree::of([
        ("app/.argocd-source.yaml", "helm: {parameters: [{name: image.tag, value: '1'}]}\nrepoURL: evil\n"),
        ("app/.argocd-source-shop.yaml", "helm: {releaseName: shop}\n"),
    ]);
    let source = Source { repo_url: "https://git.example.test/x".into(), path: "app".into(), ..Source::default() };
    let merged = apply(&tree, "app", "shop", &source).unwrap();
    assert_eq!(merged.repo_url, source.repo_url);
    assert_eq!(merged.helm, Some(json!({"parameters": [{"name": "image.tag", "value": "1"}], "releaseName": "shop"})));
}

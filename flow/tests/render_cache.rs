//! Promises of the render cache: a commit that touches nothing a source reads renders nothing and moves no revision.

use std::sync::Arc;
use std::time::Duration;

use landfall_flow::remotes::{Answer, Fetched};
use landfall_flow::render::cache::Bounds;
use landfall_flow::render::{Attempt, Checkout, Input, Renderer};
use landfall_kustomize::{BuildFlags, RemoteContent};
use landfall_model::application::Source;
use landfall_source::detect::SourceType;
use landfall_tree::MemoryTree;

fn renderer() -> Renderer {
    Renderer::of([1; 32], Arc::new(|| Box::new(|| Duration::ZERO)))
}

fn input(revision: &str, tree: MemoryTree, path: &str) -> Input {
    Input {
        application: "shop".to_owned(),
        namespace: "shop".to_owned(),
        project: "default".to_owned(),
        source: Source { repo_url: "file:///r".to_owned(), path: path.to_owned(), ..Source::default() },
        checkout: Checkout {
            repo_url: "file:///r".to_owned(),
            revision: revision.to_owned(),
            tree: Arc::new(tree),
            digest: None,
        },
        is_chart: false,
        now: jiff::Timestamp::UNIX_EPOCH,
        references: Vec::new(),
        kube_version: "v1.36.0".to_owned(),
        api_versions: Arc::new(Vec::new()),
        profile: landfall_helm::Profile::Helm3,
        disabled: Vec::new(),
        kustomize: Ok(BuildFlags::default()),
        fetched: Vec::new(),
        pins: Vec::new(),
    }
}

fn files(color: &str, other: &str) -> MemoryTree {
    let config = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{color: {color}}}\n");
    let base = "resources: [x.yaml]\n".to_owned();
    let chart = "{apiVersion: v2, name: c, version: 1.0.0}".to_owned();
    let template = format!(
        "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: h}}\ndata: {{color: {color}, random: {{{{ randAlphaNum 8 }}}}}}\n"
    );
    MemoryTree::of([
        ("plain/x.yaml", config.clone()),
        ("base/kustomization.yaml", base),
        ("base/x.yaml", config),
        ("overlay/kustomization.yaml", "resources: [../base]\nnamePrefix: p-\n".to_owned()),
        ("chart/Chart.yaml", chart),
        ("chart/templates/h.yaml", template),
        ("other/readme.md", other.to_owned()),
    ])
}

#[test]
fn a_commit_elsewhere_renders_nothing_and_keeps_the_revision() {
    for path in ["plain", "overlay"] {
        let renderer = renderer();
        let first = renderer.render(&input("a", files("blue", "1"), path)).unwrap();
        let second = renderer.render(&input("b", files("blue", "2"), path)).unwrap();
        assert!(Arc::ptr_eq(&first, &second), "{path}");
        assert_eq!(second.revision, "a");
        let third = renderer.render(&input("c", files("green", "2"), path)).unwrap();
        assert_eq!(
            (third.revision.as_str(), third.objects[0]["data"]["color"].as_str()),
            ("c", Some("green")),
            "{path}"
        );
        assert_eq!(renderer.hits_and_misses(), (1, 2), "{path}");
    }
}

#[test]
fn a_file_that_appears_where_one_was_looked_for_is_noticed() {
    let renderer = renderer();
    renderer.render(&input("a", files("blue", "1"), "plain")).unwrap();
    let mut more = files("blue", "1");
    more.files.insert("plain/y.yaml".into(), "{apiVersion: v1, kind: ConfigMap, metadata: {name: z}}".into());
    assert_eq!(renderer.render(&input("b", more, "plain")).unwrap().objects.len(), 2);
    let mut overridden = files("blue", "1");
    overridden.files.insert("plain/.argocd-source.yaml".into(), "directory: {exclude: '*'}".into());
    assert_eq!(renderer.render(&input("c", overridden, "plain")).unwrap().objects.len(), 0);
}

#[test]
fn what_is_random_is_rendered_once_per_commit_and_not_kept_for_another() {
    let renderer = renderer();
    let first = renderer.render(&input("a", files("blue", "1"), "chart")).unwrap();
    assert!(!first.is_deterministic);
    assert!(Arc::ptr_eq(&first, &renderer.render(&input("a", files("blue", "1"), "chart")).unwrap()));
    assert_eq!(renderer.render(&input("b", files("blue", "2"), "chart")).unwrap().revision, "b");
}

#[test]
fn an_error_names_the_file_and_is_not_remembered_for_another_commit() {
    let renderer = renderer();
    let mut broken = files("blue", "1");
    broken.files.insert("plain/x.yaml".into(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x\n".into());
    let error = renderer.render(&input("a", broken, "plain")).unwrap_err();
    assert!(error.to_string().contains("plain/x.yaml:"), "{error}");
    assert!(renderer.render(&input("b", files("blue", "1"), "plain")).is_ok());
}

/// An attempt, and what it fetched before: every question answered with `tree` at `pin`.
fn with_remote(renderer: &Renderer, mut input: Input, tree: &MemoryTree, pin: &str) -> Vec<serde_json::Value> {
    let mut questions = renderer.questions(&input);
    loop {
        for question in questions {
            let content = RemoteContent::Directory { tree: Arc::new(tree.clone()), path: "base".to_owned() };
            input.fetched.push(Fetched { question, answer: Answer::Remote(Ok(content)), pin: pin.to_owned() });
        }
        match renderer.attempt(&input) {
            Attempt::Open(open) => questions = open,
            Attempt::Missing(missing) => panic!("no chart is here, yet {missing:?} is asked for"),
            Attempt::Done(result) => {
                let rendered = result.unwrap();
                assert_eq!(rendered.pins, [("git@h.example:o/r.git//base?ref=main".to_owned(), pin.to_owned())]);
                return rendered.objects.clone();
            }
        }
    }
}

#[test]
fn a_remote_base_that_moves_renders_anew_and_one_that_stays_does_not() {
    let renderer = renderer();
    let own = || MemoryTree::of([("app/kustomization.yaml", "resources: ['git@h.example:o/r.git//base?ref=main']\n")]);
    let at = |revision: &str| input(revision, own(), "app");
    let red = with_remote(&renderer, at("c1"), &files("red", ""), "1111111");
    assert_eq!(red[0]["data"]["color"], "red");
    let (hits, misses) = renderer.hits_and_misses();
    assert_eq!(with_remote(&renderer, at("c2"), &files("red", ""), "1111111"), red);
    assert_eq!(renderer.hits_and_misses(), (hits + 1, misses), "the base stays where it was");
    let blue = with_remote(&renderer, at("c2"), &files("blue", ""), "2222222");
    assert_eq!(blue[0]["data"]["color"], "blue");
}

#[test]
fn what_was_not_fetched_is_refused_by_name() {
    let tree = MemoryTree::of([("app/kustomization.yaml", "resources: ['git@h.example:o/r.git//base']\n")]);
    let error = renderer().render(&input("c1", tree, "app")).unwrap_err().to_string();
    assert!(error.contains("git@h.example:o/r.git//base"), "{error}");
}

#[test]
fn the_source_that_was_used_longest_ago_is_forgotten_when_there_are_too_many() {
    let bounds = Bounds { sources_max: 2, ..Bounds::default() };
    let renderer = Renderer::bounded([1; 32], Arc::new(|| Box::new(|| Duration::ZERO)), bounds);
    let render = |path: &str| renderer.render(&input("a", files("blue", "1"), path)).unwrap();
    let _ = (render("plain"), render("overlay"), render("plain"), render("base"));
    assert_eq!(renderer.hits_and_misses(), (1, 3));
    let _ = (render("plain"), render("base"));
    assert_eq!(renderer.hits_and_misses(), (3, 3), "both were used after the overlay");
    render("overlay");
    assert_eq!(renderer.hits_and_misses(), (3, 4), "the overlay was forgotten");
}

#[test]
fn what_is_remembered_is_bounded_in_size_and_one_source_always_stays() {
    let bounds = Bounds { size_bytes_max: 1, ..Bounds::default() };
    let renderer = Renderer::bounded([1; 32], Arc::new(|| Box::new(|| Duration::ZERO)), bounds);
    let render = |path: &str| renderer.render(&input("a", files("blue", "1"), path)).unwrap();
    let _ = (render("plain"), render("plain"), render("overlay"), render("plain"));
    assert_eq!(renderer.hits_and_misses(), (1, 3));
}

#[test]
fn a_tool_that_is_switched_off_leaves_plain_manifests() {
    let renderer = renderer();
    let mut tree = files("blue", "1");
    tree.files.insert("overlay/x.yaml".into(), "{apiVersion: v1, kind: ConfigMap, metadata: {name: plain}}\n".into());
    let input = |disabled: Vec<SourceType>| Input { disabled, ..input("a", tree.clone(), "overlay") };
    let built = renderer.render(&input(Vec::new())).unwrap();
    assert_eq!(built.source_type, SourceType::Kustomize);
    let plain = renderer.render(&input(vec![SourceType::Kustomize])).unwrap();
    assert_eq!(plain.source_type, SourceType::Directory);
    assert!(plain.objects.iter().any(|object| object["metadata"]["name"] == "plain"), "{:?}", plain.objects);
}

//! Promises that hold for every tree: same input, same bytes; no panic, whatever the input.

#![expect(clippy::unwrap_used, reason = "the inputs are made here")]

use std::sync::Arc;

use bytes::Bytes;
use landfall_kustomize::{Options, Outside, Remote, RemoteContent, RemoteRequest, Session, argocd, build};
use landfall_tree::{MemoryTree, Tree};
use serde_json::json;

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    MemoryTree::of(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())))
}

fn sample() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "base/kustomization.yaml",
            "resources: [deploy.yaml, service.yaml]\nlabels:\n- pairs: {app: web}\n  includeSelectors: true\nconfigMapGenerator:\n- name: settings\n  literals: [color=red, n=1]\n  files: [data.txt]\n",
        ),
        ("base/data.txt", "line one\nline two\n"),
        (
            "base/deploy.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: {a: &x \"1\", b: *x}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: web\n        image: nginx:1\n        ports: [{containerPort: 80}]\n        envFrom:\n        - configMapRef: {name: settings}\n",
        ),
        ("base/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 80}]\n"),
        (
            "prod/kustomization.yaml",
            "resources: [../base]\nnamespace: prod\nnamePrefix: p-\nimages: [{name: nginx, newTag: '2'}]\nreplicas: [{name: web, count: 3}]\npatches:\n- path: patch.yaml\n- target: {kind: Service}\n  patch: |-\n    - op: replace\n      path: /spec/ports/0/port\n      value: 8080\nreplacements:\n- source: {kind: ConfigMap, name: settings, fieldPath: data.color}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: ['metadata.annotations.[example.com/color]']\n    options: {create: true}\n",
        ),
        (
            "prod/patch.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        ports: [{containerPort: 81, name: admin}]\n      - name: side\n        image: side\n",
        ),
    ]
}

#[test]
fn a_build_depends_on_nothing_but_its_input() {
    let mut files = sample();
    let once = build(&tree(&files), "prod", &Options::default(), &Outside::default(), &Session::new()).unwrap().text();
    assert!(once.contains("name: p-settings-"), "{once}");
    let session = Session::new();
    for _ in 0..files.len() {
        files.rotate_left(1);
        assert_eq!(
            build(&tree(&files), "prod", &Options::default(), &Outside::default(), &session).unwrap().text(),
            once
        );
    }
    files.reverse();
    assert_eq!(
        build(&tree(&files), "./prod/", &Options::default(), &Outside::default(), &session).unwrap().text(),
        once
    );
}

/// A small generator of numbers that are the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }
}

#[test]
fn damaged_trees_give_an_answer_and_never_a_panic() {
    const PIECES: [&str; 20] = [
        "null",
        "[]",
        "{}",
        "- ",
        "$patch: delete\n",
        "~",
        "'",
        "\"",
        ": ",
        "*x",
        "&x ",
        "!!int ",
        "\n",
        "  ",
        "<<: ",
        "99999999999999999999",
        "../",
        "[name=x]",
        "kind: List\nitems: 5\n",
        "\u{0}",
    ];
    let mut built = 0;
    for seed in 0..3_000 {
        let mut numbers = Numbers(seed);
        let mut files: Vec<(String, Vec<u8>)> =
            sample().into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(files.len());
            let text = &mut files[at].1;
            let place = numbers.below(text.len() + 1);
            match numbers.below(4) {
                0 => {
                    let piece = PIECES[numbers.below(PIECES.len())].as_bytes().to_vec();
                    text.splice(place..place, piece);
                }
                1 => text.truncate(place),
                2 if place < text.len() => {
                    let end = (place + 1 + numbers.below(12)).min(text.len());
                    text.drain(place..end);
                }
                _ if place < text.len() => text[place] = b" :-{}[]'\"\n#&*!|>"[numbers.below(16)],
                _ => {}
            }
        }
        match build(&MemoryTree::of(files), "prod", &Options::default(), &Outside::default(), &Session::new()) {
            Ok(result) => {
                built += usize::from(!result.text().is_empty());
            }
            Err(error) => assert!(!error.to_string().is_empty(), "seed {seed}"),
        }
    }
    assert!(built > 300, "only {built} damaged trees still build, the damage is too great to prove much");
}

#[test]
fn many_overlays_share_the_parsed_files_of_their_bases() {
    let mut files = Vec::new();
    for base in 0..20 {
        for (path, text) in sample() {
            if let Some(rest) = path.strip_prefix("base/") {
                files.push((format!("bases/{base}/{rest}"), text.to_owned()));
            }
        }
    }
    for overlay in 0..200 {
        let text = format!("resources: [../../bases/{}]\nnamespace: n{overlay}\n", overlay % 20);
        files.push((format!("overlays/{overlay}/kustomization.yaml"), text));
    }
    let tree = MemoryTree::of(files);
    let session = Session::new();
    for overlay in 0..200 {
        let directory = format!("overlays/{overlay}");
        let built = build(&tree, &directory, &Options::default(), &Outside::default(), &session).unwrap();
        assert_eq!(built.objects.len(), 3);
        assert!(built.objects.iter().all(|object| object["metadata"]["namespace"] == format!("n{overlay}")));
    }
}

struct OneRepository {
    tree: Arc<dyn Tree>,
}

impl Remote for OneRepository {
    fn fetch(&self, request: &RemoteRequest) -> Result<RemoteContent, String> {
        if request.wants_file || request.repository.as_deref() != Some("https://github.com/org/repo") {
            return Err("not on the list of allowed hosts".to_owned());
        }
        Ok(RemoteContent::Directory { tree: self.tree.clone(), path: request.path.clone() })
    }
}

#[test]
fn remote_bases_are_asked_of_the_caller_and_refused_without_one() {
    let local = tree(&[("kustomization.yaml", "resources: ['github.com/org/repo/base?ref=v1']\nnamePrefix: r-\n")]);
    let error = build(&local, "", &Options::default(), &Outside::default(), &Session::new()).unwrap_err();
    assert_eq!(error.class.name(), "remote");
    let remote = OneRepository { tree: Arc::new(tree(&sample())) };
    let outside = Outside { remote: &remote, charts: None };
    let built = build(&local, "", &Options::default(), &outside, &Session::new()).unwrap();
    assert!(built.text().contains("name: r-web"));
}

#[test]
fn a_message_names_file_line_field_and_what_to_do() {
    let files = [
        ("app/kustomization.yaml", "resources:\n- a.yaml\npatches:\n- path: none.yaml\n"),
        ("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
    ];
    let error = build(&tree(&files), "app", &Options::default(), &Outside::default(), &Session::new()).unwrap_err();
    assert_eq!(
        (error.file.as_deref(), error.line, error.field.as_deref()),
        (Some("app/kustomization.yaml"), Some(4), Some("patches[0].path"))
    );
    assert!(error.hint.is_some());
}

#[test]
fn an_applications_block_changes_the_build_as_edits_of_the_file_would() {
    let block = json!({
        "namePrefix": "x-", "namespace": "argo", "images": ["nginx=registry.example/nginx:9", "side@sha256:ab"],
        "replicas": [{"name": "web", "count": "5"}], "commonLabels": {"team": "${TEAM}"}, "labelWithoutSelector": true,
        "commonAnnotations": {"note": "yes"}, "patches": [{"target": {"kind": "Service"}, "patch": "[{\"op\":\"add\",\"path\":\"/spec/type\",\"value\":\"NodePort\"}]"}],
        "components": ["../absent"], "ignoreMissingComponents": true,
    });
    let settings = argocd::Settings::decode(&block).unwrap();
    let files = tree(&sample());
    let environment = [("TEAM".to_owned(), "blue".to_owned())].into();
    let overlaid = settings.apply(&files, "prod", &environment).unwrap();
    let built =
        build(&overlaid, "prod", &settings.options(Options::default()), &Outside::default(), &Session::new()).unwrap();
    let text = built.text();
    for expected in [
        "name: x-web",
        "namespace: argo",
        "image: registry.example/nginx:9",
        "replicas: 5",
        "team: blue",
        "note: \"yes\"",
        "type: NodePort",
        "side@sha256:ab",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(!text.contains("matchLabels:\n      app: web\n      team"), "{text}");
    let conflicting = argocd::Settings::decode(&json!({"commonLabels": {"a": "1"}})).unwrap();
    let labelled = tree(&[("kustomization.yaml", "commonLabels: {a: b}\n")]);
    assert!(conflicting.apply(&labelled, "", &environment).is_err());
}

#[test]
fn nothing_is_changed_by_an_empty_block() {
    let files = tree(&sample());
    let overlaid = argocd::Settings::default().apply(&files, "prod", &Default::default()).unwrap();
    assert_eq!(overlaid.changed_file(), None);
    assert_eq!(overlaid.file("prod/patch.yaml").unwrap(), files.file("prod/patch.yaml").unwrap());
    let _: Option<Bytes> = overlaid.file("prod/kustomization.yaml").unwrap();
}

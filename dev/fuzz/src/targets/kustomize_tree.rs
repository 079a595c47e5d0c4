//! Kustomizations: any tree of files builds or is refused, twice in the same way, with what it can be told about where.
//!
//! The input is several files in one text: a line `>>> path` begins each. The folder `top` is built if there is one, else
//! the root. Remote resources are answered from the same files, so that a tree can include itself over the network too.

use super::{Target, kind_of_error};
use landfall_kustomize::{
    LoadRestrictor, NativeCharts, Options, Outside, Remote, RemoteContent, RemoteRequest, Session, argocd, build,
};
use landfall_tree::{MemoryTree, Tree as _};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const TARGET: Target = Target {
    name: "kustomize_tree",
    words: &[
        "\n>>> top/kustomization.yaml\n",
        "\n>>> base/kustomization.yaml\n",
        "\n>>> top/a.yaml\n",
        "resources:\n",
        "- ../base\n",
        "- a.yaml\n",
        "- .\n",
        "- ..\n",
        "components:\n",
        "- https://example.com/r.git//base?ref=v1\n",
        "- https://example.com/a.yaml\n",
        "namePrefix: p-\n",
        "nameSuffix: -s\n",
        "namespace: n\n",
        "commonLabels: {a: b}\n",
        "labels:\n- pairs: {a: b}\n  includeSelectors: true\n",
        "commonAnnotations: {a: b}\n",
        "images:\n- name: nginx\n  newTag: v2\n",
        "replicas:\n- name: web\n  count: 3\n",
        "patches:\n- patch: |-\n    ",
        "  target: {kind: Deployment}\n",
        "  target: {name: '.*'}\n",
        "- op: add\n  path: /a/b/-\n  value: {c: d}\n",
        "- op: move\n  from: /spec\n  path: /spec/x\n",
        "$patch: delete\n",
        "$patch: replace\n",
        "patchesStrategicMerge:\n- |-\n  ",
        "replacements:\n- source: {kind: ConfigMap, name: a, fieldPath: data.a}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [spec.x.*.y]\n",
        "    options: {create: true, delimiter: '.', index: -1}\n",
        "vars:\n- name: V\n  objref: {kind: Service, name: web, apiVersion: v1}\n",
        "$(V)",
        "configMapGenerator:\n- name: a\n  literals: [a=b]\n",
        "  behavior: merge\n",
        "  files: [a.yaml]\n",
        "  envs: [a.yaml]\n",
        "secretGenerator:\n- name: s\n",
        "generatorOptions: {disableNameSuffixHash: true}\n",
        "transformers:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: p}\n  prefix: x\n",
        "validators: [a.yaml]\n",
        "generators: [a.yaml]\n",
        "configurations: [a.yaml]\n",
        "crds: [a.yaml]\n",
        "openapi: {path: a.yaml}\n",
        "sortOptions: {order: legacy}\n",
        "buildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]\n",
        "helmCharts:\n- name: c\n",
        "helmGlobals: {chartHome: .}\n",
        "kind: Component\n",
        "kind: Deployment\n",
        "apiVersion: apps/v1\n",
        "apiVersion: v1\n",
        "metadata:\n  name: web\n",
        "kind: List\nitems:\n",
        "---\n",
        "spec: {template: {spec: {containers: [{name: a, image: nginx}]}}}\n",
        "&a ",
        "*a",
        "<<: *a\n",
        "null",
        "[]",
        "{}",
        "~",
        "!!str ",
        "!!binary ",
        "\t",
        "\"",
        "'",
        "|2-\n",
        "  ",
        "- ",
        ": ",
        "#",
        "é",
        "\u{1F600}",
        "\r\n",
        "[a=b]",
        "[=x]",
        "~1",
        "-1",
        "99999999999999999999",
        "1e999",
        ".inf",
        "0777",
        "2020-01-02",
    ],
    run,
};

/// Answers remote resources with the very same files.
struct Mirror(Arc<MemoryTree>);

impl Remote for Mirror {
    fn fetch(&self, request: &RemoteRequest) -> Result<RemoteContent, String> {
        if request.wants_file || request.repository.is_none() {
            let path = request.url.rsplit('/').next().unwrap_or_default();
            let found = self.0.file(&format!("top/{path}")).ok().flatten();
            return found.map(RemoteContent::File).ok_or_else(|| "there is no such file".to_owned());
        }
        Ok(RemoteContent::Directory { tree: self.0.clone(), path: request.path.clone() })
    }
}

fn run(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = "kustomization.yaml".to_owned();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix(">>> ") {
            Some(path) => current = path.trim_end().trim_start_matches('/').to_owned(),
            None => files.entry(current.clone()).or_default().extend_from_slice(line.as_bytes()),
        }
    }
    files.retain(|path, _| landfall_tree::clean(path).is_ok_and(|clean| clean == *path && !clean.is_empty()));
    let directory = if files.keys().any(|path| path.starts_with("top/")) { "top" } else { "" };
    let tree = Arc::new(MemoryTree::of(files));
    let mirror = Mirror(tree.clone());
    let charts = NativeCharts::default();
    let outside = Outside { remote: &mirror, charts: Some(&charts) };
    let session = Session::new();
    let options = Options { load_restrictor: LoadRestrictor::None, ..Options::default() };
    let first = build(&*tree, directory, &options, &outside, &session);
    let again = build(&*tree, directory, &options, &outside, &session);
    assert_eq!(first, again, "the same build gave two answers");
    let outcome = match first {
        Ok(built) => {
            let text = built.text();
            let read = landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes);
            assert!(read.is_ok(), "the output cannot be read: {read:?}\n{text}");
            format!("{} objects", built.objects.len())
        }
        Err(error) => {
            assert!(!error.message.is_empty(), "an error says nothing");
            format!("{} {}", error.class, kind_of_error(&error.message))
        }
    };
    let block = serde_json::json!({"namePrefix": "a-", "images": ["nginx:9"], "commonLabels": {"l": "v"}, "components": ["../base"]});
    let overlaid = argocd::Settings::decode(&block).and_then(|settings| {
        let overlaid = settings.apply(&*tree, directory, &BTreeMap::new())?;
        build(&overlaid, directory, &options, &outside, &session)
    });
    match overlaid {
        Ok(built) => format!("{outcome}, {} overlaid", built.objects.len()),
        Err(error) => format!("{outcome}, {}", error.class),
    }
}

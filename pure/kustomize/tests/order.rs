//! Promises about order: that of directory entries never matters, that of inputs only where the reference says so.

#![expect(clippy::unwrap_used, reason = "the inputs are made here")]

use bytes::Bytes;
use landfall_kustomize::{Built, ErrorClass, NativeCharts, Options, Outside, Session, build};
use landfall_tree::{Entry, EntryKind, MemoryTree, Tree, TreeError};

/// A tree that lists directories in an order of its own.
struct Shuffled {
    tree: MemoryTree,
    turns: usize,
}

impl Tree for Shuffled {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.tree.kind(path)
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        self.tree.file(path)
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        let mut entries = self.tree.directory(path)?;
        if let Some(entries) = &mut entries
            && !entries.is_empty()
        {
            let turns = self.turns % entries.len();
            entries.rotate_left(turns);
            if self.turns % 2 == 1 {
                entries.reverse();
            }
        }
        Ok(entries)
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        self.tree.link(path)
    }

    fn identity(&self, path: &str) -> Result<Option<String>, TreeError> {
        self.tree.identity(path)
    }
}

fn files() -> Vec<(String, String)> {
    let mut files = vec![
        ("app/kustomization.yaml".to_owned(), "resources: [../base, own.yaml]\ncomponents: [../component]\nnamespace: prod\nhelmCharts:\n- name: chart\n  releaseName: r\nconfigMapGenerator:\n- name: c\n  files: [data/b.txt, data/a.txt]\nreplacements:\n- path: replacement.yaml\n".to_owned()),
        ("app/own.yaml".to_owned(), "apiVersion: v1\nkind: Service\nmetadata: {name: own}\nspec: {type: X}\n".to_owned()),
        ("app/data/a.txt".to_owned(), "a".to_owned()),
        ("app/data/b.txt".to_owned(), "b".to_owned()),
        ("app/replacement.yaml".to_owned(), "source: {kind: Service, name: own, fieldPath: spec.type}\ntargets:\n- select: {kind: Deployment}\n  fieldPaths: [metadata.annotations.x]\n  options: {create: true}\n".to_owned()),
        ("app/charts/chart/Chart.yaml".to_owned(), "{apiVersion: v2, name: chart, version: 1.0.0}".to_owned()),
        ("component/kustomization.yaml".to_owned(), "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: x-\n".to_owned()),
        ("app/charts/chart/values.yaml".to_owned(), "a: b\n".to_owned()),
        ("base/kustomization.yaml".to_owned(), "resources: [deploy.yaml]\n".to_owned()),
        ("base/deploy.yaml".to_owned(), "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n".to_owned()),
    ];
    for name in ["one", "two", "three"] {
        files.push((
            format!("app/charts/chart/templates/{name}.yaml"),
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{n: {{{{ .Template.Name | quote }}}}}}\n"),
        ));
    }
    files
}

fn built(tree: &dyn Tree, directory: &str) -> Built {
    let charts = NativeCharts::default();
    let outside = Outside { charts: Some(&charts), ..Outside::default() };
    let options = Options { enable_helm: true, ..Options::default() };
    build(tree, directory, &options, &outside, &Session::new()).unwrap()
}

#[test]
fn the_order_of_directory_entries_does_not_matter() {
    let tree = MemoryTree::of(files());
    let once = built(&tree, "app").text();
    assert!(once.contains("kind: Deployment") && once.contains("name: x-three"), "{once}");
    for turns in 0..12 {
        assert_eq!(built(&Shuffled { tree: tree.clone(), turns }, "app").text(), once, "turned {turns} times");
    }
}

/// Every order of some lines.
fn permutations(lines: &[&str]) -> Vec<String> {
    if lines.is_empty() {
        return vec![String::new()];
    }
    let mut found = Vec::new();
    for at in 0..lines.len() {
        let mut rest = lines.to_vec();
        let first = rest.remove(at);
        found.extend(permutations(&rest).into_iter().map(|tail| format!("{first}\n{tail}")));
    }
    found
}

#[test]
fn inputs_whose_order_does_not_matter_may_stand_in_any() {
    let head = "resources:\n";
    let parts: [(&str, &[&str]); 6] = [
        // The output is sorted, whatever was read first.
        (head, &["- a.yaml", "- b.yaml", "- c.yaml"]),
        (
            "resources: [a.yaml, b.yaml, c.yaml]\n",
            &["namePrefix: p-", "namespace: team", "commonLabels: {x: z}", "nameSuffix: -s"],
        ),
        ("resources: [a.yaml, b.yaml, c.yaml]\ncommonAnnotations:\n", &["  a: one", "  b: two", "  c: three"]),
        (
            "resources: [a.yaml, b.yaml, c.yaml]\nimages:\n",
            &["- {name: nginx, newTag: '1'}", "- {name: redis, newTag: '2'}", "- {name: other, newTag: '3'}"],
        ),
        (
            "resources: [a.yaml, b.yaml, c.yaml]\nconfigMapGenerator:\n",
            &[
                "- {name: one, literals: [a=1, b=2]}",
                "- {name: two, literals: [a=1]}",
                "- {name: three, literals: [b=2, a=1]}",
            ],
        ),
        ("resources: [a.yaml, b.yaml, c.yaml]\nreplicas:\n", &["- {name: web, count: 3}", "- {name: db, count: 4}"]),
    ];
    let objects = [
        (
            "top/a.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: nginx}, {name: b, image: redis}]}}}\n",
        ),
        (
            "top/b.yaml",
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {spec: {containers: [{name: a, image: other, envFrom: [{configMapRef: {name: one}}]}]}}}\n",
        ),
        (
            "top/c.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
        ),
    ];
    for (head, lines) in parts {
        let mut first: Option<String> = None;
        for order in permutations(lines) {
            let mut files: Vec<(String, String)> =
                objects.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
            files.push(("top/kustomization.yaml".to_owned(), format!("{head}{order}")));
            let text = built(&MemoryTree::of(files), "top").text();
            assert_eq!(*first.get_or_insert_with(|| text.clone()), text, "{head}{order}");
        }
        assert!(first.is_some_and(|text| text.contains("name: ")), "nothing was built");
    }
}

#[test]
fn bases_that_double_on_every_level_end_with_a_message() {
    let mut files = Vec::new();
    for level in 0..40 {
        let next = level + 1;
        files.push((format!("n{level}/kustomization.yaml"), format!("resources: [../n{next}, ./../n{next}]\n")));
    }
    files.push(("n40/kustomization.yaml".to_owned(), "namePrefix: x-\n".to_owned()));
    let tree = MemoryTree::of(files);
    let error = build(&tree, "n0", &Options::default(), &Outside::default(), &Session::new()).unwrap_err();
    assert_eq!(error.class, ErrorClass::TooLarge, "{error}");
}

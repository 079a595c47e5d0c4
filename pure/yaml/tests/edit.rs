//! Changes leave everything else of a text as it was.

use landfall_yaml::edit::{Change, EditError, Path, apply};
use proptest::prelude::*;
use serde_json::{Value, json};

const VALUES: &str = "# Defaults of the chart.
replicaCount:   3   # odd spacing

image:
    repository: ghcr.io/example/web  # four spaces
    tag: \"1.2.3\"
    # Leave this empty.
    pullPolicy: IfNotPresent

sidecar: &img { repository: 'proxy', tag: 'v1.0' } # flow
other: {<<: *img, tag: 'v2.0.0'}
plain: {tag: v3, list: [a, b]}
shared: &version v7
user: *version
args:
  - --one
  - '--two'
empty:
nothing: []
script: |
  echo hi
last: end";

fn set(path: Path, value: Value) -> Change {
    Change::Set(path, value)
}

fn at(dotted: &str) -> Path {
    dotted.split('.').fold(Path::default(), |path, part| match part.parse() {
        Ok(index) => path.index(index),
        Err(_) => path.key(part),
    })
}

#[track_caller]
fn check(change: Change, from: &str, to: &str) {
    let changes = [change];
    let change = &changes[0];
    let changed = apply(VALUES, 0, &changes).expect("the change is possible");
    assert!(VALUES.contains(from), "the text has no {from:?}");
    assert_eq!(changed, VALUES.replacen(from, to, 1), "{change:?}");
    let windows = VALUES.replace('\n', "\r\n");
    let changed = apply(&windows, 0, &changes).expect("the change is possible");
    let expected = windows.replacen(&from.replace('\n', "\r\n"), &to.replace('\n', "\r\n"), 1);
    assert_eq!(changed, expected, "{change:?} with carriage returns");
}

#[test]
fn a_scalar_keeps_its_quotes_and_its_comment() {
    check(set(at("image.tag"), json!("1.3.0-rc.1")), "tag: \"1.2.3\"", "tag: \"1.3.0-rc.1\"");
    check(set(at("image.tag"), json!("1.10")), "tag: \"1.2.3\"", "tag: \"1.10\"");
    check(set(at("image.repository"), json!("quay.io/x/y")), "ghcr.io/example/web  #", "quay.io/x/y  #");
    check(set(at("sidecar.tag"), json!("v1.1")), "tag: 'v1.0'", "tag: 'v1.1'");
    check(set(at("other.tag"), json!("v2.1.0")), "tag: 'v2.0.0'", "tag: 'v2.1.0'");
    check(set(at("replicaCount"), json!(5)), "replicaCount:   3   #", "replicaCount:   5   #");
    check(set(at("args.1"), json!("--three=it's")), "'--two'", "'--three=it''s'");
    check(set(at("last"), json!("x")), "last: end", "last: x");
}

#[test]
fn a_plain_scalar_gets_quotes_when_it_needs_them() {
    check(set(at("plain.tag"), json!("1.10")), "{tag: v3,", "{tag: \"1.10\",");
    check(set(at("plain.tag"), json!("yes")), "{tag: v3,", "{tag: \"yes\",");
    check(set(at("plain.tag"), json!("a, b")), "{tag: v3,", "{tag: 'a, b',");
    check(set(at("last"), json!("a, b")), "last: end", "last: a, b");
    check(set(at("last"), json!("two\nlines")), "last: end", "last: \"two\\nlines\"");
    check(set(at("script"), json!("new")), "script: |\n  echo hi\n", "script: \"new\"\n");
}

#[test]
fn what_is_missing_is_made() {
    check(
        set(at("image.digest"), json!("sha256:00")),
        "    pullPolicy: IfNotPresent\n",
        "    pullPolicy: IfNotPresent\n    digest: sha256:00\n",
    );
    check(set(at("other.pullPolicy"), json!("Always")), "tag: 'v2.0.0'}", "tag: 'v2.0.0', pullPolicy: Always}");
    check(set(at("plain.list.2"), json!("c")), "[a, b]", "[a, b, c]");
    check(set(at("args.2"), json!({"a": 1})), "  - '--two'\n", "  - '--two'\n  - a: 1\n");
    check(set(at("empty"), json!("full")), "empty:\n", "empty: full\n");
    check(set(at("empty.a.b"), json!(1)), "empty:\n", "empty:\n  a:\n    b: 1\n");
    check(set(at("empty.0.name"), json!("x")), "empty:\n", "empty:\n- name: x\n");
    check(set(at("nothing.0"), json!("x")), "nothing: []", "nothing: [x]");
    check(set(at("nothing"), json!(["x", {"y": 1}])), "nothing: []\n", "nothing:\n- x\n- \"y\": 1\n");
    check(set(at("new.deep"), json!([1])), "last: end", "last: end\nnew:\n  deep:\n  - 1");
}

#[test]
fn entries_are_taken_away_with_their_line() {
    check(Change::Remove(at("image.tag")), "    tag: \"1.2.3\"\n", "");
    check(Change::Remove(at("plain.tag")), "{tag: v3, list", "{list");
    check(Change::Remove(at("plain.list")), "{tag: v3, list: [a, b]}", "{tag: v3}");
    check(Change::Remove(at("script")), "script: |\n  echo hi\n", "");
    check(Change::Remove(at("absent.entry")), "last", "last");
    let list = "images:\n- name: a # first\n  newTag: v1\n  digest: sha256:1\n";
    let changed = apply(list, 0, &[Change::Remove(at("images.0.name"))]).unwrap();
    assert_eq!(changed, "images:\n- newTag: v1\n  digest: sha256:1\n");
    let changed = apply("a:\n  b: 1\n", 0, &[Change::Remove(at("a.b"))]).unwrap();
    assert_eq!(changed, "a:\n  {}\n");
}

#[test]
fn an_anchor_that_others_use_is_not_changed_behind_their_back() {
    let error = apply(VALUES, 0, &[set(at("shared"), json!("v8"))]).unwrap_err();
    assert_eq!(error, EditError::SideEffect { path: at("shared") });
    check(set(at("user"), json!("v8")), "user: *version", "user: v8");
    let error = apply(VALUES, 0, &[set(at("sidecar.tag.deep"), json!(1))]).unwrap_err();
    assert!(matches!(error, EditError::Impossible { .. }), "{error}");
}

#[test]
fn other_documents_and_the_byte_order_mark_stay() {
    let text = "\u{feff}a: 1\n---\n# second\nb: 2 # two\n---\nc: 3\n";
    assert_eq!(apply(text, 1, &[set(at("b"), json!(5))]).unwrap(), text.replace("b: 2", "b: 5"));
    assert_eq!(apply(text, 0, &[set(at("z"), json!(5))]).unwrap(), text.replace("a: 1\n", "a: 1\nz: 5\n"));
    assert_eq!(apply(text, 3, &[set(at("b"), json!(5))]).unwrap_err(), EditError::NoDocument { number: 3 });
    assert_eq!(apply("", 0, &[set(at("b.c"), json!(5))]).unwrap(), "b:\n  c: 5\n");
    assert_eq!(apply("# only\n", 0, &[set(at("b"), json!(5))]).unwrap(), "# only\nb: 5\n");
    assert_eq!(apply("{}\n", 0, &[set(at("b"), json!(5))]).unwrap(), "{b: 5}\n");
    assert!(matches!(apply("a: [", 0, &[set(at("b"), json!(5))]).unwrap_err(), EditError::Unreadable(_)));
}

#[test]
fn changes_are_applied_one_after_the_other() {
    let changes = [
        set(at("images.0"), json!({"name": "web", "newTag": "v1"})),
        set(at("images.1"), json!({"digest": "sha256:1", "name": "db"})),
        set(at("images.0.newTag"), json!("v2")),
    ];
    let text = "resources: # files\n- a.yaml\n";
    let expected = "resources: # files\n- a.yaml\nimages:\n- name: web\n  newTag: v2\n- digest: sha256:1\n  name: db\n";
    assert_eq!(apply(text, 0, &changes).unwrap(), expected);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-zA-Z0-9:#' \n,{}-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof!["[a-d]".prop_map(|key| (Some(key), 0)), (0_usize..3).prop_map(|index| (None, index))];
    prop::collection::vec(step, 1..4).prop_map(|steps| {
        steps.into_iter().fold(Path::default(), |path, (key, index)| match key {
            Some(key) => path.key(key),
            None => path.index(index),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked, the answer is the intended text or an error; and setting a scalar in plain block text works.
    #[test]
    fn a_change_does_what_it_says_or_nothing(root in value(), path in path(), new in value()) {
        let text = landfall_yaml::write(&root);
        let result = apply(&text, 0, &[set(path.clone(), new.clone())]);
        match result {
            Ok(changed) => {
                let read = landfall_yaml::read_one(changed.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap();
                prop_assert_eq!(path.find(&read).unwrap_or(&Value::Null), &new, "{}", changed);
            }
            Err(EditError::Impossible { .. }) => {}
            Err(error) => prop_assert!(false, "{error}\n{path}\n{text}\n{new}"),
        }
        let is_scalar_there = path.find(&root).is_some_and(|old| !old.is_array() && !old.is_object());
        if is_scalar_there && !new.is_array() && !new.is_object() {
            prop_assert!(apply(&text, 0, &[set(path.clone(), new)]).is_ok());
        }
        let removed = apply(&text, 0, &[Change::Remove(path.clone())]);
        prop_assert!(!matches!(removed, Err(EditError::SideEffect { .. })), "removing {path} from\n{text}");
    }
}

//! Odd layouts: an image is set in each, and every line that it does not stand in stays as it was, byte for byte.

use landfall_edit::{ImageChange, set_images};
use landfall_yaml::{Resolver, read};

/// A layout, the request, and the pieces of text that change.
type Layout = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

#[track_caller]
fn check(file: &str, layouts: &[Layout]) {
    for (text, request, expected) in layouts {
        let change = ImageChange::parse(request).expect("the request is well-formed");
        let edited =
            set_images(file, text, std::slice::from_ref(&change)).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let wanted = expected.iter().fold((*text).to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "the text has no {from:?}");
            text.replacen(from, to, 1)
        });
        assert_eq!(edited.text, wanted, "{request} in\n{text}");
        let again = set_images(file, &edited.text, &[change]);
        assert!(again.map_or(true, |again| again.text == edited.text), "setting twice changes again:\n{text}");
    }
}

#[test]
fn kustomizations_in_odd_layouts_keep_all_but_the_image() {
    check(
        "kustomization.yaml",
        &[
            // Flow style, in one line and over several.
            ("images: [{name: web, newTag: v1}]\n", "web:v2", &[("v1", "v2")]),
            (
                "images: [\n  {name: web, newTag: v1}, # web\n  {name: db, newTag: v1}\n]\n",
                "db:v2",
                &[("db, newTag: v1", "db, newTag: v2")],
            ),
            ("images: [{name: web, newTag: v1}]\n", "db:2", &[("v1}", "v1}, {name: db, newTag: \"2\"}")]),
            ("{resources: [a.yaml], images: [{name: web}]}\n", "web:v2", &[("name: web", "name: web, newTag: v2")]),
            ("images: []\n", "web:v2", &[("[]", "[{name: web, newTag: v2}]")]),
            ("images:\n", "web:v2", &[("images:\n", "images:\n- name: web\n  newTag: v2\n")]),
            (
                "images: null # none yet\n",
                "web:v2",
                &[("images: null # none yet\n", "images: # none yet\n- name: web\n  newTag: v2\n")],
            ),
            // No final newline.
            ("images:\n- name: web\n  newTag: v1", "web:v2", &[("v1", "v2")]),
            ("images:\n- name: web\n  newTag: v1", "db:v2", &[("v1", "v1\n- name: db\n  newTag: v2")]),
            ("resources: [a.yaml]", "db:v2", &[("[a.yaml]", "[a.yaml]\nimages:\n- name: db\n  newTag: v2")]),
            // Line ends of Windows, a byte order mark, tabs in comments.
            ("images:\r\n- name: web\r\n  newTag: v1\r\nnamePrefix: a-\r\n", "web:v2", &[("v1", "v2")]),
            (
                "images:\r\n- name: web\r\n  newTag: v1\r\nnamePrefix: a-\r\n",
                "db:v2",
                &[("v1\r\n", "v1\r\n- name: db\r\n  newTag: v2\r\n")],
            ),
            ("\u{feff}images:\n- name: web\n  newTag: v1\n", "web:v2", &[("v1", "v2")]),
            ("images:\n- name: web\t# a\ttab\n  newTag: v1 \t# more\t\n", "web:v2", &[("v1", "v2")]),
            // Lists indented or not, deeply, with empty lines and comments between.
            ("images:\n    -   name: web\n        newTag: v1\n", "web:v2", &[("v1", "v2")]),
            (
                "images:\n\n  # the web\n\n  - name: web\n\n    newTag: v1\n\n  # the end\nnamePrefix: x\n",
                "web:v2",
                &[("v1", "v2")],
            ),
            ("images:\n  -\n    name: web\n    newTag: v1\n", "web:v2", &[("v1", "v2")]),
            ("images:\n- newTag: v1\n  name: web\n", "web:v2", &[("v1", "v2")]),
            // Quotes, block scalars, explicit tags.
            ("images:\n- name: 'web'\n  newTag: '1.0'\n", "web:1.10", &[("'1.0'", "'1.10'")]),
            ("images:\n- name: \"web\"\n  newTag: \"1.0\"\n", "web:v2", &[("\"1.0\"", "\"v2\"")]),
            (
                "images:\n- name: web\n  newTag: >-\n    v1\n  digest: sha256:aa\n",
                "web:v2@sha256:bb",
                &[(">-\n    v1\n", "\"v2\"\n"), ("aa", "bb")],
            ),
            ("\"images\":\n- \"name\": web\n  \"newTag\": v1\n", "web:v2", &[("v1", "v2")]),
            // A tag that YAML takes for a number gets quotes.
            ("images:\n- name: web\n  newTag: v1\n", "web:1e3", &[("v1", "\"1e3\"")]),
            ("images:\n- name: web\n  newTag: v1\n", "web:0x1F", &[("v1", "\"0x1F\"")]),
            ("images:\n- name: web\n  newTag: v1\n", "web:2020-01-02", &[("v1", "\"2020-01-02\"")]),
            // A document mark, a comment at the end.
            ("---\nimages:\n- name: web\n  newTag: v1\n# end\n", "web:v2", &[("v1", "v2")]),
            ("%YAML 1.1\n---\nimages:\n- name: web\n  newTag: v1\n...\n", "web:v2", &[("v1", "v2")]),
            ("# only a comment\n", "web:v2", &[("comment\n", "comment\nimages:\n- name: web\n  newTag: v2\n")]),
            // A registry with a port, a name that is the start of another.
            (
                "images:\n- name: r:5000/a\n  newTag: v1\n- name: r:5000/ab\n  newTag: v1\n",
                "r:5000/ab:v2",
                &[("ab\n  newTag: v1", "ab\n  newTag: v2")],
            ),
        ],
    );
}

#[test]
fn values_in_odd_layouts_keep_all_but_the_image() {
    check(
        "values.yaml",
        &[
            ("image: {repository: web, tag: v1}\n", "web:v2", &[("v1", "v2")]),
            ("image: { repository: web,\n  tag: 'v1' } # both\n", "web:v2", &[("'v1'", "'v2'")]),
            ("a:\n  b:\n  - image:\n      repository: web\n      tag: \"1\"\n", "web:2", &[("\"1\"", "\"2\"")]),
            ("image:\n  registry: ghcr.io\n  repository: org/web\n  tag: v1\n", "ghcr.io/org/web:v2", &[("v1", "v2")]),
            (
                "image:\n  registry: ghcr.io\n  repository: org/web\n  tag: v1\n",
                "ghcr.io/org/web=quay.io/x/y:v2",
                &[("ghcr.io", "quay.io"), ("org/web", "x/y"), ("v1", "v2")],
            ),
            ("image: web:v1\r\nother: 1\r\n", "web:v2", &[("v1", "v2")]),
            ("image: >-\n  web:v1\nother: 1\n", "web:v2", &[(">-\n  web:v1\n", "\"web:v2\"\n")]),
        ],
    );
    check(
        "values.yaml",
        &[
            ("image: web:v1", "web:v2", &[("v1", "v2")]),
            ("image:\n  repository: web\n  tag: 1.0 # a number\n", "web:1.1", &[("1.0", "\"1.1\"")]),
            ("image:\n  repository: web\n  tag: # empty\n  pullPolicy: Always\n", "web:v2", &[("tag: #", "tag: v2 #")]),
            (
                "image:\n  repository: web\n  # no tag here\n",
                "web:v2",
                &[("repository: web\n", "repository: web\n  tag: v2\n")],
            ),
        ],
    );
}

#[test]
fn what_would_change_something_else_is_refused() {
    for (file, text, request) in [
        // The alias means the same value in two places.
        ("values.yaml", "one: &shared\n  image: {repository: web, tag: v1}\ntwo: *shared\n", "two.image:v2"),
        (
            "kustomization.yaml",
            "x: &tag v1\nimages:\n- name: web\n  newTag: *tag\n- name: db\n  newTag: &other v1\n- name: c\n  newTag: *other\n",
            "db:v2",
        ),
        ("kustomization.yaml", "images: text\n", "web:v2"),
        ("kustomization.yaml", "images:\n- web\n", "web:v2"),
        ("kustomization.yaml", "images:\n- name: [web\n", "web:v2"),
        ("values.yaml", "image: {repository: db, tag: v1}\n", "web:v2"),
        ("values.yaml", "- a\n", "web:v2"),
    ] {
        let change = ImageChange::parse(request).expect("the request is well-formed");
        let refused = set_images(file, text, &[change]);
        assert!(refused.is_err(), "{text}\n{refused:?}");
    }
}

/// A small generator of numbers that are the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("it is below a usize")
    }
}

#[test]
fn random_kustomizations_change_in_the_image_alone() {
    const LINES: [&str; 18] = [
        "resources: [a.yaml]",
        "namePrefix: p-",
        "# images: not these",
        "images:",
        "- name: web",
        "  - name: web",
        "  newTag: v1",
        "    newTag: 'v1'",
        "- name: db",
        "  digest: sha256:aa",
        "  newName: \"x\"",
        "patches:",
        "- patch: |-",
        "    images:",
        "    - name: web",
        "",
        "commonLabels: {a: b} # c",
        "- {name: web, newTag: v1}",
    ];
    let (mut set, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut numbers = Numbers(seed);
        let end = ["\n", "\r\n"][numbers.below(2)];
        let lines: Vec<&str> = (0..2 + numbers.below(10)).map(|_| LINES[numbers.below(LINES.len())]).collect();
        let mut text = lines.join(end);
        if numbers.below(4) > 0 {
            text.push_str(end);
        }
        let Ok(before) = read(text.as_bytes(), Resolver::Kubernetes) else { continue };
        let change =
            ImageChange::parse(["web:v2", "new=other:1", "db@sha256:bb"][numbers.below(3)]).expect("it is well-formed");
        let Ok(edited) = set_images("kustomization.yaml", &text, &[change]) else {
            refused += 1;
            continue;
        };
        set += 1;
        let after = read(edited.text.as_bytes(), Resolver::Kubernetes).expect("it was checked");
        let without = |values: &[serde_json::Value]| {
            let mut values = values.to_vec();
            values.iter_mut().filter_map(serde_json::Value::as_object_mut).for_each(|map| drop(map.remove("images")));
            values.retain(|value| value.as_object().is_none_or(|map| !map.is_empty()));
            values
        };
        assert_eq!(without(&before), without(&after), "seed {seed}\n{text}\n=>\n{}", edited.text);
        for comment in text.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment) {
            assert!(edited.text.contains(comment), "seed {seed}: a comment is lost\n{text}\n=>\n{}", edited.text);
        }
        if end == "\r\n" && text.contains(end) {
            assert_eq!(
                edited.text.matches('\n').count(),
                edited.text.matches("\r\n").count(),
                "seed {seed}: {text:?} => {:?}",
                edited.text
            );
        }
    }
    assert!(set > 1_000, "{set} set, {refused} refused");
}

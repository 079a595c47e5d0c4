//! Images are set where charts and kustomizations keep them, and nothing else changes.

use landfall_edit::{Error, ImageChange, choose_file, set_images};

fn changes(requests: &[&str]) -> Vec<ImageChange> {
    requests.iter().map(|request| ImageChange::parse(request).expect("the request is well-formed")).collect()
}

#[track_caller]
fn check(file: &str, text: &str, request: &str, expected: &[(&str, &str)]) {
    let edited = set_images(file, text, &changes(&[request])).expect("the image can be set");
    let wanted = expected.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the text has no {from:?}");
        text.replacen(from, to, 1)
    });
    assert_eq!(edited.text, wanted);
    let again = set_images(file, &edited.text, &changes(&[request]));
    assert!(again.map_or(true, |again| again.text == edited.text), "setting twice changes again");
}

const KUSTOMIZATION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - deployment.yaml # the web server
images:
  # Set by the pipeline.
  - name: web
    newName: ghcr.io/example/web
    newTag: \"1.9\"   # quoted on purpose
  - name: db
    digest: sha256:aa
";

#[test]
fn entries_of_a_kustomization_are_changed_in_place() {
    let file = "kustomization.yaml";
    check(file, KUSTOMIZATION, "web=ghcr.io/example/web:1.10", &[("\"1.9\"", "\"1.10\"")]);
    check(file, KUSTOMIZATION, "web:1.10", &[("\"1.9\"", "\"1.10\"")]);
    check(file, KUSTOMIZATION, "web=quay.io/x/web", &[("ghcr.io/example/web", "quay.io/x/web")]);
    check(file, KUSTOMIZATION, "db:16.1", &[("    digest: sha256:aa\n", "    newTag: \"16.1\"\n")]);
    check(
        file,
        KUSTOMIZATION,
        "web@sha256:bb",
        &[("    newTag: \"1.9\"   # quoted on purpose\n", "    digest: sha256:bb\n")],
    );
    check(
        file,
        KUSTOMIZATION,
        "db=pg:16@sha256:bb",
        &[("    digest: sha256:aa\n", "    digest: sha256:bb\n    newName: pg\n    newTag: \"16\"\n")],
    );
}

#[test]
fn an_image_that_a_kustomization_does_not_have_is_added() {
    let new = "  - name: db\n    digest: sha256:aa\n  - name: redis\n    newTag: \"7\"\n";
    check("Kustomization", KUSTOMIZATION, "redis:7", &[("  - name: db\n    digest: sha256:aa\n", new)]);
    let text = "resources: [a.yaml]\r\n";
    let edited = set_images("kustomization.yml", text, &changes(&["a=b:v1"])).unwrap();
    assert_eq!(edited.text, "resources: [a.yaml]\r\nimages:\r\n- name: a\r\n  newName: b\r\n  newTag: v1\r\n");
    assert_eq!(edited.notes, ["images[0]: a -> b:v1"]);
    let component = "kind: Component\n";
    let edited = set_images("other.yaml", component, &changes(&["a:v1"])).unwrap();
    assert_eq!(edited.text, "kind: Component\nimages:\n- name: a\n  newTag: v1\n");
}

const VALUES: &str = "image:
  repository: ghcr.io/example/web
  tag: 1.9 # becomes 1.9 in YAML
  digest: ''
metrics:
  image: {registry: docker.io, repository: bitnami/exporter, tag: '0.1', digest: sha256:aa}
jobs:
- name: migrate
  image: ghcr.io/example/migrate:v1 # whole
- {name: clean, initImage: busybox, tag: v5}
repository: https://charts.example.com
unset:
  repository: example/unset
";

#[test]
fn images_of_values_are_found_where_charts_keep_them() {
    let file = "values-production.yaml";
    check(file, VALUES, "ghcr.io/example/web=ghcr.io/example/web:1.10", &[("tag: 1.9 #", "tag: \"1.10\" #")]);
    check(file, VALUES, "image=quay.io/a/b:v2", &[("ghcr.io/example/web", "quay.io/a/b"), ("tag: 1.9 #", "tag: v2 #")]);
    check(file, VALUES, "ghcr.io/example/web@sha256:bb", &[("digest: ''", "digest: 'sha256:bb'")]);
    check(file, VALUES, "bitnami/exporter:0.2", &[("'0.1'", "'0.2'"), ("sha256:aa}", "\"\"}")]);
    check(
        file,
        VALUES,
        "metrics.image=quay.io/x/y:1",
        &[
            ("docker.io, repository: bitnami/exporter, tag: '0.1'", "quay.io, repository: x/y, tag: '1'"),
            ("sha256:aa}", "\"\"}"),
        ],
    );
    check(file, VALUES, "ghcr.io/example/migrate:v2", &[("migrate:v1", "migrate:v2")]);
    check(file, VALUES, "jobs[0].image@sha256:bb", &[("migrate:v1 #", "migrate@sha256:bb #")]);
    check(file, VALUES, "docker.io/library/busybox=alpine:v6", &[("busybox, tag: v5", "alpine, tag: v6")]);
    check(
        file,
        VALUES,
        "example/unset:v1",
        &[("repository: example/unset\n", "repository: example/unset\n  tag: v1\n")],
    );
    check(file, VALUES, "busybox@sha256:bb", &[("tag: v5", "tag: 'v5@sha256:bb'")]);
}

#[test]
fn an_image_that_is_nowhere_is_an_error_that_lists_what_there_is() {
    let error = set_images("values.yaml", VALUES, &changes(&["nginx:1"])).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ghcr.io/example/web:1.9 (image)") && text.contains("(jobs[0].image)"), "{text}");
    assert!(!text.contains("charts.example.com"), "{text}");
    let error = set_images("values.yaml", VALUES, &changes(&["example/unset@sha256:00"])).unwrap_err();
    assert!(matches!(error, Error::NoDigest { .. }), "{error}");
    let error = set_images("kustomization.yaml", "images: {a: b}\n", &changes(&["a:v1"])).unwrap_err();
    assert_eq!(error, Error::OddImages);
}

#[test]
fn a_failing_request_leaves_the_text_alone_and_an_anchor_is_respected() {
    assert!(set_images("values.yaml", VALUES, &changes(&["example/unset:v1", "nginx:1"])).is_err());
    let text = "a:\n  image: &i nginx:1\nb:\n  image: *i\n";
    let error = set_images("values.yaml", text, &changes(&["a.image:2"])).unwrap_err();
    assert!(error.to_string().contains("anchor"), "{error}");
}

#[test]
fn the_kustomization_of_a_directory_comes_before_its_values() {
    assert_eq!(choose_file(&["values.yaml", "kustomization.yml", "x"]), Some("kustomization.yml"));
    assert_eq!(choose_file(&["Chart.yaml", "values.yaml"]), Some("values.yaml"));
    assert_eq!(choose_file(&["deployment.yaml"]), None);
}

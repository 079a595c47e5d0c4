//! What a render promises, feature by feature, under both profiles. The facts are those of Helm 3.21.4 and 4.2.4.

use landfall_gotemplate::context::{Host, NoHost};
use landfall_helm::Profile;
use landfall_helm::chart::Chart;
use landfall_helm::error::{Error, ErrorKind};
use landfall_helm::manifest::HookEvent;
use landfall_helm::render::{Rendered, Request, render};
use landfall_tree::MemoryTree;
use serde_json::{Value, json};

const BOTH: [Profile; 2] = [Profile::Helm3, Profile::Helm4];
const DUMP: &str = "kind: Dump\nvalues: {{ .Values | toJson }}\n";

fn chart(files: &[(&str, &str)]) -> Chart {
    let tree = MemoryTree::of(files.iter().map(|(path, content)| (*path, content.as_bytes().to_vec())));
    Chart::from_tree(&tree, "").expect("the chart is well formed")
}

fn rendered(chart: &Chart, profile: Profile, values: Value) -> Result<Rendered, Error> {
    let mut request = Request::new("demo", "apps", profile);
    let text = landfall_yaml::write(&values);
    request.values = landfall_helm::values::read(text.as_bytes(), profile)?;
    render(chart, &request, &mut NoHost)
}

/// The object that a template rendered to.
fn object<'a>(rendered: &'a Rendered, path: &str) -> &'a Value {
    let found = rendered.objects().find(|sourced| sourced.path == path);
    found.unwrap_or_else(|| panic!("{path} rendered to nothing")).object
}

#[test]
fn nulls_follow_the_rules_of_each_helm() {
    let umbrella = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("values.yaml", "a: {x: 1, none: null}\ntopnull: null\nsub: {s: {k: null}, t: null}\nglobal: {gn: null}\n"),
        ("templates/dump.yaml", DUMP),
        ("charts/sub/Chart.yaml", "{apiVersion: v2, name: sub, version: 1.0.0}"),
        ("charts/sub/values.yaml", "s: {k: 1, l: 2}\nt: 5\nu: null\nv: {w: null, z: 1}\n"),
    ]);
    let values = |profile, given| {
        object(&rendered(&umbrella, profile, given).unwrap(), "top/templates/dump.yaml")["values"].clone()
    };
    // A chart's own null is kept by Helm 3 and dropped by Helm 4.
    let helm3 = values(Profile::Helm3, json!({}));
    assert_eq!(helm3["a"], json!({"x": 1, "none": null}));
    assert!(helm3.as_object().unwrap().contains_key("topnull"));
    assert_eq!(helm3["global"], json!({"gn": null}));
    assert_eq!(helm3["sub"]["s"], json!({"l": 2}));
    assert!(helm3["sub"].get("t").is_none());
    assert_eq!(helm3["sub"]["v"], json!({"w": null, "z": 1}));
    let helm4 = values(Profile::Helm4, json!({}));
    assert_eq!(helm4["a"], json!({"x": 1}));
    assert!(helm4.get("topnull").is_none());
    // Helm 4.2 gives a subchart its defaults back where the parent chart says null.
    assert_eq!((&helm4["sub"]["s"], &helm4["sub"]["t"]), (&json!({"k": 1, "l": 2}), &json!(5)));
    assert_eq!(helm4["sub"]["v"], json!({"z": 1}));
    for profile in BOTH {
        let given = values(profile, json!({"a": {"x": null}, "unknown": null, "sub": {"v": {"z": null}}}));
        assert!(given["a"].get("x").is_none(), "{profile:?}");
        assert!(given.as_object().unwrap().contains_key("unknown"), "{profile:?}");
        assert!(given["sub"]["v"].get("z").is_none(), "{profile:?}");
    }
}

#[test]
fn aliases_conditions_and_tags_decide_which_charts_render() {
    let umbrella = chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: top\nversion: 1.0.0\ndependencies:\n- {name: web, version: 1.x, alias: front, condition: 'nope,front.enabled'}\n- {name: web, version: '>=2', alias: never}\n- {name: cache, version: '*', tags: [stores]}\n",
        ),
        ("values.yaml", "front: {port: 81}\n"),
        ("charts/web/Chart.yaml", "{apiVersion: v2, name: web, version: 1.4.0}"),
        ("charts/web/values.yaml", "port: 80\nkept: true\n"),
        (
            "charts/web/templates/dump.yaml",
            "kind: {{ .Chart.Name }}\nport: {{ .Values.port }}\nkept: {{ .Values.kept }}\n",
        ),
        ("charts/cache/Chart.yaml", "{apiVersion: v2, name: cache, version: 1.0.0}"),
        ("charts/cache/templates/x.yaml", "kind: Cache\n"),
        ("charts/extra/Chart.yaml", "{apiVersion: v2, name: extra, version: 1.0.0}"),
        ("charts/extra/templates/x.yaml", "kind: Extra\n"),
    ]);
    for profile in BOTH {
        let paths = |values| -> Vec<String> {
            rendered(&umbrella, profile, values).unwrap().objects().map(|sourced| sourced.path.to_owned()).collect()
        };
        let (front, cache, extra) = (
            "top/charts/front/templates/dump.yaml",
            "top/charts/cache/templates/x.yaml",
            "top/charts/extra/templates/x.yaml",
        );
        assert_eq!(paths(json!({})), [cache, extra, front], "{profile:?}");
        assert_eq!(paths(json!({"front": {"enabled": false}, "tags": {"stores": false}})), [extra], "{profile:?}");
        let all = rendered(&umbrella, profile, json!({})).unwrap();
        assert_eq!(*object(&all, front), json!({"kind": "front", "port": 81, "kept": true}));
    }
}

#[test]
fn imported_values_rank_below_the_charts_own() {
    let umbrella = chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: top\nversion: 1.0.0\ndependencies:\n- {name: sub, version: 1.x, import-values: [data, {child: deep.er, parent: here.too}, {child: absent, parent: x}]}\n",
        ),
        ("values.yaml", "own: parent\n"),
        ("templates/dump.yaml", DUMP),
        ("charts/sub/Chart.yaml", "{apiVersion: v2, name: sub, version: 1.0.0}"),
        ("charts/sub/values.yaml", "exports: {data: {own: child, more: 1}}\ndeep: {er: {a: 1}}\n"),
    ]);
    for profile in BOTH {
        let rendered = rendered(&umbrella, profile, json!({})).unwrap();
        let values = &object(&rendered, "top/templates/dump.yaml")["values"];
        assert_eq!(
            (&values["own"], &values["more"], &values["here"]),
            (&json!("parent"), &json!(1), &json!({"too": {"a": 1}}))
        );
        assert!(rendered.warnings.iter().any(|warning| warning.contains("absent")), "{:?}", rendered.warnings);
    }
}

#[test]
fn templates_change_values_for_those_that_run_after_them() {
    let umbrella = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("values.yaml", "m: {}\nglobal: {g: {h: {}}}\n"),
        // Deeper charts run first, files of one folder in reverse order.
        ("templates/b.yaml", "{{- $_ := set .Values.m \"b\" 1 }}\n"),
        ("templates/a.yaml", DUMP),
        ("charts/sub/Chart.yaml", "{apiVersion: v2, name: sub, version: 1.0.0}"),
        (
            "charts/sub/templates/x.yaml",
            "{{- $_ := set .Values \"n\" 2 }}{{ $_ := set .Values.global.g \"own\" 1 }}{{ $_ := set .Values.global.g.h \"shared\" 1 }}",
        ),
    ]);
    for profile in BOTH {
        let rendered = rendered(&umbrella, profile, json!({})).unwrap();
        let values = &object(&rendered, "top/templates/a.yaml")["values"];
        assert_eq!((&values["m"]["b"], &values["sub"]["n"]), (&json!(1), &json!(2)));
        // Globals are copied one level deep, and shared below.
        assert_eq!(values["global"]["g"], json!({"h": {"shared": 1}}));
    }
}

#[test]
fn libraries_lend_templates_and_higher_charts_override_definitions() {
    let umbrella = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("templates/_own.tpl", "{{ define \"who\" }}top{{ end }}"),
        ("templates/x.yaml", "kind: {{ include \"who\" . }}\nlib: {{ include \"lib.name\" . }}\n"),
        ("charts/lib/Chart.yaml", "{apiVersion: v2, name: lib, version: 1.0.0, type: library}"),
        (
            "charts/lib/templates/_lib.tpl",
            "{{ define \"who\" }}lib{{ end }}{{ define \"lib.name\" }}{{ .Chart.Name }}{{ end }}",
        ),
        ("charts/lib/templates/ignored.yaml", "kind: Ignored"),
    ]);
    for profile in BOTH {
        let rendered = rendered(&umbrella, profile, json!({})).unwrap();
        assert_eq!(rendered.manifests.len(), 1);
        assert_eq!(rendered.manifests[0].object, json!({"kind": "top", "lib": "top"}));
    }
    let library = chart(&[("Chart.yaml", "{apiVersion: v2, name: lib, version: 1.0.0, type: library}")]);
    assert_eq!(rendered(&library, Profile::Helm3, json!({})).unwrap_err().kind, ErrorKind::Chart);
}

#[test]
fn hooks_are_told_from_manifests_and_printed_after_them() {
    let hooks = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        (
            "templates/a.yaml",
            "kind: Job\nmetadata:\n  annotations: {helm.sh/hook: 'pre-install, PRE-UPGRADE', helm.sh/hook-weight: '-3', helm.sh/hook-delete-policy: hook-succeeded}\n---\nkind: Pod\nmetadata: {annotations: {helm.sh/hook: test-success}}\n---\nkind: Gone\nmetadata: {annotations: {helm.sh/hook: crd-install}}\n---\nkind: Service\n",
        ),
    ]);
    for profile in BOTH {
        let mut all = rendered(&hooks, profile, json!({})).unwrap();
        assert_eq!(all.manifests.len(), 1);
        assert_eq!((all.hooks[0].manifest.object["kind"].as_str(), all.hooks[0].is_test()), (Some("Pod"), true));
        let job = all.hooks.remove(1);
        assert_eq!(job.events, [HookEvent::PreInstall, HookEvent::PreUpgrade]);
        assert_eq!((job.weight, job.delete_policies), (-3, vec!["hook-succeeded".to_owned()]));
        assert!(all.warnings.iter().any(|warning| warning.contains("crd-install")));
        let request = Request { skip_tests: true, ..Request::new("demo", "apps", profile) };
        assert_eq!(render(&hooks, &request, &mut NoHost).unwrap().hooks.len(), 1);
    }
}

#[test]
fn definitions_come_first_and_only_when_asked_for() {
    let crds = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("crds/b.yaml", "kind: CustomResourceDefinition # {{ not a template }}\n---\nkind: Second\n"),
        ("crds/readme.md", "none"),
        ("templates/x.yaml", "kind: X\n"),
    ]);
    let request = Request { include_crds: true, ..Request::new("demo", "apps", Profile::Helm3) };
    let rendered = render(&crds, &request, &mut NoHost).unwrap();
    let kinds: Vec<&str> = rendered.objects().filter_map(|sourced| sourced.object["kind"].as_str()).collect();
    assert_eq!(kinds, ["CustomResourceDefinition", "Second", "X"]);
    assert!(
        rendered
            .text()
            .starts_with("---\n# Source: top/crds/b.yaml\nkind: CustomResourceDefinition # {{ not a template }}\n")
    );
    let without = render(&crds, &Request::new("demo", "apps", Profile::Helm3), &mut NoHost).unwrap();
    assert_eq!(without.text(), "---\n# Source: top/templates/x.yaml\nkind: X\n");
}

#[test]
fn single_templates_can_be_shown() {
    let two = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("templates/a.yaml", "kind: A\n---\nkind: B\n"),
        ("templates/b.yaml", "kind: C\n"),
    ]);
    for profile in BOTH {
        let rendered = rendered(&two, profile, json!({})).unwrap();
        let shown = rendered.text_of(&["templates/b*".to_owned()], profile).unwrap();
        assert_eq!(shown.trim_end(), "---\n# Source: top/templates/b.yaml\nkind: C");
        let error = rendered.text_of(&["templates/c.yaml".to_owned()], profile).unwrap_err();
        assert_eq!(error.message, "could not find template templates/c.yaml in chart");
    }
}

#[test]
fn links_are_followed_inside_the_tree_and_never_out_of_it() {
    let mut tree = MemoryTree::of([
        ("app/Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}"),
        ("shared/x.yaml", "kind: Linked\n"),
        ("app/.helmignore", "secret/\n"),
        ("app/secret/x.yaml", "ignored"),
    ]);
    tree.links.insert("app/templates".to_owned(), "../shared".to_owned());
    let linked = Chart::from_tree(&tree, "app").unwrap();
    assert_eq!(rendered(&linked, Profile::Helm3, json!({})).unwrap().manifests[0].path, "app/templates/x.yaml");
    assert!(!linked.files.iter().any(|file| file.path.starts_with("secret")));
    tree.links.insert("app/files".to_owned(), "../../outside".to_owned());
    assert_eq!(Chart::from_tree(&tree, "app").unwrap_err().kind, ErrorKind::Load);
    tree.links.insert("app/files".to_owned(), "..".to_owned());
    let error = Chart::from_tree(&tree, "app").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Load, "{error}");
}

#[test]
fn lookup_asks_the_host_and_marks_the_render() {
    struct Cluster;
    impl Host for Cluster {
        fn lookup(&mut self, version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, String> {
            Ok(Some(json!({"found": format!("{version}/{kind}/{namespace}/{name}")})))
        }
    }
    let asking = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("templates/x.yaml", "kind: X\nfound: {{ (lookup \"v1\" \"Secret\" \"a\" \"b\").found }}\n"),
    ]);
    let request = Request::new("demo", "apps", Profile::Helm3);
    let found = render(&asking, &request, &mut Cluster).unwrap();
    assert_eq!((&found.manifests[0].object["found"], found.is_deterministic), (&json!("v1/Secret/a/b"), false));
    let nothing = render(&asking, &request, &mut NoHost).unwrap();
    assert_eq!((&nothing.manifests[0].object["found"], nothing.is_deterministic), (&Value::Null, true));
}

#[test]
fn schemas_refuse_with_path_and_reason() {
    let strict = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("values.yaml", "port: 80\n"),
        (
            "values.schema.json",
            r#"{"type": "object", "required": ["name"], "properties": {"port": {"type": "integer"}, "name": {"type": "string"}}}"#,
        ),
    ]);
    for profile in BOTH {
        assert!(rendered(&strict, profile, json!({"name": "x", "port": 8080.0})).is_ok());
        let error = rendered(&strict, profile, json!({"port": "80"})).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Schema);
        assert!(
            error.message.contains("top:\n- at '': missing property 'name'\n- at '/port': got string, want integer\n"),
            "{error}"
        );
        let mut request = Request::new("demo", "apps", profile);
        request.skip_schema_validation = true;
        assert!(render(&strict, &request, &mut NoHost).is_ok());
    }
    let remote = chart(&[
        ("Chart.yaml", "{apiVersion: v2, name: top, version: 1.0.0}"),
        ("values.schema.json", r#"{"$ref": "https://example.com/schema.json"}"#),
    ]);
    let error = rendered(&remote, Profile::Helm3, json!({})).unwrap_err();
    assert!(error.message.contains("not fetched"), "{error}");
}

#[test]
fn what_cannot_be_rendered_is_refused_with_a_reason() {
    let app = |more: &'static str| chart(&[("Chart.yaml", more)]);
    let wrong_name = Request::new("Demo_1", "apps", Profile::Helm3);
    let plain = app("{apiVersion: v2, name: a, version: 1.0.0}");
    assert_eq!(render(&plain, &wrong_name, &mut NoHost).unwrap_err().kind, ErrorKind::Request);
    let old = app("{apiVersion: v2, name: a, version: 1.0.0, kubeVersion: '<1.20'}");
    let error = rendered(&old, Profile::Helm3, json!({})).unwrap_err();
    assert_eq!(error.message, "chart requires kubeVersion: <1.20 which is incompatible with Kubernetes v1.36.0");
    let missing = app("{apiVersion: v2, name: a, version: 1.0.0, dependencies: [{name: b, version: 1.0.0}]}");
    let error = rendered(&missing, Profile::Helm3, json!({})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Dependencies);
    assert!(error.message.ends_with("missing in charts/ directory: b"), "{error}");
    let mut failing = Vec::new();
    for (template, kind) in [
        ("{{ fail \"no\" }}", ErrorKind::Refused),
        ("{{ .Values.a.b }}", ErrorKind::Execution),
        ("{{ if }}", ErrorKind::Template),
        ("a: [", ErrorKind::Manifest),
        ("- list", ErrorKind::Manifest),
        ("{{ define \"x\" }}{{ include \"x\" . }}{{ end }}{{ include \"x\" . }}", ErrorKind::Execution),
    ] {
        let broken =
            chart(&[("Chart.yaml", "{apiVersion: v2, name: a, version: 1.0.0}"), ("templates/x.yaml", template)]);
        for profile in BOTH {
            let error = rendered(&broken, profile, json!({})).unwrap_err();
            assert!(error.message.contains("a/templates/x.yaml"), "{error}");
            if error.kind != kind {
                failing.push(format!("{template}: {:?}: {error}", error.kind));
            }
        }
    }
    assert!(failing.is_empty(), "{failing:#?}");
}

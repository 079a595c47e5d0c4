//! What chart authors get wrong most often, and what they are told: the file and line, the chart, the value, what to do.

use landfall_gotemplate::context::NoHost;
use landfall_helm::Profile;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use landfall_tree::MemoryTree;

/// A mistake, and the pieces that the message must have.
struct Mistake {
    /// The third line of a template, the values, or another file.
    wrong: Wrong,
    told: &'static [&'static str],
}

enum Wrong {
    Line(&'static str),
    File(&'static str, &'static str),
}

use Wrong::{File, Line};

const VALUES: &str = "number: 5\ntext: words\nlist: [1, 2]\nimage: {repository: r}\n";
const HELPERS: &str = "{{- define \"app.policy\" -}}\n{{ .Values.image.pull.policy }}\n{{- end -}}\n";

const MISTAKES: &[Mistake] = &[
    Mistake {
        wrong: Line("x: {{ .Values.image.tag.name }}"),
        told: &[
            "app/templates/a.yaml:3:",
            "<.Values.image.tag.name>",
            "`image.tag` is not set",
            "set `image.tag.name` in the values",
        ],
    },
    Mistake {
        wrong: Line("x: {{ .Values.gone.deeper.still }}"),
        told: &["app/templates/a.yaml:3:", "`gone` is not set", "`gone.deeper`"],
    },
    Mistake {
        wrong: Line("x: {{ $.Values.gone.x }}"),
        told: &["app/templates/a.yaml:3:", "`gone` is not set", "`gone.x`"],
    },
    Mistake {
        wrong: Line("x: {{ include \"app.policy\" . }}"),
        told: &["app/templates/a.yaml:3:", "app/templates/_helpers.tpl:2:", "`image.pull` is not set"],
    },
    Mistake {
        wrong: Line("x: {{ tpl \"{{ .Values.gone.x }}\" . }}"),
        told: &["app/templates/a.yaml:3:", "gotpl:1:", "`gone` is not set"],
    },
    Mistake {
        wrong: Line("x: {{ .Values.number | upper }}"),
        told: &[
            "app/templates/a.yaml:3:",
            "expected string; got float64",
            "argument 1 of `upper` must be a string",
            "toString",
        ],
    },
    Mistake {
        wrong: Line("x: {{ trimSuffix \"a\" .Values.gone }}"),
        told: &["app/templates/a.yaml:3:", "`.Values.gone` is not set", "default"],
    },
    Mistake {
        wrong: Line("x: {{ required \"set image.tag\" .Values.image.tag }}"),
        told: &["execution error at (app/templates/a.yaml:3:", "set image.tag"],
    },
    Mistake { wrong: Line("x: {{ fail \"too old\" }}"), told: &["(app/templates/a.yaml:3:", "too old"] },
    Mistake {
        wrong: Line("x: {{ include \"app.polici\" . }}"),
        told: &["app/templates/a.yaml:3:", "no template \"app.polici\"", "check the spelling"],
    },
    Mistake {
        wrong: Line("x: {{ .Values.text | quoted }}"),
        told: &["app/templates/a.yaml:3", "function \"quoted\" not defined", "quote"],
    },
    Mistake { wrong: Line("x: {{ if .Values.text }}"), told: &["app/templates/a.yaml", "unexpected EOF"] },
    Mistake { wrong: Line("x: {{ end }}"), told: &["app/templates/a.yaml:3", "unexpected {{end}}"] },
    Mistake { wrong: Line("x: {{ .Values.text "), told: &["app/templates/a.yaml:3", "unclosed action"] },
    Mistake { wrong: Line("x: {{ .Values.my-text }}"), told: &["app/templates/a.yaml:3", "bad character U+002D '-'"] },
    Mistake {
        wrong: Line("x: {{ Values.text }}"),
        told: &["app/templates/a.yaml:3", "function \"Values\" not defined"],
    },
    Mistake { wrong: Line("x: {{ $text }}"), told: &["app/templates/a.yaml:3", "undefined variable \"$text\""] },
    Mistake {
        wrong: Line("x: {{ index .Values.list 5 }}"),
        told: &["app/templates/a.yaml:3:", "<index .Values.list 5>", "out of range: 5"],
    },
    Mistake {
        wrong: Line("x: {{ if eq .Values.number 5 }}y{{ end }}"),
        told: &["app/templates/a.yaml:3:", "incompatible types for comparison", "float64 and int"],
    },
    Mistake {
        wrong: Line("x: {{ range .Values.number }}{{ end }}"),
        told: &["app/templates/a.yaml:3:", "range can't iterate over 5", "convert it with `int`"],
    },
    Mistake {
        wrong: Line("x: {{ range .Values.text }}{{ end }}"),
        told: &["app/templates/a.yaml:3:", "range can't iterate over words", "write it as a list"],
    },
    Mistake {
        wrong: Line("x: {{ .Values.text.field }}"),
        told: &["app/templates/a.yaml:3:", "can't evaluate field field", "the value `text`", "not a map"],
    },
    Mistake {
        wrong: Line("x: {{ .Values.list.first }}"),
        told: &["app/templates/a.yaml:3:", "the value `list`", "not a map"],
    },
    Mistake { wrong: Line("x: {{ .Chart.name }}"), told: &["app/templates/a.yaml:3:", "can't evaluate field name"] },
    Mistake {
        wrong: Line("x: {{ include \"app.policy\" }}"),
        told: &["app/templates/a.yaml:3", "wrong number of args for include: want 2 got 1"],
    },
    Mistake {
        wrong: Line("x: {{ range .Values.list }}{{ .Release.Name }}{{ end }}"),
        told: &["app/templates/a.yaml:3:", "can't evaluate field Release", ".Release"],
    },
    Mistake {
        wrong: Line("x: {{ hasKey .Values.gone \"a\" }}"),
        told: &["app/templates/a.yaml:3:", "hasKey", "`.Values.gone` is not set"],
    },
    Mistake {
        wrong: Line("x: {{ ternary 1 2 \"yes\" }}"),
        told: &["app/templates/a.yaml:3:", "expected bool; found \"yes\""],
    },
    Mistake {
        wrong: Line("x: a: b"),
        told: &[
            "YAML parse error on app/templates/a.yaml",
            "line 3",
            "mapping values are not allowed",
            ">    3 | x: a: b",
        ],
    },
    Mistake {
        wrong: Line("x:\n\ty: 2"),
        told: &["YAML parse error on app/templates/a.yaml", "line 4", "spaces, not tabs"],
    },
    Mistake {
        wrong: Line("x: {{ .Values.image | toYaml }}\n  y: 1"),
        told: &["YAML parse error on app/templates/a.yaml", "look at line"],
    },
    Mistake {
        wrong: File("values.yaml", "a:\n  b: 1\n c: 2\n"),
        told: &["cannot load values.yaml", "look at line 3, column 2", "indented differently"],
    },
    Mistake {
        wrong: File("values.yaml", "a: *anchor\n"),
        told: &["cannot load values.yaml", "unknown anchor 'anchor' referenced", "line 1"],
    },
    Mistake {
        wrong: File("values.yaml", "just words\n"),
        told: &["cannot load values.yaml", "cannot unmarshal string", "a values file holds a map"],
    },
    Mistake {
        wrong: File("values.schema.json", "{\"properties\": {\"number\": {\"type\": \"string\"}}}"),
        told: &["values don't meet the specifications", "app:", "at '/number'", "got number, want string"],
    },
    Mistake {
        wrong: File("values.schema.json", "{\"required\": [\"domain\"]}"),
        told: &["app:", "missing property 'domain'"],
    },
    Mistake {
        wrong: File("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\nkubeVersion: '>=99'\n"),
        told: &["chart requires kubeVersion: >=99", "Kubernetes v1.36.0", "chart that supports the cluster"],
    },
    Mistake {
        wrong: File("Chart.yaml", "apiVersion: v2\nname: app\nversion: one\n"),
        told: &["version", "\"one\"", "Chart.yaml"],
    },
    Mistake {
        wrong: File("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\ntype: library\n"),
        told: &["library charts are not installable", "render the chart that depends on it"],
    },
    Mistake {
        wrong: File(
            "Chart.yaml",
            "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.x, repository: 'https://charts.example'}]\n",
        ),
        told: &["missing in charts/ directory: redis"],
    },
    Mistake {
        wrong: File("Chart.yaml", "apiVersion: v2\nname: app\n version: 1.0.0\n"),
        told: &["cannot load Chart.yaml", "look at line"],
    },
    Mistake {
        wrong: File("charts/redis/Chart.yaml", "{apiVersion: v2, name: text, version: 1.0.0}"),
        told: &["type mismatch on text", "subchart text of app", "must be a map"],
    },
    Mistake { wrong: File("charts/redis/Chart.yaml", "{apiVersion: v2, version: 1.0.0}"), told: &["redis", "name"] },
];

fn message(wrong: &Wrong, profile: Profile) -> String {
    let template = |line: &str| format!("kind: ConfigMap\n# a comment\n{line}\n");
    let mut files = vec![
        ("Chart.yaml", "{apiVersion: v2, name: app, version: 1.0.0}".to_owned()),
        ("values.yaml", VALUES.to_owned()),
        ("templates/_helpers.tpl", HELPERS.to_owned()),
        ("templates/a.yaml", template("x: y")),
    ];
    let (path, content) = match wrong {
        Line(line) => ("templates/a.yaml", template(line)),
        File(path, content) => (*path, (*content).to_owned()),
    };
    files.retain(|(known, _)| *known != path);
    files.push((path, content));
    let tree = MemoryTree::of(files.into_iter().map(|(path, content)| (format!("app/{path}"), content)));
    let chart = Chart::from_tree(&tree, "app");
    let rendered = chart.and_then(|chart| render(&chart, &Request::new("demo", "apps", profile), &mut NoHost));
    match rendered {
        Ok(rendered) => panic!("it was rendered:\n{}", rendered.text()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn frequent_mistakes_are_told_with_place_value_and_remedy() {
    let mut failures = Vec::new();
    for mistake in MISTAKES {
        let told = message(&mistake.wrong, Profile::Helm3);
        let missing: Vec<&&str> = mistake.told.iter().filter(|part| !told.contains(**part)).collect();
        if !missing.is_empty() {
            failures.push(format!("{missing:?} is missing in:\n{told}\n"));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), MISTAKES.len(), failures.join("\n"));
}

#[test]
fn helm_4s_words_name_the_same_value() {
    for line in ["x: {{ .Values.image.tag.name }}", "x: {{ include \"app.policy\" . }}"] {
        let told = message(&Line(line), Profile::Helm4);
        assert!(told.contains("app/templates/a.yaml:3:") && told.contains("is not set"), "{told}");
    }
}

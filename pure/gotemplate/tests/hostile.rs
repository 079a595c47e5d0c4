//! No template and no value makes the engine panic, hang or grow without bound.

mod support;

use landfall_gotemplate::value::Value;
use proptest::prelude::*;
use serde_json::json;

fn dot() -> Value {
    Value::from_json(
        &json!({ "Values": { "s": "text", "n": 5, "l": [1, "a", null, {}], "m": { "k": { "d": [] } }, "z": null } }),
    )
}

/// Pieces that templates are made of, so that random sequences of them often parse.
fn piece() -> impl Strategy<Value = String> {
    let names = landfall_gotemplate::function::Functions::helm4().names();
    let heavy =
        ["genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert", "bcrypt", "htpasswd", "derivePassword"];
    let functions: Vec<&'static str> = names.into_iter().filter(|name| !heavy.contains(name)).collect();
    prop_oneof![
        4 => proptest::sample::select(functions).prop_map(|name| format!(" {name} ")),
        3 => proptest::sample::select(vec![
            ".Values.s", ".Values.n", ".Values.l", ".Values.m", ".Values.z", ".Values", ".", "$", ".Values.m.k.d", "nil", "true", "-1", "0", "3", "1.5", "1e9",
            "`a`", "\"%v %s %[9]d\"", "\"(?i)a*\"", "\"2006-01-02\"", "(list 1 2 3)", "(dict `a` (list 1))", "(until 3)", "1000000000",
        ]).prop_map(|text| format!(" {text} ")),
        3 => proptest::sample::select(vec!["{{", "}}", "{{- ", " -}}", "|", "(", ")", ":=", "=", "$x", ",", "text", "\n"]).prop_map(str::to_string),
        2 => proptest::sample::select(vec![
            "{{ if .Values.s }}", "{{ end }}", "{{ else }}", "{{ range .Values.l }}", "{{ with .Values.m }}", "{{ define `d` }}", "{{ template `d` . }}",
            "{{ include `d` . }}", "{{ tpl `{{ . }}` . }}", "{{ break }}", "{{ block `b` . }}", "{{ $x := 1 }}", "{{ $x }}", "{{/* c */}}",
        ]).prop_map(str::to_string),
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_pieces_panics(pieces in proptest::collection::vec(piece(), 0..24)) {
        let _ = support::render(&pieces.concat(), &dot());
    }

    #[test]
    fn no_single_call_panics(call in proptest::collection::vec(piece(), 1..6)) {
        let _ = support::render(&format!("{{{{ {} }}}}", call.concat()), &dot());
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = support::render(&String::from_utf8_lossy(&bytes), &dot());
    }
}

#[test]
fn every_function_survives_every_kind_of_argument() {
    let heavy =
        ["genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert", "bcrypt", "htpasswd", "derivePassword"];
    let arguments = [
        "nil",
        "`a`",
        "-1",
        "9223372036854775807",
        "1.5",
        "true",
        ".Values.l",
        ".Values.m",
        ".Values.z",
        "(list)",
        "(dict)",
        "now",
    ];
    let mut count = 0;
    for name in landfall_gotemplate::function::Functions::helm4().names() {
        if heavy.contains(&name) {
            continue;
        }
        for first in arguments {
            for rest in ["", " `b`", " `b` `c`", " -1 2", " .Values.m", " .Values.l -1 `x`", " 0 `\u{e9}`"] {
                count += 1;
                let _ = support::render(&format!("{{{{ {name} {first}{rest} }}}}"), &dot());
            }
        }
    }
    assert!(count > 10_000, "only {count} calls were tried");
}

#[test]
fn a_text_that_runs_itself_without_end_is_refused_in_few_words() {
    let dot = Value::from_json(&json!({ "x": "{{ tpl .x . }}" }));
    let error = support::render("{{ tpl .x . }}", &dot).unwrap_err().to_string();
    assert!(error.contains("deeper than"), "{error}");
    assert!(error.len() < 1000, "{} bytes", error.len());
}

#[test]
fn a_long_chain_of_failures_is_one_text() {
    let text = "{{ define `f` }}{{ if gt .n 0 }}{{ tpl `{{ include .f (dict `n` (sub .n 1) `f` .f) }}` . }}{{ else }}{{ fail `end` }}{{ end }}{{ end }}{{ include `f` (dict `n` 900 `f` `f`) }}";
    let error =
        support::render(&text.replace("`n`", "\"n\"").replace("`f` .f) }}`", "\"f\" .f) }}`"), &dot()).unwrap_err();
    assert!(error.to_string().contains("end"), "the innermost reason is part of the text");
}

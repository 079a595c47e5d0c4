//! The language itself: scoping, control flow, comparison, maps shared by reference, and the errors with their hints.

mod support;

use landfall_gotemplate::context::{Limits, MissingKey, Options};
use landfall_gotemplate::error::ErrorKind;
use landfall_gotemplate::value::Value;
use serde_json::json;
use support::{render, render_with};

fn dot() -> Value {
    Value::from_json(&json!({
        "Values": { "name": "app", "port": 80, "list": [1, "two", null], "map": { "b": 1, "a": "x" }, "empty": {}, "null": null }
    }))
}

fn check(cases: &[(&str, &str)]) {
    for (template, wanted) in cases {
        let got = render(template, &dot()).map_err(|error| error.to_string());
        assert_eq!(got, Ok((*wanted).to_owned()), "{template}");
    }
}

fn check_errors(cases: &[(&str, &str)]) {
    for (template, wanted) in cases {
        let got = render(template, &dot()).map_err(|error| error.to_string());
        assert_eq!(got, Err((*wanted).to_owned()), "{template}");
    }
}

#[test]
fn variables_live_until_the_end_of_their_block() {
    check(&[
        ("{{ $a := 1 }}{{ if true }}{{ $a = 2 }}{{ $b := 3 }}{{ $a }}{{ $b }}{{ end }}{{ $a }}", "232"),
        ("{{ range $i, $e := .Values.list }}{{ $i }}={{ $e }};{{ end }}", "0=1;1=two;2=<no value>;"),
        ("{{ range $k, $v := .Values.map }}{{ $k }}={{ $v }};{{ end }}", "a=x;b=1;"),
        ("{{ range 3 }}{{ . }}{{ if eq . 1 }}{{ break }}{{ end }}{{ end }}", "01"),
        ("{{ range 4 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ . }}{{ else }}none{{ end }}", "023"),
        ("{{ range .Values.empty }}x{{ else }}none{{ end }}", "none"),
        ("{{ with .Values.gone }}a{{ else with .Values.name }}{{ . }}{{ else }}b{{ end }}", "app"),
        ("{{ define `u` }}[{{ . }}{{ $ }}]{{ end }}{{ template `u` 1 }}{{ block `b` 2 }}({{ . }}){{ end }}", "[11](2)"),
    ]);
}

#[test]
fn maps_are_shared_by_reference() {
    check(&[
        ("{{ $m := dict }}{{ $n := $m }}{{ $_ := set $n `k` 1 }}{{ $m.k }}", "1"),
        ("{{ $_ := set .Values `k` (dict) }}{{ $_ := set .Values.k `x` 2 }}{{ .Values.k.x }}", "2"),
        ("{{ $a := dict `in` (dict `x` 1) }}{{ $b := merge (dict) $a }}{{ $_ := set $b.in `x` 9 }}{{ $a.in.x }}", "9"),
        ("{{ $a := dict `in` (dict `x` 1) }}{{ $b := deepCopy $a }}{{ $_ := set $b.in `x` 9 }}{{ $a.in.x }}", "1"),
    ]);
}

#[test]
fn logic_stops_early_and_comparison_follows_gos_kinds() {
    check(&[
        ("{{ and .Values.gone .Values.gone.x }}|{{ or .Values.name .Values.gone.x }}", "<no value>|app"),
        (
            "{{ eq 1 2 1 }}{{ ne 1 2 }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt `b` `a` }}{{ ge 1.5 1.5 }}",
            "truetruetruetruetruetrue",
        ),
        ("{{ eq .Values.gone `x` }}{{ eq .Values.gone nil }}{{ not .Values.gone }}", "falsetruetrue"),
        (
            "{{ index .Values.list 1 }}{{ index .Values.map `a` }}{{ index .Values.map `gone` }}|{{ len .Values.list }}",
            "twox<no value>|3",
        ),
    ]);
    check_errors(&[
        (
            "{{ eq .Values.port 80 }}",
            "template: t:1:3: executing \"t\" at <eq .Values.port 80>: error calling eq: incompatible types for comparison: float64 and int",
        ),
        (
            "{{ lt .Values.gone 1 }}",
            "template: t:1:3: executing \"t\" at <lt .Values.gone 1>: error calling lt: invalid type for comparison",
        ),
        (
            "{{ index .Values.list 9 }}",
            "template: t:1:3: executing \"t\" at <index .Values.list 9>: error calling index: index out of range: 9",
        ),
    ]);
}

#[test]
fn execution_errors_have_gos_words_and_places() {
    check_errors(&[
        (
            "a\n {{ .Values.gone.x }}",
            "template: t:2:11: executing \"t\" at <.Values.gone.x>: nil pointer evaluating interface {}.x",
        ),
        (
            "{{ .Values.name.x }}",
            "template: t:1:10: executing \"t\" at <.Values.name.x>: can't evaluate field x in type interface {}",
        ),
        (
            "{{ upper .Values.port }}",
            "template: t:1:16: executing \"t\" at <.Values.port>: wrong type for value; expected string; got float64",
        ),
        ("{{ .Values.gone | upper }}", "template: t:1:18: executing \"t\" at <upper>: invalid value; expected string"),
        ("{{ upper }}", "template: t:1:3: executing \"t\" at <upper>: wrong number of args for upper: want 1 got 0"),
        (
            "{{ template `no` }}",
            "template: t:1:12: executing \"t\" at <{{template \"no\"}}>: template \"no\" not defined",
        ),
        (
            "{{ include `no` . }}",
            "template: t:1:3: executing \"t\" at <include `no` .>: error calling include: template: no template \"no\" associated with template \"gotpl\"",
        ),
        (
            "{{ range .Values.name }}{{ end }}",
            "template: t:1:16: executing \"t\" at <.Values.name>: range can't iterate over app",
        ),
        (
            "{{ repeat -1 `a` }}",
            "template: t:1:3: executing \"t\" at <repeat -1 `a`>: error calling repeat: strings: negative Repeat count",
        ),
    ]);
}

#[test]
fn parse_errors_have_gos_words_and_lines() {
    for (template, wanted) in [
        ("{{ if true }}", "template: t:1: unexpected EOF"),
        ("a\n{{ end }}", "template: t:2: unexpected {{end}}"),
        ("{{ nope }}", "template: t:1: function \"nope\" not defined"),
        ("{{ $x }}", "template: t:1: undefined variable \"$x\""),
        ("{{ \"a }}", "template: t:1: unterminated quoted string"),
        ("{{ (1 }}", "template: t:1: unclosed left paren"),
        ("{{ 1 | 2 }}", "template: t:1: non executable command in pipeline stage 2"),
        ("{{ break }}", "template: t:1: {{break}} outside {{range}}"),
        (
            "{{ define \"a\" }}x{{ end }}{{ define \"a\" }}y{{ end }}",
            "template: t:1: template: multiple definition of template \"a\"",
        ),
        ("{{\n\n.x", "template: t:3: unclosed action started at t:1"),
        ("{{/* a", "template: t:1: unclosed comment"),
        ("{{ 99999999999999999999 }}", "template: t:1: integer overflow: \"99999999999999999999\""),
        ("{{ 1_ }}", "template: t:1: illegal number syntax: \"1_\""),
        ("{{ \"a\".b }}", "template: t:1: unexpected . after term \"\\\"a\\\"\""),
    ] {
        assert_eq!(render(template, &Value::Nil).unwrap_err().to_string(), wanted, "{template}");
    }
}

#[test]
fn hints_name_the_value_that_is_missing() {
    let hint = |template: &str| render(template, &dot()).unwrap_err().hint().map(str::to_owned).unwrap_or_default();
    assert!(hint("{{ .Values.gone.x }}").contains("`gone` is not set"));
    assert!(hint("{{ upper .Values.port }}").contains("must be a string, but `.Values.port` gives a float64"));
    assert!(hint("{{ eq .Values.port 80 }}").contains("numbers from values are floats"));
    assert!(hint("{{ uper `a` }}").contains("\"upper\""));
    assert!(hint("{{ define `d` }}{{ .Values.gone.x }}{{ end }}{{ include `d` . }}").contains("`gone` is not set"));
}

#[test]
fn a_nested_error_keeps_its_chain() {
    let error = render("{{ define `d` }}{{ fail `no` }}{{ end }}{{ include `d` . }}", &dot()).unwrap_err();
    let places: Vec<_> =
        error.chain().filter_map(|inner| inner.position()).map(|place| place.template.clone()).collect();
    assert_eq!(places, ["t", "d"]);
    assert!(error.cause().to_string().contains("no"));
}

#[test]
fn a_missing_key_can_be_an_error() {
    let options = Options { missing_key: MissingKey::Error, ..Options::default() };
    let error = render_with("{{ .gone }}", &dot(), options).unwrap_err();
    assert_eq!(error.to_string(), "template: t:1:3: executing \"t\" at <.gone>: map has no entry for key \"gone\"");
}

#[test]
fn every_limit_ends_with_a_place() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits =
            Limits { steps_max: 100_000, output_bytes_max: 1 << 16, value_bytes_max: 1 << 16, ..Limits::default() };
        change(&mut limits);
        Options { limits, ..Options::default() }
    };
    for template in [
        "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}",
        "{{ define `r` }}{{ template `r` . }}{{ end }}{{ template `r` . }}",
        "{{ define `r` }}{{ include `r` . }}{{ include `r` . }}{{ end }}{{ include `r` . }}",
        "{{ $x := `a` }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}",
        "{{ repeat 1000000 `a` }}",
        "{{ until 100000000 }}",
        "{{ range 100000 }}0123456789{{ end }}",
    ] {
        let error = render_with(template, &dot(), limits(|_| {})).unwrap_err();
        assert!(error.position().is_some(), "{template}: {error}");
    }
    let deep = render_with(
        "{{ define `r` }}{{ template `r` . }}{{ end }}{{ template `r` . }}",
        &dot(),
        limits(|limits| {
            limits.depth_max = 50;
        }),
    );
    assert!(deep.unwrap_err().to_string().ends_with("exceeded maximum template depth (50)"));
    let time = render_with("{{ range 1000000 }}{{ end }}", &dot(), limits(|_| {})).unwrap_err();
    assert_eq!(time.kind(), ErrorKind::Limit);
}

#[test]
fn deep_and_cyclic_values_do_no_harm() {
    check(&[("{{ $x := list }}{{ range 20000 }}{{ $x = list $x }}{{ end }}{{ len $x }}", "1")]);
    let cyclic = "{{ $m := dict }}{{ $_ := set $m `self` $m }}{{ len (print $m) | lt 100 }}{{ toYaml $m }}";
    assert_eq!(render(cyclic, &dot()).unwrap(), "true");
    assert!(render("{{ $m := dict }}{{ $_ := set $m `self` $m }}{{ deepCopy $m }}", &dot()).is_err());
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(9_000), ")".repeat(9_000));
    assert_eq!(render(&nested, &dot()).unwrap(), "1");
    let blocks = format!("{}x{}", "{{ if true }}".repeat(5_000), "{{ end }}".repeat(5_000));
    assert_eq!(render(&blocks, &dot()).unwrap(), "x");
}

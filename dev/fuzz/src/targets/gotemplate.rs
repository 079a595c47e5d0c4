//! Templates: any text parses or is refused, and what parses runs to its end, an error, or a limit.

use super::{Target, kind_of_error};
use landfall_gotemplate::context::{Context, Limits, NoHost, Options};
use landfall_gotemplate::function::Functions;
use landfall_gotemplate::template::{self, TemplateSet};
use landfall_gotemplate::value::Value;
use std::sync::{Arc, OnceLock};

pub(super) const TARGET: Target = Target {
    name: "gotemplate",
    words: &[
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{ end }}",
        "{{ else }}",
        "{{ if ",
        "{{ range ",
        "{{ with ",
        "{{ define \"x\" }}",
        "{{ template \"x\" . }}",
        "{{ include \"x\" . }}",
        "{{ block \"x\" . }}",
        "{{ break }}",
        "{{/*",
        "*/}}",
        " . ",
        "$",
        "$x",
        " := ",
        " = ",
        " | ",
        "(",
        ")",
        ".a",
        ".b.c",
        ".list",
        ".map",
        ".text",
        ".number",
        "\"t\"",
        "`r`",
        "'c'",
        "1",
        "-1",
        "1.5",
        "0x1F",
        "1e3",
        "true",
        "nil",
        "printf \"%v %d %s %q\" ",
        "print ",
        "len ",
        "index ",
        "eq ",
        "and ",
        "or ",
        "not ",
        "default ",
        "quote",
        "toYaml",
        "fromYaml",
        "toJson",
        "fromJson",
        "nindent 4",
        "indent ",
        "trunc 3",
        "list ",
        "dict ",
        "set ",
        "merge ",
        "until ",
        "repeat ",
        "splitList ",
        "join ",
        "regexMatch ",
        "regexReplaceAll ",
        "tpl ",
        "date ",
        "semverCompare ",
        "toString",
        "int",
        "float64",
        "b64enc",
        "sha256sum",
        "upper",
        "replace ",
        "ternary ",
        "dig ",
        "pluck ",
    ],
    run,
};

/// Bounds that end a hostile template within a fraction of a second.
const LIMITS: Limits = Limits {
    steps_max: 200_000,
    depth_max: 2_000,
    output_bytes_max: 1 << 20,
    value_bytes_max: 1 << 20,
    allocated_bytes_max: 64 << 20,
};

fn run(input: &[u8]) -> String {
    static FUNCTIONS: OnceLock<Arc<Functions>> = OnceLock::new();
    let functions = Arc::clone(FUNCTIONS.get_or_init(|| Arc::new(Functions::helm3())));
    let file = match template::parse("fuzz.txt", input.to_vec(), &functions) {
        Ok(file) => file,
        Err(error) => return format!("parse: {}", kind_of_error(&error.to_string())),
    };
    let mut set = TemplateSet::new("gotpl");
    set.add(&file);
    let dot = Value::from_json(&serde_json::json!({
        "a": 1, "b": {"c": "deep"}, "list": [1, "two", null, 3.5], "map": {"x": 1, "y": [true]}, "text": "one two", "number": 7.0,
        "Values": {"name": "web", "replicas": 3.0, "empty": {}},
    }));
    let mut host = NoHost;
    let options = Options { limits: LIMITS, ..Options::default() };
    let mut context = Context::new(&set, functions, &mut host, options);
    match context.execute("fuzz.txt", &dot) {
        Ok(output) => format!("{} bytes", output.len().next_power_of_two()),
        Err(error) => format!("run: {}", kind_of_error(&error.to_string())),
    }
}

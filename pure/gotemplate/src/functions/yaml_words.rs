//! The reference's words for YAML that cannot be read.

use crate::value::Value;
use landfall_yaml::Error;

/// Says what sigs.k8s.io/yaml says about a text that is no YAML, with the line that it names; the true one is in the error.
pub fn yaml_error_text(error: &Error, source: &[u8]) -> String {
    let message = &error.message;
    let here = place(error, source);
    if message.contains("infinities and NaN") {
        let shown = match here.trim_start_matches(['+', '-']) {
            rest if rest.to_ascii_lowercase().starts_with(".nan") => "NaN",
            _ if here.starts_with('-') => "-Inf",
            _ => "+Inf",
        };
        return format!("error converting YAML to JSON: json: unsupported value: {shown}");
    }
    if message.starts_with("invalid map key: a list") || message.starts_with("invalid map key: a map") {
        let key = landfall_yaml::read_one(first_node(here).as_bytes(), landfall_yaml::Resolver::Kubernetes);
        let key = key.map(|key| Value::from_json(&key)).unwrap_or_default();
        let shown = crate::format::sprintf(b"%#v", &[key], 1 << 16).unwrap_or_default();
        return format!("error converting YAML to JSON: yaml: invalid map key: {}", String::from_utf8_lossy(&shown));
    }
    if message.starts_with("invalid map key: null") {
        let value = here.split_once(':').map_or("", |(_, value)| value);
        let value = value.split(['\n', ',', '}']).next().unwrap_or_default().trim();
        return format!(
            "error converting YAML to JSON: unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}"
        );
    }
    format!("error converting YAML to JSON: {}", error.reference_text())
}

/// The text from the error's place on; where that is the end of something in brackets, from its beginning.
fn place<'s>(error: &Error, source: &'s [u8]) -> &'s str {
    let text = std::str::from_utf8(source).unwrap_or_default();
    let line = text.split_inclusive('\n').take(error.line.saturating_sub(1)).map(str::len).sum::<usize>();
    let rest = text.get(line..).unwrap_or_default();
    let column = rest.chars().take(error.column.saturating_sub(1)).map(char::len_utf8).sum::<usize>();
    let here = rest.get(column..).unwrap_or_default().trim_start_matches(['?', ':', ' ']);
    if here.starts_with([']', '}']) {
        let start = rest.get(..column).unwrap_or_default().rfind(['[', '{']).unwrap_or(column);
        return rest.get(start..).unwrap_or_default();
    }
    here
}

/// The node in brackets that a text begins with.
fn first_node(text: &str) -> &str {
    let mut depth = 0usize;
    for (offset, character) in text.char_indices() {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[..=offset];
                }
            }
            '\n' if depth == 0 => return &text[..offset],
            _ => {}
        }
    }
    text
}

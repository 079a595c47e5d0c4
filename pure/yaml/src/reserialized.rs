//! What kustomize's tools do to a folded scalar by writing it and reading it again.
//!
//! kyaml turns a resource into JSON by printing its tree and parsing the print. The printer gets line breaks of folded
//! scalars wrong (it looks at the beginning of the value where it should look behind the break), so that the value changes.
//! Source: go.yaml.in/yaml v3.0.4 `yaml_emitter_write_folded_scalar`, kyaml 0.21.1 `RNode.MarshalJSON`.

use crate::{Resolver, event};

/// Gives the value that a folded scalar has after it was written and read once more.
pub(crate) fn folded(value: &str) -> String {
    if !is_block_allowed(value) {
        // It is written in double quotes, which keep everything.
        return value.to_owned();
    }
    let printed = print(value);
    reread(&printed).unwrap_or_else(|| value.to_owned())
}

/// Says whether the printer would use a block scalar at all.
fn is_block_allowed(value: &str) -> bool {
    let mut before = None;
    for character in value.chars() {
        let is_break = is_break(character);
        if is_break && before == Some(' ') || character != '\t' && !is_break && !crate::emit::is_printable(character) {
            return false;
        }
        before = Some(character);
    }
    before.is_some_and(|last| last != ' ')
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn print(value: &str) -> String {
    let mut text = format!(">{}\n", crate::emit::block_hints(value));
    let first_content = value.chars().find(|&character| !is_break(character));
    let doubles_breaks = first_content.is_some_and(|character| !matches!(character, ' ' | '\t' | '\0'));
    let mut after_break = true;
    let mut line_starts_blank = true;
    for character in value.chars() {
        if is_break(character) {
            if !after_break && !line_starts_blank && character == '\n' && doubles_breaks {
                text.push('\n');
            }
            text.push(character);
            after_break = true;
        } else {
            if after_break {
                text.push_str("  ");
                line_starts_blank = matches!(character, ' ' | '\t');
            }
            text.push(character);
            after_break = false;
        }
    }
    if !after_break {
        text.push('\n');
    }
    text
}

fn reread(printed: &str) -> Option<String> {
    let mut parser = event::Parser::new(printed, Resolver::Kustomize, 8);
    loop {
        match parser.next().ok()?.event {
            event::Event::Scalar { value, .. } => return Some(value.into_owned()),
            event::Event::StreamEnd => return None,
            _ => {}
        }
    }
}

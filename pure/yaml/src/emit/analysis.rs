//! Which styles can carry a text.
//!
//! Source: go.yaml.in/yaml v2.4.3 and v3.0.4 `yaml_emitter_analyze_scalar`.

/// The styles that can carry a text, before the place decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    /// Does it contain a line break of any kind?
    pub(super) is_multiline: bool,
    pub(super) plain_in_flow: bool,
    pub(super) plain_in_block: bool,
    pub(super) single_quoted: bool,
    /// Literal and folded.
    pub(super) block: bool,
}

/// Says how a tab counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tabs {
    /// As a character that only double quotes can carry.
    Special,
    /// As a character that block scalars can carry too.
    InBlocks,
}

/// Finds the styles that can carry a text.
pub(super) fn analyze(value: &str, tabs: Tabs) -> Analysis {
    if value.is_empty() {
        return Analysis {
            is_multiline: false,
            plain_in_flow: false,
            plain_in_block: true,
            single_quoted: true,
            block: false,
        };
    }
    let bytes = value.as_bytes();
    if is_ordinary(bytes) {
        return Analysis {
            is_multiline: false,
            plain_in_flow: true,
            plain_in_block: true,
            single_quoted: true,
            block: true,
        };
    }
    let mut block_indicator = value.starts_with("---") || value.starts_with("...");
    let mut flow_indicator = block_indicator;
    let (mut has_break, mut has_special, mut has_tab) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let mut previous = Class::Break;
    let mut previous_for_runs = Class::Other;
    for (index, character) in value.char_indices() {
        let class = classify(character);
        let next = index + character.len_utf8();
        let before_blank = matches!(bytes.get(next), None | Some(b' ' | b'\t'));
        match character {
            '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' if index == 0 => {
                flow_indicator = true;
                block_indicator = true;
            }
            ',' | '[' | ']' | '{' | '}' => {
                flow_indicator = true;
                block_indicator |= index == 0;
            }
            '?' => {
                flow_indicator = true;
                block_indicator |= index == 0 && before_blank;
            }
            ':' => {
                flow_indicator = true;
                block_indicator |= before_blank;
            }
            '-' if index == 0 && before_blank => {
                flow_indicator = true;
                block_indicator = true;
            }
            '#' if previous != Class::Other => {
                flow_indicator = true;
                block_indicator = true;
            }
            _ => {}
        }
        if character == '\t' && tabs == Tabs::InBlocks {
            has_tab = true;
        } else if !is_printable(character) {
            has_special = true;
        }
        match class {
            Class::Space => break_space |= previous_for_runs == Class::Break,
            Class::Break => {
                has_break = true;
                space_break |= previous_for_runs == Class::Space;
            }
            Class::Tab | Class::Other => {}
        }
        previous_for_runs = class;
        previous = class;
    }
    let first = value.chars().next().map_or(Class::Other, classify);
    let edge = |class| matches!(class, Class::Space | Class::Break);
    let needs_quotes_at_edges = edge(first) || edge(previous);
    let only_double = space_break || has_special;
    let no_plain = needs_quotes_at_edges || break_space || only_double || has_tab || has_break;
    Analysis {
        is_multiline: has_break,
        plain_in_flow: !no_plain && !flow_indicator,
        plain_in_block: !no_plain && !block_indicator,
        single_quoted: !(break_space || only_double || has_tab),
        block: !(previous == Class::Space || only_double),
    }
}

/// Recognises most texts quickly: letters, digits and marks that mean nothing in YAML, spaces only between them.
fn is_ordinary(bytes: &[u8]) -> bool {
    let is_ordinary =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'.' | b'/' | b'-' | b'+' | b'=');
    let is_inner = |byte: Option<&u8>| byte.is_some_and(|byte| !matches!(byte, b' ' | b'-' | b'.'));
    is_inner(bytes.first()) && is_inner(bytes.last()) && bytes.iter().fold(true, |all, &byte| all & is_ordinary(byte))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Tab,
    Break,
    Other,
}

fn classify(character: char) -> Class {
    match character {
        ' ' => Class::Space,
        '\t' => Class::Tab,
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Class::Break,
        _ => Class::Other,
    }
}

/// Says whether a character may stand unescaped. Line feeds may; everything above U+FFFF may not.
pub(crate) fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

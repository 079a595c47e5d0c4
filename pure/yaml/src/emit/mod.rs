//! From JSON values to YAML, byte for byte as go-yaml prints them.
//!
//! Two generations: the old one (go-yaml v2: `kubectl`, kustomize, Helm's `toYaml`) folds at 80 columns and does not indent
//! lists below keys; the new one (go-yaml v3: Helm's `toYamlPretty`) indents them and never folds.
//!
//! Source: go.yaml.in/yaml v2.4.3 and v3.0.4 `encode`, `emitter`.

mod analysis;
mod key_order;
mod scalar;

pub(crate) use analysis::is_printable;
pub(crate) use key_order::Generation;
pub(crate) use scalar::block_hints;

use crate::json::sorted;
use crate::resolve::{is_text_when_plain, old_bool};
use crate::{Resolver, Style, go_number};
use serde_json::{Map, Number, Value};

/// The spaces of one level.
const INDENT: usize = 2;

/// The column from which the old generation breaks lines at spaces.
const WIDTH_OLD: usize = 80;

/// The bytes that a key may have to stand before its `:` without a `? `. Source: `yaml_emitter_check_simple_key`.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// Prints a value as a document, with a final newline.
pub(crate) fn print(value: &Value, generation: Generation) -> String {
    let mut emitter = Emitter::new(generation);
    emitter.node(value, None, Place::Root);
    emitter.line(0);
    emitter.text
}

/// Prints a text in one line in the wanted style if it can carry the text, else in double quotes or, for a text that is
/// plain everywhere else, in single quotes. Block styles become double quotes.
pub(crate) fn scalar_with_style(text: &str, style: Style, in_flow: bool) -> String {
    let mut emitter = Emitter::new(Generation::New);
    let analysis = emitter.analyze(text);
    let stays_text = emitter.may_be_plain(text) && is_text_when_plain(Resolver::Kubernetes, text) && text != "<<";
    let plain = if in_flow { analysis.plain_in_flow } else { analysis.plain_in_block };
    match style {
        Style::Plain | Style::Block | Style::Flow if plain && stays_text => return text.to_owned(),
        Style::Plain | Style::Block | Style::Flow if stays_text && analysis.single_quoted && !analysis.is_multiline => {
            emitter.single_quoted(text, 0, false);
        }
        Style::SingleQuoted if analysis.single_quoted && !analysis.is_multiline => {
            emitter.single_quoted(text, 0, false)
        }
        _ => emitter.double_quoted(text, 0, false),
    }
    emitter.text
}

/// Says where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    /// A value of a map, or a key behind `? `.
    InMapping,
    /// A key before `:`.
    SimpleKey,
}

/// Prints nodes and knows where in the line it is.
struct Emitter {
    text: String,
    generation: Generation,
    /// Counts the characters of the current line.
    column: usize,
    /// Was the last character a space, or is this the start of the text?
    after_space: bool,
    /// Are there only spaces and indicators like `- ` in this line?
    in_indentation: bool,
}

impl Emitter {
    fn new(generation: Generation) -> Self {
        Self { text: String::new(), generation, column: 0, after_space: true, in_indentation: true }
    }

    /// Prints a node. `indent` is the column of the collection around it, `None` for the root.
    fn node(&mut self, value: &Value, indent: Option<usize>, place: Place) {
        match value {
            Value::Null => self.plain("null"),
            Value::Bool(true) => self.plain("true"),
            Value::Bool(false) => self.plain("false"),
            Value::Number(number) => {
                let text = self.number(number);
                self.plain(&text);
            }
            Value::String(text) => self.string(text, indent, place),
            Value::Array(items) if items.is_empty() => self.indicator("[]", false),
            Value::Object(map) if map.is_empty() => self.indicator("{}", false),
            Value::Array(items) => self.sequence(items, indent, place),
            Value::Object(map) => self.mapping(map, indent),
        }
    }

    fn sequence(&mut self, items: &[Value], indent: Option<usize>, place: Place) {
        let stays = self.generation == Generation::Old && place == Place::InMapping && !self.in_indentation;
        let indent = match indent {
            None => 0,
            Some(indent) if stays => indent,
            Some(indent) => indent + INDENT,
        };
        for item in items {
            self.line(indent);
            self.indicator("-", true);
            self.node(item, Some(indent), Place::Item);
        }
    }

    fn mapping(&mut self, map: &Map<String, Value>, indent: Option<usize>) {
        let indent = indent.map_or(0, |indent| indent + INDENT);
        let mut entries = sorted(map);
        key_order::sort(&mut entries, self.generation);
        for (key, value) in entries {
            self.line(indent);
            if self.is_simple_key(key) {
                self.string(key, Some(indent), Place::SimpleKey);
                self.put(":");
                self.after_space = false;
                self.in_indentation = false;
            } else {
                self.indicator("?", true);
                self.string(key, Some(indent), Place::InMapping);
                self.line(indent);
                self.indicator(":", true);
            }
            self.node(value, Some(indent), Place::InMapping);
        }
    }

    fn is_simple_key(&self, key: &str) -> bool {
        key.len() <= SIMPLE_KEY_BYTES_MAX && !self.analyze(key).is_multiline
    }

    fn analyze(&self, text: &str) -> analysis::Analysis {
        let tabs = match self.generation {
            Generation::Old => analysis::Tabs::Special,
            Generation::New => analysis::Tabs::InBlocks,
        };
        analysis::analyze(text, tabs)
    }

    fn string(&mut self, text: &str, indent: Option<usize>, place: Place) {
        let indent = indent.unwrap_or(0) + INDENT;
        let allows_breaks = place != Place::SimpleKey;
        match self.style_of(text, place) {
            Style::Literal | Style::Folded => self.literal(text, indent),
            Style::SingleQuoted => self.single_quoted(text, indent, allows_breaks),
            Style::DoubleQuoted => self.double_quoted(text, indent, allows_breaks),
            Style::Plain | Style::Block | Style::Flow => self.plain_folded(text, indent, allows_breaks),
        }
    }

    /// Chooses the style: what the meaning of the text asks for, corrected by what can carry it in this place.
    fn style_of(&self, text: &str, place: Place) -> Style {
        let analysis = self.analyze(text);
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if self.may_be_plain(text) {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        let is_key = place == Place::SimpleKey;
        match wanted {
            Style::Literal if analysis.block && !is_key => Style::Literal,
            Style::Plain if analysis.is_multiline && is_key => Style::DoubleQuoted,
            Style::Plain if analysis.plain_in_block && !(text.is_empty() && is_key) => Style::Plain,
            Style::Plain if analysis.single_quoted => Style::SingleQuoted,
            _ => Style::DoubleQuoted,
        }
    }

    /// Says whether the text without quotes would be read as the same text.
    fn may_be_plain(&self, text: &str) -> bool {
        let resolver = match self.generation {
            Generation::Old => Resolver::Kubernetes,
            Generation::New => Resolver::Kustomize,
        };
        is_text_when_plain(resolver, text)
            && !is_base_60(text)
            && (self.generation == Generation::Old || old_bool(text).is_none())
    }

    fn number(&self, number: &Number) -> String {
        if number.is_i64() || number.is_u64() {
            return number.to_string();
        }
        let float = number.as_f64().unwrap_or_default();
        if self.generation == Generation::Old {
            // The number passes through JSON, where it may lose its point, and is read again.
            let json = go_number::format_json(float).unwrap_or_default();
            if let Ok(integer) = json.parse::<i64>() {
                return integer.to_string();
            }
            if json.parse::<u64>().is_ok() {
                return json;
            }
        }
        go_number::format_g(float)
    }
}

/// Says whether YAML 1.1 would read a text as a number in base 60: `12:30:45`, `1:2.5`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let whole = parts.next().unwrap_or_default();
    let is_whole = whole.starts_with(|first: char| first.is_ascii_digit())
        && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let is_sixtieth = |part: &str| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    };
    is_whole
        && rest.into_iter().all(is_sixtieth)
        && is_sixtieth(last)
        && fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
}

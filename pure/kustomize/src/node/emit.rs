//! Nodes as YAML text in the style of the reference's own writer: for values that hold YAML themselves, and for matching.
//!
//! Two spaces, lists not indented, no folding, quotes kept where the node has them. The final output of a build is not
//! written here but by `landfall_yaml::write`. Source: go.yaml.in/yaml v3.0.4 with compact lists.

use super::resolve::resolve;
use super::{Arena, Kind, NodeId, Style, Tag};

/// What the writer may do with a text.
#[derive(Debug, Clone, Copy)]
struct Analysis {
    multiline: bool,
    flow_plain: bool,
    block_plain: bool,
    single: bool,
    block: bool,
}

fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
        && character != '\u{feff}'
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn analyze(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { multiline: false, flow_plain: false, block_plain: true, single: true, block: false };
    }
    let (mut block_indicators, mut flow_indicators) = (text.starts_with("---") || text.starts_with("..."), false);
    flow_indicators |= block_indicators;
    let (mut breaks, mut special, mut tab) = (false, false, false);
    let (mut leading_space, mut leading_break, mut trailing_space, mut trailing_break) = (false, false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut preceded_by_blank = true;
    let characters: Vec<char> = text.chars().collect();
    for (at, &character) in characters.iter().enumerate() {
        let next = characters.get(at + 1).copied();
        let followed_by_blank = next.is_none_or(|next| matches!(next, ' ' | '\t') || is_break(next));
        if at == 0 {
            match character {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    (flow_indicators, block_indicators) = (true, true);
                }
                '?' | ':' => {
                    flow_indicators = true;
                    block_indicators |= followed_by_blank;
                }
                '-' if followed_by_blank => (flow_indicators, block_indicators) = (true, true),
                _ => {}
            }
        } else {
            match character {
                ',' | '?' | '[' | ']' | '{' | '}' => flow_indicators = true,
                ':' => {
                    flow_indicators = true;
                    block_indicators |= followed_by_blank;
                }
                '#' if preceded_by_blank => (flow_indicators, block_indicators) = (true, true),
                _ => {}
            }
        }
        if character == '\t' {
            tab = true;
        } else if !is_printable(character) && !is_break(character) {
            special = true;
        }
        let is_last = at + 1 == characters.len();
        if character == ' ' {
            leading_space |= at == 0;
            trailing_space |= is_last;
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(character) {
            breaks = true;
            leading_break |= at == 0;
            trailing_break |= is_last;
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        preceded_by_blank = matches!(character, ' ' | '\t') || is_break(character);
    }
    let mut analysis = Analysis { multiline: breaks, flow_plain: true, block_plain: true, single: true, block: true };
    if leading_space || leading_break || trailing_space || trailing_break {
        (analysis.flow_plain, analysis.block_plain) = (false, false);
    }
    if trailing_space {
        analysis.block = false;
    }
    if break_space {
        (analysis.flow_plain, analysis.block_plain, analysis.single) = (false, false, false);
    }
    if space_break || tab || special {
        (analysis.flow_plain, analysis.block_plain, analysis.single) = (false, false, false);
    }
    if space_break || special {
        analysis.block = false;
    }
    if breaks {
        (analysis.flow_plain, analysis.block_plain) = (false, false);
    }
    analysis.flow_plain &= !flow_indicators;
    analysis.block_plain &= !block_indicators;
    analysis
}

/// Whether a text over several lines can stand as a literal block.
pub(crate) fn literal_allowed(text: &str) -> bool {
    analyze(text).block
}

/// The style that a one-line text gets if nothing else asks for quotes.
pub(crate) fn plain_or_quoted(text: &str) -> Style {
    let analysis = analyze(text);
    if analysis.block_plain && !text.is_empty() {
        Style::Plain
    } else if analysis.single {
        Style::Single
    } else {
        Style::Double
    }
}

/// A scalar alone, as the reference prints it before it matches a pattern against it, without the final line break.
pub(crate) fn scalar_text(arena: &Arena, id: NodeId) -> String {
    let mut writer = Writer { arena, text: String::new(), before: &|_| None, behind: &|_| None };
    writer.node(id, 0, Place::Top);
    writer.text.trim().to_owned()
}

/// Any tree on one line, for messages.
pub(crate) fn flow_text(arena: &Arena, id: NodeId) -> String {
    let node = arena.get(id);
    match node.kind {
        Kind::Scalar => node.value.to_string(),
        Kind::Sequence => {
            let items: Vec<String> = node.content.iter().map(|item| flow_text(arena, *item)).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Mapping => {
            let fields: Vec<String> = node
                .content
                .chunks_exact(2)
                .map(|pair| format!("{}: {}", flow_text(arena, pair[0]), flow_text(arena, pair[1])))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// A tree as YAML in block style, with a final line break. `before` and `behind` give the comments of nodes: whole lines
/// before keys and elements, and one behind a scalar.
pub(crate) fn block_text_with<'c>(
    arena: &Arena,
    id: NodeId,
    before: &dyn Fn(NodeId) -> Option<&'c [String]>,
    behind: &dyn Fn(NodeId) -> Option<&'c str>,
) -> String {
    let mut writer = Writer { arena, text: String::new(), before, behind };
    writer.node(id, 0, Place::Top);
    if !writer.text.ends_with('\n') {
        writer.text.push('\n');
    }
    writer.text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Key,
    FieldValue,
    Item,
    Flow,
    FlowKey,
}

struct Writer<'a, 'c> {
    arena: &'a Arena,
    text: String,
    before: &'a dyn Fn(NodeId) -> Option<&'c [String]>,
    behind: &'a dyn Fn(NodeId) -> Option<&'c str>,
}

impl Writer<'_, '_> {
    fn node(&mut self, id: NodeId, indent: usize, place: Place) {
        let node = self.arena.get(id);
        match node.kind {
            Kind::Scalar => self.scalar(id, indent, place),
            Kind::Sequence if node.content.is_empty() => self.text.push_str("[]"),
            Kind::Mapping if node.content.is_empty() => self.text.push_str("{}"),
            _ if node.style == Style::Flow || matches!(place, Place::Flow | Place::FlowKey | Place::Key) => {
                self.flow(id)
            }
            Kind::Sequence => self.sequence(id, indent, place),
            Kind::Mapping => self.mapping(id, indent, place),
        }
    }

    fn line(&mut self, indent: usize) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            while self.text.ends_with(' ') {
                self.text.pop();
            }
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    fn comments(&mut self, id: NodeId, indent: usize) {
        for line in (self.before)(id).unwrap_or_default() {
            self.text.push_str(line);
            self.line(indent);
        }
    }

    fn sequence(&mut self, id: NodeId, indent: usize, place: Place) {
        let content = self.arena.get(id).content.clone();
        for (at, item) in content.iter().enumerate() {
            if at > 0 || matches!(place, Place::FieldValue) {
                self.line(indent);
            }
            self.comments(*item, indent);
            self.text.push_str("- ");
            self.node(*item, indent + 2, Place::Item);
            self.comment_behind(*item);
        }
    }

    fn comment_behind(&mut self, id: NodeId) {
        if let Some(comment) = (self.behind)(id) {
            self.text.push(' ');
            self.text.push_str(comment);
        }
    }

    fn mapping(&mut self, id: NodeId, indent: usize, place: Place) {
        let content = self.arena.get(id).content.clone();
        let indent = if place == Place::FieldValue { indent + 2 } else { indent };
        for (at, pair) in content.chunks_exact(2).enumerate() {
            if at > 0 || place == Place::FieldValue {
                self.line(indent);
            }
            self.comments(pair[0], indent);
            self.node(pair[0], indent, Place::Key);
            self.text.push(':');
            let value = self.arena.get(pair[1]);
            let is_block = value.kind != Kind::Scalar && !value.content.is_empty() && value.style != Style::Flow;
            if is_block {
                self.node(pair[1], indent, Place::FieldValue);
            } else {
                self.text.push(' ');
                self.node(pair[1], indent, Place::FieldValue);
                while self.text.ends_with(' ') {
                    self.text.pop();
                }
                self.comment_behind(pair[1]);
            }
        }
    }

    fn flow(&mut self, id: NodeId) {
        let node = self.arena.get(id);
        let content = node.content.clone();
        if node.kind == Kind::Sequence {
            self.text.push('[');
            for (at, item) in content.iter().enumerate() {
                if at > 0 {
                    self.text.push_str(", ");
                }
                self.node(*item, 0, Place::Flow);
            }
            self.text.push(']');
        } else {
            self.text.push('{');
            for (at, pair) in content.chunks_exact(2).enumerate() {
                if at > 0 {
                    self.text.push_str(", ");
                }
                self.node(pair[0], 0, Place::FlowKey);
                self.text.push_str(": ");
                self.node(pair[1], 0, Place::Flow);
            }
            self.text.push('}');
        }
    }

    fn scalar(&mut self, id: NodeId, indent: usize, place: Place) {
        let node = self.arena.get(id);
        let (mut implicit, mut force_quotes) = (node.tag == Tag::Empty, false);
        if !implicit && !node.tagged {
            let is_quoted = matches!(node.style, Style::Single | Style::Double | Style::Literal | Style::Folded);
            if (node.tag == Tag::Str && is_quoted) || resolve(&node.value).tag() == node.tag {
                implicit = true;
            } else if node.tag == Tag::Str {
                (implicit, force_quotes) = (true, true);
            }
            if node.tag == Tag::Merge {
                implicit = true;
            }
        }
        if !implicit {
            self.text.push_str(tag_text(&node.tag));
            self.text.push(' ');
        }
        let mut style = match node.style {
            Style::Flow => Style::Plain,
            Style::Plain if node.value.contains('\n') => Style::Literal,
            Style::Plain if force_quotes => Style::Double,
            style => style,
        };
        let analysis = analyze(&node.value);
        let in_flow = matches!(place, Place::Flow | Place::FlowKey);
        let is_key = matches!(place, Place::Key | Place::FlowKey);
        if is_key && analysis.multiline {
            style = Style::Double;
        }
        if style == Style::Plain {
            let plain = if in_flow { analysis.flow_plain } else { analysis.block_plain };
            if !plain || (node.value.is_empty() && (in_flow || is_key)) {
                style = Style::Single;
            }
        }
        if style == Style::Single && !analysis.single {
            style = Style::Double;
        }
        if matches!(style, Style::Literal | Style::Folded) && (!analysis.block || in_flow || is_key) {
            style = Style::Double;
        }
        let value = node.value.clone();
        match style {
            Style::Plain | Style::Flow => self.text.push_str(&value),
            Style::Single => {
                self.text.push('\'');
                self.text.push_str(&value.replace('\'', "''").replace('\n', "\n\n"));
                self.text.push('\'');
            }
            Style::Double => self.double(&value),
            Style::Literal | Style::Folded => {
                let indent = if place == Place::Top || place == Place::Item { indent } else { indent + 2 };
                self.block_scalar(&value, indent.max(usize::from(place == Place::Top) * 2), style == Style::Folded);
            }
        }
    }

    fn double(&mut self, value: &str) {
        use std::fmt::Write as _;
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\0' => self.text.push_str("\\0"),
                '\u{7}' => self.text.push_str("\\a"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{b}' => self.text.push_str("\\v"),
                '\u{c}' => self.text.push_str("\\f"),
                '\u{1b}' => self.text.push_str("\\e"),
                '\u{85}' => self.text.push_str("\\N"),
                '\u{2028}' => self.text.push_str("\\L"),
                '\u{2029}' => self.text.push_str("\\P"),
                _ if is_printable(character) => self.text.push(character),
                _ => {
                    let code = u32::from(character);
                    let _ = if code <= 0xff {
                        write!(self.text, "\\x{code:02X}")
                    } else if code <= 0xffff {
                        write!(self.text, "\\u{code:04X}")
                    } else {
                        write!(self.text, "\\U{code:08X}")
                    };
                }
            }
        }
        self.text.push('"');
    }

    fn block_scalar(&mut self, value: &str, indent: usize, folded: bool) {
        self.text.push(if folded { '>' } else { '|' });
        if value.starts_with([' ', '\n']) {
            self.text.push('2');
        }
        let trailing = value.chars().rev().take_while(|character| *character == '\n').count();
        if trailing == 0 {
            self.text.push('-');
        } else if trailing > 1 || value.chars().count() == trailing {
            self.text.push('+');
        }
        let body = value.strip_suffix('\n').unwrap_or(value);
        let mut previous_filled = false;
        for line in body.split('\n') {
            // A folded block needs an empty line for every single break between two filled lines.
            if folded && previous_filled && !line.is_empty() && !line.starts_with(' ') {
                self.text.push('\n');
            }
            self.text.push('\n');
            if !line.is_empty() {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.text.push_str(line);
            }
            previous_filled = !line.is_empty() && !line.starts_with(' ');
        }
        if trailing > 0 {
            self.text.push('\n');
        }
    }
}

fn tag_text(tag: &Tag) -> &str {
    match tag {
        Tag::Empty => "",
        Tag::Str => "!!str",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Bool => "!!bool",
        Tag::Null => "!!null",
        Tag::Timestamp => "!!timestamp",
        Tag::Binary => "!!binary",
        Tag::Merge => "!!merge",
        Tag::Map => "!!map",
        Tag::Seq => "!!seq",
        Tag::Other(written) => written,
    }
}

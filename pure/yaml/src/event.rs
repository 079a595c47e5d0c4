//! From tokens to events: the grammar of YAML, with the places where libyaml is more lenient.
//!
//! The parser keeps its own stack of states, so that the depth of a text costs memory and no call stack.

use crate::scan::{Lookahead, Mark, Scanner, Spanned, Token};
use crate::{Error, Resolver, Style};
use std::borrow::Cow;

/// What a text consists of, in order. Every start has its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event<'a> {
    DocumentStart { is_explicit: bool },
    DocumentEnd,
    Alias { name: &'a str },
    Scalar { properties: Properties<'a>, value: Cow<'a, str>, style: Style },
    SequenceStart { properties: Properties<'a>, style: Style },
    SequenceEnd,
    MappingStart { properties: Properties<'a>, style: Style },
    MappingEnd,
    StreamEnd,
}

/// What may stand before a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Properties<'a> {
    pub(crate) anchor: Option<Cow<'a, str>>,
    /// The tag with its handle replaced; `None` if none was written.
    pub(crate) tag: Option<String>,
}

/// An event with where it starts and ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed<'a> {
    pub(crate) event: Event<'a>,
    pub(crate) start: Mark,
    /// Where the node begins behind its anchor and tag.
    pub(crate) content: Mark,
    pub(crate) end: Mark,
}

impl<'a> Placed<'a> {
    /// Places an event that has nothing before its content.
    pub(crate) fn new(event: Event<'a>, start: Mark, end: Mark) -> Self {
        Self { event, start, content: start, end }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    First,
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    DocumentStart(Position),
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceEntry(Position),
    IndentlessSequenceEntry,
    BlockMappingKey(Position),
    BlockMappingValue,
    FlowSequenceEntry(Position),
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingKey(Position),
    FlowMappingValue,
    FlowMappingNoValue,
    End,
}

/// Says which nodes are allowed at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    /// Anything in block style.
    Block,
    /// Anything in block style, and a sequence that is not indented.
    BlockOrIndentless,
    /// Only flow style.
    Flow,
}

/// Turns tokens into events, one at a time.
pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    /// Where to go on after the current node.
    states: Vec<State>,
    tag_directives: Vec<(String, String)>,
    /// The `%YAML 1.x` minor versions that are understood.
    minor_version_max: u8,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, resolver: Resolver, depth_max: usize) -> Self {
        let (minor_version_max, lookahead) = match resolver {
            Resolver::Kubernetes | Resolver::KubernetesStrict => (1, Lookahead::None),
            Resolver::Kustomize => (2, Lookahead::TwoTokens),
        };
        Self {
            scanner: Scanner::new(text, lookahead, depth_max),
            state: State::DocumentStart(Position::First),
            states: Vec::new(),
            tag_directives: Vec::new(),
            minor_version_max,
        }
    }

    /// Reads the next event. After the stream's end it is the stream's end for ever.
    pub(crate) fn next(&mut self) -> Result<Placed<'a>, Error> {
        match self.state {
            State::DocumentStart(position) => self.document_start(position),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(Context::Block),
            State::BlockSequenceEntry(position) => self.block_sequence_entry(position),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingKey(position) => self.block_mapping_key(position),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceEntry(position) => self.flow_sequence_entry(position),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => self.flow_pair_end(),
            State::FlowMappingKey(position) => self.flow_mapping_key(position),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingNoValue => {
                let mark = self.scanner.peek()?.start;
                Ok(self.empty_scalar(State::FlowMappingKey(Position::Later), mark))
            }
            State::End => {
                let mark = self.scanner.peek()?.start;
                Ok(Placed::new(Event::StreamEnd, mark, mark))
            }
        }
    }

    fn document_start(&mut self, position: Position) -> Result<Placed<'a>, Error> {
        if position == Position::Later {
            while self.scanner.peek()?.token == Token::DocumentEnd {
                self.scanner.take();
            }
        }
        let start = self.scanner.peek()?.start;
        match self.scanner.peek()?.token {
            Token::StreamEnd => {
                self.state = State::End;
                Ok(Placed::new(Event::StreamEnd, start, start))
            }
            Token::VersionDirective { .. } | Token::TagDirective { .. } | Token::DocumentStart => {
                self.directives()?;
                let next = self.scanner.peek()?;
                if next.token != Token::DocumentStart {
                    return Err(next.start.syntax_error("did not find expected <document start>"));
                }
                let end = self.scanner.take().end;
                self.states.push(State::DocumentEnd);
                self.state = State::DocumentContent;
                Ok(Placed::new(Event::DocumentStart { is_explicit: true }, start, end))
            }
            _ if position == Position::Later => Err(start.syntax_error("did not find expected <document start>")),
            _ => {
                self.directives()?;
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                Ok(Placed::new(Event::DocumentStart { is_explicit: false }, start, start))
            }
        }
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut has_version = false;
        loop {
            let start = self.scanner.peek()?.start;
            match &self.scanner.peek()?.token {
                Token::VersionDirective { major, minor } => {
                    if has_version {
                        return Err(start.syntax_error("found duplicate %YAML directive"));
                    }
                    if *major != 1 || *minor < 1 || *minor > self.minor_version_max {
                        return Err(start.syntax_error("found incompatible YAML document"));
                    }
                    has_version = true;
                }
                Token::TagDirective { handle, prefix } => {
                    if self.tag_directives.iter().any(|(known, _)| known == handle) {
                        return Err(start.syntax_error("found duplicate %TAG directive"));
                    }
                    self.tag_directives.push((handle.clone(), prefix.clone()));
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle) {
                self.tag_directives.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Placed<'a>, Error> {
        let next = self.scanner.peek()?;
        match next.token {
            Token::VersionDirective { .. }
            | Token::TagDirective { .. }
            | Token::DocumentStart
            | Token::DocumentEnd
            | Token::StreamEnd => {
                let mark = next.start;
                let state = self.pop_state();
                Ok(self.empty_scalar(state, mark))
            }
            _ => self.node(Context::Block),
        }
    }

    fn document_end(&mut self) -> Result<Placed<'a>, Error> {
        let start = self.scanner.peek()?.start;
        let mut end = start;
        if self.scanner.peek()?.token == Token::DocumentEnd {
            end = self.scanner.take().end;
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart(Position::Later);
        Ok(Placed::new(Event::DocumentEnd, start, end))
    }

    fn pop_state(&mut self) -> State {
        self.states.pop().expect("every node was entered with a state to go on with")
    }

    fn empty_scalar(&mut self, state: State, mark: Mark) -> Placed<'a> {
        self.state = state;
        let event = Event::Scalar { properties: Properties::default(), value: Cow::Borrowed(""), style: Style::Plain };
        Placed::new(event, mark, mark)
    }

    /// Ends the current collection with the token at hand.
    fn collection_end(&mut self, event: Event<'a>) -> Placed<'a> {
        self.state = self.pop_state();
        let taken = self.scanner.take();
        Placed::new(event, taken.start, taken.end)
    }

    /// Parses a node, after which `then` goes on.
    fn node_then(&mut self, then: State, context: Context) -> Result<Placed<'a>, Error> {
        self.states.push(then);
        self.node(context)
    }

    fn node(&mut self, context: Context) -> Result<Placed<'a>, Error> {
        let start = self.scanner.peek()?.start;
        if let Token::Alias(name) = self.scanner.peek()?.token {
            self.state = self.pop_state();
            let end = self.scanner.take().end;
            return Ok(Placed::new(Event::Alias { name }, start, end));
        }
        let (properties, properties_end) = self.properties(start)?;
        let next = self.scanner.peek()?;
        let (content, end) = (next.start, next.end);
        let event = match &next.token {
            Token::BlockEntry if context == Context::BlockOrIndentless => {
                self.state = State::IndentlessSequenceEntry;
                Event::SequenceStart { properties, style: Style::Block }
            }
            Token::Scalar { .. } => {
                self.state = self.pop_state();
                let Spanned { token: Token::Scalar { value, style }, .. } = self.scanner.take() else {
                    unreachable!("the token was a scalar when it was peeked at")
                };
                Event::Scalar { properties, value, style }
            }
            Token::FlowSequenceStart => {
                self.state = State::FlowSequenceEntry(Position::First);
                Event::SequenceStart { properties, style: Style::Flow }
            }
            Token::FlowMappingStart => {
                self.state = State::FlowMappingKey(Position::First);
                Event::MappingStart { properties, style: Style::Flow }
            }
            Token::BlockSequenceStart if context != Context::Flow => {
                self.state = State::BlockSequenceEntry(Position::First);
                Event::SequenceStart { properties, style: Style::Block }
            }
            Token::BlockMappingStart if context != Context::Flow => {
                self.state = State::BlockMappingKey(Position::First);
                Event::MappingStart { properties, style: Style::Block }
            }
            _ if properties != Properties::default() => {
                self.state = self.pop_state();
                let event = Event::Scalar { properties, value: Cow::Borrowed(""), style: Style::Plain };
                return Ok(Placed { event, start, content: properties_end, end: properties_end });
            }
            _ => return Err(next.start.syntax_error("did not find expected node content")),
        };
        Ok(Placed { event, start, content, end })
    }

    /// Parses an anchor and a tag, in either order. Returns where they end.
    fn properties(&mut self, start: Mark) -> Result<(Properties<'a>, Mark), Error> {
        let mut properties = Properties::default();
        let mut end = start;
        loop {
            let next = self.scanner.peek()?;
            let mark = next.start;
            match &next.token {
                Token::Anchor(name) if properties.anchor.is_none() => properties.anchor = Some(Cow::Borrowed(name)),
                Token::Tag { handle, suffix } if properties.tag.is_none() => {
                    let prefix = match handle.as_str() {
                        "" => Some(""),
                        handle => {
                            let known = self.tag_directives.iter().find(|(known, _)| known == handle);
                            known.map(|(_, prefix)| prefix.as_str())
                        }
                    };
                    let prefix = prefix.ok_or_else(|| mark.syntax_error("found undefined tag handle"))?;
                    properties.tag = Some(format!("{prefix}{suffix}"));
                }
                _ => return Ok((properties, end)),
            }
            end = self.scanner.take().end;
        }
    }

    fn block_sequence_entry(&mut self, position: Position) -> Result<Placed<'a>, Error> {
        let again = State::BlockSequenceEntry(Position::Later);
        if position == Position::First {
            self.scanner.take();
        }
        match self.scanner.peek()?.token {
            Token::BlockEntry => {
                let mark = self.scanner.take().end;
                match self.scanner.peek()?.token {
                    Token::BlockEntry | Token::BlockEnd => Ok(self.empty_scalar(again, mark)),
                    _ => self.node_then(again, Context::Block),
                }
            }
            Token::BlockEnd => Ok(self.collection_end(Event::SequenceEnd)),
            _ => Err(self.scanner.peek()?.start.syntax_error("did not find expected '-' indicator")),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Result<Placed<'a>, Error> {
        let again = State::IndentlessSequenceEntry;
        if self.scanner.peek()?.token == Token::BlockEntry {
            let mark = self.scanner.take().end;
            return match self.scanner.peek()?.token {
                Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd => Ok(self.empty_scalar(again, mark)),
                _ => self.node_then(again, Context::Block),
            };
        }
        self.state = self.pop_state();
        let mark = self.scanner.peek()?.start;
        Ok(Placed::new(Event::SequenceEnd, mark, mark))
    }

    fn block_mapping_key(&mut self, position: Position) -> Result<Placed<'a>, Error> {
        if position == Position::First {
            self.scanner.take();
        }
        match self.scanner.peek()?.token {
            Token::Key => {
                let mark = self.scanner.take().end;
                match self.scanner.peek()?.token {
                    Token::Key | Token::Value | Token::BlockEnd => {
                        Ok(self.empty_scalar(State::BlockMappingValue, mark))
                    }
                    _ => self.node_then(State::BlockMappingValue, Context::BlockOrIndentless),
                }
            }
            Token::BlockEnd => Ok(self.collection_end(Event::MappingEnd)),
            _ => Err(self.scanner.peek()?.start.syntax_error("did not find expected key")),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Placed<'a>, Error> {
        let again = State::BlockMappingKey(Position::Later);
        let mut mark = self.scanner.peek()?.start;
        if self.scanner.peek()?.token == Token::Value {
            mark = self.scanner.take().end;
            if !matches!(self.scanner.peek()?.token, Token::Key | Token::Value | Token::BlockEnd) {
                return self.node_then(again, Context::BlockOrIndentless);
            }
        }
        Ok(self.empty_scalar(again, mark))
    }

    fn flow_sequence_entry(&mut self, position: Position) -> Result<Placed<'a>, Error> {
        self.flow_separator(position, &Token::FlowSequenceEnd, "did not find expected ',' or ']'")?;
        match self.scanner.peek()?.token {
            Token::FlowSequenceEnd => Ok(self.collection_end(Event::SequenceEnd)),
            Token::Key => {
                self.state = State::FlowPairKey;
                let taken = self.scanner.take();
                let event = Event::MappingStart { properties: Properties::default(), style: Style::Flow };
                Ok(Placed::new(event, taken.start, taken.end))
            }
            _ => self.node_then(State::FlowSequenceEntry(Position::Later), Context::Flow),
        }
    }

    /// Moves into a flow collection, or over the comma before its next entry.
    fn flow_separator(&mut self, position: Position, end: &Token<'a>, problem: &str) -> Result<(), Error> {
        match position {
            Position::First => {
                self.scanner.take();
            }
            Position::Later => {
                let next = self.scanner.peek()?;
                if next.token == Token::FlowEntry {
                    self.scanner.take();
                } else if next.token != *end {
                    return Err(next.start.syntax_error(problem));
                }
            }
        }
        Ok(())
    }

    fn flow_pair_key(&mut self) -> Result<Placed<'a>, Error> {
        match self.scanner.peek()?.token {
            // The reference drops this token, so that `[? : a]` fails and `[?, a]` loses its comma.
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                let mark = self.scanner.take().end;
                Ok(self.empty_scalar(State::FlowPairValue, mark))
            }
            _ => self.node_then(State::FlowPairValue, Context::Flow),
        }
    }

    fn flow_pair_value(&mut self) -> Result<Placed<'a>, Error> {
        if self.scanner.peek()?.token == Token::Value {
            self.scanner.take();
            if !matches!(self.scanner.peek()?.token, Token::FlowEntry | Token::FlowSequenceEnd) {
                return self.node_then(State::FlowPairEnd, Context::Flow);
            }
        }
        let mark = self.scanner.peek()?.start;
        Ok(self.empty_scalar(State::FlowPairEnd, mark))
    }

    fn flow_pair_end(&mut self) -> Result<Placed<'a>, Error> {
        self.state = State::FlowSequenceEntry(Position::Later);
        let mark = self.scanner.peek()?.start;
        Ok(Placed::new(Event::MappingEnd, mark, mark))
    }

    fn flow_mapping_key(&mut self, position: Position) -> Result<Placed<'a>, Error> {
        self.flow_separator(position, &Token::FlowMappingEnd, "did not find expected ',' or '}'")?;
        match self.scanner.peek()?.token {
            Token::FlowMappingEnd => Ok(self.collection_end(Event::MappingEnd)),
            Token::Key => {
                self.scanner.take();
                let next = self.scanner.peek()?;
                match next.token {
                    Token::Value | Token::FlowEntry | Token::FlowMappingEnd => {
                        let mark = next.start;
                        Ok(self.empty_scalar(State::FlowMappingValue, mark))
                    }
                    _ => self.node_then(State::FlowMappingValue, Context::Flow),
                }
            }
            _ => self.node_then(State::FlowMappingNoValue, Context::Flow),
        }
    }

    fn flow_mapping_value(&mut self) -> Result<Placed<'a>, Error> {
        let again = State::FlowMappingKey(Position::Later);
        if self.scanner.peek()?.token == Token::Value {
            self.scanner.take();
            if !matches!(self.scanner.peek()?.token, Token::FlowEntry | Token::FlowMappingEnd) {
                return self.node_then(again, Context::Flow);
            }
        }
        let mark = self.scanner.peek()?.start;
        Ok(self.empty_scalar(again, mark))
    }
}

//! Builds the tree of a file from its tokens, with Go's parse errors.
//!
//! Each `define` and `block` is a template of its own with its own variables; while one is parsed the outer one's state
//! waits ([`Scope`]). The line of an error is that of the last token which the current template has looked at, as in Go.

use super::ast::{self, BranchKind, Node, NodeId, NodeKind};
use super::lexer::{self, Token, TokenKind as K};
use super::number::{self, NumberToken};
use crate::error::Error;
use crate::function::Functions;
use crate::quote;
use crate::template::File;
use crate::text::{self, Str};

/// Nested parentheses in one expression, as Go bounds them.
const PARENTHESES_MAX: usize = 10_000;

/// Nested blocks. Go has no bound and would overflow its stack far later; nobody writes this many.
const BLOCKS_MAX: usize = 10_000;

/// Parses a file. See [`crate::template::parse`].
pub(crate) fn parse(name: &str, text: Str, functions: &Functions) -> Result<File, Error> {
    let tokens = lexer::lex(&text, |word| functions.get(word).is_some());
    let file = File { name: name.to_string(), text, nodes: Vec::new(), templates: Vec::new() };
    let mut parser = Parser { functions, tokens, cursor: 0, blocks: 0, scope: Scope::new(Str::from(name)), file };
    parser.file_body()?;
    // The file's own template comes first.
    let position = parser.file.templates.iter().position(|(known, _)| known.bytes() == name.as_bytes()).unwrap_or(0);
    parser.file.templates.swap(0, position);
    Ok(parser.file)
}

/// The state of the template that is being parsed.
struct Scope {
    name: Str,
    variables: Vec<Str>,
    last_line: usize,
    action_line: usize,
    ranges: usize,
    parentheses: usize,
}

impl Scope {
    fn new(name: Str) -> Scope {
        Scope { name, variables: vec![Str::from("$")], last_line: 0, action_line: 0, ranges: 0, parentheses: 0 }
    }
}

struct Parser<'a> {
    functions: &'a Functions,
    tokens: Vec<Token>,
    cursor: usize,
    blocks: usize,
    scope: Scope,
    file: File,
}

/// What ended a list of nodes.
enum ListEnd {
    End,
    Else { position: usize },
}

impl ListEnd {
    fn text(&self) -> &'static str {
        match self {
            ListEnd::End => "{{end}}",
            ListEnd::Else { .. } => "{{else}}",
        }
    }
}

/// A piece of a list: a node, or its end.
enum Piece {
    Node(NodeId),
    End(ListEnd),
}

type Parsed<T> = Result<T, Error>;

impl Parser<'_> {
    fn next(&mut self) -> Token {
        let at = self.cursor.min(self.tokens.len() - 1);
        let token = self.tokens[at].clone();
        self.cursor += 1;
        self.scope.last_line = self.scope.last_line.max(token.line);
        token
    }

    fn peek(&mut self) -> Token {
        let token = self.next();
        self.cursor -= 1;
        token
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != K::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.cursor -= 1;
        token
    }

    fn bytes(&self, token: &Token) -> Str {
        match &token.message {
            Some(message) => message.clone(),
            None => Str::from(&self.file.text[token.start..token.end]),
        }
    }

    fn fail<T>(&self, reason: impl AsRef<str>) -> Parsed<T> {
        Err(Error::parse(&self.file.name, self.scope.last_line, reason.as_ref()))
    }

    fn shown(&self, token: &Token) -> String {
        let bytes = self.bytes(token);
        match token.kind {
            K::End => "EOF".into(),
            K::Error => bytes.to_string(),
            kind if kind.is_keyword() => format!("<{bytes}>"),
            _ if bytes.len() > 10 => {
                let end = text::characters(&bytes).nth(10).map_or(bytes.len(), |(offset, _, _)| offset);
                format!("{}...", quote::quote(&bytes[..end]))
            }
            _ => quote::quote(&bytes),
        }
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Parsed<T> {
        let shown = self.shown(token);
        if token.kind == K::Error {
            let mut extra = String::new();
            if self.scope.action_line != 0 && self.scope.action_line != token.line {
                extra = format!(" in action started at {}:{}", self.file.name, self.scope.action_line);
                if shown.ends_with(" action") {
                    extra = extra[" in action".len()..].to_string();
                }
            }
            return self.fail(format!("{shown}{extra}"));
        }
        self.fail(format!("unexpected {shown} in {context}"))
    }

    fn expect(&mut self, kind: K, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn node(&mut self, position: usize, kind: NodeKind) -> NodeId {
        let id = NodeId(self.file.nodes.len() as u32);
        self.file.nodes.push(Node { position: position as u32, kind });
        id
    }

    fn file_body(&mut self) -> Parsed<()> {
        let start = self.peek().start;
        let mut nodes = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == K::End {
                break;
            }
            if token.kind == K::LeftDelimiter {
                let before = self.cursor;
                self.next();
                if self.next_non_space().kind == K::KeywordDefine {
                    self.definition()?;
                    continue;
                }
                self.cursor = before;
            }
            match self.text_or_action()? {
                Piece::Node(node) => nodes.push(node),
                Piece::End(end) => return self.fail(format!("unexpected {}", end.text())),
            }
        }
        let root = self.node(start, NodeKind::List(nodes));
        self.add(root)
    }

    fn add(&mut self, root: NodeId) -> Parsed<()> {
        let name = self.scope.name.clone();
        let is_known = self.file.templates.iter().position(|(known, _)| *known == name);
        match is_known {
            None => self.file.templates.push((name, root)),
            Some(index) if ast::is_empty(&self.file, self.file.templates[index].1) => {
                self.file.templates[index].1 = root
            }
            Some(_) if ast::is_empty(&self.file, root) => {}
            Some(_) => return self.fail(format!("template: multiple definition of template {}", quote::quote(&name))),
        }
        Ok(())
    }

    fn name_of(&mut self, token: &Token, context: &str) -> Parsed<Str> {
        match token.kind {
            K::String | K::RawString => match quote::unquote(&self.bytes(token)) {
                Some(name) => Ok(Str::from(name)),
                None => self.fail("invalid syntax"),
            },
            _ => self.unexpected(token, context),
        }
    }

    fn definition(&mut self) -> Parsed<()> {
        let context = "define clause";
        let outer = std::mem::replace(&mut self.scope, Scope::new(Str::from("definition")));
        let token = self.next_non_space();
        self.scope.name = self.name_of(&token, context)?;
        self.expect(K::RightDelimiter, context)?;
        self.template_body(context)?;
        self.scope = outer;
        Ok(())
    }

    fn template_body(&mut self, context: &str) -> Parsed<()> {
        let (root, end) = self.item_list()?;
        if !matches!(end, ListEnd::End) {
            return self.fail(format!("unexpected {} in {context}", end.text()));
        }
        self.add(root)
    }

    fn item_list(&mut self) -> Parsed<(NodeId, ListEnd)> {
        let start = self.peek_non_space().start;
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != K::End {
            match self.text_or_action()? {
                Piece::Node(node) => nodes.push(node),
                Piece::End(end) => return Ok((self.node(start, NodeKind::List(nodes)), end)),
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Piece> {
        let token = self.next_non_space();
        match token.kind {
            K::Text => {
                let text = self.bytes(&token);
                Ok(Piece::Node(self.node(token.start, NodeKind::Text(text))))
            }
            K::LeftDelimiter => {
                self.scope.action_line = token.line;
                let piece = self.action();
                self.scope.action_line = 0;
                piece
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Piece> {
        let token = self.next_non_space();
        let node = match token.kind {
            K::KeywordBlock => self.block()?,
            K::KeywordBreak => self.loop_control(&token, "{{break}}", NodeKind::Break)?,
            K::KeywordContinue => self.loop_control(&token, "{{continue}}", NodeKind::Continue)?,
            K::KeywordElse => return self.otherwise(),
            K::KeywordEnd => {
                self.expect(K::RightDelimiter, "end")?;
                return Ok(Piece::End(ListEnd::End));
            }
            K::KeywordIf => self.branch(BranchKind::If)?,
            K::KeywordRange => self.branch(BranchKind::Range)?,
            K::KeywordWith => self.branch(BranchKind::With)?,
            K::KeywordTemplate => self.template()?,
            _ => {
                self.cursor -= 1;
                let pipe = self.pipeline("command", K::RightDelimiter)?;
                self.node(token.start, NodeKind::Action(pipe))
            }
        };
        Ok(Piece::Node(node))
    }

    fn loop_control(&mut self, word: &Token, shown: &str, kind: NodeKind) -> Parsed<NodeId> {
        let token = self.next_non_space();
        if token.kind != K::RightDelimiter {
            return self.unexpected(&token, shown);
        }
        if self.scope.ranges == 0 {
            return self.fail(format!("{shown} outside {{{{range}}}}"));
        }
        Ok(self.node(word.start, kind))
    }

    fn otherwise(&mut self) -> Parsed<Piece> {
        let token = self.peek_non_space();
        if !matches!(token.kind, K::KeywordIf | K::KeywordWith) {
            self.expect(K::RightDelimiter, "else")?;
        }
        Ok(Piece::End(ListEnd::Else { position: token.start }))
    }

    fn branch(&mut self, kind: BranchKind) -> Parsed<NodeId> {
        self.blocks += 1;
        if self.blocks > BLOCKS_MAX {
            return self.fail(format!("blocks nested deeper than {BLOCKS_MAX}"));
        }
        let node = stacker::maybe_grow(128 << 10, 2 << 20, || self.branch_body(kind));
        self.blocks -= 1;
        node
    }

    fn branch_body(&mut self, kind: BranchKind) -> Parsed<NodeId> {
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let variables = self.scope.variables.len();
        let pipe = self.pipeline(context, K::RightDelimiter)?;
        if kind == BranchKind::Range {
            self.scope.ranges += 1;
        }
        let (list, end) = self.item_list()?;
        if kind == BranchKind::Range {
            self.scope.ranges -= 1;
        }
        let mut otherwise = None;
        if let ListEnd::Else { position } = end {
            let pending = self.peek().kind;
            let chained = match (kind, pending) {
                (BranchKind::If, K::KeywordIf) => Some(BranchKind::If),
                (BranchKind::With, K::KeywordWith) => Some(BranchKind::With),
                _ => None,
            };
            if let Some(chained) = chained {
                self.next();
                let inner = self.branch(chained)?;
                otherwise = Some(self.node(position, NodeKind::List(vec![inner])));
            } else {
                let (list, end) = self.item_list()?;
                if !matches!(end, ListEnd::End) {
                    return self.fail(format!("expected end; found {}", end.text()));
                }
                otherwise = Some(list);
            }
        }
        self.scope.variables.truncate(variables);
        let position = self.file.node(pipe).position as usize;
        Ok(self.node(position, NodeKind::Branch { kind, pipe, list, otherwise }))
    }

    fn block(&mut self) -> Parsed<NodeId> {
        let context = "block clause";
        let token = self.next_non_space();
        let name = self.name_of(&token, context)?;
        let pipe = self.pipeline(context, K::RightDelimiter)?;
        self.blocks += 1;
        if self.blocks > BLOCKS_MAX {
            return self.fail(format!("blocks nested deeper than {BLOCKS_MAX}"));
        }
        let outer = std::mem::replace(&mut self.scope, Scope::new(name.clone()));
        stacker::maybe_grow(128 << 10, 2 << 20, || self.template_body(context))?;
        self.scope = outer;
        self.blocks -= 1;
        Ok(self.node(token.start, NodeKind::Template { name, pipe: Some(pipe) }))
    }

    fn template(&mut self) -> Parsed<NodeId> {
        let context = "template clause";
        let token = self.next_non_space();
        let name = self.name_of(&token, context)?;
        let mut pipe = None;
        if self.next_non_space().kind != K::RightDelimiter {
            self.cursor -= 1;
            pipe = Some(self.pipeline(context, K::RightDelimiter)?);
        }
        Ok(self.node(token.start, NodeKind::Template { name, pipe }))
    }

    fn pipeline(&mut self, context: &str, end: K) -> Parsed<NodeId> {
        let start = self.peek_non_space().start;
        let mut is_assign = false;
        let mut declarations = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != K::Variable {
                break;
            }
            let before = self.cursor;
            self.next_non_space();
            let following = self.peek_non_space();
            let name = self.bytes(&variable);
            match following.kind {
                K::Assign | K::Declare => {
                    is_assign = following.kind == K::Assign;
                    self.next_non_space();
                    self.scope.variables.push(name.clone());
                    declarations.push(name);
                    break;
                }
                K::Character if self.bytes(&following).bytes() == b"," => {
                    self.next_non_space();
                    self.scope.variables.push(name.clone());
                    declarations.push(name);
                    if context == "range" && declarations.len() < 2 {
                        match self.peek_non_space().kind {
                            K::Variable | K::RightDelimiter | K::RightParenthesis => continue,
                            _ => return self.fail("range can only initialize variables"),
                        }
                    }
                    return self.fail(format!("too many declarations in {context}"));
                }
                _ => {
                    self.cursor = before;
                    break;
                }
            }
        }
        let mut commands = Vec::new();
        loop {
            let token = self.next_non_space();
            if token.kind == end {
                break;
            }
            match token.kind {
                K::Bool
                | K::CharacterConstant
                | K::Complex
                | K::KeywordDot
                | K::Field
                | K::Identifier
                | K::Number
                | K::KeywordNil
                | K::RawString
                | K::String
                | K::Variable
                | K::LeftParenthesis => {
                    self.cursor -= 1;
                    commands.push(self.command()?);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        self.check_pipeline(&commands, context)?;
        Ok(self.node(start, NodeKind::Pipe { is_assign, declarations, commands }))
    }

    fn check_pipeline(&self, commands: &[NodeId], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (index, command) in commands.iter().enumerate().skip(1) {
            let NodeKind::Command(arguments) = &self.file.node(*command).kind else { continue };
            let first = &self.file.node(arguments[0]).kind;
            if matches!(
                first,
                NodeKind::Bool(_) | NodeKind::Dot | NodeKind::Nil | NodeKind::Number(_) | NodeKind::String { .. }
            ) {
                return self.fail(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<NodeId> {
        let start = self.peek_non_space().start;
        let mut arguments = Vec::new();
        loop {
            self.skip_spaces();
            if let Some(operand) = self.operand()? {
                arguments.push(operand);
            }
            let token = self.next();
            match token.kind {
                K::Space => continue,
                K::RightDelimiter | K::RightParenthesis => self.cursor -= 1,
                K::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if arguments.is_empty() {
            return self.fail("empty command");
        }
        Ok(self.node(start, NodeKind::Command(arguments)))
    }

    fn skip_spaces(&mut self) {
        while self.peek().kind == K::Space {
            self.cursor += 1;
        }
    }

    fn operand(&mut self) -> Parsed<Option<NodeId>> {
        let Some(node) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != K::Field {
            return Ok(Some(node));
        }
        let mut fields = Vec::new();
        while self.peek().kind == K::Field {
            let token = self.next();
            fields.push(Str::from(&self.file.text[token.start + 1..token.end]));
        }
        let joined = match &self.file.node(node).kind {
            NodeKind::Field(names) => NodeKind::Field(names.iter().cloned().chain(fields).collect()),
            NodeKind::Variable(names) => NodeKind::Variable(names.iter().cloned().chain(fields).collect()),
            NodeKind::Bool(_) | NodeKind::String { .. } | NodeKind::Number(_) | NodeKind::Nil | NodeKind::Dot => {
                let shown = quote::quote(&ast::print(&self.file, node));
                return self.fail(format!("unexpected . after term {shown}"));
            }
            _ => NodeKind::Chain { node, fields },
        };
        Ok(Some(self.node(first.start, joined)))
    }

    fn term(&mut self) -> Parsed<Option<NodeId>> {
        let token = self.next_non_space();
        let bytes = self.bytes(&token);
        let kind = match token.kind {
            K::Identifier => {
                let function = bytes.utf8().and_then(|name| self.functions.get(name)).cloned();
                match function {
                    Some(function) => NodeKind::Identifier(function),
                    None => return self.unknown_function(&bytes),
                }
            }
            K::KeywordDot => NodeKind::Dot,
            K::KeywordNil => NodeKind::Nil,
            K::Variable => {
                if !self.scope.variables.contains(&bytes) {
                    return self.fail(format!("undefined variable {}", quote::quote(&bytes)));
                }
                NodeKind::Variable(vec![bytes])
            }
            K::Field => NodeKind::Field(vec![Str::from(&bytes[1..])]),
            K::Bool => NodeKind::Bool(bytes.bytes() == b"true"),
            K::CharacterConstant | K::Complex | K::Number => {
                let kind = match token.kind {
                    K::CharacterConstant => NumberToken::Character,
                    K::Complex => NumberToken::Complex,
                    _ => NumberToken::Number,
                };
                match number::read(&bytes, kind) {
                    Ok(number) => NodeKind::Number(number),
                    Err(reason) => return self.fail(reason),
                }
            }
            K::LeftParenthesis => {
                if self.scope.parentheses >= PARENTHESES_MAX {
                    return self.fail("max expression depth exceeded");
                }
                self.scope.parentheses += 1;
                let pipe = stacker::maybe_grow(128 << 10, 2 << 20, || {
                    self.pipeline("parenthesized pipeline", K::RightParenthesis)
                });
                self.scope.parentheses -= 1;
                return pipe.map(Some);
            }
            K::String | K::RawString => match quote::unquote(&bytes) {
                Some(text) => NodeKind::String { quoted: bytes, text: Str::from(text) },
                None => return self.fail("invalid syntax"),
            },
            _ => {
                self.cursor -= 1;
                return Ok(None);
            }
        };
        Ok(Some(self.node(token.start, kind)))
    }

    fn unknown_function<T>(&self, name: &Str) -> Parsed<T> {
        let shown = quote::quote(name);
        let near = super::suggestion::nearest(&name.text(), self.functions);
        let hint = match near {
            Some(known) => format!("did you mean {known:?}?"),
            None => "only the functions of Go's text/template, Sprig and Helm exist here".to_string(),
        };
        self.fail(format!("function {shown} not defined")).map_err(|error: Error| error.with_hint(hint))
    }
}

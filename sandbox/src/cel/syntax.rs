//! Reading expressions.

use std::sync::Arc;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// A constant.
    Literal(Literal),
    /// A variable, or the first part of a dotted name.
    Name(String),
    /// `a.b`; optional as `a.?b`.
    Field(Arc<Expression>, String, bool),
    /// `a[b]`; optional as `a[?b]`.
    Index(Arc<Expression>, Arc<Expression>, bool),
    /// `f(x)` and `a.f(x)`; operators are calls too.
    Call(String, Option<Arc<Expression>>, Vec<Expression>),
    /// `[a, ?b]`.
    List(Vec<(Expression, bool)>),
    /// `{a: b, ?c: d}`.
    Map(Vec<(Expression, Expression, bool)>),
    /// `Name{field: value}`.
    Message(String, Vec<(String, Expression, bool)>),
}

/// A constant of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number with `u`.
    Uint(u64),
    /// A number with a point or exponent.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The character at which it was noticed, from 0.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: String,
}

impl SyntaxError {
    /// The error as the real compiler shows it, with the line and a mark below it.
    pub(crate) fn shown(&self, text: &str) -> String {
        shown_at("Syntax error: ", &self.what, self.at, text)
    }
}

/// A compiler's message about a place in a text of one line.
pub(crate) fn shown_at(kind: &str, what: &str, at: usize, text: &str) -> String {
    format!("ERROR: <input>:1:{}: {kind}{what}\n | {text}\n | {}^", at + 1, ".".repeat(at))
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(Literal),
    Name(String),
    Mark(&'static str),
    End,
}

const MARKS: &[&str] = &[
    "&&", "||", "<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// How deep expressions may nest.
const DEPTH_MAX: usize = 120;

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0, end: text.chars().count() };
    let expression = parser.ternary()?;
    match parser.peek() {
        Token::End => Ok(expression),
        other => Err(parser.unexpected(&other.clone())),
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        if c == '/' && chars.get(at + 1) == Some(&'/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
            continue;
        }
        let start = at;
        let prefix: String = chars[at..].iter().take_while(|c| matches!(c, 'r' | 'R' | 'b' | 'B')).take(2).collect();
        let quote_at = at + prefix.chars().count();
        if matches!(chars.get(quote_at), Some('"' | '\'')) {
            let raw = prefix.contains(['r', 'R']);
            let bytes = prefix.contains(['b', 'B']);
            let (literal, next) = string(&chars, quote_at, raw, bytes)?;
            found.push((Token::Literal(literal), start));
            at = next;
            continue;
        }
        if c.is_ascii_digit() || (c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit)) {
            let (literal, next) = number(&chars, at)?;
            found.push((Token::Literal(literal), start));
            at = next;
            continue;
        }
        if c.is_alphabetic() || c == '_' {
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            let name: String = chars[start..at].iter().collect();
            let token = match name.as_str() {
                "true" => Token::Literal(Literal::Bool(true)),
                "false" => Token::Literal(Literal::Bool(false)),
                "null" => Token::Literal(Literal::Null),
                _ => Token::Name(name),
            };
            found.push((token, start));
            continue;
        }
        if c == '`' {
            let close = chars[at + 1..].iter().position(|c| *c == '`');
            let Some(length) = close else {
                return Err(SyntaxError { at, what: "token recognition error at: '`'".into() });
            };
            found.push((Token::Name(chars[at + 1..at + 1 + length].iter().collect()), start));
            at += length + 2;
            continue;
        }
        let rest: String = chars[at..chars.len().min(at + 2)].iter().collect();
        match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            Some(mark) => {
                found.push((Token::Mark(mark), start));
                at += mark.len();
            }
            None => return Err(SyntaxError { at, what: format!("token recognition error at: '{c}'") }),
        }
    }
    found.push((Token::End, chars.len()));
    Ok(found)
}

fn number(chars: &[char], start: usize) -> Result<(Literal, usize), SyntaxError> {
    let bad = |what: &str| SyntaxError { at: start, what: what.to_string() };
    let mut at = start;
    if chars[at] == '0' && matches!(chars.get(at + 1), Some('x' | 'X')) {
        at += 2;
        let from = at;
        while chars.get(at).is_some_and(char::is_ascii_hexdigit) {
            at += 1;
        }
        let digits: String = chars[from..at].iter().collect();
        if matches!(chars.get(at), Some('u' | 'U')) {
            let value = u64::from_str_radix(&digits, 16).map_err(|_| bad("invalid uint literal"))?;
            return Ok((Literal::Uint(value), at + 1));
        }
        return Ok((Literal::Int(i64::from_str_radix(&digits, 16).map_err(|_| bad("invalid int literal"))?), at));
    }
    let mut is_double = false;
    while at < chars.len() {
        match chars[at] {
            c if c.is_ascii_digit() => {}
            '.' if !is_double && chars.get(at + 1).is_some_and(char::is_ascii_digit) => is_double = true,
            'e' | 'E' => {
                is_double = true;
                if matches!(chars.get(at + 1), Some('+' | '-')) {
                    at += 1;
                }
            }
            _ => break,
        }
        at += 1;
    }
    let digits: String = chars[start..at].iter().collect();
    if is_double {
        return Ok((Literal::Double(digits.parse().map_err(|_| bad("invalid double literal"))?), at));
    }
    if matches!(chars.get(at), Some('u' | 'U')) {
        return Ok((Literal::Uint(digits.parse().map_err(|_| bad("invalid uint literal"))?), at + 1));
    }
    match digits.parse::<i64>() {
        Ok(value) => Ok((Literal::Int(value), at)),
        // The smallest number is only whole with its sign.
        Err(_) if digits == "9223372036854775808" => Ok((Literal::Int(i64::MIN), at)),
        Err(_) => Err(bad("invalid int literal")),
    }
}

fn string(chars: &[char], start: usize, raw: bool, bytes: bool) -> Result<(Literal, usize), SyntaxError> {
    let quote = chars[start];
    let triple = chars.get(start + 1) == Some(&quote) && chars.get(start + 2) == Some(&quote);
    let mut at = start + if triple { 3 } else { 1 };
    let unclosed = || SyntaxError { at: start, what: format!("token recognition error at: '{quote}'") };
    let mut text = String::new();
    let mut binary: Vec<u8> = Vec::new();
    let mut push = |c: char, byte: Option<u8>| {
        text.push(c);
        match byte {
            Some(byte) => binary.push(byte),
            None => binary.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    };
    loop {
        let Some(&c) = chars.get(at) else { return Err(unclosed()) };
        if c == quote && (!triple || (chars.get(at + 1) == Some(&quote) && chars.get(at + 2) == Some(&quote))) {
            at += if triple { 3 } else { 1 };
            break;
        }
        if c == '\n' && !triple {
            return Err(unclosed());
        }
        at += 1;
        if c != '\\' || raw {
            push(c, None);
            continue;
        }
        let Some(&escape) = chars.get(at) else { return Err(unclosed()) };
        at += 1;
        let simple = match escape {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'v' => Some('\u{b}'),
            '\\' | '"' | '\'' | '?' | '`' => Some(escape),
            _ => None,
        };
        if let Some(simple) = simple {
            push(simple, None);
            continue;
        }
        let (digits, radix, from) = match escape {
            'x' | 'X' => (2, 16, at),
            'u' => (4, 16, at),
            'U' => (8, 16, at),
            '0'..='3' => (3, 8, at - 1),
            _ => return Err(SyntaxError { at: at - 1, what: "invalid escape sequence".into() }),
        };
        let code: String = chars.get(from..from + digits).ok_or_else(unclosed)?.iter().collect();
        let code = u32::from_str_radix(&code, radix)
            .map_err(|_| SyntaxError { at: at - 1, what: "invalid escape sequence".into() })?;
        let c = char::from_u32(code).ok_or_else(|| SyntaxError { at: at - 1, what: "invalid character".into() })?;
        push(c, u8::try_from(code).ok().filter(|_| bytes && digits < 4));
        at = from + digits;
    }
    Ok((if bytes { Literal::Bytes(binary) } else { Literal::Text(text) }, at))
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    end: usize,
}

fn call(name: &str, arguments: Vec<Expression>) -> Expression {
    Expression::Call(name.to_string(), None, arguments)
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(_, at)| *at)
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(held) if *held == mark);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), SyntaxError> {
        if self.take(mark) {
            return Ok(());
        }
        let token = self.peek().clone();
        Err(self.unexpected(&token))
    }

    fn unexpected(&self, token: &Token) -> SyntaxError {
        let shown = match token {
            Token::End => "<EOF>".to_string(),
            Token::Name(name) => name.clone(),
            Token::Mark(mark) => (*mark).to_string(),
            Token::Literal(Literal::Text(text)) => format!("{text:?}"),
            Token::Literal(Literal::Int(number)) => number.to_string(),
            Token::Literal(Literal::Bool(flag)) => flag.to_string(),
            Token::Literal(other) => format!("{other:?}"),
        };
        let what = if *token == Token::End {
            "mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
             NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
                .to_string()
        } else {
            format!("mismatched input '{shown}' expecting <EOF>")
        };
        SyntaxError { at: self.place(), what }
    }

    fn ternary(&mut self) -> Result<Expression, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SyntaxError { at: self.place(), what: "expression recursion limit exceeded".into() });
        }
        let condition = self.or()?;
        let whole = if self.take("?") {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.ternary()?;
            call("?:", vec![condition, yes, no])
        } else {
            condition
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn or(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.and()?;
        while self.take("||") {
            left = call("||", vec![left, self.and()?]);
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.relation()?;
        while self.take("&&") {
            left = call("&&", vec![left, self.relation()?]);
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.sum()?;
        loop {
            let operator = ["<=", ">=", "==", "!=", "<", ">"].into_iter().find(|mark| self.take(mark));
            let operator = match operator {
                Some(operator) => operator,
                None if matches!(self.peek(), Token::Name(name) if name == "in") => {
                    self.at += 1;
                    "in"
                }
                None => return Ok(left),
            };
            left = call(operator, vec![left, self.sum()?]);
        }
    }

    fn sum(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.product()?;
        while let Some(operator) = ["+", "-"].into_iter().find(|mark| self.take(mark)) {
            left = call(operator, vec![left, self.product()?]);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.unary()?;
        while let Some(operator) = ["*", "/", "%"].into_iter().find(|mark| self.take(mark)) {
            left = call(operator, vec![left, self.unary()?]);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SyntaxError { at: self.place(), what: "expression recursion limit exceeded".into() });
        }
        let whole = if self.take("!") {
            call("!", vec![self.unary()?])
        } else if self.take("-") {
            match self.peek().clone() {
                Token::Literal(Literal::Int(number)) => {
                    self.at += 1;
                    self.members(Expression::Literal(Literal::Int(number.wrapping_neg())))?
                }
                Token::Literal(Literal::Double(number)) => {
                    self.at += 1;
                    self.members(Expression::Literal(Literal::Double(-number)))?
                }
                _ => call("neg", vec![self.unary()?]),
            }
        } else {
            let first = self.primary()?;
            self.members(first)?
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn members(&mut self, mut whole: Expression) -> Result<Expression, SyntaxError> {
        loop {
            if self.take(".") {
                let optional = self.take("?");
                let Token::Name(name) = self.peek().clone() else {
                    let mut error = self.unexpected(&Token::End);
                    error.what = "no viable alternative at input '.'".into();
                    return Err(error);
                };
                self.at += 1;
                whole = if !optional && self.take("(") {
                    let arguments = self.arguments(")")?;
                    Expression::Call(name, Some(Arc::new(whole)), arguments)
                } else if !optional && matches!(self.peek(), Token::Mark("{")) && is_type_name(&whole) {
                    self.at += 1;
                    self.message(format!("{}.{name}", dotted(&whole)))?
                } else {
                    Expression::Field(Arc::new(whole), name, optional)
                };
            } else if self.take("[") {
                let optional = self.take("?");
                let index = self.ternary()?;
                self.expect("]")?;
                whole = Expression::Index(Arc::new(whole), Arc::new(index), optional);
            } else {
                return Ok(whole);
            }
        }
    }

    fn arguments(&mut self, close: &str) -> Result<Vec<Expression>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.take(close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.ternary()?);
            if self.take(close) {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn message(&mut self, name: String) -> Result<Expression, SyntaxError> {
        let mut fields = Vec::new();
        while !self.take("}") {
            let optional = self.take("?");
            let Token::Name(field) = self.peek().clone() else {
                let token = self.peek().clone();
                return Err(self.unexpected(&token));
            };
            self.at += 1;
            self.expect(":")?;
            fields.push((field, self.ternary()?, optional));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expression::Message(name, fields))
    }

    fn primary(&mut self) -> Result<Expression, SyntaxError> {
        let token = self.peek().clone();
        match token {
            Token::Literal(literal) => {
                self.at += 1;
                Ok(Expression::Literal(literal))
            }
            Token::Name(name) if name != "in" => {
                self.at += 1;
                if self.take("(") {
                    return Ok(Expression::Call(name, None, self.arguments(")")?));
                }
                if name.starts_with(char::is_uppercase) && self.take("{") {
                    return self.message(name);
                }
                Ok(Expression::Name(name))
            }
            Token::Mark(".") => {
                self.at += 1;
                self.primary()
            }
            Token::Mark("(") => {
                self.at += 1;
                let inner = self.ternary()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Mark("[") => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.take("]") {
                    let optional = self.take("?");
                    items.push((self.ternary()?, optional));
                    if !self.take(",") {
                        self.expect("]")?;
                        break;
                    }
                }
                Ok(Expression::List(items))
            }
            Token::Mark("{") => {
                self.at += 1;
                let mut entries = Vec::new();
                while !self.take("}") {
                    let optional = self.take("?");
                    let key = self.ternary()?;
                    self.expect(":")?;
                    entries.push((key, self.ternary()?, optional));
                    if !self.take(",") {
                        self.expect("}")?;
                        break;
                    }
                }
                Ok(Expression::Map(entries))
            }
            other => Err(self.unexpected(&other)),
        }
    }
}

/// True for names of types such as `Object.spec`.
fn is_type_name(expression: &Expression) -> bool {
    match expression {
        Expression::Name(name) => name.starts_with(char::is_uppercase),
        Expression::Field(inner, _, false) => is_type_name(inner),
        _ => false,
    }
}

fn dotted(expression: &Expression) -> String {
    match expression {
        Expression::Name(name) => name.clone(),
        Expression::Field(inner, name, _) => format!("{}.{name}", dotted(inner)),
        _ => String::new(),
    }
}

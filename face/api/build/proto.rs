//! Reads protobuf definitions, as far as ours go.

use std::collections::HashSet;
use std::iter::Peekable;
use std::vec::IntoIter;

/// One message; names are full once resolved.
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// One field; `of` is a scalar's name or a message's.
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) of: String,
    pub(crate) is_repeated: bool,
    pub(crate) is_required: bool,
    pub(crate) is_map: bool,
}

/// One way to reach a method over REST.
#[derive(Default)]
pub(crate) struct Rule {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) body: Option<String>,
}

/// One method.
pub(crate) struct Method {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) takes: String,
    pub(crate) gives: String,
    pub(crate) takes_stream: bool,
    pub(crate) gives_stream: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) says: String,
}

/// What files define.
#[derive(Default)]
pub(crate) struct Definitions {
    pub(crate) messages: Vec<Message>,
    pub(crate) methods: Vec<Method>,
}

const SCALARS: [&str; 5] = ["string", "bytes", "bool", "int32", "int64"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    Comment(String),
}

struct Reader {
    tokens: Peekable<IntoIter<(usize, Token)>>,
    line: usize,
    comment: String,
    package: String,
}

impl Definitions {
    /// Reads one file. Errors: `line: what is wrong`.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), String> {
        let tokens = tokens(text)?;
        let mut reader =
            Reader { tokens: tokens.into_iter().peekable(), line: 1, comment: String::new(), package: String::new() };
        reader.file(self).map_err(|problem| format!("{}: {problem}", reader.line))
    }

    /// Makes every name full, and refuses those that nothing defines.
    pub(crate) fn resolve(&mut self) -> Result<(), String> {
        let known: HashSet<String> = self.messages.iter().map(|message| message.name.clone()).collect();
        let full = |from: &str, name: &str| -> Result<String, String> {
            let package = from.rsplit_once('.').map_or("", |(package, _)| package);
            let candidate = match name.strip_prefix('.') {
                Some(name) => name.to_owned(),
                None => format!("{package}.{name}"),
            };
            if known.contains(&candidate) { Ok(candidate) } else { Err(format!("{from}: there is no message {name}")) }
        };
        for message in &mut self.messages {
            for field in message.fields.iter_mut().filter(|field| !SCALARS.contains(&field.of.as_str())) {
                field.of = full(&message.name, &field.of)?;
            }
        }
        for method in &mut self.methods {
            method.takes = full(&method.service, &method.takes)?;
            method.gives = full(&method.service, &method.gives)?;
        }
        Ok(())
    }
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        loop {
            let (line, token) = self.tokens.next()?;
            self.line = line;
            match token {
                Token::Comment(text) => self.comment = text,
                other => return Some(other),
            }
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(format!("a name was expected, not {other:?}")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text),
            other => Err(format!("a text was expected, not {other:?}")),
        }
    }

    fn sign(&mut self, wanted: char) -> Result<(), String> {
        match self.next() {
            Some(Token::Sign(sign)) if sign == wanted => Ok(()),
            other => Err(format!("{wanted:?} was expected, not {other:?}")),
        }
    }

    fn takes(&mut self, wanted: char) -> bool {
        while let Some((_, Token::Comment(_))) = self.tokens.peek() {
            if let Some((_, Token::Comment(text))) = self.tokens.next() {
                self.comment = text;
            }
        }
        let is_next = matches!(self.tokens.peek(), Some((_, Token::Sign(sign))) if *sign == wanted);
        if is_next {
            self.next();
        }
        is_next
    }

    fn file(&mut self, all: &mut Definitions) -> Result<(), String> {
        while let Some(token) = self.next() {
            match token {
                Token::Word(word) if word == "syntax" => {
                    self.sign('=')?;
                    if self.text()? != "proto2" {
                        return Err("only proto2 is understood".to_owned());
                    }
                    self.sign(';')?;
                }
                Token::Word(word) if word == "package" => {
                    self.package = self.word()?;
                    self.sign(';')?;
                }
                Token::Word(word) if word == "import" => {
                    self.text()?;
                    self.sign(';')?;
                }
                Token::Word(word) if word == "message" => {
                    let message = self.message()?;
                    all.messages.push(message);
                }
                Token::Word(word) if word == "service" => self.service(all)?,
                other => return Err(format!("{other:?} is not understood")),
            }
        }
        Ok(())
    }

    fn message(&mut self) -> Result<Message, String> {
        let own = self.word()?;
        let name = format!("{}.{own}", self.package);
        self.sign('{')?;
        let mut fields = Vec::new();
        while !self.takes('}') {
            let first = self.word()?;
            let (of, is_map) = if first == "map" {
                self.sign('<')?;
                if self.word()? != "string" {
                    return Err("only maps from string are understood".to_owned());
                }
                self.sign(',')?;
                let of = self.word()?;
                self.sign('>')?;
                (of, true)
            } else {
                (self.word()?, false)
            };
            if !["map", "repeated", "required", "optional"].contains(&first.as_str()) {
                return Err(format!("{first:?} begins no field"));
            }
            let name = self.word()?;
            self.sign('=')?;
            let number = self.word()?.parse().map_err(|_| "a field's number was expected".to_owned())?;
            self.sign(';')?;
            fields.push(Field {
                number,
                name,
                of,
                is_repeated: first == "repeated",
                is_required: first == "required",
                is_map,
            });
        }
        Ok(Message { name, fields })
    }

    fn service(&mut self, all: &mut Definitions) -> Result<(), String> {
        let own = self.word()?;
        let service = format!("{}.{own}", self.package);
        self.sign('{')?;
        while !self.takes('}') {
            let says = std::mem::take(&mut self.comment);
            if self.word()? != "rpc" {
                return Err("a method was expected".to_owned());
            }
            let name = self.word()?;
            let (takes, takes_stream) = self.side()?;
            if self.word()? != "returns" {
                return Err("`returns` was expected".to_owned());
            }
            let (gives, gives_stream) = self.side()?;
            let mut rules = Vec::new();
            self.sign('{')?;
            while !self.takes('}') {
                if self.word()? != "option" {
                    return Err("an option was expected".to_owned());
                }
                self.sign('(')?;
                if self.word()? != "google.api.http" {
                    return Err("only the option google.api.http is understood".to_owned());
                }
                self.sign(')')?;
                self.sign('=')?;
                self.sign('{')?;
                self.rule(&mut rules)?;
                self.sign(';')?;
            }
            all.methods.push(Method {
                service: service.clone(),
                name,
                takes,
                gives,
                takes_stream,
                gives_stream,
                rules,
                says,
            });
        }
        Ok(())
    }

    fn side(&mut self) -> Result<(String, bool), String> {
        self.sign('(')?;
        let first = self.word()?;
        let (name, is_stream) = if first == "stream" { (self.word()?, true) } else { (first, false) };
        self.sign(')')?;
        Ok((name, is_stream))
    }

    fn rule(&mut self, rules: &mut Vec<Rule>) -> Result<(), String> {
        let at = rules.len();
        rules.push(Rule::default());
        while !self.takes('}') {
            let name = self.word()?;
            if name == "additional_bindings" {
                self.sign('{')?;
                self.rule(rules)?;
                continue;
            }
            self.sign(':')?;
            let text = self.text()?;
            if name == "body" {
                rules[at].body = Some(text);
            } else {
                rules[at].verb = name;
                rules[at].path = text;
            }
        }
        Ok(())
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            if let Some(comment) = rest.strip_prefix("//") {
                found.push((number, Token::Comment(comment.trim().to_owned())));
                break;
            }
            let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if first == '"' {
                let end = rest[1..].find('"').ok_or_else(|| format!("{number}: a text does not end"))?;
                found.push((number, Token::Text(rest[1..=end].to_owned())));
                rest = &rest[end + 2..];
            } else if is_of_word(first) {
                let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                found.push((number, Token::Word(rest[..end].to_owned())));
                rest = &rest[end..];
            } else {
                found.push((number, Token::Sign(first)));
                rest = &rest[first.len_utf8()..];
            }
            rest = rest.trim_start();
        }
    }
    Ok(found)
}

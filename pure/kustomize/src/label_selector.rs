//! Label selectors as Kubernetes writes them: `app=web,tier!=db,env in (a, b),!legacy`.
//!
//! Source: k8s.io/apimachinery labels.Parse, which kustomize uses for label and annotation selectors alike.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A conjunction of requirements; without any it fits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// Parses a selector.
    ///
    /// Errors: a sentence about what is malformed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens { text, at: 0 };
        let mut requirements = Vec::new();
        loop {
            match tokens.next() {
                Token::End if requirements.is_empty() => return Ok(Self::default()),
                Token::Not => {
                    let Token::Word(key) = tokens.next() else {
                        return Err(format!("a key is missing after ! in {text:?}"));
                    };
                    requirements.push(Requirement { key, test: Test::Absent });
                    if tokens.ends(text)? {
                        break;
                    }
                }
                Token::Word(key) => {
                    let (test, ended) = tokens.test(text)?;
                    requirements.push(Requirement { key, test });
                    if ended || tokens.ends(text)? {
                        break;
                    }
                }
                _ => return Err(format!("a key is missing in {text:?}")),
            }
        }
        Ok(Self { requirements })
    }

    pub(crate) fn fits(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(requirement.key.as_str());
            let listed = |values: &[String]| value.is_some_and(|value| values.iter().any(|wanted| **wanted == **value));
            let number = || value.and_then(|value| value.parse::<i64>().ok());
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => listed(values),
                Test::NotIn(values) => value.is_none() || !listed(values),
                Test::Greater(bound) => number().is_some_and(|number| number > *bound),
                Test::Less(bound) => number().is_some_and(|number| number < *bound),
            }
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    End,
    Not,
    NotEquals,
    Equals,
    Greater,
    Less,
    Open,
    Close,
    Comma,
    Word(String),
}

struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl Tokens<'_> {
    fn next(&mut self) -> Token {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        let symbols = [
            ("!=", Token::NotEquals),
            ("==", Token::Equals),
            ("!", Token::Not),
            ("=", Token::Equals),
            (">", Token::Greater),
            ("<", Token::Less),
            ("(", Token::Open),
            (")", Token::Close),
            (",", Token::Comma),
        ];
        for (symbol, token) in symbols {
            if rest.starts_with(symbol) {
                self.at += symbol.len();
                return token;
            }
        }
        let length = rest.find([' ', '\t', '\r', '\n', '!', '=', '>', '<', '(', ')', ',']).unwrap_or(rest.len());
        if length == 0 {
            return Token::End;
        }
        self.at += length;
        Token::Word(rest[..length].to_owned())
    }

    fn peek(&mut self) -> Token {
        let at = self.at;
        let token = self.next();
        self.at = at;
        token
    }

    /// After a requirement: a comma (another one must follow) or the end.
    fn ends(&mut self, text: &str) -> Result<bool, String> {
        match self.next() {
            Token::End => Ok(true),
            Token::Comma => match self.peek() {
                Token::Word(_) | Token::Not => Ok(false),
                _ => Err(format!("a requirement is missing after the comma in {text:?}")),
            },
            _ => Err(format!("requirements must be separated by commas in {text:?}")),
        }
    }

    /// The test after a key, and whether the text ended with it.
    fn test(&mut self, text: &str) -> Result<(Test, bool), String> {
        match self.peek() {
            Token::End => return Ok((Test::Exists, true)),
            Token::Comma => return Ok((Test::Exists, false)),
            _ => {}
        }
        let operator = self.next();
        let test = match operator {
            Token::Equals => Test::In(vec![self.exact_value()]),
            Token::NotEquals => Test::NotIn(vec![self.exact_value()]),
            Token::Greater => Test::Greater(self.bound(text)?),
            Token::Less => Test::Less(self.bound(text)?),
            Token::Word(word) if word == "in" => Test::In(self.values(text)?),
            Token::Word(word) if word == "notin" => Test::NotIn(self.values(text)?),
            _ => return Err(format!("an operator (=, ==, !=, in, notin, >, <) is missing in {text:?}")),
        };
        Ok((test, false))
    }

    fn exact_value(&mut self) -> String {
        match self.peek() {
            Token::Word(word) => {
                self.next();
                word
            }
            _ => String::new(),
        }
    }

    fn bound(&mut self, text: &str) -> Result<i64, String> {
        self.exact_value().parse().map_err(|_| format!("> and < need an integer in {text:?}"))
    }

    fn values(&mut self, text: &str) -> Result<Vec<String>, String> {
        if self.next() != Token::Open {
            return Err(format!("in and notin need values in parentheses in {text:?}"));
        }
        let mut values = Vec::new();
        let mut expects_value = true;
        loop {
            match self.next() {
                Token::Word(word) if expects_value => {
                    values.push(word);
                    expects_value = false;
                }
                Token::Comma => {
                    if expects_value {
                        values.push(String::new());
                    }
                    expects_value = true;
                }
                Token::Close => {
                    if expects_value {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                _ => return Err(format!("the parentheses are not closed in {text:?}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_all_needed() {
        let labels: BTreeMap<Arc<str>, Arc<str>> = [("app", "web"), ("tier", "front"), ("n", "5")]
            .map(|(key, value)| (Arc::from(key), Arc::from(value)))
            .into();
        for (selector, fits) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=db", true),
            ("app in (web, db),!legacy", true),
            ("app notin (web)", false),
            ("other notin (x)", true),
            ("other!=x", true),
            ("app", true),
            ("missing", false),
            ("n>4,n<6", true),
            ("n>5", false),
            ("app=", false),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap().fits(&labels), fits, "{selector}");
        }
        for selector in ["app in web", "=web", "app=web tier=x", "app,", "n>x", "app in (a"] {
            assert!(LabelSelector::parse(selector).is_err(), "{selector}");
        }
    }
}

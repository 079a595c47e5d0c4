//! From tokens to a tree.

use super::lexer::{Kind, Token, place, tokens};
use super::{Matcher, NAME, QueryError, Test};

/// How deep brackets may nest.
const DEPTH_MAX: usize = 100;

/// A query.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Series by name and labels.
    Select(Selector),
    /// The samples of a selector over a time.
    Range {
        /// The selector.
        selector: Selector,
        /// How much time, in milliseconds.
        over_ms: i64,
    },
    /// A query evaluated again and again over a time.
    Subquery {
        /// The query.
        inner: Box<Expr>,
        /// How much time, in milliseconds.
        over_ms: i64,
        /// How often; `None` is the default.
        step_ms: Option<i64>,
        /// When.
        shift: Shift,
    },
    /// A function.
    Call {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// An aggregation.
    Aggregate {
        /// Its name.
        name: String,
        /// `topk(3, …)`: the 3.
        parameter: Option<Box<Expr>>,
        /// What is aggregated.
        inner: Box<Expr>,
        /// By which labels.
        grouping: Grouping,
    },
    /// Two queries with an operator between them.
    Binary {
        /// The operator.
        operator: Operator,
        /// `bool` was written.
        as_bool: bool,
        /// How vectors are matched.
        matching: Matching,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// A sign before a query.
    Negative(Box<Expr>),
}

/// Series by name and labels, at another time if wanted.
#[derive(Debug, Clone)]
pub(crate) struct Selector {
    /// All must hold.
    pub(crate) matchers: Vec<Matcher>,
    /// When.
    pub(crate) shift: Shift,
}

/// `offset` and `@`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Shift {
    /// How far back, in milliseconds.
    pub(crate) offset_ms: i64,
    /// At a fixed time instead of the time of evaluation.
    pub(crate) at: Option<At>,
}

/// The fixed time of `@`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum At {
    /// Milliseconds since 1970.
    Time(i64),
    /// The start of the range query.
    Start,
    /// The end of the range query.
    End,
}

/// `by` and `without`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping {
    /// `without`.
    pub(crate) without: bool,
    /// The labels.
    pub(crate) labels: Vec<String>,
}

/// `on`, `ignoring`, `group_left`, `group_right`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matching {
    /// `on` rather than `ignoring`.
    pub(crate) on: bool,
    /// The labels.
    pub(crate) labels: Vec<String>,
    /// Which side may have many.
    pub(crate) many: Many,
    /// Labels that come from the side that has one.
    pub(crate) include: Vec<String>,
}

/// Which side of a match may have several for one of the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Many {
    /// None: one to one.
    #[default]
    Neither,
    /// `group_left`.
    Left,
    /// `group_right`.
    Right,
}

/// The operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// `atan2`
    Atan2,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

impl Operator {
    /// True for those that filter.
    pub(crate) fn is_comparison(self) -> bool {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// True for `and`, `or`, `unless`.
    pub(crate) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            _ if self.is_comparison() => 3,
            Self::Add | Self::Subtract => 4,
            Self::Power => 6,
            _ => 5,
        }
    }
}

/// The aggregations.
pub(super) const AGGREGATIONS: &[&str] =
    &["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"];

/// Reads a query.
///
/// Errors: a sentence with line and column.
pub(crate) fn parse(text: &str) -> Result<Expr, QueryError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    if parser.peek() == &Kind::End {
        return Err(QueryError::new("no expression found in input"));
    }
    let expr = parser.expression(0)?;
    if parser.peek() != &Kind::End {
        return Err(parser.unexpected("after the end of the expression"));
    }
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        &self.tokens[self.next.min(self.tokens.len() - 1)].kind
    }

    fn take(&mut self) -> Kind {
        let kind = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        kind
    }

    fn at(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].at
    }

    fn fail(&self, message: &str) -> QueryError {
        QueryError::new(format!("{}: parse error: {message}", place(self.text, self.at())))
    }

    fn unexpected(&self, during: &str) -> QueryError {
        let shown = match self.peek() {
            Kind::Word(word) => format!("identifier {word:?}"),
            Kind::Number(number) => format!("number \"{number}\""),
            Kind::Duration(_) => "duration".to_string(),
            Kind::Text(text) => format!("string {text:?}"),
            Kind::Sign(sign) => format!("{sign:?}"),
            Kind::End => "end of input".to_string(),
        };
        self.fail(&format!("unexpected {shown} {during}"))
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Kind::Sign(held) if *held == sign);
        if is_it {
            self.next += 1;
        }
        is_it
    }

    fn expect(&mut self, sign: &str, during: &str) -> Result<(), QueryError> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("{during}, expected {sign:?}"))) }
    }

    fn word_is(&self, wanted: &str) -> bool {
        matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn accept_word(&mut self, wanted: &str) -> bool {
        let is_it = self.word_is(wanted);
        if is_it {
            self.next += 1;
        }
        is_it
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek() {
            Kind::Sign(sign) => match *sign {
                "+" => Operator::Add,
                "-" => Operator::Subtract,
                "*" => Operator::Multiply,
                "/" => Operator::Divide,
                "%" => Operator::Modulo,
                "^" => Operator::Power,
                "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                _ => return None,
            },
            Kind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => Operator::And,
                "or" => Operator::Or,
                "unless" => Operator::Unless,
                "atan2" => Operator::Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Reads operators that bind at least as strongly as `least`.
    fn expression(&mut self, least: u8) -> Result<Expr, QueryError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fail("the expression is nested too deeply"));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.strength() >= least) {
            self.next += 1;
            let as_bool = self.accept_word("bool");
            if as_bool && !operator.is_comparison() {
                return Err(self.fail("bool modifier can only be used on comparison operators"));
            }
            let matching = self.matching()?;
            if operator.is_set() && matching.many != Many::Neither {
                return Err(self.fail("no grouping allowed for \"and\", \"or\" and \"unless\""));
            }
            // Only `^` groups to the right.
            let right_least = operator.strength() + u8::from(operator != Operator::Power);
            let right = self.expression(right_least)?;
            left = Expr::Binary { operator, as_bool, matching, left: Box::new(left), right: Box::new(right) };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, QueryError> {
        if self.accept("-") {
            // `-2 ^ 2` is -4.
            return Ok(match self.expression(6)? {
                Expr::Number(number) => Expr::Number(-number),
                other => Expr::Negative(Box::new(other)),
            });
        }
        if self.accept("+") {
            return self.expression(6);
        }
        let atom = self.atom()?;
        self.postfix(atom)
    }

    fn matching(&mut self) -> Result<Matching, QueryError> {
        let mut matching = Matching::default();
        let on = self.word_is("on");
        if on || self.word_is("ignoring") {
            self.next += 1;
            matching.on = on;
            matching.labels = self.labels()?;
            let left = self.word_is("group_left");
            if left || self.word_is("group_right") {
                self.next += 1;
                matching.many = if left { Many::Left } else { Many::Right };
                if matches!(self.peek(), Kind::Sign("(")) {
                    matching.include = self.labels()?;
                }
            }
        }
        Ok(matching)
    }

    fn labels(&mut self) -> Result<Vec<String>, QueryError> {
        self.expect("(", "in grouping")?;
        let mut labels = Vec::new();
        while !self.accept(")") {
            match self.take() {
                Kind::Word(label) | Kind::Text(label) => labels.push(label),
                _ => {
                    self.next -= 1;
                    return Err(self.unexpected("in grouping, expected a label"));
                }
            }
            if !self.accept(",") && !matches!(self.peek(), Kind::Sign(")")) {
                return Err(self.unexpected("in grouping, expected \",\" or \")\""));
            }
        }
        Ok(labels)
    }

    fn atom(&mut self) -> Result<Expr, QueryError> {
        match self.peek().clone() {
            Kind::Number(number) => {
                self.next += 1;
                Ok(Expr::Number(number))
            }
            Kind::Duration(ms) => {
                self.next += 1;
                #[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
                Ok(Expr::Number(ms as f64 / 1000.0))
            }
            Kind::Text(text) => {
                self.next += 1;
                Ok(Expr::Text(text))
            }
            Kind::Sign("(") => {
                self.next += 1;
                let inner = self.expression(0)?;
                self.expect(")", "in a bracketed expression")?;
                Ok(inner)
            }
            Kind::Sign("{") => self.selector(None),
            Kind::Word(word) => {
                let lower = word.to_ascii_lowercase();
                let follows = self.tokens.get(self.next + 1).map(|token| &token.kind);
                let opens = matches!(follows, Some(Kind::Sign("(")));
                let groups = matches!(follows, Some(Kind::Word(next)) if next.eq_ignore_ascii_case("by") || next.eq_ignore_ascii_case("without"));
                if AGGREGATIONS.contains(&lower.as_str()) && (opens || groups) {
                    return self.aggregate(lower);
                }
                self.next += 1;
                if opens {
                    return self.call(word);
                }
                self.selector(Some(word))
            }
            _ => Err(self.unexpected("where an expression is expected")),
        }
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, QueryError> {
        let without = self.word_is("without");
        if !without && !self.word_is("by") {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(Grouping { without, labels: self.labels()? }))
    }

    fn arguments(&mut self, of: &str) -> Result<Vec<Expr>, QueryError> {
        self.expect("(", &format!("in call to {of}"))?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expression(0)?);
            if !self.accept(",") && !matches!(self.peek(), Kind::Sign(")")) {
                return Err(self.unexpected(&format!("in call to {of}, expected \",\" or \")\"")));
            }
        }
        Ok(arguments)
    }

    fn aggregate(&mut self, name: String) -> Result<Expr, QueryError> {
        self.next += 1;
        let before = self.grouping()?;
        let mut arguments = self.arguments(&name)?;
        let after = self.grouping()?;
        let wants_parameter = matches!(name.as_str(), "topk" | "bottomk" | "quantile" | "count_values");
        let wanted = 1 + usize::from(wants_parameter);
        if arguments.len() != wanted {
            let found = arguments.len();
            return Err(self.fail(&format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {found}"
            )));
        }
        let inner = arguments.pop().map(Box::new).ok_or_else(|| self.fail("no argument"))?;
        let parameter = arguments.pop().map(Box::new);
        let grouping = before.or(after).unwrap_or_default();
        Ok(Expr::Aggregate { name, parameter, inner, grouping })
    }

    fn call(&mut self, name: String) -> Result<Expr, QueryError> {
        let Some((least, most)) = super::functions::arity(&name) else {
            self.next -= 1;
            return Err(self.fail(&format!("unknown function with name {name:?}")));
        };
        let arguments = self.arguments(&name)?;
        if arguments.len() < least || arguments.len() > most {
            let found = arguments.len();
            return Err(self.fail(&format!("expected {least} argument(s) in call to {name:?}, got {found}")));
        }
        Ok(Expr::Call { name, arguments })
    }

    fn selector(&mut self, name: Option<String>) -> Result<Expr, QueryError> {
        let mut matchers: Vec<Matcher> = Vec::new();
        if let Some(name) = name {
            matchers.push(Matcher { label: NAME.to_string(), test: Test::Equal(name) });
        }
        if self.accept("{") {
            while !self.accept("}") {
                let label = match self.take() {
                    Kind::Word(label) | Kind::Text(label) => label,
                    _ => {
                        self.next -= 1;
                        return Err(self.unexpected("in label matching, expected a label"));
                    }
                };
                let Kind::Sign(sign @ ("=" | "!=" | "=~" | "!~")) = *self.peek() else {
                    // A quoted name alone is the metric's name.
                    matchers.push(Matcher { label: NAME.to_string(), test: Test::Equal(label) });
                    if !self.accept(",") && !matches!(self.peek(), Kind::Sign("}")) {
                        return Err(self.unexpected("in label matching, expected one of \"=\", \"!=\", \"=~\", \"!~\""));
                    }
                    continue;
                };
                self.next += 1;
                let Kind::Text(value) = self.take() else {
                    self.next -= 1;
                    return Err(self.unexpected("in label matching, expected a string"));
                };
                let pattern = |value: &str| {
                    regex::Regex::new(&format!("^(?s:{value})$"))
                        .map_err(|why| self.fail(&format!("error parsing regexp: {why}")))
                };
                let test = match sign {
                    "=" => Test::Equal(value),
                    "!=" => Test::NotEqual(value),
                    "=~" => Test::Matches(pattern(&value)?),
                    _ => Test::MatchesNot(pattern(&value)?),
                };
                matchers.push(Matcher { label, test });
                if !self.accept(",") && !matches!(self.peek(), Kind::Sign("}")) {
                    return Err(self.unexpected("in label matching, expected \",\" or \"}\""));
                }
            }
        }
        if matchers.iter().all(|matcher| matcher.admits("")) {
            return Err(self.fail("vector selector must contain at least one non-empty matcher"));
        }
        Ok(Expr::Select(Selector { matchers, shift: Shift::default() }))
    }

    fn duration(&mut self, during: &str) -> Result<i64, QueryError> {
        match *self.peek() {
            Kind::Duration(ms) => {
                self.next += 1;
                Ok(ms)
            }
            #[expect(clippy::cast_possible_truncation, reason = "seconds of a query fit")]
            Kind::Number(seconds) if seconds.is_finite() => {
                self.next += 1;
                Ok((seconds * 1000.0) as i64)
            }
            _ => Err(self.unexpected(&format!("{during}, expected duration"))),
        }
    }

    /// `[5m]`, `[1h:5m]`, `offset 5m`, `@ 1609746000`.
    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, QueryError> {
        loop {
            if self.accept("[") {
                let over_ms = self.duration("in range")?;
                if over_ms <= 0 {
                    return Err(self.fail("duration must be greater than 0"));
                }
                if self.accept(":") {
                    let step_ms = match self.peek() {
                        Kind::Sign("]") => None,
                        _ => Some(self.duration("in subquery")?.max(1)),
                    };
                    self.expect("]", "in subquery")?;
                    expr = Expr::Subquery { inner: Box::new(expr), over_ms, step_ms, shift: Shift::default() };
                    continue;
                }
                self.expect("]", "in range")?;
                expr = match expr {
                    Expr::Select(selector) => Expr::Range { selector, over_ms },
                    _ => return Err(self.fail("ranges only allowed for vector selectors")),
                };
            } else if self.accept_word("offset") {
                let negative = self.accept("-");
                let ms = self.duration("in offset")?;
                let shift = self.shift_of(&mut expr, "offset")?;
                shift.offset_ms = if negative { -ms } else { ms };
            } else if self.accept("@") {
                let at = match self.take() {
                    #[expect(clippy::cast_possible_truncation, reason = "times of a query fit")]
                    Kind::Number(seconds) if seconds.is_finite() => At::Time((seconds * 1000.0) as i64),
                    Kind::Word(word) if word == "start" || word == "end" => {
                        self.expect("(", "in @")?;
                        self.expect(")", "in @")?;
                        if word == "start" { At::Start } else { At::End }
                    }
                    _ => {
                        self.next -= 1;
                        return Err(self.unexpected("in @, expected timestamp"));
                    }
                };
                self.shift_of(&mut expr, "@")?.at = Some(at);
            } else {
                return Ok(expr);
            }
        }
    }

    fn shift_of<'e>(&self, expr: &'e mut Expr, what: &str) -> Result<&'e mut Shift, QueryError> {
        match expr {
            Expr::Select(selector) | Expr::Range { selector, .. } => Ok(&mut selector.shift),
            Expr::Subquery { shift, .. } => Ok(shift),
            _ => Err(self.fail(&format!(
                "{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
            ))),
        }
    }
}

//! Evaluating expressions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::functions;
use super::syntax::{Expression, Literal};
use super::value::{Key, Value};

/// Steps that one evaluation may take. Source: the order of `RuntimeCELCostBudget`.
pub(crate) const COST_MAX: u64 = 1_000_000;

/// A variable that is computed when it is first used.
pub(crate) struct Lazy<'a> {
    /// Computes it.
    pub(crate) make: Box<dyn Fn() -> Result<Value, String> + 'a>,
    kept: RefCell<Option<Result<Value, String>>>,
}

impl<'a> Lazy<'a> {
    /// A variable made by a function.
    pub(crate) fn new(make: impl Fn() -> Result<Value, String> + 'a) -> Self {
        Self { make: Box::new(make), kept: RefCell::new(None) }
    }

    fn get(&self) -> Result<Value, String> {
        if let Some(kept) = &*self.kept.borrow() {
            return kept.clone();
        }
        let made = (self.make)();
        *self.kept.borrow_mut() = Some(made.clone());
        made
    }
}

/// Answers questions to the authorizer: whether, and why.
pub(crate) type Authorize<'a> = &'a dyn Fn(&BTreeMap<String, String>, &str) -> (bool, String);

/// One evaluation: variables, and what it cost so far.
pub(crate) struct Evaluation<'a> {
    /// The variables.
    pub(crate) variables: BTreeMap<String, Value>,
    /// `variables.NAME` of policies.
    pub(crate) lazy: Option<&'a BTreeMap<String, Lazy<'a>>>,
    /// The authorizer, where there is one.
    pub(crate) authorize: Option<Authorize<'a>>,
    cost: Cell<u64>,
}

type Outcome = Result<Value, String>;

/// Variables that macros bind, innermost last.
struct Scope<'s> {
    name: &'s str,
    value: Value,
    outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    fn find(mut at: Option<&'s Scope<'s>>, name: &str) -> Option<&'s Value> {
        while let Some(scope) = at {
            if scope.name == name {
                return Some(&scope.value);
            }
            at = scope.outer;
        }
        None
    }
}

impl<'a> Evaluation<'a> {
    /// An evaluation over variables.
    pub(crate) fn new(variables: BTreeMap<String, Value>) -> Self {
        Self { variables, lazy: None, authorize: None, cost: Cell::new(0) }
    }

    /// Evaluates an expression.
    pub(crate) fn run(&self, expression: &Expression) -> Outcome {
        self.eval(expression, None)
    }

    /// Evaluates a condition.
    pub(crate) fn holds(&self, expression: &Expression) -> Result<bool, String> {
        match self.run(expression)? {
            Value::Bool(flag) => Ok(flag),
            other => Err(format!("must evaluate to bool but got {}", other.type_name())),
        }
    }

    fn pay(&self, cost: u64) -> Result<(), String> {
        let total = self.cost.get().saturating_add(cost);
        self.cost.set(total);
        if total > COST_MAX { Err("operation cancelled: actual cost limit exceeded".into()) } else { Ok(()) }
    }

    fn eval(&self, expression: &Expression, scope: Option<&Scope<'_>>) -> Outcome {
        self.pay(1)?;
        match expression {
            Expression::Literal(literal) => Ok(constant(literal)),
            Expression::Name(name) => self.name(name, scope),
            Expression::Field(inner, name, optional) => {
                if let (Expression::Name(first), Some(lazy)) = (inner.as_ref(), self.lazy)
                    && first == "variables"
                    && Scope::find(scope, first).is_none()
                {
                    return lazy.get(name).map_or_else(|| Err(format!("undefined field '{name}'")), Lazy::get);
                }
                let held = self.eval(inner, scope)?;
                select(&held, name, *optional)
            }
            Expression::Index(inner, index, optional) => {
                let held = self.eval(inner, scope)?;
                let index = self.eval(index, scope)?;
                at(&held, &index, *optional)
            }
            Expression::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for (item, optional) in items {
                    match (self.eval(item, scope)?, optional) {
                        (Value::Optional(None), true) => {}
                        (Value::Optional(Some(inner)), true) => list.push(*inner),
                        (value, _) => list.push(value),
                    }
                }
                Ok(Value::list(list))
            }
            Expression::Map(entries) => {
                let mut map = BTreeMap::new();
                for (key, value, optional) in entries {
                    let key = self.eval(key, scope)?.key().ok_or("unsupported key type")?;
                    match (self.eval(value, scope)?, optional) {
                        (Value::Optional(None), true) => {}
                        (Value::Optional(Some(inner)), true) => {
                            map.insert(key, *inner);
                        }
                        (value, _) => {
                            map.insert(key, value);
                        }
                    }
                }
                Ok(Value::Map(Arc::new(map)))
            }
            Expression::Message(_, fields) => {
                let mut map = BTreeMap::new();
                for (name, value, optional) in fields {
                    match (self.eval(value, scope)?, optional) {
                        (Value::Optional(None), true) => {}
                        (Value::Optional(Some(inner)), true) => {
                            map.insert(Key::Text(name.as_str().into()), *inner);
                        }
                        (value, _) => {
                            map.insert(Key::Text(name.as_str().into()), value);
                        }
                    }
                }
                Ok(Value::Map(Arc::new(map)))
            }
            Expression::Call(name, receiver, arguments) => self.call(name, receiver.as_deref(), arguments, scope),
        }
    }

    fn name(&self, name: &str, scope: Option<&Scope<'_>>) -> Outcome {
        if let Some(value) = Scope::find(scope, name).or_else(|| self.variables.get(name)) {
            return Ok(value.clone());
        }
        match name {
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type" | "type" => {
                Ok(Value::Type(name.into()))
            }
            _ => Err(format!("no such attribute(s): {name}")),
        }
    }

    fn call(
        &self,
        name: &str,
        receiver: Option<&Expression>,
        arguments: &[Expression],
        scope: Option<&Scope<'_>>,
    ) -> Outcome {
        match (name, receiver, arguments) {
            ("&&" | "||", None, [left, right]) => self.logic(name == "&&", left, right, scope),
            ("?:", None, [condition, yes, no]) => match self.eval(condition, scope)? {
                Value::Bool(true) => self.eval(yes, scope),
                Value::Bool(false) => self.eval(no, scope),
                _ => Err("no such overload".into()),
            },
            ("has", None, [Expression::Field(inner, field, _)]) => {
                if let (Expression::Name(first), Some(lazy)) = (inner.as_ref(), self.lazy)
                    && first == "variables"
                {
                    return Ok(Value::Bool(lazy.contains_key(field)));
                }
                match self.eval(inner, scope)? {
                    Value::Map(map) => Ok(Value::Bool(map.contains_key(&Key::Text(field.as_str().into())))),
                    Value::Optional(None) | Value::Null => Ok(Value::Bool(false)),
                    Value::Optional(Some(inner)) => match *inner {
                        Value::Map(map) => Ok(Value::Bool(map.contains_key(&Key::Text(field.as_str().into())))),
                        _ => Err("no such overload".into()),
                    },
                    _ => Err("no such overload".into()),
                }
            }
            ("bind", Some(Expression::Name(namespace)), [Expression::Name(variable), value, body])
                if namespace == "cel" =>
            {
                let value = self.eval(value, scope)?;
                self.eval(body, Some(&Scope { name: variable, value, outer: scope }))
            }
            (_, Some(receiver), [Expression::Name(variable), rest @ ..]) if is_macro(name, rest.len()) => {
                let held = self.eval(receiver, scope)?;
                self.comprehension(name, &held, variable, rest, scope)
            }
            (_, Some(Expression::Name(namespace)), _)
                if matches!(namespace.as_str(), "optional" | "sets" | "math" | "jsonpatch" | "base64" | "strings")
                    && Scope::find(scope, namespace).is_none()
                    && !self.variables.contains_key(namespace) =>
            {
                let values = self.all(arguments, scope)?;
                self.pay(functions::cost(&values))?;
                functions::call(&format!("{namespace}.{name}"), None, &values)
            }
            (_, Some(Expression::Field(inner, field, false)), _)
                if name == "named" && field == "format" && matches!(inner.as_ref(), Expression::Name(_)) =>
            {
                let values = self.all(arguments, scope)?;
                functions::call("format.named", None, &values)
            }
            (_, Some(Expression::Name(namespace)), _)
                if namespace == "format" && !self.variables.contains_key(namespace) =>
            {
                let values = self.all(arguments, scope)?;
                if name == "named" {
                    return functions::call("format.named", None, &values);
                }
                Ok(Value::Format(name.into()))
            }
            (_, receiver, _) => {
                let held = receiver.map(|receiver| self.eval(receiver, scope)).transpose()?;
                let values = self.all(arguments, scope)?;
                self.pay(functions::cost(&values) + held.as_ref().map_or(0, functions::size_cost))?;
                if let Some(Value::Authorizer(question)) = &held {
                    return functions::authorizer(question, name, &values, self.authorize);
                }
                functions::call(name, held.as_ref(), &values)
            }
        }
    }

    fn all(&self, arguments: &[Expression], scope: Option<&Scope<'_>>) -> Result<Vec<Value>, String> {
        arguments.iter().map(|argument| self.eval(argument, scope)).collect()
    }

    /// `&&` and `||`: one side that decides makes an error of the other side not matter.
    fn logic(&self, is_and: bool, left: &Expression, right: &Expression, scope: Option<&Scope<'_>>) -> Outcome {
        let one = self.eval(left, scope);
        if matches!(one, Ok(Value::Bool(flag)) if flag != is_and) {
            return one;
        }
        let other = self.eval(right, scope);
        match (one, other) {
            (_, Ok(Value::Bool(flag))) if flag != is_and => Ok(Value::Bool(flag)),
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(is_and)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            _ => Err("no such overload".into()),
        }
    }

    /// The macros over lists and maps.
    fn comprehension(
        &self,
        name: &str,
        held: &Value,
        variable: &str,
        rest: &[Expression],
        scope: Option<&Scope<'_>>,
    ) -> Outcome {
        if matches!(name, "optMap" | "optFlatMap") {
            let Value::Optional(inner) = held else { return Err("no such overload".into()) };
            let (Some(inner), [body]) = (inner, rest) else { return Ok(Value::Optional(None)) };
            let value = self.eval(body, Some(&Scope { name: variable, value: (**inner).clone(), outer: scope }))?;
            return Ok(if name == "optMap" { Value::Optional(Some(Box::new(value))) } else { value });
        }
        let two = matches!(rest, [Expression::Name(_), _, ..])
            && matches!(
                (name, rest.len()),
                (
                    "all"
                        | "exists"
                        | "exists_one"
                        | "existsOne"
                        | "transformList"
                        | "transformMap"
                        | "transformMapEntry",
                    2
                ) | ("transformList" | "transformMap" | "transformMapEntry", 3)
            );
        let pairs: Vec<(Value, Value)> = match held {
            Value::List(items) => (0_i64..).map(Value::Int).zip(items.iter().cloned()).collect(),
            Value::Map(map) => map.iter().map(|(key, value)| (key.value(), value.clone())).collect(),
            _ => return Err("no such overload".into()),
        };
        let is_map = matches!(held, Value::Map(_));
        let second = match rest {
            [Expression::Name(second), ..] if two => Some(second.as_str()),
            _ => None,
        };
        let bodies = if two { &rest[1..] } else { rest };
        let run = |body: &Expression, pair: &(Value, Value)| -> Outcome {
            self.pay(1)?;
            match second {
                Some(second) => {
                    let outer = Scope { name: variable, value: pair.0.clone(), outer: scope };
                    self.eval(body, Some(&Scope { name: second, value: pair.1.clone(), outer: Some(&outer) }))
                }
                None => {
                    let value = if is_map { pair.0.clone() } else { pair.1.clone() };
                    self.eval(body, Some(&Scope { name: variable, value, outer: scope }))
                }
            }
        };
        let holds = |body: &Expression, pair: &(Value, Value)| match run(body, pair)? {
            Value::Bool(flag) => Ok(flag),
            _ => Err("no such overload".to_string()),
        };
        match (name, bodies) {
            ("all", [body]) => {
                let mut error = None;
                for pair in &pairs {
                    match holds(body, pair) {
                        Ok(false) => return Ok(Value::Bool(false)),
                        Ok(true) => {}
                        Err(why) => error = error.or(Some(why)),
                    }
                }
                error.map_or(Ok(Value::Bool(true)), Err)
            }
            ("exists", [body]) => {
                let mut error = None;
                for pair in &pairs {
                    match holds(body, pair) {
                        Ok(true) => return Ok(Value::Bool(true)),
                        Ok(false) => {}
                        Err(why) => error = error.or(Some(why)),
                    }
                }
                error.map_or(Ok(Value::Bool(false)), Err)
            }
            ("exists_one" | "existsOne", [body]) => {
                let mut count = 0;
                for pair in &pairs {
                    count += usize::from(holds(body, pair)?);
                }
                Ok(Value::Bool(count == 1))
            }
            ("filter", [body]) => {
                let mut kept = Vec::new();
                for pair in &pairs {
                    if holds(body, pair)? {
                        kept.push(if is_map { pair.0.clone() } else { pair.1.clone() });
                    }
                }
                Ok(Value::list(kept))
            }
            ("map" | "transformList", bodies) => {
                let mut made = Vec::new();
                for pair in &pairs {
                    match bodies {
                        [body] => made.push(run(body, pair)?),
                        [condition, body] => {
                            if holds(condition, pair)? {
                                made.push(run(body, pair)?);
                            }
                        }
                        _ => return Err("no such overload".into()),
                    }
                }
                Ok(Value::list(made))
            }
            ("transformMap" | "transformMapEntry", bodies) => {
                let mut made = BTreeMap::new();
                for pair in &pairs {
                    let body = match bodies {
                        [body] => body,
                        [condition, body] => {
                            if !holds(condition, pair)? {
                                continue;
                            }
                            body
                        }
                        _ => return Err("no such overload".into()),
                    };
                    let value = run(body, pair)?;
                    if name == "transformMap" {
                        made.insert(pair.0.key().ok_or("unsupported key type")?, value);
                    } else if let Value::Map(entries) = value {
                        made.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
                    }
                }
                Ok(Value::Map(Arc::new(made)))
            }
            _ => Err("no such overload".into()),
        }
    }
}

fn is_macro(name: &str, rest: usize) -> bool {
    match name {
        "all" | "exists" | "exists_one" | "existsOne" => rest == 1 || rest == 2,
        "filter" | "optMap" | "optFlatMap" => rest == 1,
        "map" => rest == 1 || rest == 2,
        "transformList" | "transformMap" | "transformMapEntry" => rest == 2 || rest == 3,
        _ => false,
    }
}

fn constant(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(flag) => Value::Bool(*flag),
        Literal::Int(number) => Value::Int(*number),
        Literal::Uint(number) => Value::Uint(*number),
        Literal::Double(number) => Value::Double(*number),
        Literal::Text(text) => Value::text(text),
        Literal::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
    }
}

fn select(held: &Value, name: &str, optional: bool) -> Outcome {
    match held {
        Value::Map(map) => match map.get(&Key::Text(name.into())) {
            Some(value) if optional => Ok(Value::Optional(Some(Box::new(value.clone())))),
            Some(value) => Ok(value.clone()),
            None if optional => Ok(Value::Optional(None)),
            None => Err(format!("no such key: {name}")),
        },
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => select(inner, name, true),
        Value::Authorizer(question) if name == "requestResource" => Ok(Value::Authorizer(Arc::clone(question))),
        Value::Null if optional => Ok(Value::Optional(None)),
        _ => Err(format!("no such overload: {}.{name}", held.type_name())),
    }
}

fn at(held: &Value, index: &Value, optional: bool) -> Outcome {
    let found = match (held, index) {
        (Value::Optional(None), _) => return Ok(Value::Optional(None)),
        (Value::Optional(Some(inner)), _) => return at(inner, index, true),
        (Value::List(items), index) => match index.key() {
            Some(Key::Int(place)) => usize::try_from(place)
                .ok()
                .and_then(|place| items.get(place))
                .cloned()
                .ok_or_else(|| format!("index out of bounds: {place}")),
            _ => return Err("no such overload".into()),
        },
        (Value::Map(map), index) => match index.key() {
            Some(key) => map.get(&key).cloned().ok_or_else(|| match key {
                Key::Text(text) => format!("no such key: {text}"),
                Key::Int(number) => format!("no such key: {number}"),
                Key::Bool(flag) => format!("no such key: {flag}"),
            }),
            None => return Err("no such overload".into()),
        },
        _ => return Err("no such overload".into()),
    };
    match (found, optional) {
        (Ok(value), true) => Ok(Value::Optional(Some(Box::new(value)))),
        (Err(_), true) => Ok(Value::Optional(None)),
        (found, false) => found,
    }
}

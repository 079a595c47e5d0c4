//! The values that expressions compute with. Every operation takes a step of the budget.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jaq_core::path::Opt;
use jaq_core::{Error, Exn, ValR, ValT, ValX};
use serde_json::Value;

use super::step;

/// A JSON value that is cheap to copy.
#[derive(Debug)]
pub(super) enum Val {
    Null,
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    List(Arc<Vec<Val>>),
    Map(Arc<BTreeMap<Arc<str>, Val>>),
}

impl Clone for Val {
    fn clone(&self) -> Self {
        step();
        match self {
            Self::Null => Self::Null,
            Self::Bool(flag) => Self::Bool(*flag),
            Self::Number(number) => Self::Number(*number),
            Self::Text(text) => Self::Text(Arc::clone(text)),
            Self::List(list) => Self::List(Arc::clone(list)),
            Self::Map(map) => Self::Map(Arc::clone(map)),
        }
    }
}

impl Val {
    pub(super) fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(list) => Self::List(Arc::new(list.iter().map(Self::from_json).collect())),
            Value::Object(map) => Self::Map(Arc::new(
                map.iter().map(|(key, value)| (key.as_str().into(), Self::from_json(value))).collect(),
            )),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Map(_) => 5,
        }
    }
}

/// The index in a list of this length that a number means; negative ones count from the end.
pub(super) fn position(index: f64, length: usize) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, reason = "out of range saturates, and is then out of the list")]
    let index = index.floor() as i64;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let index = if index < 0 { index + length } else { index };
    (0..length).contains(&index).then(|| usize::try_from(index).unwrap_or_default())
}

/// The part of a list of this length that a slice means.
pub(super) fn bounds(from: Option<&Val>, to: Option<&Val>, length: usize) -> (usize, usize) {
    let place = |bound: Option<&Val>, otherwise: usize| match bound {
        Some(Val::Number(index)) if *index >= 0.0 => position(*index, length).unwrap_or(length),
        Some(Val::Number(index)) => position(*index, length).unwrap_or(0),
        _ => otherwise,
    };
    let (from, to) = (place(from, 0), place(to, length));
    (from.min(to), to)
}

impl fmt::Display for Val {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        step();
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(flag) => write!(formatter, "{flag}"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "{}", Value::String(text.to_string())),
            Self::List(list) => {
                formatter.write_str("[")?;
                for (index, element) in list.iter().enumerate() {
                    write!(formatter, "{}{element}", if index > 0 { "," } else { "" })?;
                }
                formatter.write_str("]")
            }
            Self::Map(map) => {
                formatter.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(formatter, "{comma}{}:{value}", Value::String(key.to_string()))?;
                }
                formatter.write_str("}")
            }
        }
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Val {
    /// jq's order: null, false, true, numbers, strings, lists, maps.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        step();
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.partial_cmp(b),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.partial_cmp(b),
            (Self::List(a), Self::List(b)) => a.iter().partial_cmp(b.iter()),
            (Self::Map(a), Self::Map(b)) => match a.keys().cmp(b.keys()) {
                Ordering::Equal => a.values().partial_cmp(b.values()),
                order => Some(order),
            },
            _ => self.rank().partial_cmp(&other.rank()),
        }
    }
}

impl From<bool> for Val {
    fn from(flag: bool) -> Self {
        step();
        Self::Bool(flag)
    }
}

impl From<isize> for Val {
    fn from(number: isize) -> Self {
        step();
        #[expect(clippy::cast_precision_loss, reason = "jq's numbers are floats")]
        Self::Number(number as f64)
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        step();
        Self::Text(text.into())
    }
}

impl From<jaq_core::val::Range<Val>> for Val {
    fn from(range: jaq_core::val::Range<Val>) -> Self {
        let bound = |name: &str, bound: Option<Val>| (name.into(), bound.unwrap_or(Self::Null));
        Self::Map(Arc::new(BTreeMap::from([bound("start", range.start), bound("end", range.end)])))
    }
}

impl FromIterator<Val> for Val {
    fn from_iter<I: IntoIterator<Item = Val>>(elements: I) -> Self {
        step();
        Self::List(Arc::new(elements.into_iter().inspect(|_| step()).collect()))
    }
}

/// Defines an operator by a function over both values.
macro_rules! operator {
    ($operator:ident, $method:ident, $function:ident) => {
        impl std::ops::$operator for Val {
            type Output = ValR<Val>;
            fn $method(self, other: Self) -> ValR<Val> {
                step();
                $function(self, other)
            }
        }
    };
}

operator!(Add, add, plus);
operator!(Sub, sub, minus);
operator!(Mul, mul, times);
operator!(Div, div, over);
operator!(Rem, rem, modulo);

fn no_such(operation: &str, left: &Val, right: &Val) -> Error<Val> {
    Error::str(format!("{} and {} cannot be {operation}", left.type_name(), right.type_name()))
}

/// The largest text or list that an operation may make, in bytes or elements.
const SIZE_MAX: usize = 1 << 20;

fn plus(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Null, _) => Ok(right),
        (_, Val::Null) => Ok(left),
        (Val::Number(a), Val::Number(b)) => Ok(Val::Number(a + b)),
        (Val::Text(a), Val::Text(b)) if a.len() + b.len() <= SIZE_MAX => Ok(Val::from(format!("{a}{b}"))),
        (Val::List(a), Val::List(b)) if a.len() + b.len() <= SIZE_MAX => {
            Ok(a.iter().chain(b.iter()).cloned().collect())
        }
        (Val::Map(a), Val::Map(b)) => {
            let mut both = (**a).clone();
            both.extend(b.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
            Ok(Val::Map(Arc::new(both)))
        }
        _ => Err(no_such("added", &left, &right)),
    }
}

fn minus(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Number(a), Val::Number(b)) => Ok(Val::Number(a - b)),
        (Val::List(a), Val::List(b)) => Ok(a.iter().filter(|element| !b.contains(element)).cloned().collect()),
        _ => Err(no_such("subtracted", &left, &right)),
    }
}

fn times(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Number(a), Val::Number(b)) => Ok(Val::Number(a * b)),
        _ => Err(no_such("multiplied", &left, &right)),
    }
}

fn over(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Number(_), Val::Number(0.0)) => Err(Error::str("division by zero")),
        (Val::Number(a), Val::Number(b)) => Ok(Val::Number(a / b)),
        _ => Err(no_such("divided", &left, &right)),
    }
}

fn modulo(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Number(a), Val::Number(b)) if b.trunc() != 0.0 => Ok(Val::Number(a.trunc() % b.trunc())),
        _ => Err(no_such("divided", &left, &right)),
    }
}

impl std::ops::Neg for Val {
    type Output = ValR<Val>;
    fn neg(self) -> ValR<Val> {
        match self {
            Self::Number(number) => Ok(Self::Number(-number)),
            other => Err(Error::typ(other, "number")),
        }
    }
}

fn no_updates<'a>() -> ValX<'a, Val> {
    Err(Exn::from(Error::str("ignore rules select, they do not change")))
}

impl ValT for Val {
    fn from_num(text: &str) -> ValR<Self> {
        step();
        text.trim().parse().map(Self::Number).map_err(|_| Error::str(format!("{text:?} is not a number")))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR<Self> {
        step();
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            match key {
                Self::Text(key) => map.insert(key, value),
                other => return Err(Error::typ(other, "string")),
            };
        }
        Ok(Self::Map(Arc::new(map)))
    }

    fn key_values(self) -> jaq_core::box_iter::BoxIter<'static, ValR<(Self, Self), Self>> {
        step();
        match self {
            Self::Map(map) => {
                let pairs: Vec<_> =
                    map.iter().map(|(key, value)| Ok((Self::Text(Arc::clone(key)), value.clone()))).collect();
                Box::new(pairs.into_iter())
            }
            Self::List(list) => {
                let pairs: Vec<_> = list
                    .iter()
                    .enumerate()
                    .map(|(i, value)| Ok((Self::from(isize::try_from(i).unwrap_or(isize::MAX)), value.clone())))
                    .collect();
                Box::new(pairs.into_iter())
            }
            other => Box::new(std::iter::once(Err(Error::typ(other, "iterable (array or object)")))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        Box::new(self.key_values().map(|pair| pair.map(|(_, value)| value)))
    }

    fn index(self, index: &Self) -> ValR<Self> {
        step();
        match (&self, index) {
            (Self::Null, Self::Text(_) | Self::Number(_)) => Ok(Self::Null),
            (Self::Map(map), Self::Text(key)) => Ok(map.get(key).cloned().unwrap_or(Self::Null)),
            (Self::List(list), Self::Number(place)) => {
                Ok(position(*place, list.len()).and_then(|i| list.get(i)).cloned().unwrap_or(Self::Null))
            }
            _ => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: jaq_core::val::Range<&Self>) -> ValR<Self> {
        step();
        match &self {
            Self::Null => Ok(Self::Null),
            Self::List(list) => {
                let (from, to) = bounds(range.start, range.end, list.len());
                Ok(list[from..to].iter().cloned().collect())
            }
            Self::Text(text) => {
                let characters: Vec<char> = text.chars().collect();
                let (from, to) = bounds(range.start, range.end, characters.len());
                Ok(Self::from(characters[from..to].iter().collect::<String>()))
            }
            _ => Err(Error::typ(self, "array or string")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _opt: Opt,
        _update: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        no_updates()
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _index: &Self,
        _opt: Opt,
        _update: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        no_updates()
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _range: jaq_core::val::Range<&Self>,
        _opt: Opt,
        _update: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        no_updates()
    }

    fn as_bool(&self) -> bool {
        step();
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            other => Self::from(other.to_string()),
        }
    }
}

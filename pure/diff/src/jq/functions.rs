//! The functions that ignore rules may call: none reaches outside of its input, none loops but over data.

use jaq_core::box_iter::box_once;
use jaq_core::data::JustLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, run, unary, v};
use jaq_core::{Error, ValR, ValX, ValXs};

use super::value::Val;

/// Definitions in jq of everything that needs no code here. `recurse` is the only one that recurses, along the data.
const DEFINITIONS: &str = r#"
def empty: {}[] as $x | .;
def error: error_empty as $x | .;
def error(msgs): (msgs | error_empty) as $x | .;
def true: 0 == 0;
def false: 0 != 0;
def not: if . then false else true end;
def select(f): if f then . else empty end;
def recurse: def rec: ., (.[]? | rec); rec;
def map(f): [.[] | f];
def values: select(. != null);
def nulls: select(. == null);
def strings: select(type == "string");
def numbers: select(type == "number");
def booleans: select(type == "boolean");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select((type == "array" or type == "object") | not);
def paths: skip(1; path(..));
def paths(p): skip(1; path_value(..)) | if .[1] | p then .[0] else empty end;
def first: .[0];
def last: .[-1];
def nth(n): .[n];
def range(to): range(0; to; 1);
def range(from; to): range(from; to; 1);
def to_entries: [key_values[] as [$key, $value] | { $key, $value }];
def isempty(g): first((g | false), true);
def all(g; cond): isempty(g | cond and empty);
def any(g; cond): isempty(g | cond or empty) | not;
def all(cond): all(.[]; cond);
def any(cond): any(.[]; cond);
def all: all(.[]; .);
def any: any(.[]; .);
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def test(re): test(re; "");
"#;

pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    jaq_core::load::parse(DEFINITIONS, |parser| parser.defs()).expect("the definitions are jq").into_iter()
}

/// Core functions by name; the rest of jaq's table is left out.
const FROM_CORE: [&str; 9] =
    ["error_empty", "path", "path_value", "range", "key_values", "first", "last", "limit", "skip"];

pub(super) fn natives() -> Vec<Fun<JustLut<Val>>> {
    let core = jaq_core::funs::<JustLut<Val>>().filter(|(name, _, _)| FROM_CORE.contains(name));
    core.chain(nullary().into_iter().chain(with_argument()).map(run::<JustLut<Val>>)).collect()
}

type Native = jaq_core::native::Filter<jaq_core::RunPtr<JustLut<Val>>>;

fn once<'a>(result: ValR<Val>) -> ValXs<'a, Val> {
    box_once(result.map_err(jaq_core::Exn::from) as ValX<'a, Val>)
}

fn mistyped(value: Val, wanted: &'static str) -> Error<Val> {
    Error::typ(value, wanted)
}

fn text(value: Val) -> Result<String, Error<Val>> {
    match value {
        Val::Text(text) => Ok(text.to_string()),
        other => Err(mistyped(other, "string")),
    }
}

fn nullary() -> Vec<Native> {
    vec![
        ("null", v(0), |_| once(Ok(Val::Null))),
        ("length", v(0), |cv| once(length(cv.1))),
        ("keys", v(0), |cv| once(keys(cv.1))),
        ("keys_unsorted", v(0), |cv| once(keys(cv.1))),
        ("type", v(0), |cv| once(Ok(Val::from(cv.1.type_name().to_owned())))),
        ("tostring", v(0), |cv| once(Ok(jaq_core::ValT::into_string(cv.1)))),
        ("tojson", v(0), |cv| once(Ok(Val::from(cv.1.to_string())))),
        ("tonumber", v(0), |cv| once(number(cv.1))),
        ("ascii_downcase", v(0), |cv| once(text(cv.1).map(|text| Val::from(text.to_ascii_lowercase())))),
        ("ascii_upcase", v(0), |cv| once(text(cv.1).map(|text| Val::from(text.to_ascii_uppercase())))),
        ("add", v(0), |cv| once(sum(cv.1))),
        ("sort", v(0), |cv| once(sorted(cv.1).map(|list| list.into_iter().collect()))),
        ("unique", v(0), |cv| {
            once(sorted(cv.1).map(|mut list| {
                list.dedup();
                list.into_iter().collect()
            }))
        }),
    ]
}

fn with_argument() -> Vec<Native> {
    vec![
        ("startswith", v(1), |cv| unary(cv, |a, b| Ok(Val::Bool(text(a)?.starts_with(&text(b)?))))),
        ("endswith", v(1), |cv| unary(cv, |a, b| Ok(Val::Bool(text(a)?.ends_with(&text(b)?))))),
        ("ltrimstr", v(1), |cv| unary(cv, |a, b| Ok(trimmed(a, &b, |text, part| text.strip_prefix(part))))),
        ("rtrimstr", v(1), |cv| unary(cv, |a, b| Ok(trimmed(a, &b, |text, part| text.strip_suffix(part))))),
        ("split", v(1), |cv| {
            unary(cv, |a, b| {
                let (whole, by) = (text(a)?, text(b)?);
                Ok(if whole.is_empty() {
                    std::iter::empty().collect()
                } else {
                    whole.split(&by).map(|part| Val::from(part.to_owned())).collect()
                })
            })
        }),
        ("join", v(1), |cv| unary(cv, joined)),
        ("has", v(1), |cv| unary(cv, has)),
        ("contains", v(1), |cv| unary(cv, |a, b| Ok(Val::Bool(contains(&a, &b))))),
        ("index", v(1), |cv| unary(cv, index)),
        ("getpath", v(1), |cv| {
            unary(cv, |value, path| match path {
                Val::List(parts) => parts.iter().try_fold(value, jaq_core::ValT::index),
                other => Err(mistyped(other, "array")),
            })
        }),
        ("test", v(2), |mut cv| {
            let flags = cv.0.pop_var();
            unary(cv, move |whole, pattern| matches(whole, pattern, flags.clone()))
        }),
    ]
}

fn length(value: Val) -> ValR<Val> {
    let count = match &value {
        Val::Null => 0,
        Val::Text(text) => text.chars().count(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        Val::Number(number) => return Ok(Val::Number(number.abs())),
        Val::Bool(_) => return Err(mistyped(value, "something with a length")),
    };
    Ok(Val::from(isize::try_from(count).unwrap_or(isize::MAX)))
}

fn keys(value: Val) -> ValR<Val> {
    match value {
        Val::Map(map) => Ok(map.keys().map(|key| Val::from(key.to_string())).collect()),
        Val::List(list) => Ok((0..list.len()).map(|i| Val::from(isize::try_from(i).unwrap_or(isize::MAX))).collect()),
        other => Err(mistyped(other, "object or array")),
    }
}

fn number(value: Val) -> ValR<Val> {
    match value {
        Val::Text(text) => jaq_core::ValT::from_num(&text),
        Val::Number(number) => Ok(Val::Number(number)),
        other => Err(mistyped(other, "number or string")),
    }
}

fn sum(value: Val) -> ValR<Val> {
    jaq_core::ValT::values(value).try_fold(Val::Null, |sum, next| sum + next?)
}

fn sorted(value: Val) -> Result<Vec<Val>, Error<Val>> {
    match value {
        Val::List(list) => {
            let mut list: Vec<Val> = list.iter().cloned().collect();
            list.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            Ok(list)
        }
        other => Err(mistyped(other, "array")),
    }
}

fn trimmed(value: Val, part: &Val, strip: for<'t> fn(&'t str, &str) -> Option<&'t str>) -> Val {
    match (&value, part) {
        (Val::Text(text), Val::Text(part)) => match strip(text, part) {
            Some(rest) => Val::from(rest.to_owned()),
            None => value,
        },
        _ => value,
    }
}

fn joined(value: Val, by: Val) -> ValR<Val> {
    let by = text(by)?;
    match value {
        Val::List(list) => {
            let parts: Vec<String> = list
                .iter()
                .map(|part| match part {
                    Val::Null => String::new(),
                    Val::Text(text) => text.to_string(),
                    other => other.to_string(),
                })
                .collect();
            Ok(Val::from(parts.join(&by)))
        }
        other => Err(mistyped(other, "array")),
    }
}

fn has(value: Val, key: Val) -> ValR<Val> {
    match (&value, &key) {
        (Val::Map(map), Val::Text(key)) => Ok(Val::Bool(map.contains_key(key))),
        (Val::List(list), Val::Number(index)) => {
            Ok(Val::Bool(*index >= 0.0 && super::value::position(*index, list.len()).is_some()))
        }
        _ => Err(Error::index(value, key)),
    }
}

fn contains(whole: &Val, part: &Val) -> bool {
    super::step();
    match (whole, part) {
        (Val::Text(whole), Val::Text(part)) => whole.contains(&**part),
        (Val::List(whole), Val::List(parts)) => {
            parts.iter().all(|part| whole.iter().any(|candidate| contains(candidate, part)))
        }
        (Val::Map(whole), Val::Map(parts)) => {
            parts.iter().all(|(key, part)| whole.get(key).is_some_and(|candidate| contains(candidate, part)))
        }
        _ => whole == part,
    }
}

fn index(whole: Val, part: Val) -> ValR<Val> {
    let place = match (&whole, &part) {
        (Val::Text(whole), Val::Text(part)) => whole.find(&**part),
        (Val::List(list), part) => list.iter().position(|element| element == part),
        _ => None,
    };
    Ok(place.map_or(Val::Null, |place| Val::from(isize::try_from(place).unwrap_or(isize::MAX))))
}

fn matches(whole: Val, pattern: Val, flags: Val) -> ValR<Val> {
    /// Compiled size beyond which a pattern is refused.
    const PATTERN_BYTES_MAX: usize = 1 << 20;
    let (whole, pattern) = (text(whole)?, text(pattern)?);
    let flags = match flags {
        Val::Null => String::new(),
        flags => text(flags)?,
    };
    let pattern = regex::RegexBuilder::new(&pattern)
        .case_insensitive(flags.contains('i'))
        .ignore_whitespace(flags.contains('x'))
        .dot_matches_new_line(flags.contains('s'))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(Error::str)?;
    Ok(Val::Bool(pattern.is_match(&whole)))
}

//! Regular expressions as Go's RE2 reads them, on the `regex` crate: [`Pattern`] translates syntax, the functions follow Go's
//! rules for empty matches, splitting and replacement templates.
//!
//! Source: Sprig 3.3.0 regex.go, Go's regexp.

use super::arguments::{Outcome, int, string, text};
use super::pattern::Pattern;
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::text::{self as chars, Str};
use crate::types::{INT, LIST_STRING, STRING};
use crate::value::Value;
use std::rc::Rc;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("regexMatch", &[&STRING, &STRING], |context, v| {
        Ok(Value::Bool(matches!(compiled(context, &string(v, 0)), Ok(pattern) if pattern.is_match(&string(v, 1)))))
    }));
    add(Function::fixed("mustRegexMatch", &[&STRING, &STRING], |context, v| {
        let pattern = compiled(context, &string(v, 0)).map_err(Error::function)?;
        Ok(Value::Bool(pattern.is_match(&string(v, 1))))
    }));
    for (name, failing) in [("regexFind", Failing::Panic), ("mustRegexFind", Failing::Error)] {
        add(Function::new(name, &[&STRING, &STRING], move |context, v| {
            let pattern = failing.compiled(context, &string(v, 0))?;
            let whole = string(v, 1);
            let found =
                pattern.find_all(&whole, 1).first().map_or(&b""[..], |(start, end)| &whole[*start..*end]).to_vec();
            text(context, found)
        }));
    }
    for (name, failing) in [("regexFindAll", Failing::Panic), ("mustRegexFindAll", Failing::Error)] {
        add(Function::new(name, &[&STRING, &STRING, &INT], move |context, v| {
            let pattern = failing.compiled(context, &string(v, 0))?;
            let whole = string(v, 1);
            let found = pattern.find_all(&whole, bounded(context, &whole, int(v, 2))?);
            context.charge_bytes(whole.len() + found.len() * PIECE_BYTES)?;
            if found.is_empty() {
                return Ok(Value::nil_list(&LIST_STRING));
            }
            Ok(Value::strings(found.iter().map(|(start, end)| Str::from(&whole[*start..*end]))))
        }));
    }
    for (name, failing) in [("regexSplit", Failing::Panic), ("mustRegexSplit", Failing::Error)] {
        add(Function::new(name, &[&STRING, &STRING, &INT], move |context, v| {
            let pattern = failing.compiled(context, &string(v, 0))?;
            let whole = string(v, 1);
            match pattern.split(&whole, bounded(context, &whole, int(v, 2))?) {
                None => Ok(Value::nil_list(&LIST_STRING)),
                Some(parts) => {
                    context.charge_bytes(whole.len() + parts.len() * PIECE_BYTES)?;
                    Ok(Value::strings(parts))
                }
            }
        }));
    }
    for (name, failing) in [("regexReplaceAll", Failing::Panic), ("mustRegexReplaceAll", Failing::Error)] {
        add(Function::new(name, &[&STRING, &STRING, &STRING], move |context, v| {
            replaced(context, v, failing, Replacement::Template)
        }));
    }
    for (name, failing) in [("regexReplaceAllLiteral", Failing::Panic), ("mustRegexReplaceAllLiteral", Failing::Error)]
    {
        add(Function::new(name, &[&STRING, &STRING, &STRING], move |context, v| {
            replaced(context, v, failing, Replacement::Literal)
        }));
    }
    add(Function::fixed("regexQuoteMeta", &[&STRING], |context, v| {
        let mut out = Vec::new();
        for byte in string(v, 0).iter() {
            if b"\\.+*?()|[]{}^$".contains(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        text(context, out)
    }));
}

/// How a bad expression is reported.
#[derive(Clone, Copy)]
enum Failing {
    /// As the panic of `MustCompile`.
    Panic,
    /// As the error of `Compile`.
    Error,
}

impl Failing {
    fn compiled(self, context: &mut Context<'_>, expression: &Str) -> Result<Rc<Pattern>, Error> {
        compiled(context, expression).map_err(|reason| match self {
            Failing::Error => Error::function(reason),
            Failing::Panic => {
                let shown = if crate::quote::can_backquote(expression) {
                    format!("`{expression}`")
                } else {
                    crate::quote::quote(expression)
                };
                Error::function(format!("regexp: Compile({shown}): {reason}"))
            }
        })
    }
}

fn compiled(context: &mut Context<'_>, expression: &Str) -> Result<Rc<Pattern>, String> {
    if let Some(known) = context.regexes.get(expression) {
        return known.clone();
    }
    let made = Pattern::new(expression).map(Rc::new);
    context.regexes.insert(expression.clone(), made.clone());
    made
}

/// Bytes that a found piece of text takes beside its own.
const PIECE_BYTES: usize = 48;

/// Accounts for a search and bounds the number of its results: one more than may be is an error when they are accounted for.
fn bounded(context: &mut Context<'_>, whole: &[u8], limit: i64) -> Result<i64, Error> {
    context.charge_steps(whole.len() as u64 / 16)?;
    let most = context.items_max(PIECE_BYTES) as i64 + 1;
    let is_short = (whole.len() as i64) < most;
    Ok(if is_short || (0..=most).contains(&limit) { limit } else { most })
}

/// How a replacement is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replacement {
    /// `$1`, `${name}` stand for groups.
    Template,
    /// As it is.
    Literal,
}

fn replaced(context: &mut Context<'_>, v: &[Value], failing: Failing, kind: Replacement) -> Outcome {
    let pattern = failing.compiled(context, &string(v, 0))?;
    let (whole, replacement) = (string(v, 1), string(v, 2));
    let is_literal = kind == Replacement::Literal || !replacement.contains(&b'$');
    let mut out = Vec::with_capacity(whole.len());
    let mut last_end = 0;
    let mut at = 0;
    // Go looks again from each match's end; an empty match there right after another match is not replaced.
    while at <= whole.len() {
        let Some(groups) = pattern.groups_at(&whole, at) else { break };
        let Some((start, end)) = groups.get(0) else { break };
        out.extend_from_slice(&whole[last_end..start]);
        if end > last_end || start == 0 {
            if is_literal {
                out.extend_from_slice(&replacement);
            } else {
                expand(&mut out, &replacement, &whole, &groups, &pattern);
            }
        }
        context.charge_steps(1 + (replacement.len() / 64) as u64)?;
        if out.len() > context.options().limits.value_bytes_max {
            context.charge_bytes(out.len())?;
        }
        last_end = end;
        let (_, width) = chars::decode(&whole[at..]);
        at = if at + width > end {
            at + width
        } else if at + 1 > end {
            at + 1
        } else {
            end
        };
    }
    out.extend_from_slice(&whole[last_end.min(whole.len())..]);
    text(context, out)
}

/// Fills a replacement template: `$name` and `$1` take the longest word, unknown groups are empty, `$$` is a dollar.
fn expand(out: &mut Vec<u8>, template: &[u8], whole: &[u8], groups: &super::pattern::Groups, pattern: &Pattern) {
    let mut rest = template;
    while let Some(dollar) = memchr::memchr(b'$', rest) {
        out.extend_from_slice(&rest[..dollar]);
        rest = &rest[dollar..];
        if rest.get(1) == Some(&b'$') {
            out.push(b'$');
            rest = &rest[2..];
            continue;
        }
        let Some((name, after)) = group_name(rest) else {
            out.push(b'$');
            rest = &rest[1..];
            continue;
        };
        rest = after;
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && !(name.len() > 1 && name.starts_with('0'));
        let index = if is_number {
            name.parse::<usize>().ok().filter(|index| *index < 100_000_000)
        } else {
            pattern.group_index(name, groups)
        };
        if let Some((start, end)) = index.and_then(|index| groups.get(index)) {
            out.extend_from_slice(&whole[start..end]);
        }
    }
    out.extend_from_slice(rest);
}

fn group_name(rest: &[u8]) -> Option<(&str, &[u8])> {
    let is_braced = rest.get(1) == Some(&b'{');
    let body = &rest[if is_braced { 2 } else { 1 }..];
    let length = chars::characters(body)
        .take_while(|(_, character, _)| {
            *character == '_' || chars::is_letter(*character) || chars::is_digit(*character)
        })
        .map(|(_, _, width)| width)
        .sum::<usize>();
    if length == 0 || is_braced && body.get(length) != Some(&b'}') {
        return None;
    }
    let name = std::str::from_utf8(&body[..length]).ok()?;
    Some((name, &body[length + usize::from(is_braced)..]))
}

//! Text functions: trimming, cutting, joining, replacing, quoting, indenting.
//!
//! Source: Sprig 3.3.0 strings.go, Go's strings package.

use super::arguments::{Outcome, count, int, string, text};
use crate::context::Context;
use crate::error::Error;
use crate::format::{self, strval};
use crate::function::{Function, Functions};
use crate::quote;
use crate::text::{self as chars, Str};
use crate::types::{ANY, INT, MAP_STRING, STRING};
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("hello", &[], |_, _| Ok(Value::str("Hello!"))));
    add(Function::fixed("trim", &[&STRING], |context, v| text(context, chars::trim_space(&string(v, 0)))));
    for name in ["trimAll", "trimall"] {
        add(Function::fixed(name, &[&STRING, &STRING], trim_all));
    }
    add(Function::fixed("trimSuffix", &[&STRING, &STRING], |context, v| {
        let (suffix, whole) = (string(v, 0), string(v, 1));
        match whole.strip_suffix(suffix.bytes()) {
            Some(rest) if !suffix.is_empty() => text(context, rest),
            _ => Ok(Value::Str(whole)),
        }
    }));
    add(Function::fixed("trimPrefix", &[&STRING, &STRING], |context, v| {
        let (prefix, whole) = (string(v, 0), string(v, 1));
        match whole.strip_prefix(prefix.bytes()) {
            Some(rest) if !prefix.is_empty() => text(context, rest),
            _ => Ok(Value::Str(whole)),
        }
    }));
    add(Function::fixed("trunc", &[&INT, &STRING], trunc));
    add(Function::fixed("substr", &[&INT, &INT, &STRING], substr));
    add(Function::fixed("repeat", &[&INT, &STRING], repeat));
    add(Function::fixed("contains", &[&STRING, &STRING], |_, v| {
        Ok(Value::Bool(chars::find(&string(v, 1), &string(v, 0)).is_some()))
    }));
    add(Function::fixed("hasPrefix", &[&STRING, &STRING], |_, v| {
        Ok(Value::Bool(string(v, 1).starts_with(&string(v, 0))))
    }));
    add(Function::fixed("hasSuffix", &[&STRING, &STRING], |_, v| {
        Ok(Value::Bool(string(v, 1).ends_with(&string(v, 0))))
    }));
    add(Function::fixed("quote", &[&ANY], |context, v| {
        joined(context, v, |value| quote::quote(&strval(value)).into_bytes())
    })
    .variadic());
    add(Function::fixed("squote", &[&ANY], |context, v| {
        joined(context, v, |value| [b"'", &format::sprint_value(value)[..], b"'"].concat())
    })
    .variadic());
    add(Function::fixed("cat", &[&ANY], |context, v| joined(context, v, format::sprint_value)).variadic());
    add(Function::fixed("indent", &[&INT, &STRING], |context, v| {
        let indented = indent(context, int(v, 0), &string(v, 1), b"")?;
        Ok(Value::str(indented))
    }));
    add(Function::fixed("nindent", &[&INT, &STRING], |context, v| {
        let indented = indent(context, int(v, 0), &string(v, 1), b"\n")?;
        Ok(Value::str(indented))
    }));
    add(Function::fixed("replace", &[&STRING, &STRING, &STRING], replace));
    add(Function::fixed("plural", &[&STRING, &STRING, &INT], |_, v| Ok(v[usize::from(int(v, 2) != 1)].clone())));
    add(Function::fixed("toString", &[&ANY], |_, v| Ok(Value::Str(strval(&v[0])))));
    add(Function::fixed("toStrings", &[&ANY], |context, v| {
        let items = strings(&v[0]);
        count(context, items.len() * 16)?;
        Ok(Value::strings(items))
    }));
    add(Function::fixed("join", &[&STRING, &ANY], join));
    add(Function::fixed("sortAlpha", &[&ANY], |context, v| {
        let mut items = if is_list(&v[0]) { strings(&v[0]) } else { vec![strval(&v[0])] };
        context.charge_steps(items.len() as u64)?;
        items.sort_unstable();
        Ok(Value::strings(items))
    }));
    add(Function::fixed("split", &[&STRING, &STRING], |context, v| {
        let (separator, whole) = (string(v, 0), string(v, 1));
        charge_parts(context, &whole, &separator)?;
        numbered(context, split(&whole, &separator, -1))
    }));
    add(Function::fixed("splitn", &[&STRING, &INT, &STRING], |context, v| {
        let (separator, whole) = (string(v, 0), string(v, 2));
        charge_parts(context, &whole, &separator)?;
        numbered(context, split(&whole, &separator, int(v, 1)))
    }));
    add(Function::fixed("splitList", &[&STRING, &STRING], |context, v| {
        let (separator, whole) = (string(v, 0), string(v, 1));
        charge_parts(context, &whole, &separator)?;
        Ok(Value::strings(split(&whole, &separator, -1)))
    }));
    add(Function::fixed("nospace", &[&STRING], |context, v| {
        let whole = string(v, 0);
        if !whole.iter().any(|byte| chars::is_space(char::from(*byte))) {
            return Ok(Value::Str(whole));
        }
        let kept: String =
            whole.iter().map(|byte| char::from(*byte)).filter(|character| !chars::is_space(*character)).collect();
        text(context, kept)
    }));
    add(Function::fixed("abbrev", &[&INT, &STRING], |context, v| {
        let (width, whole) = (int(v, 0), string(v, 1));
        if width < 4 { Ok(Value::Str(whole)) } else { text(context, abbreviate(&whole, 0, width)) }
    }));
    add(Function::fixed("abbrevboth", &[&INT, &INT, &STRING], |context, v| {
        let (left, right, whole) = (int(v, 0), int(v, 1), string(v, 2));
        if right < 4 || left > 0 && right < 7 {
            Ok(Value::Str(whole))
        } else {
            text(context, abbreviate(&whole, left, right))
        }
    }));
    add(Function::fixed("wrap", &[&INT, &STRING], |context, v| {
        let whole = string(v, 1);
        count(context, whole.len())?;
        text(context, wrap(&whole, int(v, 0), b"\n", LongWords::Keep))
    }));
    add(Function::fixed("wrapWith", &[&INT, &STRING, &STRING], |context, v| {
        let (separator, whole) = (string(v, 1), string(v, 2));
        count(
            context,
            whole.len().saturating_mul(separator.len().max(1)) / usize::try_from(int(v, 0)).unwrap_or(1).max(1),
        )?;
        let separator = if separator.is_empty() { Str::from("\n") } else { separator };
        text(context, wrap(&whole, int(v, 0), &separator, LongWords::Break))
    }));
}

fn trim_all(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (cut, whole) = (string(v, 0), string(v, 1));
    let set: Vec<char> = chars::characters(&cut).map(|(_, character, _)| character).collect();
    text(context, chars::trim_matches(&whole, |character| set.contains(&character)))
}

fn trunc(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (limit, whole) = (int(v, 0), string(v, 1));
    let length = whole.len() as i64;
    if limit < 0 && length.saturating_add(limit) > 0 {
        return text(context, &whole[(length + limit) as usize..]);
    }
    if limit >= 0 && length > limit {
        return text(context, &whole[..limit as usize]);
    }
    Ok(Value::Str(whole))
}

fn substr(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (start, end, whole) = (int(v, 0), int(v, 1), string(v, 2));
    let length = whole.len() as i64;
    let bounds =
        |from: i64, to: i64| Error::function(format!("runtime error: slice bounds out of range [{from}:{to}]"));
    if start < 0 {
        if end < 0 {
            return Err(Error::function(format!("runtime error: slice bounds out of range [:{end}]")));
        }
        if end > length {
            return Err(Error::function(format!(
                "runtime error: slice bounds out of range [:{end}] with length {length}"
            )));
        }
        return text(context, &whole[..end as usize]);
    }
    let end = if end < 0 || end > length { length } else { end };
    if start > end {
        return Err(bounds(start, end));
    }
    text(context, &whole[start as usize..end as usize])
}

fn repeat(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (times, whole) = (int(v, 0), string(v, 1));
    let Ok(times) = usize::try_from(times) else {
        return Err(Error::function("strings: negative Repeat count"));
    };
    count(context, whole.len().saturating_mul(times))?;
    Ok(Value::str(whole.bytes().repeat(if whole.is_empty() { 0 } else { times })))
}

/// Joins what is not nil with spaces.
fn joined(context: &mut Context<'_>, v: &[Value], show: impl Fn(&Value) -> Vec<u8>) -> Outcome {
    let mut out = Vec::new();
    let mut is_first = true;
    for value in v.iter().filter(|value| !matches!(value, Value::Nil)) {
        if !is_first {
            out.push(b' ');
        }
        is_first = false;
        out.extend_from_slice(&show(value));
    }
    text(context, out)
}

fn indent(context: &mut Context<'_>, width: i64, whole: &[u8], start: &[u8]) -> Result<Vec<u8>, Error> {
    let Ok(width) = usize::try_from(width) else {
        return Err(Error::function("strings: negative Repeat count"));
    };
    let lines = memchr::memchr_iter(b'\n', whole).count() + 1;
    let size = whole.len().saturating_add(lines.saturating_mul(width));
    count(context, size)?;
    let mut out = Vec::with_capacity(size + start.len());
    out.extend_from_slice(start);
    for (index, line) in whole.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + width, b' ');
        out.extend_from_slice(line);
    }
    Ok(out)
}

fn replace(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (from, to, whole) = (string(v, 0), string(v, 1), string(v, 2));
    let hits = if from.is_empty() { whole.len() + 1 } else { memchr::memmem::find_iter(&whole, from.bytes()).count() };
    if hits == 0 {
        return Ok(Value::Str(whole));
    }
    count(context, whole.len().saturating_add(hits.saturating_mul(to.len())))?;
    Ok(Value::str(chars::replace_all(&whole, &from, &to)))
}

/// Says whether Sprig takes the value for a list.
pub(crate) fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Bytes(_))
}

/// The texts of a list's items without nils; a plain value is a list of one.
pub(crate) fn strings(value: &Value) -> Vec<Str> {
    match value {
        Value::List(items) => items.items.iter().filter(|item| !matches!(item, Value::Nil)).map(strval).collect(),
        Value::Bytes(bytes) => bytes.iter().map(|byte| Str::from(byte.to_string())).collect(),
        Value::Nil => Vec::new(),
        other => vec![strval(other)],
    }
}

fn join(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let separator = string(v, 0);
    let items = strings(&v[1]);
    let size =
        items.iter().map(|item| item.len()).sum::<usize>().saturating_add(items.len().saturating_mul(separator.len()));
    count(context, size)?;
    let mut out = Vec::with_capacity(size);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(&separator);
        }
        out.extend_from_slice(item);
    }
    Ok(Value::str(out))
}

/// Splits as Go's `SplitN`: at most `limit` parts if positive, all if negative, none if zero. An empty separator splits characters.
pub(crate) fn split(whole: &[u8], separator: &[u8], limit: i64) -> Vec<Str> {
    let limit = match limit {
        0 => return Vec::new(),
        negative if negative < 0 => usize::MAX,
        positive => usize::try_from(positive).unwrap_or(usize::MAX),
    };
    let mut parts = Vec::new();
    let mut rest = whole;
    if separator.is_empty() {
        while !rest.is_empty() && parts.len() + 1 < limit {
            let (_, width) = chars::decode(rest);
            parts.push(Str::from(&rest[..width]));
            rest = &rest[width..];
        }
        if !rest.is_empty() {
            parts.push(Str::from(rest));
        }
        return parts;
    }
    while parts.len() + 1 < limit {
        match chars::find(rest, separator) {
            Some(at) => {
                parts.push(Str::from(&rest[..at]));
                rest = &rest[at + separator.len()..];
            }
            None => break,
        }
    }
    parts.push(Str::from(rest));
    parts
}

/// Accounts for the parts that a split will make.
fn charge_parts(context: &mut Context<'_>, whole: &[u8], separator: &[u8]) -> Result<(), Error> {
    let parts =
        if separator.is_empty() { whole.len() } else { memchr::memmem::find_iter(whole, separator).count() + 1 };
    count(context, whole.len().saturating_add(parts.saturating_mul(48)))
}

/// Makes the map `_0`, `_1`, ... of parts.
fn numbered(context: &mut Context<'_>, parts: Vec<Str>) -> Outcome {
    count(context, parts.len() * 32)?;
    let entries = parts.into_iter().enumerate().map(|(index, part)| (Str::from(format!("_{index}")), Value::Str(part)));
    Ok(Value::typed_map(&MAP_STRING, entries))
}

/// Shortens with `...`; counts bytes, as the reference does.
fn abbreviate(whole: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = whole.len() as i64;
    if length <= width {
        return whole.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&whole[..(width - 3) as usize], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        let rest = &whole[offset as usize..];
        let inner = if width - 3 < 4 { Vec::new() } else { abbreviate(rest, 0, width - 3) };
        return [b"...", &inner[..]].concat();
    }
    [b"...", &whole[(length - (width - 3)) as usize..]].concat()
}

/// What happens to words longer than a line.
#[derive(PartialEq, Eq)]
enum LongWords {
    Keep,
    Break,
}

fn wrap(whole: &[u8], width: i64, newline: &[u8], long_words: LongWords) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::new();
    let mut rest = whole;
    while rest.len() > width {
        if rest[0] == b' ' {
            rest = &rest[1..];
            continue;
        }
        let (line, after) = match memchr::memrchr(b' ', &rest[..=width]) {
            Some(space) => (&rest[..space], &rest[space + 1..]),
            None if long_words == LongWords::Break => (&rest[..width], &rest[width..]),
            None => match memchr::memchr(b' ', &rest[width..]) {
                Some(space) => (&rest[..width + space], &rest[width + space + 1..]),
                None => {
                    out.extend_from_slice(rest);
                    return out;
                }
            },
        };
        out.extend_from_slice(line);
        out.extend_from_slice(newline);
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_breaks_at_the_last_space_that_fits() {
        assert_eq!(wrap(b"aa bb cc", 5, b"\n", LongWords::Keep), b"aa bb\ncc");
        assert_eq!(wrap(b"abcdef", 2, b"|", LongWords::Break), b"ab|cd|ef");
    }

    #[test]
    fn splitting_by_nothing_gives_characters() {
        assert_eq!(split("aé".as_bytes(), b"", -1), vec![Str::from("a"), Str::from("é")]);
        assert_eq!(split(b"a,b,c", b",", 2), vec![Str::from("a"), Str::from("b,c")]);
    }
}

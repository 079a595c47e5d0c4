//! The data of generated ConfigMaps and Secrets: env files, literals and files, in this order.

use std::collections::BTreeMap;

use crate::error::{BuildError, ErrorClass, Result};
use crate::kustomization::GeneratorArgs;
use crate::loader::Loader;
use crate::outside::Remote;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Collects the entries of a generator. Values are bytes: a file need not be text.
///
/// Errors: a source that cannot be read or taken apart, a key that two sources give.
pub(crate) fn collect(
    loader: &Loader<'_>,
    remote: &dyn Remote,
    args: &GeneratorArgs,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut data = BTreeMap::new();
    let mut add = |key: String, value: Vec<u8>, field: &str| {
        if data.contains_key(&key) {
            return Err(BuildError::new(ErrorClass::GeneratorSource, format!("the key {key:?} is given twice"))
                .field(field)
                .hint("a later source cannot override an earlier one; remove one of them"));
        }
        data.insert(key, value);
        Ok(())
    };
    for (at, path) in args.envs.iter().enumerate() {
        let field = format!("{}.envs[{at}]", args.field);
        let file = loader.load(remote, path).map_err(|error| error.field(field.as_str()))?;
        for (number, line) in scan_lines(&file.bytes).into_iter().enumerate() {
            let pair = env_line(line, number == 0)
                .map_err(|error| error.file(&file.path).line(Some(number + 1)).field(field.as_str()))?;
            if let Some((key, value)) = pair {
                add(key, value, &field)?;
            }
        }
    }
    for (at, literal) in args.literals.iter().enumerate() {
        let field = format!("{}.literals[{at}]", args.field);
        let (key, value) = literal.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            BuildError::new(
                ErrorClass::GeneratorSource,
                format!("the literal {literal:?} is not of the form key=value"),
            )
            .field(field.as_str())
            .hint("write key=value; key= gives an empty value")
        })?;
        add(key.to_owned(), without_quotes(value).as_bytes().to_vec(), &field)?;
    }
    for (at, source) in args.files.iter().enumerate() {
        let field = format!("{}.files[{at}]", args.field);
        let (key, path) = file_source(source).map_err(|error| error.field(field.as_str()))?;
        let file = loader.load(remote, path).map_err(|error| error.field(field.as_str()))?;
        add(key.to_owned(), file.bytes.to_vec(), &field)?;
    }
    Ok(data)
}

/// Lines without their ends, `\n` or `\r\n`; a last empty one does not count.
fn scan_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect()
}

fn env_line(line: &[u8], is_first: bool) -> Result<Option<(String, Vec<u8>)>> {
    let invalid = || {
        BuildError::new(ErrorClass::GeneratorSource, "the line is not valid UTF-8")
            .hint("save the env file as UTF-8, or list it under files")
    };
    let line = std::str::from_utf8(line).map_err(|_| invalid())?.as_bytes();
    let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    let text = std::str::from_utf8(line).map_err(|_| invalid())?.trim_start();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    // A line that starts with = has an empty key, which the reference leaves out.
    Ok((!key.is_empty()).then(|| (key.to_owned(), value.as_bytes().to_vec())))
}

fn without_quotes(value: &str) -> &str {
    let bytes = value.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first @ (b'"' | b'\'')), Some(last)) if bytes.len() >= 2 && first == last => &value[1..value.len() - 1],
        _ => value,
    }
}

fn file_source(source: &str) -> Result<(&str, &str)> {
    let bad = |reason: String| {
        Err(BuildError::new(ErrorClass::GeneratorSource, reason)
            .hint("write path, or key=path to give the entry another key"))
    };
    match source.matches('=').count() {
        0 => Ok((base_name(source), source)),
        1 => match source.split_once('=') {
            Some(("", path)) => bad(format!("the key before ={path} is missing")),
            Some((key, "")) => bad(format!("the path after {key}= is missing")),
            Some((key, path)) => Ok((key, path)),
            None => bad(format!("{source:?} cannot be taken apart")),
        },
        _ => bad(format!("{source:?} has more than one =")),
    }
}

fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((_, name)) => name,
        None if trimmed.is_empty() && path.is_empty() => ".",
        None if trimmed.is_empty() => "/",
        None => trimmed,
    }
}

//! Slash-separated paths, by the rules of Go's `path` (and `path/filepath`, which is the same on Unix).

use super::arguments::{string, text};
use crate::function::{Function, Functions};
use crate::types::STRING;
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    for name in ["base", "osBase"] {
        functions.add(Function::fixed(name, &[&STRING], |context, v| text(context, base(&string(v, 0)))));
    }
    for name in ["dir", "osDir"] {
        functions.add(Function::fixed(name, &[&STRING], |context, v| {
            let path = string(v, 0);
            let end = memchr::memrchr(b'/', &path).map_or(0, |slash| slash + 1);
            text(context, clean(&path[..end]))
        }));
    }
    for name in ["clean", "osClean"] {
        functions.add(Function::fixed(name, &[&STRING], |context, v| text(context, clean(&string(v, 0)))));
    }
    for name in ["ext", "osExt"] {
        functions.add(Function::fixed(name, &[&STRING], |context, v| {
            let path = string(v, 0);
            let found = path.iter().rposition(|byte| matches!(byte, b'/' | b'.')).filter(|at| path[*at] == b'.');
            text(context, found.map_or(&b""[..], |at| &path[at..]))
        }));
    }
    for name in ["isAbs", "osIsAbs"] {
        functions.add(Function::fixed(name, &[&STRING], |_, v| Ok(Value::Bool(string(v, 0).first() == Some(&b'/')))));
    }
}

fn base(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return b".".to_vec();
    }
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    if end == 0 {
        return b"/".to_vec();
    }
    let start = memchr::memrchr(b'/', &path[..end]).map_or(0, |slash| slash + 1);
    path[start..end].to_vec()
}

/// The shortest path that means the same.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if is_rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/", &joined[..]].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, wanted) in [("", "."), ("a/../..", ".."), ("/../a//b/.", "/a/b"), ("a/b/../c", "a/c"), ("/", "/")] {
            assert_eq!(String::from_utf8(clean(path.as_bytes())).unwrap(), wanted, "{path}");
        }
    }
}

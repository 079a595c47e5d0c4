//! The build environment (`$ARGOCD_APP_NAME`, …) and its substitution in texts.

use std::collections::BTreeMap;

/// Variables by name.
pub type Environment = BTreeMap<String, String>;

/// Replaces `$NAME` and `${NAME}` by the variable's value, unknown ones by nothing; `$$` is a dollar sign.
///
/// Source: Argo CD `Env.Envsubst`, which is Go's `os.Expand`.
pub fn substitute(text: &str, environment: &Environment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, length) = variable(rest);
        match name {
            Some("$") => out.push('$'),
            Some(name) => out.push_str(environment.get(name).map_or("", String::as_str)),
            // A brace that does not close is eaten; a lone dollar sign stays.
            None if length == 0 => out.push('$'),
            None => {}
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The name that follows a dollar sign, and how many bytes it takes.
fn variable(text: &str) -> (Option<&str>, usize) {
    let is_special = |byte: u8| matches!(byte, b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9');
    let bytes = text.as_bytes();
    match bytes.first() {
        None => (None, 0),
        Some(b'{') => {
            if bytes.len() > 2 && is_special(bytes[1]) && bytes[2] == b'}' {
                return (Some(&text[1..2]), 3);
            }
            match text.find('}') {
                Some(1) => (None, 2),
                Some(end) => (Some(&text[1..end]), end + 1),
                None => (None, 1),
            }
        }
        Some(byte) if is_special(*byte) => (Some(&text[..1]), 1),
        Some(_) => {
            let length = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            (Some(&text[..length]).filter(|name| !name.is_empty()), length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_go_expands_them() {
        let environment = Environment::from([("A".to_owned(), "1".to_owned()), ("B_2".to_owned(), "two".to_owned())]);
        let cases = [
            ("$A/${B_2}.yaml", "1/two.yaml"),
            ("$$A", "$A"),
            ("x$MISSING-y", "x-y"),
            ("a$", "a$"),
            ("a$ b", "a$ b"),
            ("${", ""),
            ("${}x", "x"),
            ("$Aß", "1ß"),
        ];
        for (text, wanted) in cases {
            assert_eq!(substitute(text, &environment), wanted, "{text}");
        }
    }
}

//! The JSON values inside a `--set-json` argument: where one ends, and its numbers as floats.

use serde_json::Value;

/// Counts the bytes of the JSON value at the start of a text; what follows is not looked at, as Go's streaming decoder
/// does (`1b` is the number 1 and a rest). `None` if the value is cut short.
pub(super) fn length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.first()? {
        b'"' => string_length(bytes),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, 0);
            while at < bytes.len() {
                match bytes[at] {
                    b'"' => {
                        at += string_length(&bytes[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            None
        }
        b'-' | b'0'..=b'9' => Some(number_length(bytes)),
        _ => ["true", "false", "null"].iter().find(|word| text.starts_with(**word)).map(|word| word.len()),
    }
}

fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The longest prefix that looks like a number; whether it is one shows when it is read.
fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(bytes[0] == b'-');
    let mut end = if bytes.get(sign) == Some(&b'0') { sign + 1 } else { digits(sign) };
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(signed);
    }
    end
}

/// Reads a JSON text the way Go decodes into `interface{}`: every number is a float.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    crate::go::numbers_to_floats(&mut value);
    Ok(value)
}

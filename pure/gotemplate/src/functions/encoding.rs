//! Base 64, base 32, checksums.
//!
//! Source: Sprig 3.3.0; decoding errors become the result, in the words of Go's encoding packages.

use super::arguments::{count, string, text};
use crate::function::{Function, Functions};
use crate::types::STRING;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};
use std::fmt::Write as _;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("b64enc", &[&STRING], |context, v| {
        let whole = string(v, 0);
        count(context, whole.len() * 2)?;
        text(context, STANDARD.encode(whole.bytes()))
    }));
    add(Function::fixed("b64dec", &[&STRING], |context, v| match base64_decode(&string(v, 0)) {
        Ok(bytes) => text(context, bytes),
        Err(reason) => text(context, reason),
    }));
    add(Function::fixed("b32enc", &[&STRING], |context, v| {
        let whole = string(v, 0);
        count(context, whole.len() * 2)?;
        text(context, base32_encode(&whole))
    }));
    add(Function::fixed("b32dec", &[&STRING], |context, v| match base32_decode(&string(v, 0)) {
        Ok(bytes) => text(context, bytes),
        Err(reason) => text(context, reason),
    }));
    add(Function::fixed("sha1sum", &[&STRING], |context, v| {
        text(context, hexadecimal(&sha1::Sha1::digest(string(v, 0).bytes())))
    }));
    add(Function::fixed("sha256sum", &[&STRING], |context, v| {
        text(context, hexadecimal(&Sha256::digest(string(v, 0).bytes())))
    }));
    add(Function::fixed("sha512sum", &[&STRING], |context, v| {
        text(context, hexadecimal(&Sha512::digest(string(v, 0).bytes())))
    }));
    add(Function::fixed("adler32sum", &[&STRING], |context, v| text(context, adler32(&string(v, 0)).to_string())));
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    high << 16 | low
}

/// Decodes base 64 with padding; line ends are skipped.
pub(crate) fn base64_decode(source: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| Err(format!("illegal base64 data at input byte {at}"));
    let mut out = Vec::with_capacity(source.len() / 4 * 3);
    let mut at = 0;
    let skip = |at: &mut usize| {
        while matches!(source.get(*at), Some(b'\r' | b'\n')) {
            *at += 1;
        }
    };
    loop {
        let mut group = [0u8; 4];
        let mut filled = 0;
        let mut is_last = false;
        while filled < 4 {
            skip(&mut at);
            let Some(&byte) = source.get(at) else {
                return if filled == 0 { Ok(out) } else { corrupt(at - filled) };
            };
            at += 1;
            if let Some(value) = base64_value(byte) {
                group[filled] = value;
                filled += 1;
                continue;
            }
            if byte != b'=' || filled < 2 {
                return corrupt(at - 1);
            }
            if filled == 2 {
                skip(&mut at);
                match source.get(at) {
                    None => return corrupt(source.len()),
                    Some(b'=') => at += 1,
                    Some(_) => return corrupt(at - 1),
                }
            }
            skip(&mut at);
            if at < source.len() {
                return corrupt(at);
            }
            is_last = true;
            break;
        }
        let joined =
            u32::from(group[0]) << 18 | u32::from(group[1]) << 12 | u32::from(group[2]) << 6 | u32::from(group[3]);
        out.extend_from_slice(&joined.to_be_bytes()[1..filled]);
        if is_last {
            return Ok(out);
        }
    }
}

fn base64_value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len().div_ceil(5) * 8);
    for chunk in source.chunks(5) {
        let mut padded = [0u8; 8];
        padded[3..3 + chunk.len()].copy_from_slice(chunk);
        let joined = u64::from_be_bytes(padded);
        let letters = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let letter = BASE32[(joined >> (35 - 5 * index) & 31) as usize];
            out.push(if index < letters { letter } else { b'=' });
        }
    }
    out
}

fn base32_decode(source: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| Err(format!("illegal base32 data at input byte {at}"));
    let source: Vec<u8> = source.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(source.len() / 8 * 5);
    let mut at = 0;
    while at < source.len() {
        let mut joined: u64 = 0;
        let mut filled = 0;
        while filled < 8 {
            let Some(&byte) = source.get(at) else {
                return corrupt(source.len() - filled);
            };
            at += 1;
            let left = source.len() - at;
            if byte == b'=' && filled >= 2 && left < 8 {
                if left + filled < 7 {
                    return corrupt(source.len());
                }
                for index in 0..7 - filled {
                    if left > index && source[at + index] != b'=' {
                        return corrupt(at + index - 1);
                    }
                }
                if matches!(filled, 1 | 3 | 6) {
                    return corrupt(at - 1);
                }
                joined <<= 5 * (8 - filled);
                out.extend_from_slice(&joined.to_be_bytes()[3..3 + filled * 5 / 8]);
                return Ok(out);
            }
            let Some(value) = BASE32.iter().position(|letter| *letter == byte) else {
                return corrupt(at - 1);
            };
            joined = joined << 5 | value as u64;
            filled += 1;
        }
        out.extend_from_slice(&joined.to_be_bytes()[3..]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_base64_names_the_byte() {
        assert_eq!(base64_decode(b"!").unwrap_err(), "illegal base64 data at input byte 0");
        assert_eq!(base64_decode(b"YWI").unwrap_err(), "illegal base64 data at input byte 0");
        assert_eq!(base64_decode(b"YQ==\n").unwrap(), b"a");
    }

    #[test]
    fn base32_round_trips() {
        for text in ["", "a", "ab", "abc", "abcd", "abcde", "abcdef"] {
            assert_eq!(base32_decode(&base32_encode(text.as_bytes())).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn the_checksum_is_adlers() {
        assert_eq!(adler32(b"Wikipedia"), 300_286_872);
    }
}

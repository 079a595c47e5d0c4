//! Passwords and secrets: bcrypt, htpasswd, derived passwords, AES.
//!
//! Source: Sprig 3.3.0 crypto.go.

use super::arguments::{Outcome, count, string, text};
use super::encoding::base64_decode;
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::types::{STRING, UINT32};
use crate::value::Value;
use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Go's default cost of bcrypt.
const BCRYPT_COST: u32 = 10;
/// The longest password that bcrypt takes.
const BCRYPT_BYTES_MAX: usize = 72;
/// Steps that one hash is accounted for: it takes tens of milliseconds on purpose.
const HASH_STEPS: u64 = 200_000;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("bcrypt", &[&STRING], |context, v| {
        let hash = hashed(context, &string(v, 0))?;
        text(context, hash)
    }));
    add(Function::fixed("htpasswd", &[&STRING, &STRING], |context, v| {
        let user = string(v, 0);
        if user.contains(&b':') {
            return text(context, format!("invalid username: {user}"));
        }
        let hash = hashed(context, &string(v, 1))?;
        text(context, format!("{user}:{hash}"))
    }));
    add(Function::fixed("derivePassword", &[&UINT32, &STRING, &STRING, &STRING, &STRING], derived));
    add(Function::fixed("encryptAES", &[&STRING, &STRING], encrypted));
    add(Function::fixed("decryptAES", &[&STRING, &STRING], decrypted));
}

fn hashed(context: &mut Context<'_>, password: &[u8]) -> Result<String, Error> {
    if password.len() > BCRYPT_BYTES_MAX {
        return Ok("failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".into());
    }
    context.charge_steps(HASH_STEPS)?;
    let mut salt = [0; 16];
    context.random(&mut salt);
    match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

/// Names the algorithm inside every derived password.
const SCOPE: &[u8] = b"com.lyndir.masterpassword";

/// The patterns of a kind of password: letters stand for the sets of [`letters`].
fn patterns(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn letters(set: u8) -> &'static [u8] {
    match set {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derived(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let counter = if let Value::Uint(counter, _) = v[0] { counter as u32 } else { 0 };
    let (kind, password, user, site) = (string(v, 1), string(v, 2), string(v, 3), string(v, 4));
    let Some(patterns) = patterns(&kind.text()) else {
        return text(context, format!("cannot find password template {kind}"));
    };
    context.charge_steps(HASH_STEPS)?;
    let length_of = |bytes: &[u8]| (bytes.len() as u32).to_be_bytes();
    let salt = [SCOPE, &length_of(&user), user.bytes()].concat();
    let mut key = [0; 64];
    let failed = |reason: &dyn std::fmt::Display| format!("failed to derive password: {reason}");
    let derived = scrypt::Params::new(15, 8, 2)
        .map_err(|error| failed(&error))
        .and_then(|params| scrypt::scrypt(&password, &salt, &params, &mut key).map_err(|error| failed(&error)));
    if let Err(reason) = derived {
        return text(context, reason);
    }
    let message = [SCOPE, &length_of(&site), site.bytes(), &counter.to_be_bytes()].concat();
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&key).map_err(|error| Error::function(error.to_string()))?;
    mac.update(&message);
    let seed = mac.finalize().into_bytes();
    let pattern = patterns[usize::from(seed[0]) % patterns.len()];
    let chosen: Vec<u8> = pattern
        .bytes()
        .zip(seed.iter().skip(1))
        .map(|(set, random)| {
            let letters = letters(set);
            letters[usize::from(*random) % letters.len()]
        })
        .collect();
    text(context, chosen)
}

const BLOCK: usize = 16;

fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    Aes256::new(&Array::from(key))
}

fn encrypted(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (password, plain) = (string(v, 0), string(v, 1));
    if plain.is_empty() {
        return Ok(Value::str(""));
    }
    count(context, plain.len() * 3)?;
    let cipher = cipher(&password);
    let mut content = plain.to_vec();
    let padding = BLOCK - content.len() % BLOCK;
    content.resize(content.len() + padding, padding as u8);
    let mut previous = [0; BLOCK];
    context.random(&mut previous);
    let mut out = previous.to_vec();
    for chunk in content.chunks(BLOCK) {
        let mixed: [u8; BLOCK] = std::array::from_fn(|index| chunk[index] ^ previous[index]);
        let mut block = Array::from(mixed);
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    text(context, base64::engine::general_purpose::STANDARD.encode(out))
}

fn decrypted(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let (password, source) = (string(v, 0), string(v, 1));
    if source.is_empty() {
        return Ok(Value::str(""));
    }
    let bytes = base64_decode(&source).map_err(Error::function)?;
    let Some((start, content)) = bytes.split_first_chunk::<BLOCK>() else {
        return Err(Error::function(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {}",
            capacity(&source)
        )));
    };
    if content.len() % BLOCK != 0 {
        return Err(Error::function("crypto/cipher: input not full blocks"));
    }
    count(context, content.len() * 2)?;
    let cipher = cipher(&password);
    let mut previous = *start;
    let mut out = Vec::with_capacity(content.len());
    for chunk in content.chunks_exact(BLOCK) {
        let current: [u8; BLOCK] = std::array::from_fn(|index| chunk[index]);
        let mut block = Array::from(current);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(byte, mixed)| byte ^ mixed));
        previous = current;
    }
    let Some(&padding) = out.last() else {
        return Err(Error::function("runtime error: index out of range [-1]"));
    };
    match out.len().checked_sub(usize::from(padding)) {
        Some(length) => text(context, &out[..length]),
        None => {
            let end = out.len() as i64 - i64::from(padding);
            Err(Error::function(format!("runtime error: slice bounds out of range [:{end}]")))
        }
    }
}

/// The room that Go makes for decoding.
fn capacity(source: &[u8]) -> usize {
    source.len() / 4 * 3
}

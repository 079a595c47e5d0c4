//! Randomness: texts, numbers, identifiers. The host gives a seed; everything else follows from it.
//!
//! Source: Sprig 3.3.0 over Masterminds/goutils, google/uuid.

use super::arguments::{Outcome, count, int, string, text};
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::text::{characters, push};
use crate::types::{INT, STRING};
use crate::value::Value;
use base64::Engine as _;
use rand_core::{Infallible, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("randAlphaNum", &[&INT], |context, v| {
        letters(context, v, |byte| byte.is_ascii_alphanumeric())
    }));
    add(Function::fixed("randAlpha", &[&INT], |context, v| letters(context, v, |byte| byte.is_ascii_alphabetic())));
    add(Function::fixed("randNumeric", &[&INT], |context, v| letters(context, v, |byte| byte.is_ascii_digit())));
    add(Function::fixed("randAscii", &[&INT], |context, v| letters(context, v, |byte| (32..127).contains(&byte))));
    add(Function::fixed("randInt", &[&INT, &INT], |context, v| {
        let (low, high) = (int(v, 0), int(v, 1));
        let Some(span) = high.checked_sub(low).and_then(|span| u64::try_from(span).ok()).filter(|span| *span > 0)
        else {
            return Err(Error::function("invalid argument to Intn"));
        };
        Ok(Value::int(low + context.generator().below(span) as i64))
    }));
    add(Function::fixed("randBytes", &[&INT], |context, v| {
        let Ok(length) = usize::try_from(int(v, 0)) else {
            return Err(Error::function("runtime error: makeslice: len out of range"));
        };
        count(context, length.saturating_mul(2))?;
        let mut bytes = vec![0; length];
        context.generator().fill(&mut bytes);
        text(context, base64::engine::general_purpose::STANDARD.encode(bytes))
    }));
    add(Function::fixed("uuidv4", &[], |context, _| {
        let mut bytes = [0; 16];
        context.generator().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text(context, [&shown[..8], &shown[8..12], &shown[12..16], &shown[16..20], &shown[20..]].join("-"))
    }));
    add(Function::fixed("shuffle", &[&STRING], |context, v| {
        let whole = string(v, 0);
        let mut all: Vec<char> = characters(&whole).map(|(_, character, _)| character).collect();
        count(context, all.len() * 4)?;
        for index in (1..all.len()).rev() {
            let other = context.generator().below(index as u64 + 1) as usize;
            all.swap(index, other);
        }
        let mut out = Vec::with_capacity(whole.len());
        all.into_iter().for_each(|character| push(&mut out, character));
        text(context, out)
    }));
}

fn letters(context: &mut Context<'_>, v: &[Value], is_wanted: fn(u8) -> bool) -> Outcome {
    let Ok(length) = usize::try_from(int(v, 0)) else {
        return Ok(Value::str(""));
    };
    count(context, length)?;
    context.charge_steps(length as u64)?;
    let alphabet: Vec<u8> = (0..128).filter(|byte| is_wanted(*byte)).collect();
    let generator = context.generator();
    let made: Vec<u8> = (0..length).map(|_| alphabet[generator.below(alphabet.len() as u64) as usize]).collect();
    text(context, made)
}

/// A stream of bytes from a seed: SHA-256 of the seed and a counter. As good as its seed, and never stuck, whatever the seed is.
pub(crate) struct Generator {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Generator {
    pub(crate) fn new(seed: [u8; 32]) -> Generator {
        Generator { seed, counter: 0, block: [0; 32], used: 32 }
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == self.block.len() {
                let mut hash = Sha256::new();
                hash.update(self.seed);
                hash.update(self.counter.to_le_bytes());
                self.block = hash.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// A number below `bound`, all equally likely.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let mut bytes = [0; 8];
            self.fill(&mut bytes);
            let number = u64::from_le_bytes(bytes);
            if number < limit {
                return number % bound;
            }
        }
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Generator {}

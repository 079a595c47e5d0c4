//! Letter case: upper, lower, title, camel, snake and kebab case, swapping, initials.
//!
//! Source: Sprig 3.3.0 over Go's strings, huandu/xstrings 1.5.0 and Masterminds/goutils 1.1.1.

use super::arguments::{Outcome, string, text};
use crate::context::Context;
use crate::function::{Function, Functions};
use crate::text::{self as chars, REPLACEMENT};
use crate::types::STRING;
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("upper", &[&STRING], |context, v| mapped(context, v, chars::to_upper)));
    add(Function::fixed("lower", &[&STRING], |context, v| mapped(context, v, chars::to_lower)));
    add(Function::fixed("title", &[&STRING], |context, v| {
        let mut previous = ' ';
        mapped(context, v, |character| {
            let is_start = is_separator(previous);
            previous = character;
            if is_start { chars::to_title(character) } else { character }
        })
    }));
    add(Function::fixed("untitle", &[&STRING], |context, v| {
        let mut is_start = true;
        mapped(context, v, |character| {
            if chars::is_space(character) {
                is_start = true;
                character
            } else if std::mem::take(&mut is_start) {
                chars::to_lower(character)
            } else {
                character
            }
        })
    }));
    add(Function::fixed("swapcase", &[&STRING], |context, v| {
        let mut is_start = true;
        mapped(context, v, |character| {
            if chars::is_upper(character) || chars::is_title(character) {
                is_start = false;
                chars::to_lower(character)
            } else if chars::is_lower(character) {
                if std::mem::take(&mut is_start) { chars::to_title(character) } else { chars::to_upper(character) }
            } else {
                is_start = chars::is_space(character);
                character
            }
        })
    }));
    add(Function::fixed("initials", &[&STRING], |context, v| {
        let mut is_start = true;
        let mut out = String::new();
        // Bytes, not characters: the reference reads them so.
        for character in string(v, 0).iter().map(|byte| char::from(*byte)) {
            if chars::is_space(character) {
                is_start = true;
            } else if std::mem::take(&mut is_start) {
                out.push(character);
            }
        }
        text(context, out)
    }));
    add(Function::fixed("camelcase", &[&STRING], |context, v| text(context, pascal(&string(v, 0)))));
    add(Function::fixed("snakecase", &[&STRING], |context, v| text(context, words(&string(v, 0), '_'))));
    add(Function::fixed("kebabcase", &[&STRING], |context, v| text(context, words(&string(v, 0), '-'))));
}

fn mapped(context: &mut Context<'_>, v: &[Value], mut map: impl FnMut(char) -> char) -> Outcome {
    let whole = string(v, 0);
    let mut out = Vec::with_capacity(whole.len());
    for (_, character, _) in chars::characters(&whole) {
        chars::push(&mut out, map(character));
    }
    if out == whole.bytes() { Ok(Value::Str(whole)) } else { text(context, out) }
}

fn is_separator(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    !chars::is_letter(character) && !chars::is_digit(character) && chars::is_space(character)
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || chars::is_space(character)
}

fn pascal(whole: &[u8]) -> Vec<u8> {
    let all: Vec<char> = chars::characters(whole).map(|(_, character, _)| character).collect();
    let mut out = Vec::with_capacity(whole.len());
    let Some(start) = all.iter().position(|character| !is_connector(*character)) else {
        // Only connectors: the last one is written twice, once as leading and once as the rest.
        for character in all.iter().chain(all.last()) {
            chars::push(&mut out, *character);
        }
        return out;
    };
    for connector in &all[..start] {
        chars::push(&mut out, *connector);
    }
    let mut is_upper_word = chars::is_upper(all[start]);
    let mut current = chars::to_upper(all[start]);
    for &next in &all[start + 1..] {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            chars::push(&mut out, previous);
            continue;
        }
        if is_connector(previous) {
            is_upper_word = chars::is_upper(current);
            current = chars::to_upper(current);
        } else {
            if is_upper_word {
                if chars::is_upper(current) {
                    current = chars::to_lower(current);
                } else {
                    is_upper_word = false;
                }
            }
            chars::push(&mut out, previous);
        }
    }
    chars::push(&mut out, current);
    out
}

/// What a run of characters is to [`words`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// Joins words with a connector in lower case: a change from lower to upper case starts a word, digits stick to the word before.
fn words(whole: &[u8], connector: char) -> Vec<u8> {
    let mut out = Vec::with_capacity(whole.len() + 8);
    let mut rest = whole;
    let (mut kind, mut word) = next_word(&mut rest);
    while !rest.is_empty() {
        if kind != Word::Connector {
            lowered(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word) = next_word(&mut rest);
        match before {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    lowered(&mut out, kind, word, connector);
                    (kind, word) = next_word(&mut rest);
                }
                if !matches!(kind, Word::None | Word::Punctuation | Word::Connector) {
                    chars::push(&mut out, connector);
                }
            }
            Word::Connector => lowered(&mut out, before, last, connector),
            Word::Punctuation => {}
            Word::None | Word::Upper | Word::Alphabet | Word::Other => {
                if kind != Word::Number {
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        chars::push(&mut out, connector);
                    }
                    continue;
                }
                if rest.is_empty() {
                    continue;
                }
                let number = word;
                (kind, word) = next_word(&mut rest);
                if kind != Word::Alphabet {
                    lowered(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        chars::push(&mut out, connector);
                    }
                    continue;
                }
                chars::push(&mut out, connector);
                lowered(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    lowered(&mut out, kind, word, connector);
                    (kind, word) = next_word(&mut rest);
                }
                if !matches!(kind, Word::None | Word::Connector | Word::Punctuation) {
                    chars::push(&mut out, connector);
                }
            }
        }
    }
    lowered(&mut out, kind, word, connector);
    out
}

fn lowered(out: &mut Vec<u8>, kind: Word, word: &[u8], connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        out.extend_from_slice(word);
        return;
    }
    for (_, character, _) in chars::characters(word) {
        let shown = if is_connector(character) { connector } else { chars::to_lower(character) };
        chars::push(out, shown);
    }
}

fn is_punctuation(character: char) -> bool {
    use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory};
    character.general_category_group() == Group::Punctuation
}

fn is_alphabet(character: char) -> bool {
    if !chars::is_letter(character) {
        return false;
    }
    // Chinese characters are letters to Unicode, but each is a word of its own here.
    !matches!(u32::from(character), 0x3400..=0x4D85 | 0x4E00..=0x9FCC | 0x20000..=0x2B81D)
}

/// Reads the first character that is UTF-8, and how far it reaches; `previous` if there is none.
fn valid(rest: &[u8], previous: char) -> (char, usize) {
    let mut size = 0;
    loop {
        let (character, width) = chars::decode(&rest[size..]);
        size += width;
        if character != REPLACEMENT {
            return (character, size);
        }
        if width == 0 {
            return (previous, size);
        }
    }
}

fn next_word<'w>(rest: &mut &'w [u8]) -> (Word, &'w [u8]) {
    let whole = *rest;
    if whole.is_empty() {
        return (Word::None, whole);
    }
    let (first, mut length) = valid(whole, REPLACEMENT);
    if first == REPLACEMENT {
        *rest = &whole[length..];
        return (Word::None, &whole[..length]);
    }
    let run = |length: &mut usize, mut last: char, holds: &dyn Fn(char) -> bool| {
        while *length < whole.len() {
            let (character, width) = valid(&whole[*length..], last);
            last = character;
            if width == 0 || !holds(character) {
                break;
            }
            *length += width;
        }
    };
    let is_tail = |character: char| is_alphabet(character) && !chars::is_upper(character);
    let kind = if is_connector(first) {
        run(&mut length, first, &is_connector);
        Word::Connector
    } else if is_punctuation(first) {
        run(&mut length, first, &is_punctuation);
        Word::Punctuation
    } else if chars::is_upper(first) {
        let (second, width) = valid(&whole[length..], first);
        if length < whole.len() && chars::is_upper(second) {
            let mut last_width = width;
            length += width;
            let mut previous = second;
            while length < whole.len() {
                let (character, width) = valid(&whole[length..], previous);
                previous = character;
                if !chars::is_upper(character) {
                    // In "HTTPStatus" the S belongs to the next word.
                    if is_alphabet(character) {
                        length -= last_width;
                    }
                    break;
                }
                last_width = width;
                length += width;
            }
        } else if length < whole.len() && is_alphabet(second) {
            run(&mut length, first, &is_tail);
        }
        Word::Upper
    } else if is_alphabet(first) {
        run(&mut length, first, &is_tail);
        Word::Alphabet
    } else if chars::is_number(first) {
        run(&mut length, first, &chars::is_number);
        Word::Number
    } else {
        run(&mut length, first, &|character| {
            !is_connector(character)
                && !is_alphabet(character)
                && !chars::is_number(character)
                && !is_punctuation(character)
        });
        Word::Other
    };
    *rest = &whole[length..];
    (kind, &whole[..length])
}

//! Compiled regular expressions and Go's rules for walking their matches.
//!
//! [`translate`] reads the syntax; matching itself is the `regex` crate's, which finds what RE2 finds (leftmost, first
//! alternative, linear time).

use super::pattern_syntax::{NESTING_MAX, translate};
use crate::text::{self, Str};
use regex::bytes::{Regex, RegexBuilder};

/// Memory that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 32 << 20;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    names: Vec<Option<String>>,
    is_empty: bool,
}

/// Where the groups of one match stand.
pub(crate) struct Groups(Vec<Option<(usize, usize)>>);

impl Groups {
    pub(crate) fn get(&self, index: usize) -> Option<(usize, usize)> {
        self.0.get(index).copied().flatten()
    }
}

impl Pattern {
    /// Compiles an expression; the error is Go's `error parsing regexp: ...`.
    pub(crate) fn new(expression: &[u8]) -> Result<Pattern, String> {
        let fail = |reason: String| format!("error parsing regexp: {reason}");
        let Ok(source) = std::str::from_utf8(expression) else {
            return Err(fail(format!("invalid UTF-8: `{}`", String::from_utf8_lossy(expression))));
        };
        let translated = translate(source).map_err(fail)?;
        let regex = RegexBuilder::new(&translated.text)
            .size_limit(COMPILED_BYTES_MAX)
            .nest_limit(4 * NESTING_MAX as u32)
            .build()
            .map_err(|_| fail(format!("expression too large: `{source}`")))?;
        Ok(Pattern { regex, names: translated.names, is_empty: source.is_empty() })
    }

    pub(crate) fn is_match(&self, whole: &[u8]) -> bool {
        self.regex.is_match(whole)
    }

    pub(crate) fn groups_at(&self, whole: &[u8], at: usize) -> Option<Groups> {
        let captures = self.regex.captures_at(whole, at)?;
        Some(Groups(captures.iter().map(|group| group.map(|found| (found.start(), found.end()))).collect()))
    }

    /// The first group of that name that took part in the match.
    pub(crate) fn group_index(&self, name: &str, groups: &Groups) -> Option<usize> {
        self.names
            .iter()
            .enumerate()
            .find(|(index, known)| known.as_deref() == Some(name) && groups.get(*index).is_some())
            .map(|(index, _)| index)
    }

    /// All matches, at most `limit` unless it is negative. An empty match right after another match does not count.
    pub(crate) fn find_all(&self, whole: &[u8], limit: i64) -> Vec<(usize, usize)> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut at = 0;
        let mut previous_end = None;
        while found.len() < limit && at <= whole.len() {
            let Some(hit) = self.regex.find_at(whole, at) else { break };
            let is_empty_here = hit.end() == at;
            if !(is_empty_here && previous_end == Some(hit.start())) {
                found.push((hit.start(), hit.end()));
            }
            previous_end = Some(hit.end());
            at = if is_empty_here {
                match text::decode(&whole[at..]).1 {
                    0 => whole.len() + 1,
                    width => at + width,
                }
            } else {
                hit.end()
            };
        }
        found
    }

    /// Splits between matches; nothing if `limit` is 0.
    pub(crate) fn split(&self, whole: &[u8], limit: i64) -> Option<Vec<Str>> {
        if limit == 0 {
            return None;
        }
        if !self.is_empty && whole.is_empty() {
            return Some(vec![Str::empty()]);
        }
        let mut parts = Vec::new();
        let (mut start, mut end) = (0, 0);
        for (match_start, match_end) in self.find_all(whole, limit) {
            if limit > 0 && parts.len() as i64 >= limit - 1 {
                break;
            }
            end = match_start;
            if match_end != 0 {
                parts.push(Str::from(&whole[start..end]));
            }
            start = match_end;
        }
        if end != whole.len() {
            parts.push(Str::from(&whole[start..]));
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_gos_words() {
        for (expression, wanted) in [
            ("(", "missing closing ): `(`"),
            ("x)", "unexpected ): `x)`"),
            ("[", "missing closing ]: `[`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?", "invalid or unsupported Perl syntax: `(?`"),
            ("\\8", "invalid escape sequence: `\\8`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("\\pX", "invalid character class range: `\\pX`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
        ] {
            let error = Pattern::new(expression.as_bytes()).unwrap_err();
            assert_eq!(error, format!("error parsing regexp: {wanted}"), "{expression}");
        }
    }

    #[test]
    fn braces_that_count_nothing_are_literal() {
        assert!(Pattern::new(b"^a{,2}$").unwrap().is_match(b"a{,2}"));
        assert!(Pattern::new(b"^\\x{41}\\101\\Q.*\\E$").unwrap().is_match(b"AA.*"));
    }

    #[test]
    fn an_empty_match_after_a_match_does_not_count() {
        assert_eq!(Pattern::new(b"x*").unwrap().find_all(b"axb", -1), vec![(0, 0), (1, 2), (3, 3)]);
    }
}

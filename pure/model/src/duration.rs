//! Durations as Go writes them: `1h30m`, `5s`, `250ms`. Source: Go `time.ParseDuration`.

use std::fmt;

/// Why text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: {reason}; write for example 30s, 5m or 1h30m")]
pub struct InvalidDuration {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads a Go duration in milliseconds. What is finer than a millisecond is dropped.
pub fn parse_ms(text: &str) -> Result<i64, InvalidDuration> {
    let fail = |reason| InvalidDuration { text: text.to_owned(), reason };
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(fail("it is empty"));
    }
    let mut total_ms = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let number: f64 = rest[..number_end].parse().map_err(|_| fail("a number is expected before each unit"))?;
        rest = &rest[number_end..];
        let unit_end = rest.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(rest.len());
        let unit_ms = match &rest[..unit_end] {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1_000.0,
            "ms" => 1.0,
            "us" | "µs" | "μs" => 0.001,
            "ns" => 0.000_001,
            "" => return Err(fail("a unit is missing")),
            _ => return Err(fail("the unit is unknown")),
        };
        total_ms += number * unit_ms;
        rest = &rest[unit_end..];
    }
    if total_ms > i64::MAX as f64 / 4.0 {
        return Err(fail("it is too long"));
    }
    Ok((sign * total_ms) as i64)
}

/// Reads a Go duration, or a bare number of seconds, in milliseconds. Source: Argo CD `types.go`, `parseStringToDuration`.
pub fn parse_or_seconds_ms(text: &str) -> Result<i64, InvalidDuration> {
    match text.parse::<i64>() {
        Ok(seconds) => seconds
            .checked_mul(1_000)
            .ok_or_else(|| InvalidDuration { text: text.to_owned(), reason: "it is too long" }),
        Err(_) => parse_ms(text),
    }
}

/// Writes whole seconds for people: `45s`, `2m 5s`, `3h`, `2d 4h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spoken(
    /// The seconds; below 0 counts as 0.
    pub i64,
);

impl fmt::Display for Spoken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0);
        let parts =
            [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
        let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
        write!(out, "{}{}", parts[first].0, parts[first].1)?;
        match parts.get(first + 1) {
            Some((count, unit)) if *count > 0 => write!(out, " {count}{unit}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("5s", 5_000),
            ("3m", 180_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("-2s", -2_000),
            ("100us", 0),
        ] {
            assert_eq!(parse_ms(text), Ok(milliseconds), "{text}");
        }
        for text in ["", "5", "s", "5x", "1h5", "-", "1..5s", "99999999999999999999h"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
        assert_eq!(parse_or_seconds_ms("7"), Ok(7_000));
        assert_eq!(parse_or_seconds_ms("2m"), Ok(120_000));
        assert!(parse_or_seconds_ms("9223372036854775807").is_err());
    }

    #[test]
    fn seconds_are_written_for_people() {
        for (seconds, text) in
            [(0, "0s"), (45, "45s"), (125, "2m 5s"), (120, "2m"), (3_600, "1h"), (187_200, "2d 4h"), (-5, "0s")]
        {
            assert_eq!(Spoken(seconds).to_string(), text);
        }
    }
}

//! The dates and times that plain scalars may be.
//!
//! Source: go.yaml.in/yaml v3.0.4 `parseTimestamp` over Go's `time.Parse`, which takes one or two digits for every part
//! but the year, and a comma for the point of a fraction.

/// A date and time with its distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    offset_minutes: i32,
}

impl Timestamp {
    /// Recognises `2006-1-2`, `2006-1-2 15:4:5.9` and `2006-1-2T15:4:5.9Z07:00` (or `t`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 5 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
            return None;
        }
        let year = text[..4].parse().ok()?;
        let mut reader = Reader { rest: &bytes[5..] };
        let month = reader.number()?;
        reader.literal(b'-')?;
        let day = reader.number()?;
        let mut time = Self { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0, offset_minutes: 0 };
        if !(1..=12).contains(&month) || day < 1 || day > days_of(month, year) {
            return None;
        }
        if reader.rest.is_empty() {
            return Some(time);
        }
        let has_zone = match reader.rest[0] {
            b'T' | b't' => {
                reader.rest = &reader.rest[1..];
                true
            }
            b' ' => {
                let spaces = reader.rest.iter().take_while(|&&byte| byte == b' ').count();
                reader.rest = &reader.rest[spaces..];
                false
            }
            _ => return None,
        };
        time.hour = reader.number()?;
        reader.literal(b':')?;
        time.minute = reader.number()?;
        reader.literal(b':')?;
        time.second = reader.number()?;
        time.nanosecond = reader.fraction();
        if time.hour > 23 || time.minute > 59 || time.second > 59 {
            return None;
        }
        if has_zone {
            time.offset_minutes = reader.zone()?;
        }
        reader.rest.is_empty().then_some(time)
    }

    /// Formats as RFC 3339 with as many digits of a second as are needed: `2020-01-02T03:04:05.1Z`.
    pub(crate) fn rfc3339(&self) -> String {
        let Self { year, month, day, hour, minute, second, nanosecond, offset_minutes } = self;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if *nanosecond > 0 {
            let digits = format!("{nanosecond:09}");
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        if *offset_minutes == 0 {
            text.push('Z');
        } else {
            let sign = if *offset_minutes < 0 { '-' } else { '+' };
            let minutes = offset_minutes.abs();
            text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        }
        text
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// Reads one or two digits.
    fn number(&mut self) -> Option<u32> {
        let length = self.rest.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then(|| decimal(digits))
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (first == byte).then_some(())
    }

    /// Reads a fraction of a second, if there is one, in nanoseconds; further digits are dropped.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', digits @ ..] = self.rest else { return 0 };
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return 0;
        }
        let kept = &digits[..length.min(9)];
        let missing = u32::try_from(9 - kept.len()).unwrap_or(0);
        self.rest = &digits[length..];
        decimal(kept) * 10_u32.pow(missing)
    }

    /// Reads `Z` or `+07:00`, in minutes.
    fn zone(&mut self) -> Option<i32> {
        let (sign, rest) = match self.rest {
            [b'Z', rest @ ..] => {
                self.rest = rest;
                return Some(0);
            }
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return None,
        };
        let [h1, h2, b':', m1, m2, rest @ ..] = rest else { return None };
        if ![h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (hours, minutes) = (decimal(&[*h1, *h2]), decimal(&[*m1, *m2]));
        self.rest = rest;
        let total = i32::try_from(hours * 60 + minutes).ok()?;
        (hours <= 24 && minutes <= 60).then_some(sign * total)
    }
}

fn decimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}

fn days_of(month: u32, year: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

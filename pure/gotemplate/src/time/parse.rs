//! Reads a time by a layout, with Go's error texts.

use super::layout::{self, Piece};
use super::{MONTHS, WEEKDAYS};
use crate::quote::quote;
use jiff::Zoned;
use jiff::tz::{Offset, TimeZone};

/// What was read so far; what the layout does not mention stays at its default.
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    is_afternoon: bool,
    is_morning: bool,
    is_utc: bool,
    offset: Option<i32>,
    zone: String,
}

/// Reads `text` by a Go layout; without an offset in the text the time is in `local`.
///
/// # Errors
/// Go's words: which part of the text does not fit which part of the layout.
pub(crate) fn parse(layout: &str, text: &str, local: &TimeZone) -> Result<Zoned, String> {
    let mut fields = Fields {
        year: 0,
        month: None,
        day: None,
        day_of_year: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        is_afternoon: false,
        is_morning: false,
        is_utc: false,
        offset: None,
        zone: String::new(),
    };
    let mut rest_layout = layout;
    let mut rest = text;
    let fail = |element: &str, rest: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(text.as_bytes()),
            quote(layout.as_bytes()),
            quote(rest.as_bytes()),
            quote(element.as_bytes())
        )
    };
    let out_of_range = |what: &str| format!("parsing time {}: {what} out of range", quote(text.as_bytes()));
    loop {
        let (before, piece, after) = layout::next(rest_layout);
        let element = &rest_layout[before.len()..rest_layout.len() - after.len()];
        rest = skip(rest, before).map_err(|place| fail(before, place))?;
        let Some(piece) = piece else {
            if !rest.is_empty() {
                return Err(format!("parsing time {}: extra text: {}", quote(text.as_bytes()), quote(rest.as_bytes())));
            }
            break;
        };
        rest_layout = after;
        let held = rest;
        match read_piece(&mut fields, piece, rest, after) {
            Ok(remaining) => rest = remaining,
            Err(Problem::Syntax) => return Err(fail(element, held)),
            Err(Problem::Range(what)) => return Err(out_of_range(what)),
        }
    }
    if fields.is_afternoon && fields.hour < 12 {
        fields.hour += 12;
    } else if fields.is_morning && fields.hour == 12 {
        fields.hour = 0;
    }
    let (month, day) = date_of(&fields).map_err(out_of_range)?;
    let too_far = |_| out_of_range("year");
    let year = i16::try_from(fields.year).map_err(|_| out_of_range("year"))?;
    let civil = jiff::civil::DateTime::new(
        year,
        month as i8,
        day as i8,
        fields.hour as i8,
        fields.minute as i8,
        fields.second as i8,
        fields.nanosecond as i32,
    )
    .map_err(too_far)?;
    if fields.is_utc {
        return civil.to_zoned(TimeZone::UTC).map_err(too_far);
    }
    if let Some(seconds) = fields.offset {
        let offset = Offset::from_seconds(seconds).map_err(too_far)?;
        let moment = offset.to_timestamp(civil).map_err(too_far)?;
        let is_local = local.to_offset(moment) == offset;
        let zone = if is_local { local.clone() } else { TimeZone::fixed(offset) };
        return Ok(moment.to_zoned(zone));
    }
    if !fields.zone.is_empty() {
        let here = civil.to_zoned(local.clone()).map_err(too_far)?;
        if super::format::abbreviation(&here) == fields.zone {
            return Ok(here);
        }
        let hours: i32 = fields.zone.strip_prefix("GMT").and_then(|hours| hours.parse().ok()).unwrap_or(0);
        let offset = Offset::from_seconds(hours * 3600).map_err(too_far)?;
        return civil.to_zoned(TimeZone::fixed(offset)).map_err(too_far);
    }
    civil.to_zoned(local.clone()).map_err(too_far)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn date_of(fields: &Fields) -> Result<(i64, i64), &'static str> {
    let (mut month, mut day) = (fields.month, fields.day);
    if let Some(mut of_year) = fields.day_of_year {
        if of_year < 1 || of_year > 365 + i64::from(is_leap(fields.year)) {
            return Err("day-of-year");
        }
        let mut found = 1;
        while of_year > days_in(found, fields.year) {
            of_year -= days_in(found, fields.year);
            found += 1;
        }
        if month.is_some_and(|month| month != found) {
            return Err("day-of-year does not match month");
        }
        if day.is_some_and(|day| day != of_year) {
            return Err("day-of-year does not match day");
        }
        (month, day) = (Some(found), Some(of_year));
    }
    let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
    if day < 1 || day > days_in(month, fields.year) {
        return Err("day");
    }
    Ok((month, day))
}

/// Skips the literal text of a layout: a run of spaces matches any run of spaces.
fn skip<'t>(text: &'t str, literal: &str) -> Result<&'t str, &'t str> {
    let mut text = text;
    let mut literal = literal;
    while let Some(wanted) = literal.chars().next() {
        if wanted == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return Err(text);
            }
            literal = literal.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        match text.strip_prefix(wanted) {
            Some(rest) => text = rest,
            None => return Err(text),
        }
        literal = &literal[wanted.len_utf8()..];
    }
    Ok(text)
}

/// Why a piece did not fit.
enum Problem {
    Syntax,
    Range(&'static str),
}

type Read<'t> = Result<&'t str, Problem>;

fn digits(text: &str, count: usize) -> Result<(i64, &str), Problem> {
    let head =
        text.get(..count).filter(|head| head.bytes().all(|byte| byte.is_ascii_digit())).ok_or(Problem::Syntax)?;
    Ok((head.parse().map_err(|_| Problem::Syntax)?, &text[count..]))
}

/// Reads one or two digits; two if `is_fixed`.
fn number(text: &str, is_fixed: bool) -> Result<(i64, &str), Problem> {
    let has_two = text.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if has_two || is_fixed { digits(text, 2) } else { digits(text, 1) }
}

fn ranged(value: i64, low: i64, high: i64, what: &'static str) -> Result<i64, Problem> {
    if (low..=high).contains(&value) { Ok(value) } else { Err(Problem::Range(what)) }
}

fn name<'t>(text: &'t str, names: &[&str], length: Option<usize>) -> Result<(usize, &'t str), Problem> {
    for (index, name) in names.iter().enumerate() {
        let name = &name[..length.unwrap_or(name.len())];
        if text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return Ok((index, &text[name.len()..]));
        }
    }
    Err(Problem::Syntax)
}

fn read_piece<'t>(fields: &mut Fields, piece: Piece, text: &'t str, after: &str) -> Read<'t> {
    match piece {
        Piece::Year => {
            let (year, rest) = digits(text, 2)?;
            fields.year = if year >= 69 { 1900 + year } else { 2000 + year };
            Ok(rest)
        }
        Piece::LongYear => {
            let (year, rest) = digits(text, 4)?;
            fields.year = year;
            Ok(rest)
        }
        Piece::LongMonth | Piece::ShortMonth => {
            let (index, rest) = name(text, &MONTHS, (piece == Piece::ShortMonth).then_some(3))?;
            fields.month = Some(index as i64 + 1);
            Ok(rest)
        }
        Piece::NumberMonth | Piece::ZeroMonth => {
            let (month, rest) = number(text, piece == Piece::ZeroMonth)?;
            fields.month = Some(ranged(month, 1, 12, "month")?);
            Ok(rest)
        }
        Piece::LongWeekday => name(text, &WEEKDAYS, None).map(|(_, rest)| rest),
        Piece::ShortWeekday => name(text, &WEEKDAYS, Some(3)).map(|(_, rest)| rest),
        Piece::Day | Piece::UnderDay | Piece::ZeroDay => {
            let text = if piece == Piece::UnderDay { text.strip_prefix(' ').unwrap_or(text) } else { text };
            let (day, rest) = number(text, piece == Piece::ZeroDay)?;
            fields.day = Some(day);
            Ok(rest)
        }
        Piece::UnderYearDay | Piece::ZeroYearDay => {
            let mut text = text;
            for _ in 0..2 {
                if piece == Piece::UnderYearDay {
                    text = text.strip_prefix(' ').unwrap_or(text);
                }
            }
            let count = if piece == Piece::ZeroYearDay {
                3
            } else {
                text.bytes().take(3).take_while(u8::is_ascii_digit).count()
            };
            let (day, rest) = digits(text, count)?;
            fields.day_of_year = Some(day);
            Ok(rest)
        }
        Piece::Hour => {
            let (hour, rest) = number(text, false)?;
            fields.hour = ranged(hour, 0, 23, "hour")?;
            Ok(rest)
        }
        Piece::Hour12 | Piece::ZeroHour12 => {
            let (hour, rest) = number(text, piece == Piece::ZeroHour12)?;
            fields.hour = ranged(hour, 0, 12, "hour")?;
            Ok(rest)
        }
        Piece::Minute | Piece::ZeroMinute => {
            let (minute, rest) = number(text, piece == Piece::ZeroMinute)?;
            fields.minute = ranged(minute, 0, 59, "minute")?;
            Ok(rest)
        }
        Piece::Second | Piece::ZeroSecond => {
            let (second, rest) = number(text, piece == Piece::ZeroSecond)?;
            fields.second = ranged(second, 0, 59, "second")?;
            // A fraction that the layout does not mention is read as well.
            let has_fraction = matches!(rest.as_bytes(), [b'.' | b',', digit, ..] if digit.is_ascii_digit());
            if has_fraction && !matches!(layout::next(after), (_, Some(Piece::Fraction { .. }), _)) {
                let count = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                fields.nanosecond = nanoseconds(&rest[1..=count])?;
                return Ok(&rest[1 + count..]);
            }
            Ok(rest)
        }
        Piece::UpperHalf | Piece::LowerHalf => {
            let halves = if piece == Piece::UpperHalf { ["AM", "PM"] } else { ["am", "pm"] };
            let head = text.get(..2).ok_or(Problem::Syntax)?;
            match halves.iter().position(|half| *half == head) {
                Some(0) => fields.is_morning = true,
                Some(_) => fields.is_afternoon = true,
                None => return Err(Problem::Syntax),
            }
            Ok(&text[2..])
        }
        Piece::Offset { is_iso: true, .. } if text.starts_with('Z') => {
            fields.is_utc = true;
            Ok(&text[1..])
        }
        Piece::Offset { has_colon, parts, .. } => read_offset(fields, text, has_colon, parts),
        Piece::ZoneName => {
            if let Some(rest) = text.strip_prefix("UTC") {
                fields.is_utc = true;
                return Ok(rest);
            }
            let length = zone_name_length(text).ok_or(Problem::Syntax)?;
            fields.zone = text[..length].to_string();
            Ok(&text[length..])
        }
        Piece::Fraction { digits: count, is_trimmed: false, .. } => {
            let whole = text.get(..=count).ok_or(Problem::Syntax)?;
            if !whole.starts_with(['.', ',']) {
                return Err(Problem::Syntax);
            }
            fields.nanosecond = nanoseconds(&whole[1..])?;
            Ok(&text[1 + count..])
        }
        Piece::Fraction { .. } => {
            if !matches!(text.as_bytes(), [b'.' | b',', digit, ..] if digit.is_ascii_digit()) {
                return Ok(text);
            }
            let count = text[1..].bytes().take(9).take_while(u8::is_ascii_digit).count();
            fields.nanosecond = nanoseconds(&text[1..=count])?;
            Ok(&text[1 + count..])
        }
    }
}

fn nanoseconds(digits: &str) -> Result<i64, Problem> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Syntax);
    }
    format!("{digits:0<9}")[..9].parse().map_err(|_| Problem::Syntax)
}

fn read_offset<'t>(fields: &mut Fields, text: &'t str, has_colon: bool, parts: u8) -> Read<'t> {
    let sign = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(Problem::Syntax),
    };
    let (hours, mut rest) = digits(&text[1..], 2)?;
    let mut total = ranged(hours, 0, 24, "time zone offset hour")? * 3600;
    for (index, (unit, what)) in
        [(60, "time zone offset minute"), (1, "time zone offset second")].into_iter().enumerate()
    {
        if usize::from(parts) <= index + 1 {
            break;
        }
        if has_colon {
            rest = rest.strip_prefix(':').ok_or(Problem::Syntax)?;
        }
        let (value, remaining) = digits(rest, 2)?;
        total += ranged(value, 0, 60, what)? * unit;
        rest = remaining;
    }
    fields.offset = Some(sign * total as i32);
    Ok(rest)
}

/// How long a zone's abbreviation at the start of the text is: three or four capitals, five in one case, or `GMT+3`, `+03`.
fn zone_name_length(text: &str) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    let signed = |text: &str| -> usize {
        let length = text.get(1..).map_or(0, |tail| tail.bytes().take_while(u8::is_ascii_digit).count());
        let hours = text.get(..=length).and_then(|number| number.parse::<i32>().ok());
        match hours {
            Some(hours) if text.starts_with(['+', '-']) && length > 0 && (-23..=23).contains(&hours) => 1 + length,
            _ => 0,
        }
    };
    if let Some(tail) = text.strip_prefix("GMT") {
        return Some(3 + signed(tail));
    }
    if text.starts_with(['+', '-']) {
        return Some(signed(text)).filter(|length| *length > 0);
    }
    let capitals = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match capitals {
        5 if text.as_bytes()[4] == b'T' => Some(5),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_do_not_fit_are_explained_in_gos_words() {
        for (layout, text, wanted) in [
            ("2006-01-02", "x", "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\""),
            ("2006-01-02", "2020-13-01", "parsing time \"2020-13-01\": month out of range"),
            ("2006-01-02", "2020-02-30", "parsing time \"2020-02-30\": day out of range"),
            ("2006-01-02", "2020-01-01 ", "parsing time \"2020-01-01 \": extra text: \" \""),
        ] {
            assert_eq!(parse(layout, text, &TimeZone::UTC).unwrap_err(), wanted);
        }
    }

    #[test]
    fn layouts_round_trip() {
        let layout = "Mon Jan _2 15:04:05.000 -0700 2006";
        let text = "Fri Nov  6 07:08:09.120 +0200 2026";
        assert_eq!(super::super::format(&parse(layout, text, &TimeZone::UTC).unwrap(), layout), text);
    }
}

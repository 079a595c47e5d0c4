//! Reads Go's layouts: an example of the wanted text, written with the reference time `Mon Jan 2 15:04:05 MST 2006`.

/// A recognised piece of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    LongMonth,
    ShortMonth,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    ShortWeekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    /// A numeric offset; `Z` for zero if `is_iso`.
    Offset {
        is_iso: bool,
        has_colon: bool,
        parts: u8,
    },
    /// Digits behind the second with their separator; trailing zeros dropped if `is_trimmed`.
    Fraction {
        digits: usize,
        is_trimmed: bool,
        separator: u8,
    },
}

/// Finds the first piece of a layout: the text before it, the piece, and the rest.
pub(super) fn next(layout: &str) -> (&str, Option<Piece>, &str) {
    let bytes = layout.as_bytes();
    for at in 0..bytes.len() {
        if !layout.is_char_boundary(at) {
            continue;
        }
        if let Some((skipped, piece, length)) = piece_at(layout, at) {
            let start = at + skipped;
            return (&layout[..start], Some(piece), &layout[start + length..]);
        }
    }
    (layout, None, "")
}

fn starts_lower(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
}

/// Reads a piece at an offset: bytes to skip before it, the piece, its length.
fn piece_at(layout: &str, at: usize) -> Option<(usize, Piece, usize)> {
    let rest = &layout[at..];
    let starts = |text: &str| rest.starts_with(text);
    let found = |piece, length| Some((0, piece, length));
    let offset = |is_iso, has_colon, parts| Piece::Offset { is_iso, has_colon, parts };
    match rest.as_bytes()[0] {
        b'J' if starts("January") => found(Piece::LongMonth, 7),
        b'J' if starts("Jan") && !starts_lower(&rest[3..]) => found(Piece::ShortMonth, 3),
        b'M' if starts("Monday") => found(Piece::LongWeekday, 6),
        b'M' if starts("Mon") && !starts_lower(&rest[3..]) => found(Piece::ShortWeekday, 3),
        b'M' if starts("MST") => found(Piece::ZoneName, 3),
        b'0' => match rest.as_bytes().get(1)? {
            b'1' => found(Piece::ZeroMonth, 2),
            b'2' => found(Piece::ZeroDay, 2),
            b'3' => found(Piece::ZeroHour12, 2),
            b'4' => found(Piece::ZeroMinute, 2),
            b'5' => found(Piece::ZeroSecond, 2),
            b'6' => found(Piece::Year, 2),
            b'0' if starts("002") => found(Piece::ZeroYearDay, 3),
            _ => None,
        },
        b'1' if starts("15") => found(Piece::Hour, 2),
        b'1' => found(Piece::NumberMonth, 1),
        b'2' if starts("2006") => found(Piece::LongYear, 4),
        b'2' => found(Piece::Day, 1),
        b'_' if starts("_2006") => Some((1, Piece::LongYear, 4)),
        b'_' if starts("_2") => found(Piece::UnderDay, 2),
        b'_' if starts("__2") => found(Piece::UnderYearDay, 3),
        b'3' => found(Piece::Hour12, 1),
        b'4' => found(Piece::Minute, 1),
        b'5' => found(Piece::Second, 1),
        b'P' if starts("PM") => found(Piece::UpperHalf, 2),
        b'p' if starts("pm") => found(Piece::LowerHalf, 2),
        b'-' if starts("-070000") => found(offset(false, false, 3), 7),
        b'-' if starts("-07:00:00") => found(offset(false, true, 3), 9),
        b'-' if starts("-0700") => found(offset(false, false, 2), 5),
        b'-' if starts("-07:00") => found(offset(false, true, 2), 6),
        b'-' if starts("-07") => found(offset(false, false, 1), 3),
        b'Z' if starts("Z070000") => found(offset(true, false, 3), 7),
        b'Z' if starts("Z07:00:00") => found(offset(true, true, 3), 9),
        b'Z' if starts("Z0700") => found(offset(true, false, 2), 5),
        b'Z' if starts("Z07:00") => found(offset(true, true, 2), 6),
        b'Z' if starts("Z07") => found(offset(true, false, 1), 3),
        separator @ (b'.' | b',') => {
            let digit = *rest.as_bytes().get(1).filter(|byte| matches!(byte, b'0' | b'9'))?;
            let digits = rest.as_bytes()[1..].iter().take_while(|byte| **byte == digit).count();
            if rest.as_bytes().get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            found(Piece::Fraction { digits, is_trimmed: digit == b'9', separator }, 1 + digits)
        }
        _ => None,
    }
}

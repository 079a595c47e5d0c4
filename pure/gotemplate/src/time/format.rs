//! Writes a time by a layout.

use super::layout::{self, Piece};
use super::{MONTHS, WEEKDAYS};
use jiff::Zoned;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Writes a time by a Go layout. Source: Go's `Time.Format`.
pub(crate) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let (before, piece, after) = layout::next(rest);
        out.push_str(before);
        match piece {
            Some(piece) => write_piece(&mut out, time, piece),
            None => break,
        }
        rest = after;
    }
    out
}

/// The abbreviation of the zone at that time; empty if it has none but an offset.
pub(super) fn abbreviation(time: &Zoned) -> String {
    let zone = time.time_zone();
    if *zone == TimeZone::UTC {
        return "UTC".into();
    }
    if zone.iana_name().is_none() {
        return String::new();
    }
    zone.to_offset_info(time.timestamp()).abbreviation().to_string()
}

fn write_piece(out: &mut String, time: &Zoned, piece: Piece) {
    let month = MONTHS[usize::from(time.month().unsigned_abs()) - 1];
    let weekday = WEEKDAYS[usize::from(time.weekday().to_sunday_zero_offset().unsigned_abs())];
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let _ = match piece {
        Piece::LongMonth => write!(out, "{month}"),
        Piece::ShortMonth => write!(out, "{}", &month[..3]),
        Piece::NumberMonth => write!(out, "{}", time.month()),
        Piece::ZeroMonth => write!(out, "{:02}", time.month()),
        Piece::LongWeekday => write!(out, "{weekday}"),
        Piece::ShortWeekday => write!(out, "{}", &weekday[..3]),
        Piece::Day => write!(out, "{}", time.day()),
        Piece::UnderDay => write!(out, "{:2}", time.day()),
        Piece::ZeroDay => write!(out, "{:02}", time.day()),
        Piece::UnderYearDay => write!(out, "{:3}", time.day_of_year()),
        Piece::ZeroYearDay => write!(out, "{:03}", time.day_of_year()),
        Piece::Hour => write!(out, "{:02}", time.hour()),
        Piece::Hour12 => write!(out, "{hour12}"),
        Piece::ZeroHour12 => write!(out, "{hour12:02}"),
        Piece::Minute => write!(out, "{}", time.minute()),
        Piece::ZeroMinute => write!(out, "{:02}", time.minute()),
        Piece::Second => write!(out, "{}", time.second()),
        Piece::ZeroSecond => write!(out, "{:02}", time.second()),
        Piece::LongYear if time.year() < 0 => write!(out, "-{:04}", time.year().unsigned_abs()),
        Piece::LongYear => write!(out, "{:04}", time.year()),
        Piece::Year => write!(out, "{:02}", time.year().unsigned_abs() % 100),
        Piece::UpperHalf => write!(out, "{}", if time.hour() >= 12 { "PM" } else { "AM" }),
        Piece::LowerHalf => write!(out, "{}", if time.hour() >= 12 { "pm" } else { "am" }),
        Piece::ZoneName => match abbreviation(time) {
            name if !name.is_empty() => write!(out, "{name}"),
            _ => {
                let minutes = time.offset().seconds() / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(out, "{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        },
        Piece::Offset { is_iso: true, .. } if time.offset().seconds() == 0 => write!(out, "Z"),
        Piece::Offset { has_colon, parts, .. } => {
            let total = time.offset().seconds();
            let (sign, seconds) = (if total / 60 < 0 { '-' } else { '+' }, total.abs());
            let colon = if has_colon { ":" } else { "" };
            let mut shown = format!("{sign}{:02}", seconds / 3600);
            if parts > 1 {
                let _ = write!(shown, "{colon}{:02}", seconds / 60 % 60);
            }
            if parts > 2 {
                let _ = write!(shown, "{colon}{:02}", seconds % 60);
            }
            write!(out, "{shown}")
        }
        Piece::Fraction { digits, is_trimmed, separator } => {
            let all = format!("{:09}", time.subsec_nanosecond());
            let mut shown = all.get(..digits.min(9)).unwrap_or(&all);
            if is_trimmed {
                shown = shown.trim_end_matches('0');
                if shown.is_empty() {
                    return;
                }
            }
            write!(out, "{}{shown}", char::from(separator))
        }
    };
}

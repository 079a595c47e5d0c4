//! Schedules in cron's five fields, and when they come round next.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How far ahead a schedule is looked for: 29 February comes within eight years.
const DAYS_AHEAD_MAX: usize = 366 * 8;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
    /// Whether day and weekday were both restricted: then either suffices.
    either_day: bool,
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expanded = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: [{text}]", fields.len()));
        };
        let mut weekday_set = field(weekdays, 0, 7, WEEKDAYS, 0)?;
        if weekday_set.remove(&7) {
            weekday_set.insert(0);
        }
        let is_free = |text: &str| text.starts_with('*') || text.starts_with('?');
        Ok(Self {
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 1)?,
            months: field(months, 1, 12, MONTHS, 1)?,
            weekdays: weekday_set,
            either_day: !is_free(days) && !is_free(weekdays),
        })
    }

    fn has_day(&self, at: DateTime) -> bool {
        let day = self.days.contains(&at.day());
        let weekday = self.weekdays.contains(&at.weekday().to_sunday_zero_offset());
        self.months.contains(&at.month()) && if self.either_day { day || weekday } else { day && weekday }
    }

    /// The first time after `after` in a time zone.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(after);
        let mut date = local.date();
        for _ in 0..DAYS_AHEAD_MAX {
            if self.has_day(date.at(0, 0, 0, 0)) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let at = date.at(*hour, *minute, 0, 0);
                        if let Ok(found) = zone.to_timestamp(at)
                            && found > after
                        {
                            return Some(found);
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }
}

fn field(text: &str, least: i8, most: i8, names: &[&str], first: i8) -> Result<BTreeSet<i8>, String> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: i8 = step.parse().map_err(|_| format!("failed to parse int from {step}: {part}"))?;
                (range, step)
            }
            None => (part, 1),
        };
        if step <= 0 {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        let number = |text: &str| -> Result<i8, String> {
            let lower = text.to_lowercase();
            if let Some(index) = names.iter().position(|name| *name == lower) {
                return Ok(first + i8::try_from(index).unwrap_or(0));
            }
            text.parse().map_err(|_| format!("failed to parse int from {text}: {part}"))
        };
        let (from, to) = match range {
            "*" | "?" => (least, most),
            _ => match range.split_once('-') {
                Some((from, to)) => (number(from)?, number(to)?),
                None if part.contains('/') => (number(range)?, most),
                None => (number(range)?, number(range)?),
            },
        };
        if from < least {
            return Err(format!("beginning of range ({from}) below minimum ({least}): {part}"));
        }
        if to > most {
            return Err(format!("end of range ({to}) above maximum ({most}): {part}"));
        }
        if from > to {
            return Err(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
        }
        let mut value = from;
        while value <= to {
            all.insert(value);
            value = value.saturating_add(step);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_come_round_when_they_say() {
        let after: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (text, expected) in [
            ("*/5 * * * *", "2026-01-02T03:05:00Z"),
            ("0 2 * * *", "2026-01-03T02:00:00Z"),
            ("30 4 1 * *", "2026-02-01T04:30:00Z"),
            ("0 0 * * mon", "2026-01-05T00:00:00Z"),
            ("0 0 29 feb *", "2028-02-29T00:00:00Z"),
            ("0 0 13 * fri", "2026-01-09T00:00:00Z"),
            ("@hourly", "2026-01-02T04:00:00Z"),
        ] {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!(schedule.next(after, &TimeZone::UTC).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "* * * *", "61 * * * *", "a * * * *", "*/0 * * * *"] {
            assert!(Schedule::parse(text).is_err(), "{text:?} is no schedule");
        }
    }
}

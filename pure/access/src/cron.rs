//! Schedules with five fields: minute, hour, day of month, month, day of week; lists, ranges, steps, names of months and
//! days. If both days are restricted, either is enough. Source: robfig/cron v3 `parser.go`, `spec.go`, which Argo CD uses.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether day of month and day of week are both restricted: then either is enough.
    either_day: bool,
}

/// Why text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a schedule: {reason}; write five fields: minute hour day month weekday, as in \"0 22 * * 1-5\""
)]
pub struct InvalidSchedule {
    /// The text.
    pub text: String,
    /// Which field, and what is wrong with it.
    pub reason: String,
}

/// How far ahead a next time is looked for: a schedule like 30 February never comes.
const YEARS_MAX: i64 = 5;

struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

impl Schedule {
    /// Reads a schedule.
    pub fn read(text: &str) -> Result<Self, InvalidSchedule> {
        let fail = |reason: String| InvalidSchedule { text: text.to_owned(), reason };
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(fail(format!("it has {} fields", parts.len())));
        }
        let mut sets = [0u64; 5];
        let mut is_any = [false; 5];
        for (index, (part, field)) in parts.iter().zip(&FIELDS).enumerate() {
            for item in part.split(',') {
                let (set, any) =
                    read_item(item, field).map_err(|reason| fail(format!("{} {item:?}: {reason}", field.name)))?;
                sets[index] |= set;
                is_any[index] |= any;
            }
        }
        let [minutes, hours, days, months, weekdays] = sets;
        Ok(Self { minutes, hours, days, months, weekdays, either_day: !is_any[2] && !is_any[4] })
    }

    /// Finds the first time after `after`; `None` if there is none within five years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // Times are looked at from a little before on: clocks that go back make a later time of day come earlier.
        let floor = after.to_zoned(zone.clone()).datetime().checked_sub(Span::new().hours(3)).unwrap_or(DateTime::MIN);
        let mut day = floor.date();
        let last = day.checked_add(Span::new().years(YEARS_MAX)).unwrap_or(Date::MAX);
        while day <= last {
            if self.falls_on(day) {
                let found = self.times_of(day, floor, zone).find(|time| *time > after);
                if found.is_some() {
                    return found;
                }
            }
            day = match has(self.months, day.month().unsigned_abs().into()) {
                true => day.tomorrow().ok()?,
                false => day.last_of_month().tomorrow().ok()?,
            };
        }
        None
    }

    fn falls_on(&self, day: Date) -> bool {
        let in_month = has(self.days, day.day().unsigned_abs().into());
        let in_week = has(self.weekdays, weekday_number(day.weekday()));
        let is_day = if self.either_day { in_month || in_week } else { in_month && in_week };
        is_day && has(self.months, day.month().unsigned_abs().into())
    }

    fn times_of<'a>(&'a self, day: Date, floor: DateTime, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let hours = (0..24i8).filter(|hour| has(self.hours, hour.unsigned_abs().into()));
        let times = hours.flat_map(move |hour| {
            let minutes = (0..60i8).filter(|minute| has(self.minutes, minute.unsigned_abs().into()));
            minutes.map(move |minute| day.at(hour, minute, 0, 0))
        });
        times.filter(move |time| *time >= floor).filter_map(|time| Some(time.to_zoned(zone.clone()).ok()?.timestamp()))
    }
}

fn weekday_number(day: Weekday) -> u32 {
    day.to_sunday_zero_offset().unsigned_abs().into()
}

fn has(set: u64, number: u32) -> bool {
    set & (1 << number) != 0
}

/// Reads one item of a list: `*`, `3`, `mon`, `1-5`, each with `/step` or without. The second answer: it is any value.
fn read_item(item: &str, field: &Field) -> Result<(u64, bool), String> {
    let number = |text: &str| -> Result<u32, String> {
        let lower = text.to_lowercase();
        let named = field.names.iter().position(|name| *name == lower).and_then(|index| u32::try_from(index).ok());
        let value = match named {
            Some(index) => index + field.least,
            None => text.parse().map_err(|_| format!("{text:?} is no number"))?,
        };
        if (field.least..=field.most).contains(&value) {
            Ok(value)
        } else {
            Err(format!("{value} is not between {} and {}", field.least, field.most))
        }
    };
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => {
            (range, Some(step.parse::<u32>().map_err(|_| format!("the step {step:?} is no number"))?))
        }
        None => (item, None),
    };
    if step == Some(0) {
        return Err("the step is 0".to_owned());
    }
    let (from, to, is_any) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (field.least, field.most, step.unwrap_or(1) == 1),
        Some((from, to)) => (number(from)?, number(to)?, false),
        // `3/5` counts from 3 to the end.
        None if step.is_some() => (number(range)?, field.most, false),
        None => (number(range)?, number(range)?, false),
    };
    if from > to {
        return Err(format!("it begins with {from}, after its end {to}"));
    }
    let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
    let set = (from..=to).step_by(step).fold(0u64, |set, value| set | (1 << value));
    Ok((set, is_any))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).expect("known zone");
        let found = Schedule::read(schedule).expect("valid").next(after.parse().expect("a time"), &zone);
        found.map_or("never".to_owned(), |time| time.to_string())
    }

    #[test]
    fn the_next_time_is_the_first_that_fits() {
        for (schedule, after, expected) in [
            ("* * * * *", "2026-03-04T10:20:30Z", "2026-03-04T10:21:00Z"),
            ("0 22 * * *", "2026-03-04T10:20:30Z", "2026-03-04T22:00:00Z"),
            ("0 22 * * *", "2026-03-04T22:00:00Z", "2026-03-05T22:00:00Z"),
            ("*/15 8-9 * * *", "2026-03-04T08:50:00Z", "2026-03-04T09:00:00Z"),
            ("*/15 8-9 * * *", "2026-03-04T09:50:00Z", "2026-03-05T08:00:00Z"),
            ("0 0 1 * *", "2026-12-04T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2026-03-04T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 30 2 *", "2026-03-04T00:00:00Z", "never"),
            ("0 12 * * mon-FRI", "2026-03-06T13:00:00Z", "2026-03-09T12:00:00Z"),
            ("0 12 * jan,Jul 0", "2026-03-06T13:00:00Z", "2026-07-05T12:00:00Z"),
            // Both days restricted: either is enough. The 9th of March 2026 is a Monday.
            ("0 0 15 * 1", "2026-03-06T00:00:00Z", "2026-03-09T00:00:00Z"),
            ("0 0 15 * 1", "2026-03-09T00:00:00Z", "2026-03-15T00:00:00Z"),
            ("0 0 */2 * 1", "2026-03-09T00:00:00Z", "2026-03-11T00:00:00Z"),
            ("50/5 * * * *", "2026-03-04T10:50:00Z", "2026-03-04T10:55:00Z"),
        ] {
            assert_eq!(next(schedule, after, "UTC"), expected, "{schedule} after {after}");
        }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        assert_eq!(next("0 22 * * *", "2026-01-10T00:00:00Z", "Europe/Berlin"), "2026-01-10T21:00:00Z");
        assert_eq!(next("0 22 * * *", "2026-07-10T00:00:00Z", "Europe/Berlin"), "2026-07-10T20:00:00Z");
        assert_eq!(next("0 1 * * *", "2026-01-10T00:00:00Z", "Asia/Tokyo"), "2026-01-10T16:00:00Z");
        // 02:30 does not exist on the day clocks go forward; it comes an hour later by the clock.
        assert_eq!(next("30 2 29 3 *", "2026-03-01T00:00:00Z", "Europe/Berlin"), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (text, words) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("* * * * * *", "6 fields"),
            ("60 * * * *", "60 is not between 0 and 59"),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of month"),
            ("* * * 13 *", "month"),
            ("* * * * 7", "day of week"),
            ("5-1 * * * *", "after its end"),
            ("*/0 * * * *", "step is 0"),
            ("a * * * *", "no number"),
            ("@daily", "1 fields"),
        ] {
            let error = Schedule::read(text).expect_err(text).to_string();
            assert!(error.contains(words), "{error:?} lacks {words:?}");
        }
    }
}

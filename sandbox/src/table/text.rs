//! How cells are written: durations, maps, selectors.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::clock::parse_time;
use crate::json;

/// A duration as kubectl shows ages. Source: `k8s.io/apimachinery/pkg/util/duration` HumanDuration.
pub(super) fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let pair = |large: i64, large_name: &str, small: i64, small_name: &str| {
        if small == 0 { format!("{large}{large_name}") } else { format!("{large}{large_name}{small}{small_name}") }
    };
    match seconds {
        i64::MIN..=-2 => "<invalid>".to_string(),
        -1..=0 => "0s".to_string(),
        1..120 => format!("{seconds}s"),
        120..600 => pair(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => pair(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => pair(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => pair(seconds / YEAR, "y", seconds % YEAR / DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// The time since a timestamp of the object, `<unknown>` when there is none.
pub(super) fn since(object: &Value, pointer: &str, now: Timestamp) -> String {
    match parse_time(json::text(object, pointer)) {
        Some(then) => human_duration(now.duration_since(then).as_secs()),
        None => "<unknown>".to_string(),
    }
}

/// The object's age.
pub(super) fn age(object: &Value, now: Timestamp) -> String {
    since(object, "/metadata/creationTimestamp", now)
}

/// `a=b,c=d`, or `<none>`.
pub(super) fn pairs(map: Option<&Map<String, Value>>) -> String {
    let mut pairs: Vec<String> =
        map.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.sort();
    if pairs.is_empty() { "<none>".to_string() } else { pairs.join(",") }
}

/// A text, or `<none>`.
pub(super) fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_string() } else { text.to_string() }
}

//! Sync windows: may a sync begin now, and when does the answer change. Source: Argo CD 3.5 `types.go` (SyncWindows),
//! `docs/user-guide/sync_windows.md`.
//!
//! No matching window: allowed. An active `deny`: not allowed, by hand only if every active `deny` has `manualSync`. Else
//! an active `allow`: allowed. Else, if an `allow` matches at all: not allowed, by hand only if they have `manualSync`.
//! A window that cannot be read blocks, because it was written to block.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use landfall_model::duration::parse_ms;
use landfall_model::project::SyncWindow;
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;

use crate::cron::Schedule;
use crate::pattern::Pattern;

/// Which application is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its name.
    pub application: &'a str,
    /// Its destination namespace.
    pub namespace: &'a str,
    /// Its destination's server; `""` if unknown.
    pub server: &'a str,
    /// Its destination's name; `""` if unknown.
    pub cluster: &'a str,
}

/// A window that was read.
#[derive(Debug, Clone)]
struct Read {
    is_deny: bool,
    schedule: Schedule,
    length: SignedDuration,
    zone: TimeZone,
}

/// Whether a window is open at a moment, and until when, or when it opens.
struct Standing {
    is_active: bool,
    changes_at: Option<Timestamp>,
}

/// Says what the windows of a project say about an application at a moment.
pub fn evaluate(windows: &[SyncWindow], subject: Subject<'_>, now: Time) -> WindowVerdict {
    let matching: Vec<&SyncWindow> = windows.iter().filter(|window| matches(window, subject)).collect();
    if matching.is_empty() {
        return WindowVerdict::open();
    }
    let mut standings = Vec::new();
    for window in &matching {
        match read(window) {
            Ok(read) => standings.push((*window, read.is_deny, standing(&read, now.0))),
            Err(reason) => return blocked(format!("sync window {} cannot be read: {reason}", describe(window))),
        }
    }
    let active = |is_deny: bool| {
        let open = standings.iter().filter(move |(_, deny, standing)| *deny == is_deny && standing.is_active);
        open.map(|(window, ..)| *window).collect::<Vec<&SyncWindow>>()
    };
    let (denies, allows) = (active(true), active(false));
    let closed: Vec<&SyncWindow> =
        standings.iter().filter(|(_, is_deny, _)| !is_deny).map(|(window, ..)| *window).collect();
    let by_hand = |blocking: &[&SyncWindow]| blocking.iter().all(|window| window.manual_sync);
    let (automatic_allowed, manual_allowed, why) = if let Some(first) = denies.first() {
        (false, by_hand(&denies), format!("{} is active", describe(first)))
    } else if let Some(first) = allows.first() {
        (true, true, format!("{} is active", describe(first)))
    } else if let Some(first) = closed.first() {
        (false, by_hand(&closed), format!("{} is not active", describe(first)))
    } else {
        (true, true, String::new())
    };
    WindowVerdict {
        automatic_allowed,
        manual_allowed,
        overrun_allowed: matching.iter().all(|window| window.sync_overrun),
        changes_at: standings.iter().filter_map(|(.., standing)| standing.changes_at).min().map(round_up),
        why,
    }
}

/// Lists the windows that concern an application, and those of them that are open at a moment.
pub fn assigned<'a>(
    windows: &'a [SyncWindow],
    subject: Subject<'_>,
    now: Time,
) -> (Vec<&'a SyncWindow>, Vec<&'a SyncWindow>) {
    let matching: Vec<&SyncWindow> = windows.iter().filter(|window| matches(window, subject)).collect();
    (matching.clone(), matching.into_iter().filter(|window| is_active(window, now)).collect())
}

/// Says whether a window is open at a moment; one that cannot be read is not.
pub fn is_active(window: &SyncWindow, now: Time) -> bool {
    read(window).is_ok_and(|read| standing(&read, now.0).is_active)
}

/// Says what is wrong with each window of a project that cannot be read; empty if all can.
pub fn problems(windows: &[SyncWindow]) -> Vec<String> {
    let problem = |window: &SyncWindow| Some(format!("sync window {}: {}", describe(window), read(window).err()?));
    windows.iter().filter_map(problem).collect()
}

fn blocked(why: String) -> WindowVerdict {
    WindowVerdict { automatic_allowed: false, manual_allowed: false, overrun_allowed: false, changes_at: None, why }
}

fn describe(window: &SyncWindow) -> String {
    let zone = if window.time_zone.is_empty() { String::new() } else { format!(" {}", window.time_zone) };
    let about = if window.description.is_empty() { String::new() } else { format!(" ({})", window.description) };
    format!("{} \"{}\" for {}{zone}{about}", window.kind, window.schedule, window.duration)
}

/// With `andOperator` every list that is not empty has to match, otherwise any. A window without lists matches nothing.
fn matches(window: &SyncWindow, subject: Subject<'_>) -> bool {
    let any = |globs: &[String], texts: &[&str]| {
        let mut patterns = globs.iter().map(|glob| Pattern::read(glob, None));
        patterns.any(|pattern| texts.iter().any(|text| !text.is_empty() && pattern.matches(text)))
    };
    let lists = [
        (&window.applications, any(&window.applications, &[subject.application])),
        (&window.namespaces, any(&window.namespaces, &[subject.namespace])),
        (&window.clusters, any(&window.clusters, &[subject.cluster, subject.server])),
    ];
    let mut written = lists.iter().filter(|(globs, _)| !globs.is_empty()).peekable();
    if written.peek().is_none() {
        return false;
    }
    if window.use_and_operator { written.all(|(_, hit)| *hit) } else { written.any(|(_, hit)| *hit) }
}

fn read(window: &SyncWindow) -> Result<Read, String> {
    let is_deny = match window.kind.as_str() {
        "allow" => false,
        "deny" => true,
        other => return Err(format!("kind {other:?} is neither allow nor deny")),
    };
    let schedule = Schedule::read(&window.schedule).map_err(|error| error.to_string())?;
    let length_ms = parse_ms(&window.duration).map_err(|error| error.to_string())?;
    let zone = match window.time_zone.as_str() {
        "" => TimeZone::UTC,
        name => {
            TimeZone::get(name).map_err(|_| format!("time zone {name:?} is not known; write one like Europe/Berlin"))?
        }
    };
    Ok(Read { is_deny, schedule, length: SignedDuration::from_millis(length_ms.max(0)), zone })
}

fn standing(window: &Read, now: Timestamp) -> Standing {
    let from = now.checked_sub(window.length).unwrap_or(Timestamp::MIN);
    let opens = window.schedule.next(from, &window.zone);
    match opens {
        Some(opens) if opens <= now => {
            let last = last_opening(window, now).unwrap_or(opens);
            Standing { is_active: true, changes_at: last.checked_add(window.length).ok() }
        }
        opens => Standing { is_active: false, changes_at: opens },
    }
}

/// Finds the last opening up to now: a window may open anew before it closes, and then stays open. Looked for in ever
/// longer stretches, because a schedule that fires every minute has many.
fn last_opening(window: &Read, now: Timestamp) -> Option<Timestamp> {
    const STRETCHES_S: [i64; 4] = [120, 3_600, 86_400, 31 * 86_400];
    let mut stretches = STRETCHES_S.iter().map(|seconds| SignedDuration::from_secs(*seconds)).chain([window.length]);
    let mut last = stretches.find_map(|stretch| {
        let from = now.checked_sub(stretch.min(window.length)).unwrap_or(Timestamp::MIN);
        window.schedule.next(from, &window.zone).filter(|opens| *opens <= now)
    })?;
    while let Some(again) = window.schedule.next(last, &window.zone).filter(|again| *again <= now) {
        last = again;
    }
    Some(last)
}

fn round_up(moment: Timestamp) -> Time {
    let whole = Time::of(moment);
    if whole.0 < moment {
        Time::of(moment.saturating_add(SignedDuration::from_secs(1)).unwrap_or(moment))
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'static> = Subject {
        application: "shop",
        namespace: "shop",
        server: "https://kubernetes.default.svc",
        cluster: "in-cluster",
    };

    fn window(kind: &str, schedule: &str, duration: &str) -> SyncWindow {
        SyncWindow {
            kind: kind.into(),
            schedule: schedule.into(),
            duration: duration.into(),
            applications: vec!["*".into()],
            ..SyncWindow::default()
        }
    }

    fn at(text: &str) -> Time {
        Time::parse(text).expect("a time")
    }

    /// Asks at noon of a Wednesday.
    fn ask(windows: &[SyncWindow]) -> (bool, bool) {
        let verdict = evaluate(windows, SUBJECT, at("2026-03-04T12:00:00Z"));
        assert!(verdict.automatic_allowed || !verdict.why.is_empty(), "a refusal says why: {verdict:?}");
        (verdict.automatic_allowed, verdict.manual_allowed)
    }

    fn manual(window: SyncWindow) -> SyncWindow {
        SyncWindow { manual_sync: true, ..window }
    }

    #[test]
    fn the_rules_hold_in_their_order() {
        let (open, shut) = (("0 11 * * *", "2h"), ("0 20 * * *", "1h"));
        let allow_open = || window("allow", open.0, open.1);
        let allow_shut = || window("allow", shut.0, shut.1);
        let deny_open = || window("deny", open.0, open.1);
        let deny_shut = || window("deny", shut.0, shut.1);
        assert_eq!(ask(&[]), (true, true), "no window");
        assert_eq!(ask(&[allow_open()]), (true, true), "an active allow");
        assert_eq!(ask(&[allow_shut()]), (false, false), "an allow that is not active");
        assert_eq!(ask(&[manual(allow_shut())]), (false, true), "the same, by hand");
        assert_eq!(ask(&[allow_shut(), allow_open()]), (true, true), "one of two allows");
        assert_eq!(ask(&[deny_open()]), (false, false), "an active deny");
        assert_eq!(ask(&[manual(deny_open())]), (false, true), "the same, by hand");
        assert_eq!(ask(&[manual(deny_open()), deny_open()]), (false, false), "every deny has to agree");
        assert_eq!(ask(&[deny_open(), allow_open()]), (false, false), "deny beats allow");
        assert_eq!(ask(&[deny_shut()]), (true, true), "a deny that is not active");
        assert_eq!(ask(&[deny_shut(), allow_shut()]), (false, false), "and an allow that is not");
    }

    #[test]
    fn a_window_that_cannot_be_read_blocks_and_says_why() {
        for (bad, words) in [
            (window("allow", "soon", "1h"), "soon"),
            (window("deny", "0 20 * * *", "long"), "long"),
            (window("maybe", "0 20 * * *", "1h"), "maybe"),
            (SyncWindow { time_zone: "Moon/Base".into(), ..window("allow", "* * * * *", "1h") }, "Moon/Base"),
        ] {
            let verdict =
                evaluate(&[bad.clone(), window("allow", "* * * * *", "1h")], SUBJECT, at("2026-03-04T12:00:00Z"));
            assert!(!verdict.automatic_allowed && !verdict.manual_allowed, "{words}");
            assert!(verdict.why.contains(words), "{:?}", verdict.why);
            assert_eq!(problems(&[bad]).len(), 1);
        }
    }

    #[test]
    fn the_answer_says_when_it_changes() {
        let verdict = |windows: &[SyncWindow], now: &str| evaluate(windows, SUBJECT, at(now)).changes_at;
        let nightly = [window("allow", "0 22 * * *", "2h")];
        assert_eq!(verdict(&nightly, "2026-03-04T12:00:00Z"), Some(at("2026-03-04T22:00:00Z")));
        assert_eq!(verdict(&nightly, "2026-03-04T23:00:00Z"), Some(at("2026-03-05T00:00:00Z")));
        assert_eq!(
            verdict(&[window("allow", "0 * * * *", "90m")], "2026-03-04T12:10:00Z"),
            Some(at("2026-03-04T13:30:00Z"))
        );
        assert_eq!(verdict(&[], "2026-03-04T12:00:00Z"), None);
        let opens = evaluate(&nightly, SUBJECT, at("2026-03-04T22:00:00Z"));
        assert!(opens.automatic_allowed, "open from its first second on");
        assert!(!evaluate(&nightly, SUBJECT, at("2026-03-05T00:00:00Z")).automatic_allowed, "shut from its last on");
    }

    #[test]
    fn windows_are_for_what_their_lists_name() {
        let base = SyncWindow { applications: vec![], ..window("deny", "* * * * *", "1h") };
        let hits = |window: SyncWindow| !ask(&[window]).0;
        let list = |text: &str| vec![text.to_owned()];
        assert!(!hits(base.clone()), "no list names nothing");
        assert!(hits(SyncWindow { applications: list("sh*"), ..base.clone() }));
        assert!(hits(SyncWindow { namespaces: list("shop"), ..base.clone() }));
        assert!(hits(SyncWindow { clusters: list("in-cluster"), ..base.clone() }));
        assert!(hits(SyncWindow { clusters: list("https://kubernetes*"), ..base.clone() }));
        assert!(!hits(SyncWindow { clusters: list("other"), ..base.clone() }));
        let mixed = SyncWindow { applications: list("shop"), namespaces: list("other"), ..base };
        assert!(hits(mixed.clone()), "any list is enough");
        assert!(!hits(SyncWindow { use_and_operator: true, ..mixed }), "unless all have to match");
    }
}

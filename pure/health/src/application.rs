//! The health of an application: the worst of what it manages. Source: Argo CD 3.5.1 `controller/health.go`.

use landfall_model::health::{Health, HealthStatus};
use landfall_model::key::ObjectKey;

/// How many objects the reason names.
const NAMED_MAX: usize = 3;

/// What one object contributes.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// The object.
    pub key: &'a ObjectKey,
    /// Whether it is in the cluster.
    pub is_live: bool,
    /// Whether it is left out whatever its health: a hook, an object marked `ignore-healthcheck`, or the application
    /// itself. It still counts as there.
    pub is_ignored: bool,
    /// Whether it does not count at all: a hook, or an object that is never applied.
    pub is_hook: bool,
    /// Its health; `None` if its kind has none or it is missing.
    pub health: Option<&'a Health>,
}

/// Takes the worst of all parts. Missing objects count only when nothing is there at all: that they are missing is told
/// by the sync status. A child application whose health is missing or unknown does not count either.
///
/// The reason names the objects that made the health what it is, but not why: their own messages change all the time
/// (back-off times, counts), and the application's status is to be written only when something changed.
pub fn aggregate<'a>(parts: impl IntoIterator<Item = Part<'a>>) -> Health {
    let mut worst = HealthStatus::Healthy;
    let mut causes: Vec<&ObjectKey> = Vec::new();
    let (mut has_parts, mut has_live) = (false, false);
    for part in parts.into_iter().filter(|part| !part.is_hook) {
        has_parts = true;
        has_live |= part.is_live;
        let Some(health) = part.health.filter(|_| part.is_live && !part.is_ignored) else { continue };
        let is_application = part.key.group == "argoproj.io" && part.key.kind == "Application";
        if is_application && matches!(health.status, HealthStatus::Missing | HealthStatus::Unknown) {
            continue;
        }
        if health.status > worst {
            worst = health.status;
            causes.clear();
        }
        if health.status == worst {
            causes.push(part.key);
        }
    }
    if has_parts && !has_live && HealthStatus::Missing > worst {
        return Health::of(HealthStatus::Missing, "none of its objects is in the cluster");
    }
    if worst == HealthStatus::Healthy {
        return Health::of(worst, "");
    }
    causes.sort_unstable();
    let mut names: Vec<String> = causes.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if causes.len() > NAMED_MAX {
        names.push(format!("and {} more", causes.len() - NAMED_MAX));
    }
    Health::of(worst, format!("because of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        let group = if kind == "Application" { "argoproj.io" } else { "apps" };
        ObjectKey::of(group, kind, "shop", name)
    }

    fn check(parts: &[(&str, &str, Option<HealthStatus>)], status: HealthStatus, words: &str) {
        // "gone" is missing, "ignored" is left out, "hook" is a hook; every other name is an ordinary object.
        let owned: Vec<_> = parts
            .iter()
            .map(|(kind, name, health)| (key(kind, name), health.map(|health| Health::of(health, "x"))))
            .collect();
        let health = aggregate(owned.iter().map(|(key, health)| Part {
            key,
            is_live: !key.name.starts_with("gone"),
            is_ignored: key.name == "ignored",
            is_hook: key.name == "hook",
            health: health.as_ref(),
        }));
        assert_eq!(health.status, status, "{parts:?}");
        assert!(health.message.contains(words), "{:?} lacks {words:?}", health.message);
    }

    #[test]
    fn an_application_is_as_well_as_its_worst_object() {
        use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
        check(&[], Healthy, "");
        check(&[("Deployment", "a", Some(Healthy)), ("ConfigMap", "b", None)], Healthy, "");
        check(&[("Deployment", "a", Some(Suspended)), ("Deployment", "b", Some(Progressing))], Progressing, "shop/b");
        check(&[("Deployment", "a", Some(Degraded)), ("Deployment", "b", Some(Progressing))], Degraded, "shop/a");
        check(&[("Deployment", "a", Some(Unknown)), ("Deployment", "b", Some(Degraded))], Unknown, "shop/a");
        check(&[("Deployment", "ignored", Some(Degraded)), ("Deployment", "b", Some(Healthy))], Healthy, "");
        check(&[("Job", "hook", Some(Degraded))], Healthy, "");
        check(&[("Deployment", "gone", None), ("Deployment", "b", Some(Healthy))], Healthy, "");
        check(&[("Deployment", "gone", None), ("Job", "hook", Some(Healthy))], Missing, "none");
        check(&[("Application", "child", Some(Unknown)), ("Application", "other", Some(Missing))], Healthy, "");
        check(&[("Application", "child", Some(Degraded))], Degraded, "child");
    }

    #[test]
    fn the_reason_names_a_few_objects_in_order() {
        let parts: Vec<_> =
            ["e", "d", "c", "b", "a"].iter().map(|name| ("Deployment", *name, Some(HealthStatus::Degraded))).collect();
        check(
            &parts,
            HealthStatus::Degraded,
            "because of Deployment.apps shop/a, Deployment.apps shop/b, Deployment.apps shop/c, and 2 more",
        );
    }
}

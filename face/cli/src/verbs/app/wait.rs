//! `app wait`: until it is synced, healthy, done or gone.

use std::time::Duration;

use clap::Args;
use landfall_model::annotations::REFRESH;
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::status::{ResourceStatus, SyncOperationResource, SyncStatusCode};

use super::operate::{fits, parse_resource};
use super::progress::{self, Progress};
use super::{Session, Several};
use crate::applications::{Found, Seen};
use crate::output::details;
use crate::verbs::{FAILURE, SUCCESS};

/// Arguments of `app wait`. Without a switch it waits for sync, health and the operation.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    #[command(flatten)]
    several: Several,
    #[command(flatten)]
    wanted: Wanted,
    /// Only this object has to be as wanted; `!` before it: all but this one. `*` stands for any group, kind or name.
    #[arg(long = "resource", value_name = "[!]GROUP:KIND:[NAMESPACE/]NAME")]
    resources: Vec<String>,
    /// How many seconds at most; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    timeout: u64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per flag")]
pub(crate) struct Wanted {
    /// Until it is synced.
    #[arg(long)]
    sync: bool,
    /// Until it is healthy.
    #[arg(long)]
    health: bool,
    /// Until no operation runs.
    #[arg(long)]
    operation: bool,
    /// Until it is suspended.
    #[arg(long)]
    suspended: bool,
    /// Until it is degraded.
    #[arg(long)]
    degraded: bool,
    /// Until it is gone.
    #[arg(long)]
    delete: bool,
}

impl Wanted {
    fn or_default(self) -> Self {
        if self == Self::default() { Self { sync: true, health: true, operation: true, ..self } } else { self }
    }

    /// Says whether an Application, or those of its objects that are named, are as wanted.
    fn holds_of(self, application: &Application, patterns: &[SyncOperationResource]) -> bool {
        if patterns.is_empty() {
            return self.holds(application);
        }
        let without_objects = Self { operation: self.operation, ..Self::default() };
        let has_included = patterns.iter().any(|pattern| !pattern.exclude);
        let is_meant = |resource: &&ResourceStatus| {
            let is_included = !has_included || patterns.iter().any(|it| !it.exclude && fits(it, resource));
            !resource.hook && is_included && !patterns.iter().any(|it| it.exclude && fits(it, resource))
        };
        let mut meant = application.status.resources.iter().filter(is_meant).peekable();
        // What does not exist yet is not as wanted either.
        !self.delete
            && meant.peek().is_some()
            && meant.all(|resource| self.holds_of_object(resource))
            && without_objects.holds(application)
    }

    fn holds_of_object(self, resource: &ResourceStatus) -> bool {
        let health = resource.health.as_ref().map(|health| health.status);
        let healths = [
            (self.health, HealthStatus::Healthy),
            (self.suspended, HealthStatus::Suspended),
            (self.degraded, HealthStatus::Degraded),
        ];
        let asks_health = healths.iter().any(|(is_asked, _)| *is_asked);
        // An object of a kind that has no health is as healthy as it can be.
        let has_health = healths.iter().any(|(is_asked, wanted)| *is_asked && health == Some(*wanted))
            || (self.health && health.is_none());
        (!self.sync || resource.status == Some(SyncStatusCode::Synced)) && (!asks_health || has_health)
    }

    /// Says whether an Application is as wanted.
    pub(super) fn holds(self, application: &Application) -> bool {
        if self.delete {
            return false;
        }
        let status = &application.status;
        let is_operating = application.operation.is_some()
            || status.operation_state.as_ref().is_some_and(|state| !state.phase.is_completed());
        let healths = [
            (self.health, HealthStatus::Healthy),
            (self.suspended, HealthStatus::Suspended),
            (self.degraded, HealthStatus::Degraded),
        ];
        let asks_health = healths.iter().any(|(is_asked, _)| *is_asked);
        let has_health = healths.iter().any(|(is_asked, health)| *is_asked && status.health.status == *health);
        // What is about to be compared anew says nothing about now.
        application.annotation(REFRESH).is_none()
            && (!self.sync || status.sync.status == SyncStatusCode::Synced)
            && (!self.operation || !is_operating)
            && (!asks_health || has_health)
    }
}

pub(super) async fn wait(session: &Session<'_>, arguments: &WaitArguments) -> anyhow::Result<u8> {
    let wanted = arguments.wanted.or_default();
    let limit = (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout));
    let patterns = arguments.resources.iter().map(|word| parse_resource(word)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut exit_code = SUCCESS;
    let names: Vec<String> = if wanted.delete && !arguments.several.names.is_empty() {
        // What is gone already cannot be found.
        arguments.several.names.clone()
    } else {
        session.several(&arguments.several).await?.iter().map(Found::qualified_name).collect()
    };
    for name in names {
        match follow(session, &name, limit, |application| wanted.holds_of(application, &patterns)).await? {
            End::Holds(found) => session.outside.print(&format!("\n{}", details::text(&found.application)))?,
            End::Gone if wanted.delete => session.outside.print(&format!("application '{name}' deleted\n"))?,
            End::Gone => {
                session.outside.tell(&format!("{name} was deleted while it was waited for"));
                exit_code = FAILURE;
            }
            End::RanOut(last) => {
                ran_out(session, &name, arguments.timeout, last.as_deref());
                exit_code = FAILURE;
            }
        }
    }
    Ok(exit_code)
}

/// How following ended.
pub(super) enum End {
    /// It is as wanted.
    Holds(Box<Found>),
    /// It is gone.
    Gone,
    /// The time ran out; how it was last.
    RanOut(Option<Box<Found>>),
}

/// Follows an Application with progress until it is as wanted.
pub(super) async fn follow(
    session: &Session<'_>,
    name: &str,
    limit: Option<Duration>,
    holds: impl Fn(&Application) -> bool,
) -> anyhow::Result<End> {
    let mut progress = Progress::of(session.outside);
    let mut last = None;
    let answer = session
        .applications
        .follow(name, limit, |seen| match seen {
            Seen::Gone => Some(Ok(End::Gone)),
            Seen::There(found) => {
                if let Err(error) = progress.show(&found.application) {
                    return Some(Err(error));
                }
                last = Some(found.clone());
                holds(&found.application).then(|| Ok(End::Holds(found.clone())))
            }
        })
        .await;
    progress.end();
    answer?.unwrap_or(Ok(End::RanOut(last)))
}

/// Says that the time ran out, and where it stands.
pub(super) fn ran_out(session: &Session<'_>, name: &str, seconds: u64, last: Option<&Found>) {
    let state = last.map(|found| format!(": {}", progress::summary(&found.application))).unwrap_or_default();
    session.outside.tell(&format!(
        "{name} is not as wanted after {seconds} s{state}\nhint: `landfall app get {name} --show-operation` shows what it waits for; --timeout waits longer"
    ));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(status: serde_json::Value) -> Application {
        let value = json!({"metadata": {"name": "a", "namespace": "argocd"}, "spec": {}, "status": status});
        Application::read(&value).unwrap()
    }

    #[test]
    fn without_switches_it_waits_for_sync_health_and_the_operation() {
        let wanted = Wanted::default().or_default();
        let good = json!({"sync": {"status": "Synced"}, "health": {"status": "Healthy"}});
        assert!(wanted.holds(&application(good.clone())));
        for (pointer, value) in [
            ("sync", json!({"status": "OutOfSync"})),
            ("health", json!({"status": "Degraded"})),
            ("operationState", json!({"operation": {}, "phase": "Running", "startedAt": "2026-01-01T00:00:00Z"})),
        ] {
            let mut bad = good.clone();
            bad[pointer] = value;
            assert!(!wanted.holds(&application(bad)), "{pointer}");
        }
    }

    #[test]
    fn any_health_that_is_asked_for_will_do() {
        let wanted = Wanted { health: true, degraded: true, ..Wanted::default() };
        let with = |health: &str| application(json!({"health": {"status": health}}));
        assert!(wanted.holds(&with("Degraded")) && wanted.holds(&with("Healthy")));
        assert!(!wanted.holds(&with("Progressing")) && !wanted.holds(&with("Suspended")));
    }
}

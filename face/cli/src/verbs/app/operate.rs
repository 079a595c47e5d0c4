//! `app sync|rollback|terminate-op`: operations, asked for and followed to their end.

use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use landfall_model::application::{Application, Backoff, Info, RetryStrategy};
use landfall_model::health::HealthStatus;
use landfall_model::key::ObjectKey;
use landfall_model::object;
use landfall_model::status::{
    Operation, OperationInitiator, ResourceStatus, ResultCode, StrategyForce, SyncOperation, SyncOperationResource,
    SyncStrategy,
};
use landfall_sync::rollback::{self, RollbackRequest};
use serde_json::json;

use super::desired::{self, Origin};
use super::wait::{End, follow, ran_out};
use super::{Session, Several};
use crate::applications::Found;
use crate::output::details;
use crate::verbs::{FAILURE, SUCCESS};

/// Arguments of `app sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    #[command(flatten)]
    several: Several,
    #[command(flatten)]
    origin: Origin,
    /// Only objects with this label.
    #[arg(long = "label", value_name = "KEY=VALUE", conflicts_with = "resources")]
    labels: Vec<String>,
    /// Show what will change, and ask first.
    #[arg(long)]
    preview_changes: bool,
    /// With --preview-changes: do not ask.
    #[arg(long, visible_alias = "assumeYes")]
    assume_yes: bool,
    /// Delete what the source no longer holds.
    #[arg(long)]
    prune: bool,
    /// Change nothing, but find out what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Delete and make again what cannot be changed.
    #[arg(long)]
    force: bool,
    /// Replace objects rather than applying them.
    #[arg(long)]
    replace: bool,
    /// Apply by the server.
    #[arg(long)]
    server_side: bool,
    /// Apply only what differs.
    #[arg(long)]
    apply_out_of_sync_only: bool,
    /// Only this object; `!` before it: all but this one. `*` stands for any group, kind or name.
    #[arg(long = "resource", value_name = "[!]GROUP:KIND:[NAMESPACE/]NAME")]
    resources: Vec<String>,
    /// With hooks, or without.
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Do not wait for the end.
    #[arg(long = "async")]
    is_async: bool,
    /// How many seconds to wait at most; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    timeout: u64,
    /// Tries after the first.
    #[arg(long, value_name = "COUNT")]
    retry_limit: Option<i64>,
    /// How long to wait before another try.
    #[arg(long, default_value = "5s", value_name = "DURATION")]
    retry_backoff_duration: String,
    /// What each further wait is multiplied by.
    #[arg(long, default_value_t = 2)]
    retry_backoff_factor: i64,
    /// The longest wait between tries.
    #[arg(long, default_value = "3m0s", value_name = "DURATION")]
    retry_backoff_max_duration: String,
    /// Something to keep with the operation.
    #[arg(long, value_name = "NAME=VALUE")]
    info: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// With hooks.
    Hook,
    /// Without.
    Apply,
}

pub(super) async fn sync(session: &Session<'_>, arguments: &SyncArguments) -> anyhow::Result<u8> {
    let mut exit_code = SUCCESS;
    for found in session.several(&arguments.several).await? {
        let name = &found.application.metadata.name;
        let mut operation = operation(&found.application, arguments, session.outside.user())?;
        if arguments.preview_changes {
            let differs = desired::differences(session, &found, &arguments.origin).await?;
            if !differs {
                session.outside.print("====== No Differences found ======\n")?;
            }
            if !arguments.assume_yes
                && !session.outside.confirm(
                    "Please review changes to application shown above. Do you want to continue the sync process?",
                )?
            {
                session.outside.tell(&format!("{name} is not synchronised; --assume-yes does not ask"));
                exit_code = exit_code.max(FAILURE);
                continue;
            }
        }
        if let Some(sync) = &mut operation.sync {
            if arguments.origin.local.is_some() {
                if found.application.spec.automated().is_some() && !arguments.dry_run {
                    bail!(
                        "Cannot use local sync when Automatic Sync Policy is enabled unless with --dry-run\nhint: `landfall app set {name} --sync-policy none` switches it off"
                    );
                }
                sync.manifests = desired::local_manifests(session, &found, &arguments.origin).await?;
                if sync.manifests.is_empty() {
                    bail!("the working copy holds no manifests for {name}: nothing is synchronised");
                }
            }
            if !arguments.labels.is_empty() {
                let keys = desired::labelled(session, &found, &arguments.origin, &arguments.labels).await?;
                if keys.is_empty() {
                    bail!("no object of {name} has the labels {}", arguments.labels.join(", "));
                }
                sync.resources = keys.into_iter().map(selected).collect();
            }
        }
        let started = session.applications.start(&found, json!(operation)).await?;
        if arguments.is_async {
            session.outside.print(&format!("{} is being synchronised\n", found.qualified_name()))?;
            continue;
        }
        let code = end(session, &started, arguments.timeout, arguments.dry_run).await?;
        exit_code = exit_code.max(code);
    }
    Ok(exit_code)
}

/// Makes the operation of a sync.
fn operation(application: &Application, arguments: &SyncArguments, user: String) -> anyhow::Result<Operation> {
    let force = StrategyForce { force: arguments.force };
    let sync_strategy = match (arguments.strategy, arguments.force) {
        (None, false) => None,
        (Some(Strategy::Apply), _) => Some(SyncStrategy { apply: Some(force), hook: None }),
        (Some(Strategy::Hook) | None, _) => Some(SyncStrategy { apply: None, hook: Some(force) }),
    };
    let of_application = application.spec.sync_policy.as_ref();
    let mut sync_options = of_application.map(|policy| policy.sync_options.clone()).unwrap_or_default();
    let switches = [
        (arguments.replace, "Replace=true"),
        (arguments.server_side, "ServerSideApply=true"),
        (arguments.apply_out_of_sync_only, "ApplyOutOfSyncOnly=true"),
    ];
    for (_, option) in switches.into_iter().filter(|(is_on, _)| *is_on) {
        if !sync_options.iter().any(|known| known == option) {
            sync_options.push(option.to_owned());
        }
    }
    let retry = match arguments.retry_limit {
        Some(limit) => RetryStrategy {
            limit: Some(limit),
            backoff: Some(Backoff {
                duration: arguments.retry_backoff_duration.clone(),
                factor: Some(arguments.retry_backoff_factor),
                max_duration: arguments.retry_backoff_max_duration.clone(),
            }),
            refresh: None,
        },
        None => of_application.and_then(|policy| policy.retry.clone()).unwrap_or_default(),
    };
    let mut info = Vec::new();
    for pair in &arguments.info {
        let Some((name, value)) = pair.split_once('=') else { bail!("{pair:?} is no pair\nhint: write NAME=VALUE") };
        info.push(Info { name: name.to_owned(), value: value.to_owned() });
    }
    let sources = application.spec.sources().len();
    if let Some(place) = arguments.origin.source_positions.iter().find(|place| **place == 0 || **place > sources) {
        bail!("there is no source {place}: the Application has {sources}\nhint: sources are counted from 1");
    }
    let has_revisions = arguments.origin.revision.is_some() || !arguments.origin.revisions.is_empty();
    let names_other = (0..sources).any(|index| {
        let target = &application.spec.sources()[index].target_revision;
        arguments.origin.revision(index).is_some_and(|revision| revision != target)
    });
    if names_other && application.spec.automated().is_some() && !arguments.dry_run {
        bail!(
            "Cannot sync to another revision: auto-sync currently set to {}\nhint: `landfall app set {} --sync-policy none` switches it off",
            match application.spec.sources().first().map_or("", |source| source.target_revision.as_str()) {
                "" => "HEAD",
                target => target,
            },
            application.metadata.name
        );
    }
    let sync = SyncOperation {
        revision: match application.spec.has_multiple_sources() {
            true => String::new(),
            false => arguments.origin.revision(0).unwrap_or_default().to_owned(),
        },
        revisions: match application.spec.has_multiple_sources() && has_revisions {
            true => (0..sources).map(|index| arguments.origin.revision(index).unwrap_or_default().to_owned()).collect(),
            false => Vec::new(),
        },
        prune: arguments.prune,
        dry_run: arguments.dry_run,
        sync_strategy,
        resources: chosen(application, &arguments.resources)?,
        sync_options,
        ..SyncOperation::default()
    };
    let initiated_by = OperationInitiator { username: user, automated: false };
    Ok(Operation { sync: Some(sync), initiated_by, info, retry })
}

/// Says whether an object is one that a pattern names.
pub(super) fn fits(pattern: &SyncOperationResource, resource: &ResourceStatus) -> bool {
    let matches = |pattern: &str, text: &str| landfall_diff::rules::glob(pattern, text);
    matches(&pattern.group, &resource.group)
        && matches(&pattern.kind, &resource.kind)
        && matches(&pattern.name, &resource.name)
        && (pattern.namespace.is_empty() || matches(&pattern.namespace, &resource.namespace))
}

/// Expands `--resource` to the application's objects. Source: Argo CD `cmd/util/app.go` (`ParseSelectedResources`).
fn chosen(application: &Application, words: &[String]) -> anyhow::Result<Vec<SyncOperationResource>> {
    let patterns = words.iter().map(|word| parse_resource(word)).collect::<anyhow::Result<Vec<_>>>()?;
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let has_included = patterns.iter().any(|pattern| !pattern.exclude);
    let mut chosen = Vec::new();
    for resource in application.status.resources.iter().filter(|resource| !resource.hook) {
        let is_included = !has_included || patterns.iter().any(|it| !it.exclude && fits(it, resource));
        if is_included && !patterns.iter().any(|it| it.exclude && fits(it, resource)) {
            chosen.push(SyncOperationResource {
                group: resource.group.clone(),
                kind: resource.kind.clone(),
                name: resource.name.clone(),
                namespace: resource.namespace.clone(),
                exclude: false,
            });
        }
    }
    if chosen.is_empty() {
        bail!(
            "no object of {} matches {}\nhint: `landfall app resources {}` lists its objects",
            application.metadata.name,
            words.join(", "),
            application.metadata.name
        );
    }
    Ok(chosen)
}

fn selected(key: ObjectKey) -> SyncOperationResource {
    let ObjectKey { group, kind, namespace, name } = key;
    SyncOperationResource { group, kind, name, namespace, exclude: false }
}

/// Reads `[!]GROUP:KIND:[NAMESPACE/]NAME`.
pub(super) fn parse_resource(word: &str) -> anyhow::Result<SyncOperationResource> {
    let (exclude, rest) = match word.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let parts: Vec<&str> = rest.splitn(3, ':').collect();
    let [group, kind, place] = parts.as_slice() else {
        bail!(
            "{word:?} names no object\nhint: write [!]GROUP:KIND:[NAMESPACE/]NAME, as in apps:Deployment:web or :Service:shop/web"
        );
    };
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let owned = |text: &str| text.to_owned();
    Ok(SyncOperationResource {
        group: owned(group),
        kind: owned(kind),
        name: owned(name),
        namespace: owned(namespace),
        exclude,
    })
}

/// How long the health may still move after a sync before it is reported as it is; the operation itself is over then.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(300);

/// Follows an operation to its end, and then the health until it no longer moves.
async fn end(session: &Session<'_>, started: &Found, timeout: u64, is_dry_run: bool) -> anyhow::Result<u8> {
    let name = started.qualified_name();
    let limit = (timeout > 0).then(|| Duration::from_secs(timeout));
    // What was answered to the request holds it, and all that comes later is read from there on: without it, the state is
    // this operation's and no earlier one's. Times would not tell: two operations fit into one second.
    let is_over = |application: &Application| {
        let state = application.status.operation_state.as_ref();
        application.operation.is_none() && state.is_some_and(|state| state.phase.is_completed())
    };
    let is_good = |application: &Application| {
        application.status.operation_state.as_ref().is_some_and(|state| state.phase.is_successful())
    };
    let is_settled = |application: &Application| {
        let moves = matches!(application.status.health.status, HealthStatus::Progressing | HealthStatus::Missing);
        is_over(application) && (is_dry_run || !is_good(application) || !moves)
    };
    let work = follow(session, &name, limit, &is_over).await?;
    let found = match work {
        End::Holds(found) => found,
        End::Gone => {
            session.outside.tell(&format!("{name} was deleted while it was synchronised"));
            return Ok(FAILURE);
        }
        End::RanOut(last) => {
            ran_out(session, &name, timeout, last.as_deref());
            return Ok(FAILURE);
        }
    };
    let found = match is_settled(&found.application) {
        true => found,
        false => match follow(session, &name, limit.or(Some(SETTLE_TIME_MAX)), &is_settled).await? {
            End::Holds(found) => found,
            End::Gone | End::RanOut(_) => found,
        },
    };
    session.outside.print(&format!("\n{}", details::fields(&found.application)))?;
    let application = &found.application;
    if !is_good(application) {
        let state = application.status.operation_state.as_ref();
        let phase = state.map_or("unknown", |state| state.phase.as_str());
        let message = state.map(|state| state.message.as_str()).unwrap_or_default();
        session.outside.tell(&format!(
            "the operation of {name} has ended as {phase}: {message}\nhint: `landfall app get {name}` shows each object; `landfall app rollback {name}` goes back to the last sync"
        ));
        return Ok(FAILURE);
    }
    // What was pruned may take its time to go, and stands in the status until then.
    let results = application.status.operation_state.iter().flat_map(|state| &state.sync_result);
    let pruned: Vec<ObjectKey> = results
        .flat_map(|result| &result.resources)
        .filter(|result| result.status == Some(ResultCode::Pruned))
        .map(|result| ObjectKey::of(&result.group, &result.kind, &result.namespace, &result.name))
        .collect();
    let remains = |key: &ObjectKey| !pruned.contains(key);
    let resources = application.status.resources.iter();
    let to_prune = resources.filter(|resource| resource.requires_pruning && remains(&resource.key())).count();
    let is_whole = state_is_whole(application);
    if !is_dry_run && is_whole && to_prune > 0 {
        session.outside.tell(&format!("{to_prune} resources require pruning\nhint: --prune deletes them"));
        return Ok(FAILURE);
    }
    Ok(SUCCESS)
}

/// Whether the last operation was about all objects.
fn state_is_whole(application: &Application) -> bool {
    let sync = application.status.operation_state.as_ref().and_then(|state| state.operation.sync.as_ref());
    sync.is_none_or(|sync| sync.resources.is_empty())
}

/// Arguments of `app rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The Application.
    name: String,
    /// The id in `app history`; the sync before the last if left out.
    id: Option<i64>,
    /// Delete what the earlier state did not have.
    #[arg(long)]
    prune: bool,
    /// Change nothing, but find out what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the end.
    #[arg(long = "async")]
    is_async: bool,
    /// How many seconds to wait at most; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    timeout: u64,
}

pub(super) async fn rollback(session: &Session<'_>, arguments: &RollbackArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let request = RollbackRequest {
        id: arguments.id,
        prune: arguments.prune,
        dry_run: arguments.dry_run,
        username: session.outside.user(),
    };
    let name = &found.application.metadata.name;
    let operation = rollback::operation(&found.application, &request).map_err(|reason| {
        anyhow::anyhow!(
            "{name} cannot be rolled back: {reason}\nhint: `landfall app history {name}` lists what there is"
        )
    })?;
    let started = session.applications.start(&found, json!(operation)).await?;
    if arguments.is_async {
        session.outside.print(&format!("{} is being rolled back\n", found.qualified_name()))?;
        return Ok(SUCCESS);
    }
    end(session, &started, arguments.timeout, arguments.dry_run).await
}

/// Arguments of `app terminate-op`.
#[derive(Debug, Args)]
pub(crate) struct TerminateArguments {
    /// The Application.
    name: String,
}

pub(super) async fn terminate(session: &Session<'_>, arguments: &TerminateArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let application = &found.application;
    let name = found.qualified_name();
    let version = object::resource_version(&found.value);
    let patch = match &application.status.operation_state {
        Some(state) if !state.phase.is_completed() => {
            json!({"metadata": {"resourceVersion": version}, "status": {"operationState": {"phase": "Terminating"}}})
        }
        // It was asked for, and nobody has begun: taking the request back is all there is to do.
        _ if application.operation.is_some() => json!({"metadata": {"resourceVersion": version}, "operation": null}),
        _ => bail!("No operation is in progress for {name}"),
    };
    session.applications.merge(&name, patch).await?;
    session.outside.print(&format!("Application '{}' operation terminating\n", application.metadata.name))?;
    Ok(SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        let resource = |kind: &str, name: &str| json!({"group": "apps", "version": "v1", "kind": kind, "namespace": "shop", "name": name});
        let value = json!({
            "metadata": {"name": "shop", "namespace": "argocd"}, "spec": {},
            "status": {"resources": [resource("Deployment", "web"), resource("Deployment", "api"), resource("StatefulSet", "db")]},
        });
        Application::read(&value).unwrap()
    }

    fn names(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        chosen(&application(), &words).unwrap().into_iter().map(|resource| resource.name).collect()
    }

    #[test]
    fn resources_are_chosen_and_left_out_by_pattern() {
        assert_eq!(names(&["apps:Deployment:web"]), ["web"]);
        assert_eq!(names(&["apps:Deployment:shop/*"]), ["web", "api"]);
        assert_eq!(names(&["!apps:StatefulSet:db"]), ["web", "api"]);
        assert_eq!(names(&["*:*:*", "!*:Deployment:api"]), ["web", "db"]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn a_resource_that_is_none_says_how_to_write_one() {
        let message = parse_resource("Deployment/web").unwrap_err().to_string();
        assert!(message.contains("GROUP:KIND:[NAMESPACE/]NAME"), "{message}");
        let message = chosen(&application(), &["apps:Deployment:none".to_owned()]).unwrap_err().to_string();
        assert!(message.contains("app resources shop"), "{message}");
    }
}

//! One container on its node: what state comes after the present one, and when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::context::fnv;
use super::program::Program;
use crate::clock::{parse_time, rfc3339};
use crate::faults::Fault;
use crate::json;

/// The first wait of a crash loop; it doubles up to [`BACK_OFF_MAX`]. Source: the kubelet's container back-off.
const BACK_OFF: Duration = Duration::from_secs(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// How long `ErrImagePull` is shown before the back-off.
const PULL_ERROR_SHOWN: Duration = Duration::from_secs(1);
/// How often an image is pulled again.
const PULL_AGAIN: Duration = Duration::from_secs(10);

/// What a step looks at.
pub(super) struct View<'a> {
    /// The pod.
    pub(super) pod: &'a Value,
    /// The container's spec.
    pub(super) container: &'a Value,
    /// Whether it is an init container.
    pub(super) is_init: bool,
    /// Whether the pod has init containers.
    pub(super) has_inits: bool,
    /// What goes wrong.
    pub(super) faults: Vec<Fault>,
    /// A ConfigMap or Secret that it needs and that is not there.
    pub(super) missing: Option<String>,
    /// Whether those before it allow it to start.
    pub(super) may_start: bool,
    /// Whether probes answer at once, whatever delays they have.
    pub(super) quick_probes: bool,
    /// When commands that are not understood end, in pods that may end.
    pub(super) unknown_commands_end: Option<Duration>,
    /// The time.
    pub(super) now: Timestamp,
}

/// Something that the kubelet tells about a container.
pub(super) struct Event {
    /// `Normal` or `Warning`.
    pub(super) kind: &'static str,
    /// The reason.
    pub(super) reason: &'static str,
    /// The sentence.
    pub(super) message: String,
}

/// The outcome of a step.
pub(super) struct Step {
    /// The container's status.
    pub(super) status: Value,
    /// When to look again.
    pub(super) wake: Option<Timestamp>,
    /// For init containers: whether the next one may start.
    pub(super) lets_next_start: bool,
    /// What to tell.
    pub(super) events: Vec<Event>,
}

/// Makes at most one step.
pub(super) fn step(view: &View<'_>, held: Option<&Value>) -> Step {
    let mut step = Step {
        status: held.cloned().unwrap_or_else(|| fresh(view)),
        wake: None,
        lets_next_start: false,
        events: Vec::new(),
    };
    if step.status.pointer("/state/running").is_some() {
        running(view, &mut step);
    } else if step.status.pointer("/state/terminated").is_some() {
        terminated(view, &mut step);
    } else {
        waiting(view, &mut step);
    }
    let state = step.status.pointer("/state").cloned().unwrap_or_default();
    step.lets_next_start = match is_sidecar(view) {
        true => json::flag(&step.status, "/started"),
        false => json::integer(&state, "/terminated/exitCode") == Some(0),
    };
    step
}

/// Init containers with `restartPolicy: Always` run beside the others.
fn is_sidecar(view: &View<'_>) -> bool {
    view.is_init && json::text(view.container, "/restartPolicy") == "Always"
}

fn fresh(view: &View<'_>) -> Value {
    let reason = if view.has_inits && !view.is_init { "PodInitializing" } else { "ContainerCreating" };
    let reason = if view.is_init { "PodInitializing" } else { reason };
    json!({
        "name": json::text(view.container, "/name"), "image": json::text(view.container, "/image"), "imageID": "",
        "ready": false, "started": false, "restartCount": 0, "lastState": {},
        "state": {"waiting": {"reason": reason}},
    })
}

fn program(view: &View<'_>) -> Program {
    let program = Program::of(view.container, &view.faults);
    if program != Program::Forever || is_sidecar(view) {
        return program;
    }
    let ends = |after| Program::Ends { after, code: 0, out_of_memory: false };
    if view.is_init {
        // An init container that never ended would keep every pod that has one from starting.
        return ends(Duration::ZERO);
    }
    match view.unknown_commands_end {
        Some(after) if json::text(view.pod, "/spec/restartPolicy") != "Always" => ends(after),
        _ => program,
    }
}

fn restarts(view: &View<'_>, code: i64) -> bool {
    match json::text(view.pod, "/spec/restartPolicy") {
        _ if is_sidecar(view) => true,
        "Always" => !view.is_init || code != 0,
        "OnFailure" => code != 0,
        _ => false,
    }
}

fn set_waiting(step: &mut Step, reason: &str, message: &str) {
    let mut waiting = json!({"reason": reason});
    if !message.is_empty() {
        waiting["message"] = json!(message);
    }
    json::set(&mut step.status, &["state"], json!({"waiting": waiting}));
    json::set(&mut step.status, &["ready"], false);
    json::set(&mut step.status, &["started"], false);
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    from + SignedDuration::try_from(by).unwrap_or(SignedDuration::from_hours(24 * 365))
}

fn tell(step: &mut Step, kind: &'static str, reason: &'static str, message: String) {
    step.events.push(Event { kind, reason, message });
}

fn waiting(view: &View<'_>, step: &mut Step) {
    if !view.may_start {
        return;
    }
    let image = json::text(view.container, "/image");
    let reason = json::text(&step.status, "/state/waiting/reason").to_string();
    if reason == "CrashLoopBackOff" {
        let count = json::integer(&step.status, "/restartCount").unwrap_or(0);
        let finished = parse_time(json::text(&step.status, "/lastState/terminated/finishedAt")).unwrap_or(view.now);
        let due = later(finished, back_off(count));
        if due > view.now {
            step.wake = Some(due);
            return;
        }
        json::set(&mut step.status, &["restartCount"], count + 1);
    }
    if !is_image_name(image) {
        if reason != "InvalidImageName" {
            let message = format!(
                "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format"
            );
            set_waiting(step, "InvalidImageName", &message);
            tell(step, "Warning", "InspectFailed", message);
            tell(step, "Warning", "Failed", "Error: InvalidImageName".to_string());
        }
        return;
    }
    if view.faults.contains(&Fault::ImagePull) {
        cannot_pull(view, step, &reason, image);
        return;
    }
    if let Some(missing) = &view.missing {
        if reason != "CreateContainerConfigError" {
            set_waiting(step, "CreateContainerConfigError", missing);
            tell(step, "Warning", "Failed", format!("Error: {missing}"));
        }
        step.wake = Some(later(view.now, Duration::from_secs(5)));
        return;
    }
    start(view, step, image);
}

/// The wait before restart number `count` + 1.
fn back_off(count: i64) -> Duration {
    let doublings = u32::try_from((count - 1).clamp(0, 10)).unwrap_or(0);
    (BACK_OFF * 2_u32.pow(doublings)).min(BACK_OFF_MAX)
}

fn cannot_pull(view: &View<'_>, step: &mut Step, reason: &str, image: &str) {
    let full = full_name(image);
    if reason == "ErrImagePull" {
        set_waiting(
            step,
            "ImagePullBackOff",
            &format!("Back-off pulling image {image:?}: ErrImagePull: {}", pull_error(&full)),
        );
        tell(step, "Normal", "BackOff", format!("Back-off pulling image {image:?}"));
        tell(step, "Warning", "Failed", "Error: ImagePullBackOff".to_string());
        step.wake = Some(later(view.now, PULL_AGAIN));
    } else if reason == "ImagePullBackOff" {
        step.wake = Some(later(view.now, PULL_AGAIN));
    } else {
        set_waiting(step, "ErrImagePull", &pull_error(&full));
        tell(step, "Normal", "Pulling", format!("Pulling image {image:?}"));
        tell(step, "Warning", "Failed", format!("Failed to pull image {image:?}: {}", pull_error(&full)));
        tell(step, "Warning", "Failed", "Error: ErrImagePull".to_string());
        step.wake = Some(later(view.now, PULL_ERROR_SHOWN));
    }
}

fn pull_error(full: &str) -> String {
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image {full:?}: failed to resolve reference {full:?}: {full}: not found"
    )
}

/// `nginx` is `docker.io/library/nginx:latest` to the container runtime.
fn full_name(image: &str) -> String {
    let (repository, rest) = match image.split_once('@') {
        Some((repository, digest)) => (repository, format!("@{digest}")),
        None => {
            let last = image.rsplit('/').next().unwrap_or(image);
            (image, if last.contains(':') { String::new() } else { ":latest".to_string() })
        }
    };
    let first = repository.split('/').next().unwrap_or_default();
    let has_host = repository.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let host = match (has_host, repository.contains('/')) {
        (true, _) => "",
        (false, true) => "docker.io/",
        (false, false) => "docker.io/library/",
    };
    format!("{host}{repository}{rest}")
}

fn is_image_name(image: &str) -> bool {
    let repository = image.split('@').next().unwrap_or_default();
    !repository.is_empty()
        && !image.contains(char::is_whitespace)
        && image.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '+'))
        && !repository.rsplit_once(':').map_or(repository, |(name, _)| name).chars().any(|c| c.is_ascii_uppercase())
        && !image.ends_with([':', '/', '@'])
}

fn start(view: &View<'_>, step: &mut Step, image: &str) {
    let name = json::text(view.container, "/name");
    let full = full_name(image);
    let repository = full.split('@').next().unwrap_or(&full);
    let repository =
        repository.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(repository, |(name, _)| name);
    let digest = format!("{:016x}", fnv(&[&full])).repeat(4);
    let count = json::integer(&step.status, "/restartCount").unwrap_or(0);
    let container_id = format!("{:016x}", fnv(&[json::uid(view.pod), name, &count.to_string()])).repeat(4);
    json::set(&mut step.status, &["state"], json!({"running": {"startedAt": rfc3339(view.now)}}));
    json::set(&mut step.status, &["image"], full.as_str());
    json::set(&mut step.status, &["imageID"], format!("{repository}@sha256:{digest}"));
    json::set(&mut step.status, &["containerID"], format!("containerd://{container_id}"));
    if json::text(view.container, "/imagePullPolicy") == "Always" && count == 0 {
        tell(step, "Normal", "Pulling", format!("Pulling image {image:?}"));
        tell(
            step,
            "Normal",
            "Pulled",
            format!("Successfully pulled image {image:?} in 1ms (1ms including waiting). Image size: 1024 bytes."),
        );
    } else {
        tell(step, "Normal", "Pulled", format!("Container image {image:?} already present on machine"));
    }
    tell(step, "Normal", "Created", format!("Container created: {name}"));
    tell(step, "Normal", "Started", format!("Container started: {name}"));
    running(view, step);
}

/// When a running container is ready: its probes' delays and what faults add. `None` is never.
fn ready_at(view: &View<'_>, started: Timestamp) -> Option<Timestamp> {
    if view.faults.contains(&Fault::NotReady) {
        return None;
    }
    let mut delay = Duration::ZERO;
    if !view.quick_probes {
        let of = |probe: &str| {
            let seconds = json::integer(view.container, &format!("/{probe}/initialDelaySeconds")).unwrap_or(0);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        };
        delay = of("startupProbe").max(of("readinessProbe"));
    }
    for fault in &view.faults {
        if let Fault::SlowStart { by } = fault {
            delay += *by;
        }
    }
    Some(later(started, delay))
}

/// When a container that was ready stops being so.
fn unready_from(view: &View<'_>, started: Timestamp) -> Option<Timestamp> {
    view.faults.iter().find_map(|fault| match fault {
        Fault::LosesReadiness { after } => Some(later(started, *after)),
        _ => None,
    })
}

/// When the kubelet kills a container whose liveness probe fails: after as many failures as the probe allows.
fn killed_at(view: &View<'_>, started: Timestamp) -> Option<Timestamp> {
    let probe = view.container.get("livenessProbe")?;
    let after = view.faults.iter().find_map(|fault| match fault {
        Fault::FailsLiveness { after } => Some(*after),
        _ => None,
    })?;
    let number = |key: &str, default: i64| {
        u64::try_from(json::integer(probe, &format!("/{key}")).unwrap_or(default)).unwrap_or(0)
    };
    let tries = number("failureThreshold", 3).max(1);
    let period = Duration::from_secs(number("periodSeconds", 10).max(1));
    let first = after.max(Duration::from_secs(number("initialDelaySeconds", 0)));
    Some(later(started, first + period * u32::try_from(tries - 1).unwrap_or(u32::MAX)))
}

/// How a container ends.
struct End {
    at: Timestamp,
    code: i32,
    reason: &'static str,
}

/// The next end of a running container, by its program or by its liveness probe.
fn end_of(view: &View<'_>, started: Timestamp) -> Option<End> {
    let by_program = match program(view) {
        Program::Ends { after, code, out_of_memory } => {
            let reason = match (out_of_memory, code) {
                (true, _) => "OOMKilled",
                (false, 0) => "Completed",
                (false, _) => "Error",
            };
            Some(End { at: later(started, after), code, reason })
        }
        Program::Forever => None,
    };
    let by_probe = killed_at(view, started).map(|at| End { at, code: 137, reason: "Error" });
    [by_program, by_probe].into_iter().flatten().min_by_key(|end| end.at)
}

fn running(view: &View<'_>, step: &mut Step) {
    let started = parse_time(json::text(&step.status, "/state/running/startedAt")).unwrap_or(view.now);
    let fresh_start = started >= parse_time(&rfc3339(view.now)).unwrap_or(view.now);
    if let Some(end) = end_of(view, started) {
        if end.at <= view.now {
            if end.code == 137 && end.reason == "Error" {
                let name = json::text(view.container, "/name");
                let failed = "Liveness probe failed: HTTP probe failed with statuscode: 500".to_string();
                tell(step, "Warning", "Unhealthy", failed);
                tell(step, "Normal", "Killing", format!("Container {name} failed liveness probe, will be restarted"));
            }
            // A container that starts and ends within one look is still seen running first, unless it ends at once.
            let id = step.status.get("containerID").cloned().unwrap_or_default();
            let ended = json!({"exitCode": end.code, "reason": end.reason, "startedAt": rfc3339(started),
                "finishedAt": rfc3339(end.at.max(started)), "containerID": id});
            json::set(&mut step.status, &["state"], json!({"terminated": ended}));
            json::set(&mut step.status, &["ready"], false);
            json::set(&mut step.status, &["started"], false);
            terminated(view, step);
            return;
        }
        step.wake = Some(end.at);
    }
    let ready_at = ready_at(view, started);
    let mut ready = ready_at.is_some_and(|at| at <= view.now);
    if let (Some(at), false) = (ready_at, ready) {
        step.wake = Some(step.wake.map_or(at, |wake| wake.min(at)));
    }
    if let (true, Some(from)) = (ready, unready_from(view, started)) {
        if from <= view.now {
            ready = false;
        } else {
            step.wake = Some(step.wake.map_or(from, |wake| wake.min(from)));
        }
    }
    if let (true, Some(period)) = (ready, flapping(view)) {
        let since = view.now.duration_since(ready_at.unwrap_or(started)).as_secs().max(0);
        let period_s = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
        ready = since / period_s % 2 == 0;
        let next = later(view.now, Duration::from_secs(u64::try_from(period_s - since % period_s).unwrap_or(1)));
        step.wake = Some(step.wake.map_or(next, |wake| wake.min(next)));
    }
    let has_probe = view.container.get("readinessProbe").is_some();
    let was_ready = json::flag(&step.status, "/ready");
    if !ready && (was_ready || fresh_start || ready_at.is_none()) && (has_probe || ready_at.is_none()) && !view.is_init
    {
        let since_start = view.now.duration_since(started).as_secs();
        if was_ready || (ready_at.is_none() && since_start == 0) {
            tell(
                step,
                "Warning",
                "Unhealthy",
                "Readiness probe failed: HTTP probe failed with statuscode: 503".to_string(),
            );
        }
    }
    let started_up = ready || view.container.get("startupProbe").is_none();
    json::set(&mut step.status, &["started"], started_up);
    json::set(&mut step.status, &["ready"], ready && (is_sidecar(view) || !view.is_init));
}

fn flapping(view: &View<'_>) -> Option<Duration> {
    view.faults.iter().find_map(|fault| match fault {
        Fault::Flapping { period } => Some(*period),
        _ => None,
    })
}

/// A container that has ended: it stays so, starts again, or waits to start again.
fn terminated(view: &View<'_>, step: &mut Step) {
    let code = json::integer(&step.status, "/state/terminated/exitCode").unwrap_or(0);
    if !restarts(view, code) {
        if view.is_init {
            json::set(&mut step.status, &["ready"], code == 0);
        }
        return;
    }
    let count = json::integer(&step.status, "/restartCount").unwrap_or(0);
    let finished = parse_time(json::text(&step.status, "/state/terminated/finishedAt")).unwrap_or(view.now);
    // The end is shown for a moment before what follows replaces it.
    let shown_until = later(finished, Duration::from_secs(1));
    if shown_until > view.now {
        step.wake = Some(shown_until);
        return;
    }
    let ended = step.status.pointer("/state/terminated").cloned().unwrap_or_default();
    json::set(&mut step.status, &["lastState"], json!({"terminated": ended}));
    let name = json::text(view.container, "/name");
    if count == 0 {
        // The first restart comes without a wait.
        json::set(&mut step.status, &["restartCount"], 1);
        start(view, step, json::text(view.container, "/image"));
        return;
    }
    let wait = back_off(count);
    let pod = view.pod;
    let message = format!(
        "back-off {} restarting failed container={name} pod={}_{}({})",
        go_duration(wait),
        json::name(pod),
        json::namespace(pod),
        json::uid(pod)
    );
    set_waiting(step, "CrashLoopBackOff", &message);
    let told = format!(
        "Back-off restarting failed container {name} in pod {}_{}({})",
        json::name(pod),
        json::namespace(pod),
        json::uid(pod)
    );
    tell(step, "Warning", "BackOff", told);
    step.wake = Some(later(finished, wait));
}

/// `10s`, `1m20s`, `5m0s`: as Go prints durations.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

//! What goes wrong on demand: in containers, on nodes, in namespaces, in admission and in the API server itself.
//!
//! ```text
//!  annotation sandbox.landfall.io/fault[.CONTAINER]  on a pod, or on the workload that owns it   -> the containers
//!  ConfigMap kube-system/sandbox-faults, a line each:  SUBJECT FAULT[,FAULT…]
//!    *:v1.0.36 crash-loop=5s                  images that match                                  -> the containers
//!    @node/node-1 lost                        a node                                             -> workloads/nodes
//!    @namespace/shop quota                    a namespace                                        -> admission
//!    @webhook/policy[/RESOURCE[/NAMESPACE]] reject=MESSAGE | down | label=KEY:VALUE              -> admission
//!    @api[/VERB[/RESOURCE]] latency=200ms..1s,429=10%,500=5%,drop-watches=30s                    -> http
//! ```
//!
//! Everything goes by these texts: the CLI and the library write the ConfigMap, so what is in force can be seen and
//! changed with kubectl too. Entry: [`Fault`], [`Rules`], [`Book`].

mod admission;
mod api;
mod rules;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::json;

pub(crate) use admission::{admit, admit_pod};
pub(crate) use api::drawn;
pub(crate) use rules::{Book, Rules};
pub use rules::{Rule, RuleError};

/// The annotation that says what goes wrong.
pub(crate) const ANNOTATION: &str = "sandbox.landfall.io/fault";
/// The ConfigMap with rules, in `kube-system`.
pub(crate) const RULES: &str = "sandbox-faults";

/// Something that goes wrong in a container, or another behaviour than running on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The image cannot be pulled: `ErrImagePull`, then `ImagePullBackOff`.
    ImagePull,
    /// The container fails again and again: `CrashLoopBackOff`.
    CrashLoop {
        /// How long it runs each time.
        after: Duration,
    },
    /// The readiness probe fails for ever.
    NotReady,
    /// The readiness probe fails from some time on.
    LosesReadiness {
        /// How long after the start.
        after: Duration,
    },
    /// The liveness probe fails from some time on, so that the container is killed and started again.
    FailsLiveness {
        /// How long after each start.
        after: Duration,
    },
    /// Readiness comes later than the probes alone would have it.
    SlowStart {
        /// By how much.
        by: Duration,
    },
    /// The container is killed for memory again and again: `OOMKilled`.
    OutOfMemory {
        /// How long it runs each time.
        after: Duration,
    },
    /// The container ends by itself.
    Exit {
        /// With this code.
        code: i32,
        /// After this time.
        after: Duration,
    },
    /// Readiness comes and goes.
    Flapping {
        /// How long each state lasts.
        period: Duration,
    },
    /// No node takes the pod.
    Pending,
    /// It answers a part of its requests with status 500.
    Errors {
        /// How many of a million.
        per_million: u32,
    },
    /// How long its answers take: half of them at most `median`, all but one in a hundred at most `p99`.
    Latency {
        /// The median.
        median: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
}

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no fault: write image-pull, crash-loop[=5s], not-ready, unready=30s, unhealthy=30s, slow-start=30s, \
     oom[=5s], exit=1[@5s], flapping=10s, pending, errors=5% or latency=100ms[..2s]"
)]
pub struct FaultError {
    /// The text.
    pub text: String,
}

/// How long a crashing container runs when nothing is said.
const CRASH_AFTER: Duration = Duration::from_secs(1);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let unknown = || FaultError { text: text.to_string() };
        let (name, argument) =
            text.trim().split_once('=').map_or((text.trim(), ""), |(name, argument)| (name.trim(), argument.trim()));
        let time = |default: Option<Duration>| match argument {
            "" => default.ok_or_else(unknown),
            given => duration(given).ok_or_else(unknown),
        };
        match name {
            "image-pull" => Ok(Self::ImagePull),
            "crash-loop" => Ok(Self::CrashLoop { after: time(Some(CRASH_AFTER))? }),
            "not-ready" => Ok(Self::NotReady),
            "unready" => Ok(Self::LosesReadiness { after: time(None)? }),
            "unhealthy" => Ok(Self::FailsLiveness { after: time(None)? }),
            "slow-start" => Ok(Self::SlowStart { by: time(None)? }),
            "oom" => Ok(Self::OutOfMemory { after: time(Some(CRASH_AFTER))? }),
            "exit" => {
                let (code, after) = argument.split_once('@').unwrap_or((argument, "0s"));
                let code = code.trim().parse().map_err(|_| unknown())?;
                Ok(Self::Exit { code, after: duration(after.trim()).ok_or_else(unknown)? })
            }
            "flapping" => Ok(Self::Flapping { period: time(None)?.max(Duration::from_secs(1)) }),
            "pending" => Ok(Self::Pending),
            "errors" => Ok(Self::Errors { per_million: share(argument).ok_or_else(unknown)? }),
            "latency" => {
                let (median, p99) = spread(argument).ok_or_else(unknown)?;
                Ok(Self::Latency { median, p99 })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImagePull => formatter.write_str("image-pull"),
            Self::CrashLoop { after } => write!(formatter, "crash-loop={}", told(*after)),
            Self::NotReady => formatter.write_str("not-ready"),
            Self::LosesReadiness { after } => write!(formatter, "unready={}", told(*after)),
            Self::FailsLiveness { after } => write!(formatter, "unhealthy={}", told(*after)),
            Self::SlowStart { by } => write!(formatter, "slow-start={}", told(*by)),
            Self::OutOfMemory { after } => write!(formatter, "oom={}", told(*after)),
            Self::Exit { code, after } => write!(formatter, "exit={code}@{}", told(*after)),
            Self::Flapping { period } => write!(formatter, "flapping={}", told(*period)),
            Self::Pending => formatter.write_str("pending"),
            Self::Errors { per_million } => write!(formatter, "errors={}%", f64::from(*per_million) / 10_000.0),
            Self::Latency { median, p99 } => write!(formatter, "latency={}..{}", told(*median), told(*p99)),
        }
    }
}

/// A time as [`duration`] reads it.
fn told(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

/// Reads `30`, `30s`, `200ms`, `5m`, `1h`, `1.5s`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (digits, unit_s) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)]
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|digits| (digits, seconds)))
        .unwrap_or((text, 1.0));
    let count: f64 = digits.trim().parse().ok().filter(|count: &f64| *count >= 0.0 && count.is_finite())?;
    Duration::try_from_secs_f64(count * unit_s).ok()
}

/// Reads `5%`, `0.5%` or `100%` as parts of a million.
pub(crate) fn share(text: &str) -> Option<u32> {
    let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked to lie in the range")]
    (0.0..=100.0).contains(&percent).then(|| (percent * 10_000.0).round() as u32)
}

/// Reads `100ms` or `100ms..2s`: from half of the time to nearly always.
pub(crate) fn spread(text: &str) -> Option<(Duration, Duration)> {
    match text.split_once("..") {
        Some((median, p99)) => {
            let (median, p99) = (duration(median)?, duration(p99)?);
            (p99 >= median).then_some((median, p99))
        }
        None => duration(text).map(|time| (time, time)),
    }
}

/// The faults of a text; what is no fault is passed over (and reported where it is written, by CLI and library).
fn parse(text: &str) -> Vec<Fault> {
    text.split(',').filter_map(|part| part.parse().ok()).collect()
}

/// True when `*` in the pattern can stand for parts of the text so that both are equal.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(index) => rest = &rest[index + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The faults that a pod's container has: by its image, by its pod, by the workloads that own the pod (outermost last).
pub(crate) fn of<'a>(
    pod: &'a Value,
    owners: impl IntoIterator<Item = &'a Value>,
    container: &Value,
    rules: &Rules,
) -> Vec<Fault> {
    let own = format!("{ANNOTATION}.{}", json::text(container, "/name"));
    let mut faults: Vec<Fault> = rules.faults_of(json::text(container, "/image")).collect();
    for object in std::iter::once(pod).chain(owners) {
        for key in [ANNOTATION, own.as_str()] {
            if let Some(text) = json::annotation(object, key) {
                faults.extend(parse(text));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_reads_as_it_is_written() {
        for text in [
            "image-pull",
            "crash-loop=5s",
            "not-ready",
            "unready=30s",
            "unhealthy=90s",
            "slow-start=30s",
            "oom=2s",
            "exit=3@10s",
            "flapping=10s",
            "pending",
            "errors=2.5%",
            "latency=100ms..2s",
        ] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("latency=80ms".parse::<Fault>().map(|fault| fault.to_string()).as_deref(), Ok("latency=80ms..80ms"));
        for text in ["errors=101%", "errors=5", "latency=2s..1s", "flapping", "crash", ""] {
            assert!(text.parse::<Fault>().is_err_and(|error| error.to_string().contains("image-pull")), "{text}");
        }
    }
}

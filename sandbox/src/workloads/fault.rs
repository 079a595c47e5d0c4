//! What simulated containers do: by their command, by annotation, and by rules over images.
//!
//! - The annotation `sandbox.landfall.io/fault` on a pod (put it on the template) holds faults, separated by commas:
//!   `image-pull`, `crash-loop[=AFTER]`, `not-ready`, `slow-start=TIME`, `oom[=AFTER]`, `exit=CODE[@AFTER]`,
//!   `flapping=PERIOD`, `pending`. Times are `30s`, `5m`, `1h`. With `sandbox.landfall.io/fault.NAME` it is for the
//!   container NAME only.
//! - The ConfigMap `sandbox-faults` in `kube-system` holds rules over images: each line of each key is
//!   `PATTERN FAULTS`, for example `*:broken crash-loop=5s`. `*` stands for anything.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::json;

/// The annotation that says what goes wrong.
pub(crate) const ANNOTATION: &str = "sandbox.landfall.io/fault";
/// The ConfigMap with rules over images, in `kube-system`.
pub(crate) const RULES: &str = "sandbox-faults";

/// Something that goes wrong, or another behaviour than running on.
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
}

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no fault: write image-pull, crash-loop[=5s], not-ready, slow-start=30s, oom[=5s], exit=1[@5s], \
     flapping=10s or pending"
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
            "slow-start" => Ok(Self::SlowStart { by: time(None)? }),
            "oom" => Ok(Self::OutOfMemory { after: time(Some(CRASH_AFTER))? }),
            "exit" => {
                let (code, after) = argument.split_once('@').unwrap_or((argument, "0s"));
                let code = code.trim().parse().map_err(|_| unknown())?;
                Ok(Self::Exit { code, after: duration(after.trim()).ok_or_else(unknown)? })
            }
            "flapping" => Ok(Self::Flapping { period: time(None)?.max(Duration::from_secs(1)) }),
            "pending" => Ok(Self::Pending),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImagePull => formatter.write_str("image-pull"),
            Self::CrashLoop { after } => write!(formatter, "crash-loop={}s", after.as_secs()),
            Self::NotReady => formatter.write_str("not-ready"),
            Self::SlowStart { by } => write!(formatter, "slow-start={}s", by.as_secs()),
            Self::OutOfMemory { after } => write!(formatter, "oom={}s", after.as_secs()),
            Self::Exit { code, after } => write!(formatter, "exit={code}@{}s", after.as_secs()),
            Self::Flapping { period } => write!(formatter, "flapping={}s", period.as_secs()),
            Self::Pending => formatter.write_str("pending"),
        }
    }
}

/// Reads `30`, `30s`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, "s"),
    };
    let count: f64 = digits.trim().parse().ok().filter(|count: &f64| *count >= 0.0 && count.is_finite())?;
    let unit_s = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        _ => 1.0,
    };
    Duration::try_from_secs_f64(count * unit_s).ok()
}

/// Faults by image pattern.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    rules: Vec<(String, Vec<Fault>)>,
}

impl Rules {
    /// Reads the rules of the ConfigMap; lines that say nothing are passed over.
    pub(crate) fn of(config_map: Option<&Value>) -> Self {
        let mut rules = Vec::new();
        let texts = config_map.and_then(|map| json::object(map, "/data")).into_iter().flatten();
        for line in texts.filter_map(|(_, text)| text.as_str()).flat_map(str::lines) {
            let Some((pattern, faults)) = line.trim().split_once(char::is_whitespace) else { continue };
            if pattern.starts_with('#') {
                continue;
            }
            rules.push((pattern.to_string(), parse(faults)));
        }
        Self { rules }
    }

    fn faults_of(&self, image: &str) -> impl Iterator<Item = Fault> {
        self.rules
            .iter()
            .filter(move |(pattern, _)| glob(pattern, image))
            .flat_map(|(_, faults)| faults.iter().copied())
    }
}

/// The faults of a text; what is no fault is passed over (and reported where it is written, by the library).
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

/// The faults that a pod's container has.
pub(crate) fn of(pod: &Value, container: &Value, rules: &Rules) -> Vec<Fault> {
    let own = format!("{ANNOTATION}.{}", json::text(container, "/name"));
    let mut faults: Vec<Fault> = rules.faults_of(json::text(container, "/image")).collect();
    for key in [ANNOTATION, own.as_str()] {
        faults.extend(parse(json::annotation(pod, key).unwrap_or_default()));
    }
    faults
}

/// True when no node shall take the pod.
pub(crate) fn keeps_pending(pod: &Value, rules: &Rules) -> bool {
    json::list(pod, "/spec/containers").iter().any(|container| of(pod, container, rules).contains(&Fault::Pending))
}

//! A slow or failing API server.
//!
//! Only requests from outside are met by these: the simulated controllers and the sandbox' own control go on. Waiting is
//! done in real time, since it happens between real programs.

use std::time::Duration;

use super::rules::Rules;
use super::{duration, glob, share, spread};
use crate::error::ApiError;
use crate::random::Random;

/// What the API server does wrong with some requests.
#[derive(Debug, Clone)]
pub(super) struct ApiRule {
    verb: String,
    resource: String,
    latency: Option<(Duration, Duration)>,
    /// Code and how many of a million.
    refusals: Vec<(u16, u32)>,
    retry_after_s: u64,
    watches_last: Option<Duration>,
}

impl ApiRule {
    /// Reads the scope (`VERB/RESOURCE`) and the faults.
    pub(super) fn parse(scope: &[&str], faults: &str) -> Result<Self, String> {
        let part = |index: usize| scope.get(index).map_or("*", |text| *text).to_string();
        let mut rule = Self {
            verb: part(0),
            resource: part(1),
            latency: None,
            refusals: Vec::new(),
            retry_after_s: 1,
            watches_last: None,
        };
        for fault in faults.split(',').map(str::trim) {
            let (name, argument) =
                fault.split_once('=').ok_or_else(|| format!("{fault:?} needs a value, such as latency=200ms"))?;
            let bad = || format!("{argument:?} is no value for {name}");
            match name {
                "latency" => rule.latency = Some(spread(argument).ok_or_else(bad)?),
                "drop-watches" => rule.watches_last = Some(duration(argument).ok_or_else(bad)?),
                "retry-after" => rule.retry_after_s = duration(argument).ok_or_else(bad)?.as_secs(),
                "429" | "500" | "502" | "503" | "504" => {
                    rule.refusals.push((name.parse().map_err(|_| bad())?, share(argument).ok_or_else(bad)?));
                }
                _ => return Err(format!("{name:?} is no fault of the API server")),
            }
        }
        Ok(rule)
    }

    fn applies(&self, verb: &str, resource: &str) -> bool {
        glob(&self.verb, verb) && glob(&self.resource, resource)
    }
}

/// What becomes of one request.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How long it waits.
    pub(crate) wait: Duration,
    /// Why it is refused, and after how many seconds to try again.
    pub(crate) refusal: Option<(ApiError, u64)>,
}

impl Rules {
    /// True when the API server does nothing wrong.
    pub(crate) fn api_is_well(&self) -> bool {
        self.api.is_empty()
    }

    /// How long a watch of a resource lasts at most before it is dropped.
    pub(crate) fn watch_lasts(&self, resource: &str) -> Option<Duration> {
        self.api.iter().filter(|rule| rule.applies("watch", resource)).filter_map(|rule| rule.watches_last).min()
    }

    /// Decides about a request; chance comes from the sandbox' own numbers.
    pub(crate) fn judge(&self, verb: &str, resource: &str, random: &Random) -> Verdict {
        let mut verdict = Verdict::default();
        for rule in self.api.iter().filter(|rule| rule.applies(verb, resource)) {
            if let Some((median, p99)) = rule.latency {
                verdict.wait += drawn(median, p99, random);
            }
            for (code, per_million) in &rule.refusals {
                if verdict.refusal.is_none() && random.below(1_000_000) < u64::from(*per_million) {
                    verdict.refusal = Some((refusal(*code), rule.retry_after_s));
                }
            }
        }
        verdict
    }
}

/// A time between: half are at most the median, nearly all at most the 99th percentile.
#[expect(clippy::cast_precision_loss, reason = "a share of a million")]
pub(crate) fn drawn(median: Duration, p99: Duration, random: &Random) -> Duration {
    let part = random.below(1_000_000) as f64 / 1_000_000.0;
    if part <= 0.5 {
        return median.mul_f64(0.5 + part);
    }
    median + p99.saturating_sub(median).mul_f64(((part - 0.5) / 0.49).min(1.2))
}

fn refusal(code: u16) -> ApiError {
    match code {
        429 => {
            let mut error = ApiError::too_many_requests(
                "the server has received too many requests and has asked us to try again later",
                serde_json::json!({"retryAfterSeconds": 1}),
            );
            error.reason = "TooManyRequests";
            error
        }
        500 => ApiError::internal("a fault on demand (@api 500)"),
        other => {
            let mut error = ApiError::internal("a fault on demand (@api)");
            error.code = other;
            (error.reason, error.message) = match other {
                503 => ("ServiceUnavailable", "the server is currently unable to handle the request".to_string()),
                504 => ("Timeout", "the server was unable to return a response in the time allotted".to_string()),
                _ => ("", "bad gateway".to_string()),
            };
            error
        }
    }
}

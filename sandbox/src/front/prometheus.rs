//! Prometheus' HTTP API. Source: its documentation, version 3.

use std::collections::BTreeSet;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Answer;
use crate::clock::parse_time;
use crate::http::SandboxBody;
use crate::http::params::Params;
use crate::operations::Core;
use crate::promql::{self, Expr, Labels, Series, Source, duration_ms, shown};
use crate::traffic::Metrics;

/// How far back series and labels are looked for when nothing is said.
const RECENT_MS: i64 = 3_600_000;

enum Refusal {
    BadData(String),
    Execution(String),
}

impl Refusal {
    fn send(self) -> Response<SandboxBody> {
        let (status, kind, message) = match self {
            Self::BadData(message) => (StatusCode::BAD_REQUEST, "bad_data", message),
            Self::Execution(message) => (StatusCode::UNPROCESSABLE_ENTITY, "execution", message),
        };
        let body = json!({"status": "error", "errorType": kind, "error": message});
        Answer::json(status, &body).into_response()
    }
}

fn success(data: Value) -> Response<SandboxBody> {
    Answer::json(StatusCode::OK, &json!({"status": "success", "data": data})).into_response()
}

/// Answers a request of the API.
pub(super) fn answer(core: &Core, path: &str, params: &Params, repeated: &[(String, String)]) -> Response<SandboxBody> {
    let matches: Vec<&str> =
        repeated.iter().filter(|(key, _)| key == "match[]").map(|(_, value)| value.as_str()).collect();
    let answered = match path {
        "/api/v1/query" => query(core, params),
        "/api/v1/query_range" => query_range(core, params),
        "/api/v1/series" if matches.is_empty() => Err(Refusal::BadData("no match[] parameter provided".to_string())),
        "/api/v1/series" => series(core, params, &matches)
            .map(|all| json!(all.iter().map(|series| json!(series.labels)).collect::<Vec<_>>())),
        "/api/v1/labels" => series(core, params, &matches)
            .map(|all| json!(all.iter().flat_map(|series| series.labels.keys()).collect::<BTreeSet<_>>())),
        "/api/v1/metadata" | "/api/v1/targets/metadata" => Ok(json!({})),
        "/api/v1/rules" => Ok(json!({"groups": []})),
        "/api/v1/alerts" => Ok(json!({"alerts": []})),
        "/api/v1/targets" => Ok(json!({"activeTargets": [], "droppedTargets": []})),
        "/api/v1/status/buildinfo" => {
            Ok(json!({"version": "3.0.0", "revision": "sandbox", "branch": "", "buildUser": "", "goVersion": ""}))
        }
        "/-/healthy" | "/-/ready" => {
            return Answer::text(StatusCode::OK, "The sandbox is ready.\n").into_response();
        }
        other => match other.strip_prefix("/api/v1/label/").and_then(|rest| rest.strip_suffix("/values")) {
            Some(label) => series(core, params, &matches)
                .map(|all| json!(all.iter().filter_map(|series| series.labels.get(label)).collect::<BTreeSet<_>>())),
            None => return Answer::text(StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        },
    };
    answered.map_or_else(Refusal::send, success)
}

/// Reads `1609746000`, `1609746000.5` or RFC 3339.
#[expect(clippy::cast_possible_truncation, reason = "times fit")]
fn time(params: &Params, name: &str, default: i64) -> Result<i64, Refusal> {
    match params.text(name) {
        "" => Ok(default),
        text => text
            .parse::<f64>()
            .ok()
            .filter(|seconds| seconds.is_finite())
            .map(|seconds| (seconds * 1000.0).round() as i64)
            .or_else(|| parse_time(text).map(|time| time.as_millisecond()))
            .ok_or_else(|| {
                Refusal::BadData(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp"))
            }),
    }
}

fn parsed(text: &str, name: &str) -> Result<Expr, Refusal> {
    promql::parse(text).map_err(|error| Refusal::BadData(format!("invalid parameter {name:?}: {error}")))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds fit")]
fn sample(at: i64, value: f64) -> Value {
    json!([at as f64 / 1000.0, shown(value)])
}

fn matrix(all: &[Series]) -> Value {
    let rows: Vec<Value> = all
        .iter()
        .map(|series| {
            let values: Vec<Value> = series.samples.iter().map(|(at, value)| sample(*at, *value)).collect();
            json!({"metric": series.labels, "values": values})
        })
        .collect();
    json!({"resultType": "matrix", "result": rows})
}

fn told(value: promql::Value, at: i64) -> Value {
    match value {
        promql::Value::Scalar(number) => json!({"resultType": "scalar", "result": sample(at, number)}),
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit")]
        promql::Value::Text(text) => json!({"resultType": "string", "result": [at as f64 / 1000.0, text]}),
        promql::Value::Vector(vector) => {
            let rows: Vec<Value> = vector
                .into_iter()
                .map(|(labels, number): (Labels, f64)| json!({"metric": labels, "value": sample(at, number)}))
                .collect();
            json!({"resultType": "vector", "result": rows})
        }
        promql::Value::Matrix(all) => matrix(&all),
    }
}

/// Evaluates a query at the sandbox' present time: the `data` of Prometheus' answer, or its error.
pub(crate) fn query_now(core: &Core, text: &str) -> Result<Value, String> {
    let at = core.clock.now().as_millisecond();
    let expr = promql::parse(text).map_err(|error| error.to_string())?;
    let value = promql::instant(&expr, &Metrics::of(core), at).map_err(|error| error.to_string())?;
    Ok(told(value, at))
}

fn query(core: &Core, params: &Params) -> Result<Value, Refusal> {
    let at = time(params, "time", core.clock.now().as_millisecond())?;
    let expr = parsed(params.text("query"), "query")?;
    let value =
        promql::instant(&expr, &Metrics::of(core), at).map_err(|error| Refusal::Execution(error.to_string()))?;
    Ok(told(value, at))
}

#[expect(clippy::cast_possible_truncation, reason = "steps fit")]
fn query_range(core: &Core, params: &Params) -> Result<Value, Refusal> {
    let missing =
        |name: &str| Refusal::BadData(format!("invalid parameter {name:?}: cannot parse \"\" to a valid timestamp"));
    if params.text("start").is_empty() {
        return Err(missing("start"));
    }
    if params.text("end").is_empty() {
        return Err(missing("end"));
    }
    let (start, end) = (time(params, "start", 0)?, time(params, "end", 0)?);
    let text = params.text("step");
    let step = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| seconds.is_finite())
        .map(|seconds| (seconds * 1000.0) as i64)
        .or_else(|| duration_ms(text))
        .ok_or_else(|| {
            Refusal::BadData(format!("invalid parameter \"step\": cannot parse {text:?} to a valid duration"))
        })?;
    let expr = parsed(params.text("query"), "query")?;
    let all = promql::range(&expr, &Metrics::of(core), start, end, step)
        .map_err(|error| Refusal::BadData(error.to_string()))?;
    Ok(matrix(&all))
}

/// The series that any of the selectors selects; all of them without any.
fn series(core: &Core, params: &Params, matches: &[&str]) -> Result<Vec<Series>, Refusal> {
    let end = time(params, "end", core.clock.now().as_millisecond())?;
    let start = time(params, "start", end - RECENT_MS)?;
    // The last scrape tells what there is; ended series tell it by their mark.
    let metrics = Metrics::of(core);
    if matches.is_empty() {
        return Ok(metrics.select(&[], start, end));
    }
    let mut all: Vec<Series> = Vec::new();
    for text in matches {
        match parsed(text, "match[]")? {
            Expr::Select(selector) => {
                for found in metrics.select(&selector.matchers, start, end) {
                    if !all.iter().any(|held| held.labels == found.labels) {
                        all.push(found);
                    }
                }
            }
            _ => {
                return Err(Refusal::BadData(format!("invalid parameter \"match[]\": {text:?} is no series selector")));
            }
        }
    }
    Ok(all)
}

//! Logs of an application's Pods. Source: Argo CD 3.5 `server/application/application.go` (PodLogs).

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use jiff::Timestamp;
use landfall_api::error::ApiError;
use landfall_ports::cluster::LogRequest;
use serde_json::{Value, json};

use super::tree::{Node, nodes};
use crate::api::call::{Answer, Call, Outcome, flag, text};

/// How many Pods are read at the same time, where settings say nothing. Source: Argo CD `server.maxPodLogsToRender`.
const PODS_MAX: usize = 10;

/// Lines of the Pods that a request means, as they come.
pub(crate) async fn get(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    call.enforce("logs", "get", &held.object)?;
    let application = held.application()?;
    let until = moment(request, "untilTime")?;
    let cluster = call.cluster(application)?;
    let instance = call.controller().instance_of(&held.key);
    let all = nodes(&cluster.live, &instance);
    let pods = chosen(&all, request);
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let most = config.get("server.maxPodLogsToRender").and_then(|text| text.parse().ok()).unwrap_or(PODS_MAX);
    if pods.len() > most {
        return Err(ApiError::invalid("max pods to view logs are reached. Please provide more granular query")
            .hint(format!("{} Pods match, {most} are shown; name one, or its kind and name", pods.len())));
    }
    let number = |field: &str| request.get(field).and_then(Value::as_i64).filter(|number| *number > 0);
    let mut streams = SelectAll::<BoxStream<'static, (String, String)>>::new();
    for (namespace, pod) in pods {
        let wanted = LogRequest {
            namespace,
            pod: pod.clone(),
            container: text(request, "container").to_owned(),
            follows: flag(request, "follow"),
            previous: flag(request, "previous"),
            since_seconds: number("sinceSeconds"),
            since_time: request.get("sinceTime").and_then(Value::as_str).map(str::to_owned),
            tail_lines: number("tailLines"),
        };
        match cluster.live.cluster().log_lines(&wanted).await {
            Ok(lines) => {
                let of_pod = lines.map(move |line| (pod.clone(), line.unwrap_or_else(|error| error.to_string())));
                streams.push(of_pod.boxed());
            }
            // A Pod that has not started says so in the place of its log.
            Err(error) => streams.push(futures::stream::iter([(String::new(), error.message)]).boxed()),
        }
    }
    let filter = Filter::read(text(request, "filter"), flag(request, "matchCase"));
    let clock = call.controller().clock.clone();
    let entries = streams.filter_map(move |(pod, line)| {
        let (at, content) = split(&line, || clock.now());
        let is_late = until.is_some_and(|until| at > until);
        let entry = (!is_late && filter.takes(&content)).then(|| entry(&pod, &content, at, false));
        futures::future::ready(entry.map(Ok))
    });
    let clock = call.controller().clock.clone();
    let end = futures::stream::once(async move { Ok(entry("", "", clock.now(), true)) });
    Ok(Answer::Many(entries.chain(end).boxed()))
}

/// The Pods that a request means: one by name, those below an object, or all.
fn chosen(all: &[Node], request: &Value) -> Vec<(String, String)> {
    let is_pod = |node: &Node| node.record.live.key.kind == "Pod" && node.record.live.key.group.is_empty();
    let pod = text(request, "podName");
    let (group, kind, name) = (text(request, "group"), text(request, "kind"), text(request, "resourceName"));
    let namespace = text(request, "namespace");
    let is_meant = |node: &Node| {
        let key = &node.record.live.key;
        (namespace.is_empty() || key.namespace == namespace)
            && (group.is_empty() || key.group == group)
            && (kind.is_empty() || key.kind == kind)
            && (name.is_empty() || key.name == name)
    };
    let is_below = |node: &Node| {
        let mut here = Some(node);
        let mut steps = 0;
        while let Some(at) = here {
            if is_meant(at) {
                return true;
            }
            steps += 1;
            let parent = at.parents.first().filter(|_| steps < 16);
            here = parent.and_then(|parent| all.iter().find(|node| node.record.live.uid == parent.live.uid));
        }
        false
    };
    let mut pods: Vec<(String, String)> = all
        .iter()
        .filter(|node| is_pod(node))
        .filter(|node| match pod {
            "" => is_below(node),
            pod => {
                node.record.live.key.name == pod
                    && (namespace.is_empty() || node.record.live.key.namespace == namespace)
            }
        })
        .map(|node| (node.record.live.key.namespace.clone(), node.record.live.key.name.clone()))
        .collect();
    pods.sort();
    pods
}

fn moment(request: &Value, field: &str) -> Result<Option<Timestamp>, ApiError> {
    match text(request, field) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| {
            ApiError::invalid(format!("invalid {field} parameter value: {error}"))
                .hint("write RFC 3339, for example 2026-01-31T12:00:00Z")
        }),
    }
}

/// Takes the moment off a line.
fn split(line: &str, now: impl Fn() -> Timestamp) -> (Timestamp, String) {
    if let Some((first, rest)) = line.split_once(' ')
        && let Ok(at) = first.parse::<Timestamp>()
    {
        return (at, rest.to_owned());
    }
    match line.parse::<Timestamp>() {
        Ok(at) => (at, String::new()),
        Err(_) => (now(), line.to_owned()),
    }
}

fn entry(pod: &str, content: &str, at: Timestamp, last: bool) -> Value {
    json!({
        "content": content, "timeStamp": format!("{at:.0}"), "timeStampStr": at.to_string(), "last": last, "podName": pod,
    })
}

/// Which lines are wanted: those that have a text, or with `!` before it those that have not.
struct Filter {
    text: String,
    is_inverse: bool,
    minds_case: bool,
}

impl Filter {
    fn read(text: &str, minds_case: bool) -> Self {
        let (text, is_inverse) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        let text = if minds_case { text.to_owned() } else { text.to_lowercase() };
        Self { text, is_inverse, minds_case }
    }

    fn takes(&self, line: &str) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let has = if self.minds_case { line.contains(&self.text) } else { line.to_lowercase().contains(&self.text) };
        has != self.is_inverse
    }
}

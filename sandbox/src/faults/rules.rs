//! The rules of the ConfigMap: subjects and what goes wrong with them.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::admission::Webhook;
use super::api::ApiRule;
use super::{Fault, RULES, glob, parse};
use crate::json;
use crate::store::{ResourceKey, Store};

/// A line of the rules: what it is about, and what happens to it. Written and read as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    subject: String,
    faults: String,
}

/// A line that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{line:?} is no rule: {why}. Write `IMAGE-PATTERN FAULT,…`, `@node/NAME lost`, `@namespace/NAME quota`, \
     `@webhook/NAME[/RESOURCE[/NAMESPACE]] reject=MESSAGE|down|label=KEY:VALUE|annotation=KEY:VALUE`, or \
     `@api[/VERB[/RESOURCE]] latency=200ms[..1s],429=10%,500=5%,503=5%,drop-watches=30s`"
)]
pub struct RuleError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub why: String,
}

impl Rule {
    /// What it is about: an image pattern, or `@node/…`, `@namespace/…`, `@webhook/…`, `@api…`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What happens.
    pub fn faults(&self) -> &str {
        &self.faults
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.subject, self.faults)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(line: &str) -> Result<Self, RuleError> {
        let refuse = |why: &str| RuleError { line: line.trim().to_string(), why: why.to_string() };
        let (subject, faults) = line
            .trim()
            .split_once(char::is_whitespace)
            .map(|(subject, faults)| (subject, faults.trim()))
            .ok_or_else(|| refuse("a subject and a fault are needed, with a space between them"))?;
        let mut rules = Rules::default();
        rules.add(subject, faults).map_err(|why| refuse(&why))?;
        Ok(Self { subject: subject.to_string(), faults: faults.to_string() })
    }
}

/// Everything that shall go wrong by rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    images: Vec<(String, Vec<Fault>)>,
    lost_nodes: Vec<String>,
    quotas: Vec<String>,
    /// Simulated admission webhooks.
    pub(super) webhooks: Vec<Webhook>,
    /// What the API server does wrong.
    pub(super) api: Vec<ApiRule>,
}

impl Rules {
    /// Reads the rules of the ConfigMap; lines that say nothing are passed over.
    pub(crate) fn of(config_map: Option<&Value>) -> Self {
        let mut rules = Self::default();
        let texts = config_map.and_then(|map| json::object(map, "/data")).into_iter().flatten();
        for line in texts.filter_map(|(_, text)| text.as_str()).flat_map(str::lines).map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((subject, faults)) = line.split_once(char::is_whitespace) else { continue };
            if let Err(why) = rules.add(subject, faults.trim()) {
                tracing::warn!(line, why, "a rule in kube-system/sandbox-faults says nothing");
            }
        }
        rules
    }

    fn add(&mut self, subject: &str, faults: &str) -> Result<(), String> {
        if faults.is_empty() {
            return Err("it names no fault".to_string());
        }
        let Some(special) = subject.strip_prefix('@') else {
            let parsed = parse(faults);
            for part in faults.split(',') {
                part.parse::<Fault>().map_err(|error| error.to_string())?;
            }
            self.images.push((subject.to_string(), parsed));
            return Ok(());
        };
        let parts: Vec<&str> = special.split('/').collect();
        match (parts.as_slice(), faults) {
            (["node", name], "lost") => self.lost_nodes.push((*name).to_string()),
            (["node", _], _) => return Err("the fault of a node is `lost`".to_string()),
            (["namespace", name], "quota") => self.quotas.push((*name).to_string()),
            (["namespace", _], _) => return Err("the fault of a namespace is `quota`".to_string()),
            (["webhook", name, scope @ ..], _) if scope.len() <= 2 => {
                self.webhooks.push(Webhook::parse(name, scope, faults)?);
            }
            (["api", scope @ ..], _) if scope.len() <= 2 => self.api.push(ApiRule::parse(scope, faults)?),
            _ => return Err("the subject is unknown".to_string()),
        }
        Ok(())
    }

    /// The faults of an image.
    pub(super) fn faults_of(&self, image: &str) -> impl Iterator<Item = Fault> {
        self.images
            .iter()
            .filter(move |(pattern, _)| glob(pattern, image))
            .flat_map(|(_, faults)| faults.iter().copied())
    }

    /// True when a node shall not be heard of.
    pub(crate) fn is_lost(&self, node: &str) -> bool {
        self.lost_nodes.iter().any(|pattern| glob(pattern, node))
    }

    /// True when a namespace shall have no room for pods.
    pub(super) fn is_full(&self, namespace: &str) -> bool {
        self.quotas.iter().any(|pattern| glob(pattern, namespace))
    }
}

/// The rules as they are now, read once for each version of the ConfigMap.
#[derive(Debug, Default)]
pub(crate) struct Book {
    read: Mutex<Option<(u64, Arc<Rules>)>>,
}

impl Book {
    /// The present rules.
    pub(crate) fn rules(&self, store: &Store) -> Arc<Rules> {
        let held = store.get(&ResourceKey::from("configmaps"), "kube-system", RULES);
        let revision = held.as_ref().map_or(0, |held| held.revision);
        let mut read = self.read.lock().expect("no holder of this lock panics");
        if let Some((known, rules)) = read.as_ref()
            && *known == revision
        {
            return Arc::clone(rules);
        }
        let rules = Arc::new(Rules::of(held.as_ref().map(|held| held.value.as_ref())));
        *read = Some((revision, Arc::clone(&rules)));
        rules
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_read_as_they_are_written_and_others_are_refused_with_the_way_to_write_them() {
        for line in [
            "*:v2 crash-loop=5s,errors=5%",
            "@node/node-1 lost",
            "@namespace/shop quota",
            "@webhook/policy/pods/shop reject=no, not like this",
            "@webhook/policy down",
            "@webhook/policy/deployments.apps label=team:shop",
            "@api latency=200ms..1s,429=10%,500=5%,drop-watches=30s",
            "@api/list/pods 503=100%",
        ] {
            assert_eq!(line.parse::<Rule>().map(|rule| rule.to_string()).as_deref(), Ok(line));
        }
        for line in [
            "web:2",
            "*:v2 crash",
            "@node/a gone",
            "@planet/earth lost",
            "@api 200=5%",
            "@webhook/x maybe",
            "@api latency",
        ] {
            let error = line.parse::<Rule>().expect_err(line);
            assert!(error.to_string().contains("is no rule") && error.to_string().contains("@api"), "{error}");
        }
    }

    #[test]
    fn one_bad_line_does_not_spoil_the_others() {
        let map =
            json!({"data": {"rules": "# remark\nnonsense\n*:v2 whatever\n*:v2 not-ready", "more": "@node/a lost"}});
        let rules = Rules::of(Some(&map));
        assert_eq!(rules.faults_of("web:v2").collect::<Vec<_>>(), [Fault::NotReady]);
        assert!(rules.is_lost("a") && !rules.is_lost("b"));
    }
}

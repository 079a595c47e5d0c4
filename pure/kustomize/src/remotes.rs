//! Questions that a build cannot answer by itself, collected so that its caller can fetch the answers and build again.
//!
//! ```text
//! build(.., answers) ──> open questions? ── none ──> the result counts
//!          ^                   │ some
//!          └── answer them ────┘   (fetched by whoever may use the network)
//! ```
//!
//! A build never waits for a network: it takes an unanswered question for a refusal, notes it, and what it gives does not
//! count. The second build finds everything parsed that the first one parsed. [`AllowList`] says what may be fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use landfall_tree::Tree;

use crate::outside::{ChartSource, Remote, RemoteContent, RemoteRequest};

/// Something that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A file or repository that a kustomization names.
    Remote(RemoteRequest),
    /// A chart of a chart repository or registry; never [`ChartSource::Local`].
    Chart(ChartSource),
}

/// A chart that was fetched: the files, and the folder of the chart among them.
pub type FetchedChart = (Arc<dyn Tree>, String);

/// What is known so far, and what was asked in vain.
#[derive(Default)]
pub struct Answers {
    remotes: BTreeMap<(String, bool), Result<RemoteContent, String>>,
    charts: BTreeMap<[String; 3], Result<FetchedChart, String>>,
    open: Mutex<Vec<Question>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known: Vec<&(String, bool)> = self.remotes.keys().collect();
        formatter.debug_struct("Answers").field("remotes", &known).field("charts", &self.charts.len()).finish()
    }
}

/// Most rounds of asking and building: each brings at least one answer, and no tree is nested so deeply.
pub const ROUNDS_MAX: usize = 200;

const NOT_YET: &str = "it is not here yet";

impl Answers {
    /// Starts knowing nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what a remote resource is, or why it cannot be had: a sentence that says what to do.
    pub fn answer_remote(&mut self, request: &RemoteRequest, answer: Result<RemoteContent, String>) {
        self.remotes.insert((request.url.clone(), request.wants_file), answer);
    }

    /// Notes a chart, or why it cannot be had.
    pub fn answer_chart(&mut self, source: &ChartSource, answer: Result<FetchedChart, String>) {
        self.charts.insert(chart_key(source), answer);
    }

    /// Takes the questions that the last build asked in vain, each once. Empty: its result counts.
    pub fn take_open(&mut self) -> Vec<Question> {
        std::mem::take(self.open.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// The chart that a source names, for [`crate::NativeCharts::fetch`].
    ///
    /// Errors: it cannot be had, or it was not fetched yet.
    pub fn chart(&self, source: &ChartSource) -> Result<FetchedChart, String> {
        self.charts.get(&chart_key(source)).cloned().unwrap_or_else(|| self.ask(Question::Chart(source.clone())))
    }

    fn ask<T>(&self, question: Question) -> Result<T, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.contains(&question) {
            open.push(question);
        }
        Err(NOT_YET.to_owned())
    }
}

impl Remote for Answers {
    fn fetch(&self, request: &RemoteRequest) -> Result<RemoteContent, String> {
        let known = self.remotes.get(&(request.url.clone(), request.wants_file)).cloned();
        known.unwrap_or_else(|| self.ask(Question::Remote(request.clone())))
    }
}

fn chart_key(source: &ChartSource) -> [String; 3] {
    match source {
        ChartSource::Local { path } => [String::new(), path.clone(), String::new()],
        ChartSource::Repository { url, name, version, .. } => [url.clone(), name.clone(), version.clone()],
    }
}

/// Says which places may be fetched from.
///
/// An entry is `*` for every place, or a host with as much of a path as wanted: `github.com/example` allows every
/// repository of that organisation, `*.example.com` every host of that domain, `file:///srv/git` a folder of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Vec<String>,
}

impl AllowList {
    /// Makes a list; texts may hold several entries between commas, spaces or line ends.
    pub fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let mut entries = Vec::new();
        for text in texts {
            let separate = |character: char| character == ',' || character.is_whitespace();
            let found = text.as_ref().split(separate).filter(|entry| !entry.is_empty());
            entries.extend(found.map(|entry| place_of(entry).trim_end_matches('/').to_owned()));
        }
        Self { entries }
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an address may be fetched from: that of a repository (`https://…`, `ssh://…`, `git@host:path`,
    /// `file://…`) or of a file. Addresses with `..` in them never are.
    pub fn allows(&self, address: &str) -> bool {
        let place = place_of(address);
        if place.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e")) {
            return false;
        }
        self.entries.iter().any(|entry| {
            if entry == "*" {
                return true;
            }
            let (mut wanted, mut found) = (entry.split('/'), place.split('/'));
            let hosts = (wanted.next().unwrap_or_default(), found.next().unwrap_or_default());
            let host_fits = match hosts.0.strip_prefix("*.") {
                Some(domain) => hosts.1.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
                // An entry without a port is for every port of the host.
                None => hosts.0 == hosts.1 || hosts.1.split_once(':').is_some_and(|(host, _)| host == hosts.0),
            };
            host_fits && wanted.all(|part| found.next() == Some(part))
        })
    }
}

/// Host and path of an address: without scheme, user, port of the scheme, query and `.git`.
fn place_of(address: &str) -> String {
    let address = address.strip_prefix("git::").unwrap_or(address);
    let address = address.split('?').next().unwrap_or_default();
    if let Some(path) = address.strip_prefix("file://") {
        return format!("file://{path}");
    }
    let (rest, has_scheme) = match address.split_once("://") {
        Some((_, rest)) => (rest, true),
        None => (address, false),
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let rest = rest[..host_end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    // `host:path` without a scheme is how SSH writes it.
    let (host, path) = match host.split_once(':') {
        Some((host, first)) if !has_scheme && first.parse::<u16>().is_err() => (host, format!("/{first}{path}")),
        Some((host, "443" | "80" | "22")) => (host, path.to_owned()),
        _ => (host, path.to_owned()),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut place = host.to_ascii_lowercase();
    for part in parts {
        place.push('/');
        place.push_str(part.strip_suffix(".git").unwrap_or(part));
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_allowed_by_whole_parts_of_host_and_path() {
        let list = AllowList::of(["github.com/example, *.corp.example", "file:///srv/git/"]);
        for allowed in [
            "https://github.com/example/app.git",
            "git@github.com:example/app.git",
            "ssh://git@github.com:22/example/app",
            "https://GitHub.com/example/app?ref=v1",
            "https://git.corp.example/x",
            "file:///srv/git/app",
            "https://github.com:8443/example/app",
        ] {
            assert!(list.allows(allowed), "{allowed}");
        }
        for refused in [
            "https://github.com/example-evil/app",
            "https://github.com.evil.test/example/app",
            "https://evil.test/github.com/example/app",
            "https://user:x@evil.test/example",
            "https://corp.example/x",
            "https://evilcorp.example/x",
            "https://github.com/example/../other/app",
            "file:///srv/gitx/app",
            "file:///etc/passwd",
        ] {
            assert!(!list.allows(refused), "{refused}");
        }
        assert!(AllowList::of(["*"]).allows("https://anything.example/x"));
        assert!(!AllowList::default().allows("https://anything.example/x"));
    }
}

//! What kustomizations name outside of their repository: fetched by Git or HTTP, pinned, allowed or refused.
//!
//! ```text
//! render ──> open questions ──> policy ──> commit of the reference (polled with all others) ──> tree ──┐
//!    ^                              └────> file (asked again with every poll) ─────────────────────────┤
//!    └───────────────────────────────── answers, each with its pin <───────────────────────────────────┘
//! ```
//!
//! A pin is the commit, the digest of the file or the version of the chart. Pins are part of what a render is remembered
//! by, so a base that moves renders the applications above it anew, and nothing else does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use landfall_access::project::Permissions;
use landfall_kustomize::{AllowList, Answers, ChartSource, FetchedChart, Question, RemoteContent, RemoteRequest};
use landfall_model::application::Source;
use landfall_ports::charts::ChartRepo;
use landfall_repository::repository::Repository;
use sha2::{Digest as _, Sha256};

use crate::charts::Charts;
use crate::repositories::{Freshness, Repositories};

/// How many files are kept.
const FILES_MAX: usize = 1_000;
/// How long a file counts as fresh, in seconds: as long as a listing of references does by default.
const FILE_AGE_MAX_S: u64 = 180;

/// One answered question.
#[derive(Clone)]
pub struct Fetched {
    /// What was asked.
    pub question: Question,
    /// What it is, or why it cannot be had.
    pub answer: Answer,
    /// Which state of it: a commit, a digest, a version; `""` if it cannot be had.
    pub pin: String,
}

/// What a question is answered with.
#[derive(Clone)]
pub enum Answer {
    /// A file or a repository.
    Remote(Result<RemoteContent, String>),
    /// A chart.
    Chart(Result<FetchedChart, String>),
}

impl Answer {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        match self {
            Self::Remote(answer) => answer.is_ok(),
            Self::Chart(answer) => answer.is_ok(),
        }
    }
}

/// The answers in the form that builds take.
pub fn answers(fetched: &[Fetched]) -> Answers {
    let mut answers = Answers::new();
    for one in fetched {
        match (&one.question, &one.answer) {
            (Question::Remote(request), Answer::Remote(answer)) => answers.answer_remote(request, answer.clone()),
            (Question::Chart(source), Answer::Chart(answer)) => answers.answer_chart(source, answer.clone()),
            (Question::Remote(_), Answer::Chart(_)) | (Question::Chart(_), Answer::Remote(_)) => {}
        }
    }
    answers
}

/// What a question is called in messages and pins.
pub fn name(question: &Question) -> String {
    match question {
        Question::Remote(request) => request.url.clone(),
        Question::Chart(ChartSource::Repository { url, name, version, .. }) => format!("{url} {name} {version}"),
        Question::Chart(ChartSource::Local { path }) => path.clone(),
    }
}

/// What may be fetched.
pub enum Policy {
    /// What a list allows.
    List(AllowList),
    /// What a project permits as source.
    Project(Permissions),
}

impl Policy {
    fn check(&self, address: &str) -> Result<(), String> {
        match self {
            Self::List(list) if list.allows(address) => Ok(()),
            Self::List(list) if list.is_empty() => {
                Err("nothing may be fetched here; allow its host, or copy what it names into the repository".to_owned())
            }
            Self::List(_) => {
                Err("it is not on the list of what may be fetched; add its host, or copy what it names into the repository"
                    .to_owned())
            }
            Self::Project(permissions) if permissions.permits_source(address) => Ok(()),
            Self::Project(_) => Err(
                "the project does not permit it as a source; add it to sourceRepos, or allow its host with kustomize.remotes in argocd-cm"
                    .to_owned(),
            ),
        }
    }
}

/// For whom something is fetched.
pub struct Asker<'a> {
    /// The project, whose Secrets may be used.
    pub project: &'a str,
    /// What it may fetch.
    pub policy: &'a Policy,
    /// How fresh it has to be.
    pub freshness: Freshness,
}

type File = (Duration, Result<Bytes, String>);

/// Fetches what kustomizations name outside of their repository.
pub struct Remotes {
    repositories: Arc<Repositories>,
    http: Arc<dyn ChartRepo>,
    files: Mutex<HashMap<String, File>>,
}

impl Remotes {
    /// Starts with nothing fetched. `http` reads single files.
    pub fn of(repositories: Arc<Repositories>, http: Arc<dyn ChartRepo>) -> Self {
        Self { repositories, http, files: Mutex::default() }
    }

    /// Answers a question. `now` is the moment, in elapsed time.
    pub async fn answer(&self, charts: &Charts, asker: &Asker<'_>, question: Question, now: Duration) -> Fetched {
        match &question {
            Question::Remote(request) => {
                let (answer, pin) = match self.remote(asker, request, now).await {
                    Ok((content, pin)) => (Ok(content), pin),
                    Err(reason) => (Err(reason), String::new()),
                };
                Fetched { question, answer: Answer::Remote(answer), pin }
            }
            Question::Chart(source) => {
                let (answer, pin) = match self.chart(charts, asker, source).await {
                    Ok((chart, pin)) => (Ok(chart), pin),
                    Err(reason) => (Err(reason), String::new()),
                };
                Fetched { question, answer: Answer::Chart(answer), pin }
            }
        }
    }

    async fn remote(
        &self,
        asker: &Asker<'_>,
        request: &RemoteRequest,
        now: Duration,
    ) -> Result<(RemoteContent, String), String> {
        if request.wants_file {
            asker.policy.check(&request.url)?;
            if is_surely_repository(request) {
                return Err("it names a repository, not a file".to_owned());
            }
            let content = self.file(asker, &request.url, now).await?;
            let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((RemoteContent::File(content), format!("sha256:{digest}")));
        }
        let Some(url) = &request.repository else { return Err("it names no repository".to_owned()) };
        asker.policy.check(url)?;
        let resolved = self.repositories.resolve(url, asker.project, &request.reference, "", asker.freshness).await;
        let commit = resolved.map_err(|error| error.to_string())?;
        let tree = self.repositories.tree(url, asker.project, &commit).await.map_err(|error| error.to_string())?;
        Ok((RemoteContent::Directory { tree, path: request.path.clone() }, commit.as_str().to_owned()))
    }

    async fn file(&self, asker: &Asker<'_>, url: &str, now: Duration) -> Result<Bytes, String> {
        let known = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some((at, content)) = known {
            let is_fresh = match asker.freshness {
                Freshness::Polled => now.saturating_sub(at).as_secs() < FILE_AGE_MAX_S,
                Freshness::Since(moment) => at >= moment,
            };
            if is_fresh {
                return content;
            }
        }
        // Credentials of a repository are for its own host; the configured one of this address decides.
        let repository: Repository = self.repositories.repository(url, asker.project);
        let content = self.http.file(&repository, url).await.map_err(|error| error.to_string());
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(url.to_owned(), (now, content.clone()));
        content
    }

    async fn chart(
        &self,
        charts: &Charts,
        asker: &Asker<'_>,
        source: &ChartSource,
    ) -> Result<(FetchedChart, String), String> {
        let ChartSource::Repository { url, name, version, .. } = source else {
            return Err("a chart in the repository is not fetched".to_owned());
        };
        asker.policy.check(url)?;
        // Helm's command takes an OCI repository with or without the chart's name at its end.
        let source = Source {
            repo_url: url.clone(),
            chart: name.clone(),
            target_revision: version.clone(),
            ..Source::default()
        };
        let fetched = charts.checkout(&self.repositories, &source, asker.project, None).await;
        let checkout = fetched.map_err(|error| error.to_string())?;
        Ok(((checkout.tree, name.clone()), checkout.revision))
    }
}

/// Whether the text can only mean a repository, so that no file needs to be asked for.
fn is_surely_repository(request: &RemoteRequest) -> bool {
    let after_scheme = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
    let location = after_scheme.split('?').next().unwrap_or_default();
    request.repository.is_some()
        && (location.starts_with("github.com/")
            || location.contains("//")
            || location.contains(".git/")
            || location.ends_with(".git")
            || location.contains("_git/"))
}

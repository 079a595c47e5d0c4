//! From a source at a commit to objects, skipped when nothing that it read has changed.
//!
//! ```text
//! Input -> key (everything but the files) -> cached renders -> the trace of one of them still holds? -> its objects
//!                                                            \-> no: render on a recorded tree, keep the trace
//! ```
//!
//! A render names the revision that it was made at. As long as its trace holds at a later commit, that revision is the
//! one reported: a commit that touches nothing an application reads changes nothing about the application.

pub mod cache;
mod host;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use landfall_helm::Profile;
use landfall_kustomize::{Answers, BuildFlags, Question};
use landfall_model::application::Source;
use landfall_render::{Failure, Missing, Session, SourceType, Trees};
use landfall_tree::{Recording, Trace, Tree};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::cache::{Bounds, Cache, Kept, Key};
use crate::remotes::{self, Fetched};

/// Files at a revision.
#[derive(Clone)]
pub struct Checkout {
    /// The repository's address.
    pub repo_url: String,
    /// The commit, or the version of a chart.
    pub revision: String,
    /// The files.
    pub tree: Arc<dyn Tree>,
    /// The digest of the archive that the files come from (`sha256:...`); `None` if the revision names them for good.
    pub digest: Option<String>,
}

/// Everything a render depends on.
#[derive(Clone)]
pub struct Input {
    /// The application's name.
    pub application: String,
    /// The destination namespace.
    pub namespace: String,
    /// The project.
    pub project: String,
    /// The source.
    pub source: Source,
    /// Its files; for a chart of a chart repository, what its archive holds.
    pub checkout: Checkout,
    /// Whether the files are those of a chart of a chart repository.
    pub is_chart: bool,
    /// The moment, for templates that ask.
    pub now: Timestamp,
    /// The files of sources with `ref`, by their names.
    pub references: Vec<(String, Checkout)>,
    /// The version of the destination's API server.
    pub kube_version: String,
    /// What the destination serves, as `group/version` and `group/version/Kind`, sorted.
    pub api_versions: Arc<Vec<String>>,
    /// Which Helm renders charts, unless the source says it.
    pub profile: Profile,
    /// The tools that the installation switched off.
    pub disabled: Vec<SourceType>,
    /// The flags that the installation gives kustomize.
    pub kustomize: KustomizeFlags,
    /// What was fetched from outside of the repository, for an earlier attempt at this render.
    pub fetched: Vec<Fetched>,
    /// What was added to the checkout's files, and the digest of each.
    pub pins: Vec<(String, String)>,
}

/// The flags that the installation gives kustomize, or why they cannot be used.
pub type KustomizeFlags = Result<BuildFlags, String>;

/// What came of an attempt at a render.
#[derive(Debug)]
pub enum Attempt {
    /// It is rendered, or it cannot be.
    Done(Result<Arc<Rendered>, RenderError>),
    /// These have to be fetched first.
    Open(Vec<Question>),
    /// A chart needs these files in [`Input::checkout`] first.
    Missing(Box<Missing>),
}

/// What a source rendered to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The objects in order.
    pub objects: Vec<Value>,
    /// Which tool rendered them.
    pub source_type: SourceType,
    /// What is no error but should be known.
    pub warnings: Vec<String>,
    /// Whether the same inputs give the same output again.
    pub is_deterministic: bool,
    /// The revision it was rendered at.
    pub revision: String,
    /// What was fetched from outside of the repository, by its address, and which state of it: a commit, a digest, a
    /// version.
    pub pins: Vec<(String, String)>,
}

/// Says why a source cannot be rendered: what, where, why and what to do, for the condition ComparisonError.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(pub String);

/// How many paths may be looked up where blocking is not allowed.
const QUICK_PATHS_MAX: usize = 64;

/// How long one render may take.
const RENDER_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(90);

/// Tells how long ago it was asked for.
pub type Stopwatch = Arc<dyn Fn() -> Box<dyn Fn() -> std::time::Duration + Send> + Send + Sync>;

/// Renders sources and remembers what they read.
pub struct Renderer {
    cache: Mutex<Cache>,
    hits: AtomicU64,
    misses: AtomicU64,
    session: Session,
    secret: [u8; 32],
    stopwatch: Stopwatch,
}

impl Renderer {
    /// Starts with nothing remembered. `secret` is what randomness of templates comes from; `stopwatch` starts a watch
    /// that bounds a render's time.
    pub fn of(secret: [u8; 32], stopwatch: Stopwatch) -> Self {
        Self::bounded(secret, stopwatch, Bounds::default())
    }

    /// The same, with other bounds for what is remembered.
    pub fn bounded(secret: [u8; 32], stopwatch: Stopwatch, bounds: Bounds) -> Self {
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { cache: Mutex::new(Cache::of(bounds)), hits, misses, session: Session::new(), secret, stopwatch }
    }

    /// Renders, or returns an earlier render whose inputs are the same. Computes: call it where blocking is allowed.
    /// What would have to be fetched is refused.
    pub fn render(&self, input: &Input) -> Result<Arc<Rendered>, RenderError> {
        match self.attempt(input) {
            Attempt::Done(result) => result,
            Attempt::Missing(missing) => Err(RenderError(missing.to_string())),
            Attempt::Open(questions) => {
                let names: Vec<String> = questions.iter().map(remotes::name).collect();
                Err(RenderError(format!("{} would have to be fetched, which is not done here", names.join(", "))))
            }
        }
    }

    /// What the last renders of this source fetched: it saves attempts to have it fetched before.
    pub fn questions(&self, input: &Input) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for (question, _) in self.cache().renders(&key(input)).iter().flat_map(|kept| &kept.pins) {
            if !questions.contains(question) {
                questions.push(question.clone());
            }
        }
        questions
    }

    /// As [`Renderer::render`], and says what has to be fetched first, into [`Input::fetched`].
    pub fn attempt(&self, input: &Input) -> Attempt {
        let key = key(input);
        let checkouts = checkouts(input);
        if let Some(found) = self.find(&key, &checkouts, input) {
            return Attempt::Done(found);
        }
        let trees: Vec<&dyn Tree> =
            std::iter::once(&input.checkout).chain(input.references.iter().map(|(_, c)| c)).map(|c| &*c.tree).collect();
        let recordings: Vec<Recording<'_>> = trees.into_iter().map(Recording::of).collect();
        let elapsed = (self.stopwatch)();
        let deadline_passed = Box::new(move || elapsed() > RENDER_TIME_MAX);
        let mut host = host::RenderHost::of(&self.secret, &key, input.now, deadline_passed);
        let mut answers = remotes::answers(&input.fetched);
        let result = match self.run(input, &recordings, &answers, &mut host) {
            Ok(rendered) => Ok(Arc::new(rendered)),
            Err(Failure::Missing(missing)) => return Attempt::Missing(missing),
            Err(Failure::Refused(reason)) => Err(RenderError(reason)),
        };
        let open = answers.take_open();
        if !open.is_empty() {
            return Attempt::Open(open);
        }
        let traces = recordings.into_iter().map(Recording::into_trace).collect();
        // What could not be fetched is asked for again by the next pass.
        if input.fetched.iter().all(|fetched| fetched.answer.is_there()) {
            let pins = input.fetched.iter().map(|fetched| (fetched.question.clone(), fetched.pin.clone())).collect();
            self.cache().keep(key, Kept { traces, checkouts, pins, result: result.clone() });
        }
        Attempt::Done(result)
    }

    fn run(
        &self,
        input: &Input,
        recordings: &[Recording<'_>],
        answers: &Answers,
        host: &mut host::RenderHost,
    ) -> Result<Rendered, Failure> {
        let request = landfall_render::Request {
            application: &input.application,
            namespace: &input.namespace,
            project: &input.project,
            source: &input.source,
            revision: &input.checkout.revision,
            is_chart: input.is_chart,
            kube_version: &input.kube_version,
            api_versions: &input.api_versions,
            profile: input.profile,
            disabled: &input.disabled,
            kustomize: input.kustomize.as_ref().ok(),
            answers: Some(answers),
        };
        let names = input.references.iter().map(|(name, _)| name.clone());
        let references = names.zip(recordings[1..].iter().map(|recording| recording as &dyn Tree)).collect();
        let trees = Trees { own: &recordings[0], references };
        let rendered = landfall_render::render(&request, &trees, host, &self.session)?;
        if let (SourceType::Kustomize, Err(reason)) = (rendered.source_type, &input.kustomize) {
            return Err(Failure::Refused(reason.clone()));
        }
        let own = input.checkout.digest.iter().map(|digest| (chart_name(input), digest.clone()));
        let fetched = input.fetched.iter().map(|fetched| (remotes::name(&fetched.question), fetched.pin.clone()));
        Ok(Rendered {
            objects: rendered.objects,
            source_type: rendered.source_type,
            warnings: rendered.warnings,
            is_deterministic: rendered.is_deterministic,
            revision: input.checkout.revision.clone(),
            pins: own.chain(input.pins.iter().cloned()).chain(fetched).collect(),
        })
    }

    /// Returns an earlier render whose inputs are the same, if that is quickly found out: it reads a few directories at
    /// most, and may be called where blocking is not allowed. Renders that needed something from outside are not found.
    pub fn at_hand(&self, input: &Input) -> Option<Result<Arc<Rendered>, RenderError>> {
        let (key, checkouts) = (key(input), checkouts(input));
        let mut cache = self.cache();
        let kept = cache.renders(&key);
        let is_short = |kept: &&Kept| kept.traces.iter().map(Trace::len).sum::<usize>() <= QUICK_PATHS_MAX;
        let alone = || kept.iter().rev().filter(|kept| kept.pins.is_empty());
        let same = alone().find(|kept| kept.checkouts == checkouts);
        let found = same.or_else(|| alone().filter(is_short).find(|kept| still_holds(kept, input)));
        let found = found.map(|kept| kept.result.clone());
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Forgets everything: a hard refresh renders anew.
    pub fn forget(&self, input: &Input) {
        self.cache().forget(&key(input));
    }

    /// Counts look-ups that were answered from memory, and those that were not.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn find(
        &self,
        key: &Key,
        wanted: &[(String, String)],
        input: &Input,
    ) -> Option<Result<Arc<Rendered>, RenderError>> {
        let mut cache = self.cache();
        let kept = cache.renders(key);
        let is_pinned_alike = |kept: &&Kept| {
            let is_same = |pin: &(Question, String)| {
                input.fetched.iter().any(|fetched| fetched.question == pin.0 && fetched.pin == pin.1)
            };
            kept.pins.iter().all(is_same)
        };
        let same = kept.iter().filter(is_pinned_alike).find(|kept| kept.checkouts == wanted);
        let held = || kept.iter().rev().filter(is_pinned_alike).find(|kept| still_holds(kept, input));
        let found = same.or_else(held).map(|kept| kept.result.clone());
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the chart that a checkout holds, with its version.
fn chart_name(input: &Input) -> String {
    let Checkout { repo_url, revision, .. } = &input.checkout;
    let repository = repo_url.trim_end_matches('/');
    match input.source.chart.as_str() {
        "" => format!("{repository}:{revision}"),
        chart => format!("{repository}/{chart}:{revision}"),
    }
}

/// Says whether everything that a render read is the same in the files of `input`.
fn still_holds(kept: &Kept, input: &Input) -> bool {
    let checkouts = std::iter::once(&input.checkout).chain(input.references.iter().map(|(_, checkout)| checkout));
    let holds = |(trace, checkout): (&Trace, &Checkout)| {
        trace.iter().all(|(path, identity)| checkout.tree.identity(path).as_ref() == Ok(identity))
    };
    kept.result.as_ref().is_ok_and(|rendered| rendered.is_deterministic)
        && kept.traces.len() == 1 + input.references.len()
        && kept.traces.iter().zip(checkouts).all(holds)
}

fn checkouts(input: &Input) -> Vec<(String, String)> {
    let all = std::iter::once(&input.checkout).chain(input.references.iter().map(|(_, checkout)| checkout));
    all.map(|checkout| (checkout.repo_url.clone(), checkout.revision.clone())).collect()
}

/// Digests everything that a render depends on but files. A source that uses the build environment's revision depends on
/// it by name.
fn key(input: &Input) -> Key {
    let mut source = input.source.clone();
    source.target_revision.clear();
    let source = serde_json::to_string(&source).expect("a source serialises");
    let mut hasher = Sha256::new();
    let mut put = |part: &str| {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    };
    [&input.application, &input.namespace, &input.project, &input.kube_version].into_iter().for_each(|part| put(part));
    put(&input.api_versions.len().to_string());
    input.api_versions.iter().for_each(|part| put(part));
    if source.contains("ARGOCD_APP_") {
        put(&input.checkout.revision);
        put(&input.source.target_revision);
    }
    for (name, checkout) in &input.references {
        put(name);
        put(&checkout.repo_url);
    }
    put(&format!("{} {:?} {:?} {:?}", input.is_chart, input.profile, input.disabled, input.kustomize));
    put(&source);
    hasher.finalize().into()
}

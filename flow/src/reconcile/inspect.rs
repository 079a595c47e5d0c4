//! Looking at an application on somebody's request: what it wants, what is there and how they differ, without doing
//! anything. Renders come from the same cache as a pass's.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_diff::compare::Difference;
use landfall_model::application::{Application, Source};
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::plan::PlannedStep;
use landfall_model::status::{Condition, ConditionType, Operation};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;
use landfall_ports::cluster::Discovery;
use landfall_sync::compare::Compared;
use landfall_sync::decide::{self, Decision, Snapshot, decide};
use landfall_sync::plan::{self, PlanRequest};
use landfall_sync::targets::Targets;
use landfall_sync::{explain, start};
use landfall_tree::Tree;
use serde_json::Value;

use super::compare::{Answers, present};
use super::grounds::Grounds;
use super::pass::{Given, NoView, Pass, namespace_state};
use super::sources::{Observed, Refresh};
use super::{Controller, Memory};
use crate::destinations::KnownCluster;
use crate::home::AppKey;
use crate::live::record::Record;
use crate::render::Checkout;

/// What was found.
pub struct Inspection {
    /// Where the application goes.
    pub cluster: KnownCluster,
    /// What the cluster serves.
    pub discovery: Arc<Discovery>,
    /// What it wants, made ready.
    pub targets: Arc<Targets>,
    /// The revision of each source.
    pub revisions: Vec<String>,
    /// The type of each source.
    pub source_types: Vec<String>,
    /// How the objects compare.
    pub compared: Compared,
    /// The live objects that matter.
    pub live: BTreeMap<ObjectKey, Arc<Record>>,
    /// What the project's sync windows say now.
    pub windows: WindowVerdict,
    /// What the controller would decide now.
    pub decision: Decision,
    grounds: Grounds,
}

/// What a sync would do.
pub struct Planned {
    /// What would be decided, in words.
    pub decision: String,
    /// Whether it would begin.
    pub begins: bool,
    /// The revision of each source.
    pub revisions: Vec<String>,
    /// The steps, in groups that follow each other.
    pub groups: Vec<Vec<PlannedStep>>,
}

impl Inspection {
    /// Compares one object, in full. Values of Secrets are masked.
    pub fn difference(&self, wanted: Option<&Value>, live: Option<&Value>) -> Difference {
        let (schemas, _) = self.cluster.live.schemas();
        self.grounds.comparison.difference(wanted, live, &schemas)
    }
}

/// What is looked at in an application.
#[derive(Default)]
pub struct Look {
    /// These sources in the place of the spec's; empty for the spec's.
    pub sources: Vec<Source>,
    /// The revision of each source; the target revision's where `None` or missing.
    pub revisions: Vec<Option<String>>,
    /// Ask repositories anew, and render anew.
    pub is_hard: bool,
}

impl Controller {
    /// Looks at an application as it is in memory. Errors: what is wrong, as a pass would report it.
    pub async fn inspect(
        &self,
        key: &AppKey,
        application: &Application,
        look: &Look,
    ) -> Result<Inspection, Vec<Condition>> {
        let sources = if look.sources.is_empty() { application.spec.sources() } else { &look.sources };
        let mut revisions = look.revisions.clone();
        revisions.resize(sources.len(), None);
        let moment = self.clock.now();
        let refresh = if look.is_hard { Refresh::Hard(self.clock.elapsed()) } else { Refresh::Polled };
        let pass = Pass { key, instance: self.instance(key), now: Time::of(moment), refresh, seen: None };
        let given = Given { sources, revisions: &revisions, manifests: &[] };
        // The first look at a kind lists it: that takes a moment, and nobody wakes who asks.
        for _ in 0..LOOKS_MAX {
            match self.view(&pass, application, &given, &mut Memory::default()).await {
                Ok(view) => {
                    let windows = view.grounds.windows(application, pass.now);
                    let decision = decide(&Snapshot {
                        application,
                        now: pass.now,
                        revisions: &view.observed.revisions,
                        compared: Some(&view.compared),
                        errors: &[],
                        windows: &windows,
                        inputs_unchanged: None,
                    });
                    let live = present(&view.grounds.cluster.live, &view.targets, &pass.instance).into_records();
                    return Ok(Inspection {
                        cluster: view.grounds.cluster.clone(),
                        discovery: view.discovery,
                        targets: view.targets,
                        source_types: source_types(&view.observed),
                        revisions: view.observed.revisions,
                        compared: view.compared,
                        live,
                        windows,
                        decision,
                        grounds: view.grounds,
                    });
                }
                Err(NoView::Errors(conditions)) => return Err(conditions),
                Err(NoView::NotYet | NoView::Patience) => self.clock.sleep(LOOK_WAIT).await,
            }
        }
        Err(vec![not_known()])
    }

    /// Plans an operation without beginning it: what each object would be done to, in order.
    /// Errors: what is wrong, as a pass would report it.
    pub async fn plan(
        &self,
        key: &AppKey,
        application: &Application,
        operation: &Operation,
    ) -> Result<Planned, Vec<Condition>> {
        let mut asked = application.clone();
        let mut operation = operation.clone();
        if let Some(sync) = operation.sync.as_mut() {
            sync.dry_run = true;
        }
        asked.operation = Some(operation);
        // An operation that ran before has nothing to say about this one.
        asked.status.operation_state = None;
        let wanted = decide::wanted(&asked);
        let moment = self.clock.now();
        let pass =
            Pass { key, instance: self.instance(key), now: Time::of(moment), refresh: Refresh::Polled, seen: None };
        let mut looks = 0;
        let view = loop {
            let memory = &mut Memory::default();
            let given = Given { sources: wanted.sources, revisions: &wanted.revisions, manifests: wanted.manifests };
            match self.view(&pass, &asked, &given, memory).await {
                Ok(view) => break view,
                Err(NoView::Errors(conditions)) => return Err(conditions),
                Err(NoView::NotYet | NoView::Patience) if looks < LOOKS_MAX => {
                    looks += 1;
                    self.clock.sleep(LOOK_WAIT).await;
                }
                Err(NoView::NotYet | NoView::Patience) => return Err(vec![not_known()]),
            }
        };
        let windows = view.grounds.windows(&asked, pass.now);
        let decision = decide(&Snapshot {
            application: &asked,
            now: pass.now,
            revisions: &view.observed.revisions,
            compared: Some(&view.compared),
            errors: &[],
            windows: &windows,
            inputs_unchanged: None,
        });
        let revisions = view.observed.revisions.clone();
        let words = explain::decision(&decision);
        let (Decision::Sync(begin) | Decision::Heal(begin) | Decision::RollBack(begin)) = &decision else {
            return Ok(Planned { decision: words, begins: false, revisions, groups: Vec::new() });
        };
        let state = start::begin(begin, &asked, &revisions, pass.now);
        let (present, compared) = self.compare_again(&pass, &asked, &view, &mut Answers::default());
        let is_served = |gvk: &GroupVersionKind| view.discovery.find(gvk).is_some();
        let plan = plan::advance(&PlanRequest {
            application: &asked,
            instance: &pass.instance,
            targets: &view.targets,
            compared: &compared,
            live: &present.live,
            namespace: &namespace_state(&view, &asked.spec.destination.namespace),
            is_served: &is_served,
            state: &state,
            now: pass.now,
        });
        Ok(Planned { decision: words, begins: true, revisions, groups: plan.groups })
    }

    /// Renders an application from files that somebody sent, in the place of its first source's repository.
    pub async fn inspect_files(
        &self,
        key: &AppKey,
        application: &Application,
        tree: Arc<dyn Tree>,
    ) -> Result<Vec<Value>, Vec<Condition>> {
        let Some(source) = application.spec.sources().first() else {
            return Err(vec![error("the application has no source".to_owned())]);
        };
        let grounds = self.grounds(application)?;
        let discovery = grounds.cluster.live.discovery().await.map_err(|reason| vec![error(reason.to_string())])?;
        let checkout = Checkout { repo_url: source.repo_url.clone(), revision: String::new(), tree, digest: None };
        let rendered = self.render_checkout(application, source, checkout, &discovery).await?;
        let pass = Pass {
            key,
            instance: self.instance(key),
            now: Time::of(self.clock.now()),
            refresh: Refresh::Polled,
            seen: None,
        };
        let observed = Observed { revisions: vec![rendered.revision.clone()], rendered: vec![rendered] };
        let targets = self.targets(&pass, application, &grounds, &observed, &discovery, &mut Memory::default());
        if !targets.is_usable() {
            return Err(targets.conditions.clone());
        }
        let hooks = targets.hooks.iter().map(|hook| hook.object.clone());
        Ok(targets.objects.iter().map(|target| target.object.clone()).chain(hooks).collect())
    }

    /// The name that an application's objects are tracked by.
    pub fn instance_of(&self, key: &AppKey) -> String {
        self.instance(key)
    }
}

/// How often an unready live state is looked at, and how long in between.
const LOOKS_MAX: u32 = 40;
const LOOK_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

fn not_known() -> Condition {
    error(
        "the live state of some kind is still being read, or a source cannot be reached; try again in a moment"
            .to_owned(),
    )
}

fn source_types(observed: &Observed) -> Vec<String> {
    observed.rendered.iter().map(|rendered| rendered.source_type.as_str().to_owned()).collect()
}

fn error(message: String) -> Condition {
    Condition { condition_type: ConditionType::ComparisonError, message, last_transition_time: None }
}

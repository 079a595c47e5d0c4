//! Decides, plans and concludes synchronisations. All of it is data in, data out, and total: there is no input for which
//! these functions fail, only answers that explain what is wrong.
//!
//! ```text
//!  rendered objects ── targets::prepare ──> Targets        lists expanded, namespaces, tracking, hooks told apart
//!  live objects ────── Live::read ────────> LiveByKey      a few marks per object, health included
//!        (the caller compares each pair with landfall-diff ──> keys that are modified)
//!  Targets + LiveByKey + modified ── compare::compare ──> Compared     sync status, resources, health, conditions
//!  Application + Compared + windows + now ── decide::decide ──> Decision
//!        Sync | Heal | RollBack (start) ── start::begin ──> OperationState     a new operation
//!        Retry ── start::retry ──> OperationState                              the next try of the same one
//!        Continue                                                              an operation runs: plan on
//!        Finish | GiveUp                                                       it ends; conclude tells it
//!        Nothing | Wait | Hold | Delete                                        with the reason in words
//!  OperationState + Targets + LiveByKey ── plan::advance ──> Plan      the next groups of steps, what it waits for
//!        (the caller carries the groups out: Step -> Outcome)
//!  Plan + outcomes ── plan::record ──> OperationState       back to plan::advance, until there is nothing to do now
//!  everything ── conclude::conclude ──> Verdict             status to write if it changed, Events, when to look again
//! ```
//!
//! One pass of the caller's loop:
//!
//! ```text
//! let targets  = targets::prepare(..);            // of the revision that decide::wanted(&application) names
//! let compared = compare::compare(..);
//! let decision = decide::decide(&Snapshot { .. });
//! let mut state = match &decision {
//!     Sync(start) | Heal(start) | RollBack(start) => Some(start::begin(start, ..)),
//!     Retry => Some(start::retry(..)), Continue => application.status.operation_state.clone(), _ => None };
//! while let Some(current) = state.take() {
//!     let plan = plan::advance(&PlanRequest { state: &current, .. });
//!     if plan.groups.is_empty() { state = Some(plan.state); break }
//!     if plan.record_first { write plan.state to status.operationState }   // so that a crash cannot run a hook twice
//!     let outcomes = carry out plan.groups;      // answers go into `live` at once, deletions by plan::reflect
//!     state = Some(plan::record(&plan, &outcomes, now));
//! }
//! let verdict = conclude::conclude(&ConcludeRequest { .. });               // compare again first if anything was applied
//! ```
//!
//! All progress is in `status.operationState.syncResult`. Whatever instant the process dies at, the next pass plans again
//! from what is there: a step is idempotent, a hook of this very attempt is recognised by its mark ([`live::ATTEMPT`]),
//! and nothing is pruned that the source holds, because prune tasks come from [`compare`] only.
//!
//! Source of the behaviour: Argo CD 3.5.1 `controller/`, `gitops-engine/pkg/sync/`. Where it hurts its users it is mended:
//! a newer commit takes over from a sync that is failing or waiting, drift is told from a new commit by what the sources
//! read and not by the commit's name, a dry run counts as no attempt, and waiting never holds a worker.

pub mod compare;
pub mod conclude;
pub mod decide;
pub mod deletion;
pub mod explain;
pub mod hooks;
pub mod live;
mod order;
pub mod plan;
pub mod retry;
pub mod rollback;
pub mod shorten;
pub mod start;
pub mod summary;
pub mod targets;
mod tasks;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

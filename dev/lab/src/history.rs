//! Random histories: what people, Git, faults and time do to two busy applications while a third one stands by.
//!
//! A history is a list of actions made from a seed. After it the faults end, what is broken in Git is mended, and the
//! world has to come to rest; what must hold then is in [`end`], what must hold at every write in `judge.rs`.

use std::sync::Arc;
use std::time::Duration;

use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_ports::cluster::ClusterError;
use serde_json::{Value, json};

use crate::gate::When;
use crate::git::{Files, History};
use crate::manifests::{BREAKAGES, Breakage, FIRST_HOOK, Folder, KEPT_SLOT, SLOTS, identity};
use crate::process::POLL_INTERVAL;
use crate::random::Random;
use crate::time::Timeline;
use crate::weather::{TROUBLES, Trouble, Weather};
use crate::world::{World, application, application_key, simulate};

/// The applications that things happen to; the first shares its repository with [`BYSTANDER`].
pub const BUSY: [&str; 2] = ["alpha", "gamma"];
/// The application that nothing happens to.
pub const BYSTANDER: &str = "beta";
/// How long a quiet world may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(1_800);
/// How many calls a history may make at most: more is a loop without end.
const CALLS_MAX: u64 = 60_000;

/// What a person does to an object by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Changes what Git holds.
    Owned,
    /// Adds what Git says nothing about.
    Foreign,
    /// Takes the tracking annotation off.
    Untrack,
    /// Deletes it.
    Delete,
}

/// One thing that happens. `busy` is an index into [`BUSY`], `slot` one into [`Folder::slots`].
#[expect(missing_docs, reason = "the fields are what the comment on their variant speaks of")]
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Time passes.
    Wait(Duration),
    /// A commit changes or adds an object.
    Change { busy: usize, slot: usize, value: u64 },
    /// A commit removes an object.
    Remove { busy: usize, slot: usize },
    /// A commit breaks the folder.
    Break { busy: usize, how: Breakage },
    /// A commit mends it.
    Mend { busy: usize },
    /// A commit changes the images to some that cannot be pulled, or back.
    Image { busy: usize, is_bad: bool },
    /// A commit goes back to what was there some commits ago.
    Revert { busy: usize, back: usize },
    /// The same by a force-push, the history rewritten.
    ForcePush { busy: usize, back: usize },
    /// The controller is told of a push.
    Webhook { busy: usize },
    /// A person changes an object.
    ByHand { busy: usize, slot: usize, edit: Edit },
    /// A person makes an object that no application knows.
    Foreign { busy: usize, number: u64 },
    /// A person asks for a comparison.
    Refresh { busy: usize, is_hard: bool },
    /// A person asks for a sync.
    Sync { busy: usize },
    /// A person ends the operation that runs.
    Terminate { busy: usize },
    /// An Application is deleted with what it has.
    Delete { busy: usize },
    /// It is made again.
    Create { busy: usize },
    /// Something is wrong for a while.
    Trouble(Trouble, Duration),
    /// The process dies at a call to come.
    Crash { calls: u64, when: When },
    /// The controller's clock is wrong by so many seconds from now on.
    Clock { wrong_by_s: i64 },
    /// The control plane forgets its history.
    Compact,
}

/// Makes the history of a seed.
pub fn actions(seed: u64, steps: usize) -> Vec<Action> {
    let mut random = Random::of(seed);
    let mut actions = Vec::new();
    for _ in 0..steps {
        actions.push(action(&mut random));
        let seconds = match random.below(10) {
            0..3 => continue,
            3..7 => random.below(5_000),
            _ => random.below(60_000),
        };
        actions.push(Action::Wait(Duration::from_millis(seconds)));
    }
    actions
}

fn action(random: &mut Random) -> Action {
    let busy = random.below(BUSY.len() as u64) as usize;
    let slot = random.below(SLOTS as u64) as usize;
    let edits = [Edit::Owned, Edit::Owned, Edit::Foreign, Edit::Untrack, Edit::Delete, Edit::Delete];
    match random.below(100) {
        0..22 => Action::Change { busy, slot, value: random.below(1_000) },
        22..30 => Action::Remove { busy, slot },
        30..34 => Action::Break { busy, how: *random.pick(&BREAKAGES) },
        34..38 => Action::Mend { busy },
        38..40 => Action::Image { busy, is_bad: random.chance(60) },
        40..44 => Action::Revert { busy, back: 1 + random.below(4) as usize },
        44..47 => Action::ForcePush { busy, back: random.below(4) as usize },
        47..52 => Action::Webhook { busy },
        52..64 => Action::ByHand { busy, slot, edit: *random.pick(&edits) },
        64..66 => Action::Foreign { busy, number: random.below(3) },
        66..70 => Action::Refresh { busy, is_hard: random.chance(30) },
        70..74 => Action::Sync { busy },
        74..76 => Action::Terminate { busy },
        76..77 => Action::Delete { busy },
        77..79 => Action::Create { busy },
        79..89 => Action::Trouble(*random.pick(&TROUBLES), Duration::from_millis(500 + random.below(40_000))),
        89..97 => {
            let when = if random.chance(50) { When::Before } else { When::After };
            Action::Crash { calls: random.below(60), when }
        }
        97..99 => Action::Clock { wrong_by_s: [0, 3_600, -3_600, 45, -45, 7_200][random.below(6) as usize] },
        _ => Action::Compact,
    }
}

/// Plays a history. Errors: what went wrong, with the action after which it was seen.
pub fn play(seed: u64, actions: &[Action]) -> anyhow::Result<Told> {
    simulate(async |timeline| Story::begin(timeline, seed).await?.tell(actions).await)
}

/// What a history amounted to, for people and to see that it is the same when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// Writes that took effect.
    pub writes: usize,
    /// How often the controller was started.
    pub lives: usize,
}

struct Story {
    world: World,
    weather: Arc<Weather>,
    folders: [Folder; BUSY.len()],
    past: [Vec<Folder>; BUSY.len()],
    lives: usize,
    calls_of_the_dead: u64,
}

fn url(busy: usize) -> String {
    format!("https://git.example.test/{}.git", BUSY[busy])
}

impl Story {
    async fn begin(timeline: Arc<Timeline>, seed: u64) -> anyhow::Result<Self> {
        let weather = Weather::of(timeline.clone(), seed ^ 0x5EED);
        let world = World::start(timeline, seed).await?;
        let full = Folder {
            slots: [Some(0), Some(0), None, Some(0), Some(0), None, Some(1), None, Some(0), Some(0)],
            ..Folder::default()
        };
        let folders = [full.clone(), Folder { has_waves: true, ..full }];
        let mut story = Self { world, weather, folders, past: Default::default(), lives: 0, calls_of_the_dead: 0 };
        for busy in 0..BUSY.len() {
            story.commit(busy, History::Continued);
            story.create(busy).await?;
        }
        story.world.apply(&application(BYSTANDER, &url(0), BYSTANDER)).await?;
        story.revive();
        Ok(story)
    }

    fn revive(&mut self) {
        if !self.world.process.is_alive() {
            self.lives += 1;
            self.calls_of_the_dead += self.world.process.gate.calls();
            self.world.revive(self.weather.clone());
        }
    }

    async fn tell(mut self, actions: &[Action]) -> anyhow::Result<Told> {
        let everybody: Vec<String> = BUSY.iter().chain([&BYSTANDER]).map(|name| (*name).to_owned()).collect();
        self.world.settle(&everybody, REST_MAX).await?;
        self.check("the first sync")?;
        let begun = self.world.around.judge.writes();
        for (number, action) in actions.iter().enumerate() {
            tracing::debug!(at = ?self.world.around.timeline.elapsed(), number, ?action, "action");
            self.act(action).await.map_err(|error| anyhow::anyhow!("action {number} {action:?}: {error}"))?;
            self.check(&format!("action {number} {action:?}"))?;
        }
        self.end(&everybody).await?;
        self.check("the end")?;
        self.check_bystander(begun)?;
        Ok(Told {
            elapsed: self.world.around.timeline.elapsed(),
            writes: self.world.around.judge.writes(),
            lives: self.lives,
        })
    }

    /// Ends all troubles and sees whether the world comes to rest as Git has it, and stays so.
    async fn end(&mut self, everybody: &[String]) -> anyhow::Result<()> {
        self.weather.clear();
        self.revive();
        for busy in 0..BUSY.len() {
            self.folders[busy].breakage = None;
            self.folders[busy].has_bad_image = false;
            let value = self.folders[busy].slots[KEPT_SLOT].unwrap_or(0);
            self.folders[busy].slots[KEPT_SLOT] = Some(value + 1_000);
            self.commit(busy, History::Continued);
            self.recreate(busy).await?;
        }
        self.world.settle(everybody, REST_MAX).await?;
        self.check("coming to rest")?;
        let disturbed = self.world.disturbed_foreign_objects().await?;
        anyhow::ensure!(disturbed.is_empty(), "{}", disturbed.join("\n"));
        let forgotten = self.world.forgotten_operations();
        anyhow::ensure!(forgotten.is_empty(), "operations that were asked for were never carried out: {forgotten:?}");
        self.world.check_that_nothing_is_left_to_do(everybody).await
    }

    fn check(&self, after: &str) -> anyhow::Result<()> {
        let violations = self.world.around.judge.violations();
        anyhow::ensure!(violations.is_empty(), "after {after}: {}", violations.join("\n"));
        let calls = self.calls_of_the_dead + self.world.process.gate.calls();
        anyhow::ensure!(
            calls < CALLS_MAX,
            "after {after}: {calls} calls were made, which looks like a loop without end"
        );
        Ok(())
    }

    fn check_bystander(&self, first: usize) -> anyhow::Result<()> {
        let prefix = format!("{BYSTANDER}/");
        let own: Vec<String> = self
            .world
            .around
            .judge
            .told(first)
            .into_iter()
            .filter(|line| line.split_whitespace().nth(4).is_some_and(|name| name.starts_with(&prefix)))
            .collect();
        anyhow::ensure!(own.is_empty(), "the application that nothing happened to was written to: {}", own.join("\n"));
        Ok(())
    }

    fn commit(&mut self, busy: usize, history: History) {
        let mut files = Files::new();
        self.folders[busy].write(BUSY[busy], &mut files);
        if busy == 0 {
            // The bystander stands in the same repository.
            let mut still = Folder::default();
            still.slots[0] = Some(7);
            still.slots[4] = Some(7);
            still.write(BYSTANDER, &mut files);
        }
        self.past[busy].push(self.folders[busy].clone());
        let around = &self.world.around;
        around.git.commit(&url(busy), &files, history, around.timeline.now());
    }

    async fn create(&self, busy: usize) -> Result<(), ClusterError> {
        let mut wanted = application(BUSY[busy], &url(busy), BUSY[busy]);
        if busy == 1 {
            wanted["spec"]["syncPolicy"]["retry"]["limit"] = json!(3);
        }
        self.world.apply(&wanted).await.map(|_| ())
    }

    /// Makes an Application again if it is not there; one that is on its way out is waited for.
    async fn recreate(&mut self, busy: usize) -> anyhow::Result<()> {
        for _ in 0..600 {
            let found = self.world.application(BUSY[busy]).await;
            if found.is_null() {
                let left = self.world.objects_of(BUSY[busy]).await?;
                anyhow::ensure!(left.is_empty(), "{} is gone, and left {:?}", BUSY[busy], left.keys());
                self.create(busy).await?;
                return Ok(());
            }
            if landfall_model::object::deletion_time(&found).is_none() {
                return Ok(());
            }
            self.world.run_for(Duration::from_secs(2)).await;
        }
        anyhow::bail!("{} was deleted and is still there: {}", BUSY[busy], self.world.application(BUSY[busy]).await)
    }

    async fn act(&mut self, action: &Action) -> anyhow::Result<()> {
        match *action {
            Action::Wait(duration) => {
                self.world.run_for(duration).await;
                self.revive();
            }
            Action::Change { busy, slot, value } => {
                self.folders[busy].slots[slot] = Some(value);
                self.commit(busy, History::Continued);
            }
            Action::Remove { busy, slot } if slot != KEPT_SLOT => {
                self.folders[busy].slots[slot] = None;
                self.commit(busy, History::Continued);
            }
            Action::Remove { .. } => {}
            Action::Break { busy, how } => {
                self.folders[busy].breakage = Some(how);
                self.commit(busy, History::Continued);
            }
            Action::Mend { busy } => {
                self.folders[busy].breakage = None;
                self.commit(busy, History::Continued);
            }
            Action::Image { busy, is_bad } => {
                self.folders[busy].has_bad_image = is_bad;
                self.commit(busy, History::Continued);
            }
            Action::Revert { busy, back } => self.go_back(busy, back, History::Continued),
            Action::ForcePush { busy, back } => self.go_back(busy, back, History::Rewritten),
            Action::Webhook { busy } => {
                if self.world.process.is_alive() {
                    self.world.process.controller.repository_changed(&url(busy));
                }
            }
            Action::ByHand { busy, slot, edit } => self.by_hand(busy, slot, edit).await?,
            Action::Foreign { busy, number } => self.foreign(busy, number).await?,
            Action::Refresh { busy, is_hard } => {
                self.world.refresh(BUSY[busy], if is_hard { "hard" } else { "normal" }).await?;
            }
            Action::Sync { busy } => {
                self.world.sync_by_hand(BUSY[busy]).await?;
            }
            Action::Terminate { busy } => self.world.terminate(BUSY[busy]).await?,
            Action::Delete { busy } => {
                self.world.delete("argoproj.io/v1alpha1", &application_key(BUSY[busy])).await?;
            }
            Action::Create { busy } => {
                if self.world.application(BUSY[busy]).await.is_null() {
                    self.recreate(busy).await?;
                }
            }
            Action::Trouble(trouble, lasts) => self.weather.trouble(trouble, lasts),
            Action::Crash { calls, when } => self.weather.kill_after(calls, when),
            Action::Clock { wrong_by_s } => self.world.set_clock_wrong_by(wrong_by_s),
            Action::Compact => self.world.compact(),
        }
        Ok(())
    }

    fn go_back(&mut self, busy: usize, back: usize, history: History) {
        let at = self.past[busy].len().saturating_sub(1 + back);
        self.folders[busy] = self.past[busy][at].clone();
        self.commit(busy, history);
    }

    async fn by_hand(&mut self, busy: usize, slot: usize, edit: Edit) -> Result<(), ClusterError> {
        if slot >= FIRST_HOOK {
            return Ok(());
        }
        let (api_version, kind, name) = identity(slot);
        let group = GroupVersionKind::of(api_version, kind).group;
        let key = ObjectKey::of(group, kind, BUSY[busy], name);
        let owned = match slot {
            0..=2 => json!({"data": {"value": "by hand"}}),
            3 => json!({"data": {"value": "eA=="}}),
            4 => json!({"spec": {"selector": {"app": "by-hand"}}}),
            5 => json!({"automountServiceAccountToken": null}),
            _ => json!({"spec": {"replicas": 3}}),
        };
        let annotation = landfall_model::annotations::TRACKING_ID;
        match edit {
            Edit::Owned => self.world.edit(api_version, &key, owned).await,
            Edit::Foreign => self.world.edit(api_version, &key, json!({"metadata": {"labels": {"by": "hand"}}})).await,
            Edit::Untrack => {
                let patch = json!({"metadata": {"annotations": {annotation: null}}});
                self.world.edit(api_version, &key, patch).await
            }
            Edit::Delete => self.world.delete(api_version, &key).await,
        }
    }

    /// Makes objects that look as if they were the application's, and are not.
    async fn foreign(&mut self, busy: usize, number: u64) -> Result<(), ClusterError> {
        let name = format!("foreign-{number}");
        let mut metadata = json!({"name": name, "namespace": BUSY[busy]});
        match number {
            0 => metadata["labels"] = json!({"app.kubernetes.io/instance": BUSY[busy]}),
            // Copied from another object with its annotations: it does not describe itself.
            1 => {
                let copied = format!("{}:/ConfigMap:{}/thing-0", BUSY[busy], BUSY[busy]);
                metadata["annotations"] = json!({landfall_model::annotations::TRACKING_ID: copied});
            }
            _ => {}
        }
        let value: Value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}});
        self.world.apply_foreign(&value).await
    }
}

/// Leaves out of a history that fails what it fails without, in at most `tries` plays.
pub fn shrink(seed: u64, actions: &[Action], tries: usize) -> Vec<Action> {
    let mut left = actions.to_vec();
    let mut plays = 0;
    let mut size = left.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < left.len() && plays < tries {
            let mut fewer = left.clone();
            fewer.drain(at..(at + size).min(fewer.len()));
            plays += 1;
            if play(seed, &fewer).is_err() {
                left = fewer;
            } else {
                at += size;
            }
        }
        if size == 1 || plays >= tries {
            break;
        }
        size = size.div_ceil(2).min(size - 1);
    }
    left
}

/// The poll interval that histories count on.
pub const POLL: Duration = POLL_INTERVAL;

//! What `landfall top` shows: rows, their order, the filter, the one that is chosen. No terminal.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use landfall_model::object;
use serde_json::Value;

/// One Application as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) project: String,
    pub(super) sync: String,
    pub(super) health: String,
    /// `""` if there was none.
    pub(super) operation: String,
    pub(super) operation_message: String,
    pub(super) revision: String,
    pub(super) destination: String,
    pub(super) sources: Vec<String>,
    /// Since when it is as it is: the end of the last operation, else its making.
    pub(super) since: Option<Timestamp>,
    pub(super) conditions: Vec<String>,
    /// Its objects: kind and name, sync, health, message.
    pub(super) objects: Vec<[String; 4]>,
    pub(super) policy: String,
}

impl Row {
    /// Reads an Application; what it does not have is empty.
    pub(super) fn of(value: &Value) -> Self {
        let text = |path: &[&str]| object::text(value, path).to_owned();
        let spec = &value["spec"];
        let sources: Vec<&Value> = match spec["sources"].as_array() {
            Some(several) if !several.is_empty() => several.iter().collect(),
            _ => vec![&spec["source"]],
        };
        let source = |source: &&Value| {
            let part = |name: &str| source[name].as_str().unwrap_or_default();
            let inside = if part("chart").is_empty() { part("path") } else { part("chart") };
            let target = if part("targetRevision").is_empty() { "HEAD" } else { part("targetRevision") };
            format!("{} {inside} @ {target}", part("repoURL"))
        };
        let running = &value["status"]["operationState"];
        let is_asked = value["operation"].is_object();
        let phase = running["phase"].as_str().unwrap_or_default();
        let operation = if is_asked && !matches!(phase, "Running" | "Terminating") { "Pending" } else { phase };
        let moment = |path: &[&str]| object::text(value, path).parse::<Timestamp>().ok();
        let server = object::text(value, &["spec", "destination", "server"]);
        let cluster = if server.is_empty() { object::text(value, &["spec", "destination", "name"]) } else { server };
        let objects = value["status"]["resources"].as_array().into_iter().flatten().map(|item| {
            let part = |name: &str| item[name].as_str().unwrap_or_default();
            let place = if part("namespace").is_empty() { String::new() } else { format!("{}/", part("namespace")) };
            [
                format!("{} {place}{}", part("kind"), part("name")),
                part("status").to_owned(),
                item["health"]["status"].as_str().unwrap_or_default().to_owned(),
                item["health"]["message"].as_str().unwrap_or_default().to_owned(),
            ]
        });
        let conditions = value["status"]["conditions"].as_array().into_iter().flatten().map(|condition| {
            let part = |name: &str| condition[name].as_str().unwrap_or_default();
            format!("{}: {}", part("type"), part("message"))
        });
        let or_unknown = |text: String| if text.is_empty() { "Unknown".to_owned() } else { text };
        let automated = &spec["syncPolicy"]["automated"];
        Self {
            name: object::name(value).to_owned(),
            namespace: object::namespace(value).to_owned(),
            project: text(&["spec", "project"]),
            sync: or_unknown(text(&["status", "sync", "status"])),
            health: or_unknown(text(&["status", "health", "status"])),
            operation: operation.to_owned(),
            operation_message: running["message"].as_str().unwrap_or_default().to_owned(),
            revision: text(&["status", "sync", "revision"]),
            destination: format!("{cluster} {}", object::text(value, &["spec", "destination", "namespace"])),
            sources: sources.iter().map(source).collect(),
            since: moment(&["status", "operationState", "finishedAt"])
                .or_else(|| moment(&["metadata", "creationTimestamp"])),
            conditions: conditions.collect(),
            objects: objects.collect(),
            policy: match (automated.is_object() && automated["enabled"] != false, automated["prune"] == true) {
                (false, _) => "manual",
                (true, false) => "automatic",
                (true, true) => "automatic, prunes",
            }
            .to_owned(),
        }
    }

    /// How much it wants to be looked at: the worst first.
    fn trouble(&self) -> u8 {
        let health = match self.health.as_str() {
            "Degraded" => 0,
            "Missing" => 1,
            "Unknown" => 2,
            "Progressing" => 3,
            "Suspended" => 4,
            _ => 6,
        };
        let operation = match self.operation.as_str() {
            "Failed" | "Error" => 0,
            "Running" | "Pending" | "Terminating" => 3,
            _ => 6,
        };
        let sync = match self.sync.as_str() {
            "OutOfSync" => 2,
            "Unknown" => 1,
            _ => 6,
        };
        health.min(operation).min(sync)
    }

    fn fits(&self, filter: &str) -> bool {
        let all =
            [&self.name, &self.namespace, &self.project, &self.sync, &self.health, &self.operation, &self.destination];
        let text = all.map(|part| part.to_lowercase()).join(" ");
        filter.split_whitespace().all(|word| match word.strip_prefix('!') {
            Some(word) if !word.is_empty() => !text.contains(&word.to_lowercase()),
            _ => text.contains(&word.to_lowercase()),
        })
    }
}

/// By what rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Trouble,
    Name,
    Project,
    Sync,
    Health,
    Age,
}

impl Order {
    pub(super) const ALL: [Self; 6] = [Self::Trouble, Self::Name, Self::Project, Self::Sync, Self::Health, Self::Age];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Name => "name",
            Self::Project => "project",
            Self::Sync => "sync",
            Self::Health => "health",
            Self::Age => "age",
        }
    }
}

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Letter(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    Interrupt,
}

impl Key {
    /// Reads what a terminal says.
    pub(super) fn of(event: &KeyEvent) -> Option<Self> {
        Some(match event.code {
            KeyCode::Char('c') if event.modifiers.contains(KeyModifiers::CONTROL) => Self::Interrupt,
            KeyCode::Char(letter) => Self::Letter(letter),
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Escape,
            KeyCode::Backspace => Self::Backspace,
            _ => return None,
        })
    }
}

/// What a key asks of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Quit,
    Refresh { namespace: String, name: String },
}

/// How far a page leads.
const PAGE: usize = 15;

/// What is shown.
pub(super) struct Dashboard {
    rows: BTreeMap<(String, String), Row>,
    project: String,
    /// Where the rows come from.
    pub(super) place: String,
    pub(super) order: Order,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    /// Whether letters go into the filter.
    pub(super) is_filtering: bool,
    pub(super) shows_detail: bool,
    pub(super) shows_help: bool,
    /// The last thing to tell.
    pub(super) message: String,
    /// Why what is shown may be old.
    pub(super) problem: Option<String>,
    chosen: Option<(String, String)>,
}

impl Dashboard {
    /// Shows nothing yet.
    pub(super) fn of(place: &str, project: &str) -> Self {
        Self {
            rows: BTreeMap::new(),
            project: project.to_owned(),
            place: place.to_owned(),
            order: Order::Trouble,
            is_reversed: false,
            filter: String::new(),
            is_filtering: false,
            shows_detail: true,
            shows_help: false,
            message: String::new(),
            problem: None,
            chosen: None,
        }
    }

    /// Takes a whole list in.
    pub(super) fn replace(&mut self, objects: Vec<Value>) {
        self.rows.clear();
        objects.iter().for_each(|value| self.put(value));
    }

    /// Takes one Application in.
    pub(super) fn put(&mut self, value: &Value) {
        let row = Row::of(value);
        if self.project.is_empty() || row.project == self.project {
            self.rows.insert((row.namespace.clone(), row.name.clone()), row);
        }
    }

    /// Takes one Application out.
    pub(super) fn remove(&mut self, value: &Value) {
        self.rows.remove(&(object::namespace(value).to_owned(), object::name(value).to_owned()));
    }

    /// All rows.
    pub(super) fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows that pass the filter, in their order.
    pub(super) fn visible(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().filter(|row| row.fits(&self.filter)).collect();
        match self.order {
            Order::Trouble => rows.sort_by_key(|row| row.trouble()),
            Order::Name => rows.sort_by(|one, two| one.name.cmp(&two.name)),
            Order::Project => rows.sort_by(|one, two| one.project.cmp(&two.project)),
            Order::Sync => rows.sort_by(|one, two| one.sync.cmp(&two.sync)),
            Order::Health => rows.sort_by(|one, two| one.health.cmp(&two.health)),
            // The newest first.
            Order::Age => rows.sort_by_key(|row| std::cmp::Reverse(row.since)),
        }
        if self.is_reversed {
            rows.reverse();
        }
        rows
    }

    /// The place of the chosen row among the visible ones: it stays chosen wherever it moves.
    pub(super) fn chosen_at(&self, visible: &[&Row]) -> Option<usize> {
        let chosen = self.chosen.as_ref();
        let at = visible
            .iter()
            .position(|row| chosen.is_some_and(|(namespace, name)| row.namespace == *namespace && row.name == *name));
        at.or(if visible.is_empty() { None } else { Some(0) })
    }

    fn choose(&mut self, way: impl FnOnce(usize, usize) -> usize) {
        let visible = self.visible();
        let Some(at) = self.chosen_at(&visible) else { return };
        let last = visible.len() - 1;
        let row = visible[way(at, last).min(last)];
        self.chosen = Some((row.namespace.clone(), row.name.clone()));
    }

    /// Does what a key means.
    pub(super) fn press(&mut self, key: Key) -> Asked {
        self.message.clear();
        if self.is_filtering {
            match key {
                Key::Interrupt => return Asked::Quit,
                Key::Letter(letter) => self.filter.push(letter),
                Key::Backspace => {
                    let _letter = self.filter.pop();
                }
                Key::Enter => self.is_filtering = false,
                Key::Escape => {
                    self.filter.clear();
                    self.is_filtering = false;
                }
                Key::Up => self.choose(|at, _| at.saturating_sub(1)),
                Key::Down => self.choose(|at, _| at + 1),
                Key::PageUp | Key::PageDown | Key::Home | Key::End => {}
            }
            return Asked::Nothing;
        }
        match key {
            Key::Interrupt | Key::Letter('q') => return Asked::Quit,
            Key::Escape if self.shows_help => self.shows_help = false,
            Key::Escape if !self.filter.is_empty() => self.filter.clear(),
            Key::Escape => return Asked::Quit,
            Key::Letter('?' | 'h') => self.shows_help = !self.shows_help,
            Key::Letter('/') => self.is_filtering = true,
            Key::Letter('s') => self.order = next(self.order),
            Key::Letter('o') => self.is_reversed = !self.is_reversed,
            Key::Enter | Key::Letter('d' | ' ') => self.shows_detail = !self.shows_detail,
            Key::Letter('r') => {
                let visible = self.visible();
                if let Some(row) = self.chosen_at(&visible).map(|at| visible[at]) {
                    return Asked::Refresh { namespace: row.namespace.clone(), name: row.name.clone() };
                }
            }
            Key::Up | Key::Letter('k') => self.choose(|at, _| at.saturating_sub(1)),
            Key::Down | Key::Letter('j') => self.choose(|at, _| at + 1),
            Key::PageUp => self.choose(|at, _| at.saturating_sub(PAGE)),
            Key::PageDown => self.choose(|at, _| at + PAGE),
            Key::Home | Key::Letter('g') => self.choose(|_, _| 0),
            Key::End | Key::Letter('G') => self.choose(|_, last| last),
            Key::Letter(_) | Key::Backspace => {}
        }
        Asked::Nothing
    }
}

fn next(order: Order) -> Order {
    let at = Order::ALL.iter().position(|known| *known == order).unwrap_or(0);
    Order::ALL[(at + 1) % Order::ALL.len()]
}

/// How long ago, in the largest unit that fits.
pub(super) fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else { return String::new() };
    let seconds = (now.as_second() - since.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// An Application in few words.
    pub(crate) fn application(name: &str, project: &str, sync: &str, health: &str, phase: &str) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "argocd", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"project": project, "source": {"repoURL": "https://git.example.com/shop", "path": "deploy", "targetRevision": "main"},
                     "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}},
            "status": {"sync": {"status": sync, "revision": "0123456789abcdef0123456789abcdef01234567"}, "health": {"status": health},
                       "operationState": {"phase": phase, "message": "one object could not be applied", "finishedAt": "2026-01-01T01:00:00Z"},
                       "resources": [{"kind": "Deployment", "name": "web", "namespace": "shop", "status": sync, "health": {"status": health, "message": "waiting"}}],
                       "conditions": [{"type": "SyncError", "message": "see there"}]},
        })
    }

    fn dashboard() -> Dashboard {
        let mut dashboard = Dashboard::of("here", "");
        dashboard.replace(vec![
            application("alpha", "team", "Synced", "Healthy", "Succeeded"),
            application("beta", "team", "OutOfSync", "Healthy", "Succeeded"),
            application("gamma", "other", "Synced", "Degraded", "Failed"),
        ]);
        dashboard
    }

    fn names(dashboard: &Dashboard) -> Vec<&str> {
        dashboard.visible().iter().map(|row| row.name.as_str()).collect()
    }

    fn chosen(dashboard: &Dashboard) -> String {
        let visible = dashboard.visible();
        visible[dashboard.chosen_at(&visible).unwrap()].name.clone()
    }

    #[test]
    fn trouble_comes_first_and_keys_change_the_order() {
        let mut dashboard = dashboard();
        assert_eq!(names(&dashboard), ["gamma", "beta", "alpha"]);
        dashboard.press(Key::Letter('s'));
        assert_eq!((dashboard.order, names(&dashboard)), (Order::Name, vec!["alpha", "beta", "gamma"]));
        dashboard.press(Key::Letter('o'));
        assert_eq!(names(&dashboard), ["gamma", "beta", "alpha"]);
    }

    #[test]
    fn the_filter_takes_words_and_their_absence() {
        let mut dashboard = dashboard();
        dashboard.press(Key::Letter('/'));
        "TEAM !outofsync".chars().for_each(|letter| assert_eq!(dashboard.press(Key::Letter(letter)), Asked::Nothing));
        assert_eq!(names(&dashboard), ["alpha"], "letters go into the filter, q and s too");
        dashboard.press(Key::Enter);
        assert_eq!(dashboard.press(Key::Escape), Asked::Nothing, "the first escape clears the filter");
        assert_eq!(names(&dashboard).len(), 3);
        assert_eq!(dashboard.press(Key::Escape), Asked::Quit);
    }

    #[test]
    fn the_chosen_one_stays_chosen_when_others_come_and_go() {
        let mut dashboard = dashboard();
        dashboard.press(Key::Down);
        assert_eq!(chosen(&dashboard), "beta");
        dashboard.put(&application("aaa", "team", "Synced", "Missing", ""));
        assert_eq!(chosen(&dashboard), "beta");
        dashboard.remove(&application("beta", "team", "", "", ""));
        assert_eq!(chosen(&dashboard), "gamma", "the first, since it is gone");
        dashboard.press(Key::End);
        assert_eq!(chosen(&dashboard), "alpha");
        dashboard.press(Key::PageDown);
        assert_eq!(
            dashboard.press(Key::Letter('r')),
            Asked::Refresh { namespace: "argocd".into(), name: "alpha".into() }
        );
        dashboard.replace(Vec::new());
        assert_eq!(dashboard.press(Key::Down), Asked::Nothing);
        assert_eq!(dashboard.press(Key::Letter('r')), Asked::Nothing);
    }

    #[test]
    fn only_the_project_that_was_asked_for_is_shown() {
        let mut dashboard = Dashboard::of("here", "other");
        dashboard.replace(vec![application("a", "team", "", "", ""), application("b", "other", "", "", "")]);
        assert_eq!(names(&dashboard), ["b"]);
    }

    #[test]
    fn ages_are_short() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds: i64| age(Timestamp::from_second(1_000_000 - seconds).ok(), now);
        assert_eq!([ago(5), ago(65), ago(7_300), ago(200_000), ago(-5)], ["5s", "1m", "2h", "2d", "0s"]);
    }
}

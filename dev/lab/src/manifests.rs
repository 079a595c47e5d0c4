//! What the folder of an application holds in a history: slots, each with an object or none.

use crate::git::Files;
use crate::world::BAD_IMAGE;

/// How many slots a folder has.
pub const SLOTS: usize = 10;
/// The slot that is never emptied: a folder without objects is another story (`allowEmpty`).
pub const KEPT_SLOT: usize = 0;
/// The first slot that holds a hook, in folders that have hooks.
pub const FIRST_HOOK: usize = 8;

/// A file that breaks its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// It is no YAML.
    Syntax,
    /// Its kind is not known to anybody.
    UnknownKind,
    /// The server refuses the object.
    Refused,
    /// It has no name.
    Nameless,
}

/// All of them.
pub const BREAKAGES: [Breakage; 4] = [Breakage::Syntax, Breakage::UnknownKind, Breakage::Refused, Breakage::Nameless];

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// The value of each slot's object; `None` if there is none.
    pub slots: [Option<u64>; SLOTS],
    /// What is wrong with it.
    pub breakage: Option<Breakage>,
    /// Whether its Deployments have an image that cannot be pulled.
    pub has_bad_image: bool,
    /// Whether it has waves and hooks.
    pub has_waves: bool,
}

/// The apiVersion, kind and name of a slot's object.
pub fn identity(slot: usize) -> (&'static str, &'static str, String) {
    let (api_version, kind) = match slot {
        0..=2 => ("v1", "ConfigMap"),
        3 => ("v1", "Secret"),
        4 => ("v1", "Service"),
        5 => ("v1", "ServiceAccount"),
        6 | 7 => ("apps/v1", "Deployment"),
        _ => ("batch/v1", "Job"),
    };
    (api_version, kind, format!("thing-{slot}"))
}

impl Folder {
    /// Writes the folder's files.
    pub fn write(&self, path: &str, files: &mut Files) {
        for (slot, value) in self.slots.iter().enumerate() {
            if let Some(value) = value
                && (slot < FIRST_HOOK || self.has_waves)
            {
                files.insert(format!("{path}/thing-{slot}.yaml"), self.manifest(slot, *value));
            }
        }
        let broken = match self.breakage {
            None => return,
            Some(Breakage::Syntax) => "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n bad: [\n",
            Some(Breakage::UnknownKind) => "apiVersion: example.test/v1\nkind: Nothing\nmetadata: {name: nothing}\n",
            Some(Breakage::Refused) => {
                "apiVersion: v1\nkind: Service\nmetadata: {name: refused}\nspec: {ports: [{port: 99999}]}\n"
            }
            Some(Breakage::Nameless) => "apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {a: b}}\n",
        };
        files.insert(format!("{path}/broken.yaml"), broken.to_owned());
    }

    fn manifest(&self, slot: usize, value: u64) -> String {
        let (api_version, kind, name) = identity(slot);
        let annotations = match (self.has_waves, slot) {
            (false, _) => String::new(),
            (true, FIRST_HOOK) => "\n  annotations: {argocd.argoproj.io/hook: PreSync}".to_owned(),
            (true, slot) if slot > FIRST_HOOK => {
                "\n  annotations: {argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}"
                    .to_owned()
            }
            (true, slot) => format!("\n  annotations: {{argocd.argoproj.io/sync-wave: '{}'}}", slot as i64 % 3 - 1),
        };
        let image = if self.has_bad_image { BAD_IMAGE } else { "web" };
        let body = match slot {
            0..=2 => format!("data: {{value: '{value}'}}"),
            3 => format!("data: {{value: '{}'}}", ["YQ==", "Yg==", "Yw=="][value as usize % 3]),
            4 => format!("spec: {{selector: {{app: x}}, ports: [{{port: {}, protocol: TCP}}]}}", 80 + value % 100),
            5 => format!("automountServiceAccountToken: {}", value % 2 == 0),
            6 | 7 => format!(
                "spec:\n  replicas: {}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: main, image: 'registry.example.test/{image}:{value}'}}]}}",
                value % 2
            ),
            _ => format!(
                "spec:\n  template:\n    spec: {{restartPolicy: Never, containers: [{{name: main, image: 'busybox:{value}', command: [sleep, '{}']}}]}}",
                value % 5
            ),
        };
        format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}{annotations}\n{body}\n")
    }
}

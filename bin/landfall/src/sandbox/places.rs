//! Where sandboxes are kept: a folder for each, below the user's state folder.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// The folder of one sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
}

/// What a running sandbox wrote down about itself.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Its process.
    pub(crate) process: u32,
    /// Its API server's address.
    pub(crate) server: String,
    /// Its API server's port.
    pub(crate) port: u16,
    /// The port of what pods answer.
    pub(crate) http_port: u16,
}

/// The folder of all sandboxes: `LANDFALL_STATE`, else below the user's state folder.
fn root() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = variable("LANDFALL_STATE")
        .or_else(|| Some(variable("XDG_STATE_HOME")?.join("landfall")))
        .or_else(|| Some(variable("HOME")?.join(".local/state/landfall")));
    Ok(found.context("there is no folder to keep sandboxes in: set LANDFALL_STATE to one")?.join("sandboxes"))
}

/// The sandboxes that were started here, by name.
pub(crate) fn all() -> anyhow::Result<Vec<Place>> {
    let Ok(entries) = std::fs::read_dir(root()?) else { return Ok(Vec::new()) };
    let mut places: Vec<Place> = entries
        .filter_map(|entry| Place::of(&entry.ok()?.file_name().to_string_lossy()).ok())
        .filter(|place| place.folder.is_dir())
        .collect();
    places.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(places)
}

impl Place {
    /// The place of a name.
    pub(crate) fn of(name: &str) -> anyhow::Result<Self> {
        let is_name = !name.is_empty()
            && name.len() <= 63
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !is_name {
            bail!("{name:?} is no name for a sandbox: use up to 63 letters, digits, `-` and `_`");
        }
        Ok(Self { name: name.to_owned(), folder: root()?.join(name) })
    }

    /// Makes the folder.
    pub(crate) fn make(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))
    }

    /// Its kubeconfig's file.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Its objects' file.
    pub(crate) fn objects(&self) -> PathBuf {
        self.folder.join("objects.sqlite")
    }

    /// Its log, when it runs behind.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn known_file(&self) -> PathBuf {
        self.folder.join("sandbox.json")
    }

    /// What it wrote down when it was last started.
    pub(crate) fn known(&self) -> Option<Known> {
        let text = std::fs::read(self.known_file()).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        let port = |key: &str| u16::try_from(value[key].as_u64().unwrap_or(0)).unwrap_or(0);
        Some(Known {
            process: u32::try_from(value["process"].as_u64()?).ok()?,
            server: value["server"].as_str()?.to_owned(),
            port: port("port"),
            http_port: port("httpPort"),
        })
    }

    /// Writes down how it is reached. The kubeconfig holds a key: only its owner may read it.
    pub(crate) fn write(&self, known: &Known, kubeconfig: &str) -> anyhow::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.kubeconfig();
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(kubeconfig.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        let value =
            json!({"process": known.process, "server": known.server, "port": known.port, "httpPort": known.http_port});
        let path = self.known_file();
        std::fs::write(&path, value.to_string()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The kubeconfig.
    pub(crate) fn kubeconfig_text(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.kubeconfig()).map_err(|_| self.missing())
    }

    /// The complaint that there is no such sandbox, with those that there are.
    pub(crate) fn missing(&self) -> anyhow::Error {
        let others: Vec<String> = all().unwrap_or_default().into_iter().map(|place| place.name).collect();
        let others = if others.is_empty() { String::new() } else { format!("; there are: {}", others.join(", ")) };
        anyhow::anyhow!(
            "there is no sandbox {:?}: start it with `landfall sandbox up {} --detach`{others}",
            self.name,
            self.name
        )
    }

    /// Removes its folder.
    pub(crate) fn delete(&self) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

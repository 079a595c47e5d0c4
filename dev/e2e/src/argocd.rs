//! The stock `argocd` program against the API on a control plane.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::serve::{Serving, Wire};
use crate::world::World;

/// How long any verb may take.
const VERB_LIMIT: Duration = Duration::from_secs(90);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The stock `argocd`.
    Stock,
    /// `landfall`, as it stands beside the tests.
    Own,
}

impl Program {
    fn path(self) -> anyhow::Result<PathBuf> {
        match self {
            Self::Stock => landfall_testkit::argocd::program(),
            Self::Own => {
                let test = std::env::current_exe()?;
                let folder = test.parent().and_then(Path::parent).context("tests stand in a folder")?;
                let program = folder.join("landfall");
                if !program.exists() {
                    bail!("{} is not built: cargo build --workspace --bin landfall", program.display());
                }
                Ok(program)
            }
        }
    }
}

/// A client of the API: the program, and the folder that it keeps its login in.
pub struct Argocd {
    /// Where the API is.
    pub address: String,
    /// The folder that it calls home.
    pub home: PathBuf,
    program: PathBuf,
    further: Vec<String>,
}

/// What a verb did.
#[derive(Debug)]
pub struct Ran {
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub complaints: String,
    /// The exit code.
    pub code: i32,
}

impl Ran {
    /// Everything it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.complaints)
    }
}

impl Argocd {
    /// Readies a client that nobody has signed in with. `further` goes with every verb.
    pub async fn of(world: &World, serving: &Serving, program: Program, further: &[&str]) -> anyhow::Result<Self> {
        let program = tokio::task::spawn_blocking(move || program.path()).await??;
        let home = tempfile::Builder::new().prefix("argocd-").tempdir_in(world.directory.path())?.keep();
        let wire = match serving.wire {
            Wire::Tls => "--insecure",
            Wire::Plain => "--plaintext",
        };
        let further = further.iter().copied().chain([wire]).map(str::to_owned).collect();
        Ok(Self { address: serving.address.to_string(), home, program, further })
    }

    /// Signs in.
    pub async fn login(&self, user: &str, password: &str) -> anyhow::Result<String> {
        self.ok(&["login", &self.address, "--username", user, "--password", password]).await
    }

    /// Runs a verb, whatever its end.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_with(arguments, &[]).await
    }

    /// Runs a verb with variables of its own.
    pub async fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Ran> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(arguments)
            .args(&self.further)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u")
            .envs(variables.iter().copied())
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(VERB_LIMIT, command.output()).await;
        let output = output.with_context(|| format!("argocd {} did not end", arguments.join(" ")))??;
        Ok(Ran {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            complaints: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        })
    }

    /// Runs a verb that must succeed, and returns what it printed.
    pub async fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let ran = self.run(arguments).await?;
        if ran.code != 0 {
            bail!("argocd {} ended with {}: {}", arguments.join(" "), ran.code, ran.said());
        }
        Ok(ran.out)
    }

    /// Runs a verb that must succeed and print JSON.
    pub async fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        let out = self.ok(&arguments).await?;
        serde_json::from_str(&out).with_context(|| format!("argocd {} printed no JSON: {out}", arguments.join(" ")))
    }

    /// Runs a verb that must fail, and returns everything it said.
    pub async fn fails(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let ran = self.run(arguments).await?;
        if ran.code == 0 {
            bail!("argocd {} succeeded: {}", arguments.join(" "), ran.out);
        }
        Ok(ran.said())
    }
}

//! `landfall sandbox`: a Kubernetes API server with simulated workloads, for who wants only that.
//!
//! ```text
//!  up [NAME]      starts one, in front or (--detach) behind; its folder holds kubeconfig, objects, log
//!  list           those that were started here
//!  kubeconfig     prints how to reach one
//!  fault, advance, snapshot, restore, down      speak to a running one over its own API, /sandbox/v1
//! ```
//!
//! Sandboxes are found again by name: each has a folder below the user's state folder.

mod places;
mod remote;
mod serve;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use self::places::Place;
use self::remote::Remote;
use crate::up::say;

/// The name of a sandbox that none is given.
const DEFAULT_NAME: &str = "default";

/// The verbs.
#[derive(Subcommand)]
pub(crate) enum SandboxVerb {
    /// Start a control plane: kubectl and every other client can use it; nothing runs in its pods.
    Up(UpArguments),
    /// List the sandboxes of this user.
    List,
    /// Print the kubeconfig of a sandbox.
    Kubeconfig {
        #[command(flatten)]
        named: Named,
        /// Print the path of the file instead.
        #[arg(long)]
        path: bool,
    },
    /// Let something go wrong, or well again. Without arguments: what goes wrong at present.
    ///
    /// SUBJECT is an image pattern such as '*:v2', or @node/NAME, @namespace/NAME, @webhook/NAME[/RESOURCE[/NAMESPACE]],
    /// @api[/VERB[/RESOURCE]].
    Fault(FaultArguments),
    /// Move the clock on, doing everything that is due on the way: 30s, 5m, 1h, 2d.
    Advance {
        /// How far.
        #[arg(allow_hyphen_values = true)]
        by: String,
        /// Jump there at once instead, as when somebody sets a clock; `-1h` jumps back.
        #[arg(long)]
        jump: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Keep all objects in a file.
    Snapshot {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Put all objects back as a snapshot has them.
    Restore {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Stop a sandbox. Its objects stay in its folder for the next `up`, unless --delete is given.
    Down {
        #[command(flatten)]
        named: Named,
        /// Remove its folder too.
        #[arg(long)]
        delete: bool,
    },
}

/// Which sandbox.
#[derive(Args)]
pub(crate) struct Which {
    /// The sandbox' name.
    #[arg(short, long, default_value = DEFAULT_NAME, env = "LANDFALL_SANDBOX")]
    name: String,
}

/// Which sandbox, named as `up` names it, or by flag.
#[derive(Args)]
pub(crate) struct Named {
    /// The sandbox' name.
    #[arg(value_name = "NAME")]
    given: Option<String>,
    #[command(flatten)]
    which: Which,
}

impl Named {
    fn name(&self) -> &str {
        self.given.as_deref().unwrap_or(&self.which.name)
    }
}

/// Arguments of `landfall sandbox up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// The sandbox' name.
    #[arg(default_value = DEFAULT_NAME, env = "LANDFALL_SANDBOX")]
    pub(crate) name: String,
    /// Come back as soon as it serves, and leave it running.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// The port of the API server; the same as last time, or any free one, if left out.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The port of what pods answer and of Prometheus' query API; as above.
    #[arg(long, default_value_t = 0)]
    pub(crate) http_port: u16,
    /// Keep objects in memory only.
    #[arg(long)]
    pub(crate) memory: bool,
    /// Begin with the objects of a snapshot.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Play a scenario: a file with a line for each step, e.g. `10m fault *:v2 errors=20%`.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// How many nodes are simulated.
    #[arg(long, default_value_t = 2)]
    pub(crate) nodes: usize,
    /// Whose clock it goes by.
    #[arg(long, value_enum, default_value = "real")]
    pub(crate) clock: ClockChoice,
    /// Let containers be ready at once, whatever their probes' delays.
    #[arg(long)]
    pub(crate) quick_probes: bool,
}

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClockChoice {
    /// As on this machine; `advance` moves it ahead.
    Real,
    /// Only by `advance`.
    Stopped,
}

/// Arguments of `landfall sandbox fault`.
#[derive(Args)]
pub(crate) struct FaultArguments {
    /// What it is about.
    subject: Option<String>,
    /// What goes wrong: crash-loop=5s, image-pull, not-ready, errors=5%, latency=100ms..2s, lost, quota, …
    #[arg(requires = "subject", conflicts_with = "heal")]
    faults: Vec<String>,
    /// Let it be well again.
    #[arg(long, requires = "subject")]
    heal: bool,
    /// Play a scenario from a file, from now on.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "heal"])]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// Carries a verb out.
pub(crate) async fn run(verb: SandboxVerb) -> anyhow::Result<()> {
    match verb {
        SandboxVerb::Up(arguments) => serve::up(arguments).await,
        SandboxVerb::List => list().await,
        SandboxVerb::Kubeconfig { named, path } => {
            let place = Place::of(named.name())?;
            let text = place.kubeconfig_text()?;
            if path {
                say(&place.kubeconfig().display().to_string());
            } else {
                say(text.trim_end());
            }
            Ok(())
        }
        SandboxVerb::Fault(arguments) => fault(arguments).await,
        SandboxVerb::Advance { by, jump, which } => {
            let remote = Remote::reach(&which.name).await?;
            let verb = if jump { "jump" } else { "advance" };
            let answer = remote.post(verb, &json!({"by": by})).await?;
            say(&format!("it is {} now", answer["time"].as_str().unwrap_or_default()));
            Ok(())
        }
        SandboxVerb::Snapshot { file, which } => {
            let remote = Remote::reach(&which.name).await?;
            let file = std::path::absolute(&file)?;
            let answer = remote.post("snapshot", &json!({"file": file})).await?;
            say(&format!("{} objects are in {}", answer["objects"], file.display()));
            Ok(())
        }
        SandboxVerb::Restore { file, which } => {
            let remote = Remote::reach(&which.name).await?;
            let file = std::path::absolute(&file)?;
            let answer = remote.post("restore", &json!({"file": file})).await?;
            say(&format!("{} objects are as {} has them", answer["objects"], file.display()));
            Ok(())
        }
        SandboxVerb::Down { named, delete } => down(named.name(), delete).await,
    }
}

async fn fault(arguments: FaultArguments) -> anyhow::Result<()> {
    let remote = Remote::reach(&arguments.which.name).await?;
    let answer = match (&arguments.subject, &arguments.scenario) {
        (_, Some(file)) => {
            let steps = std::fs::read_to_string(file)
                .map_err(|why| anyhow::anyhow!("cannot read the scenario {}: {why}", file.display()))?;
            remote.post("scenario", &json!({"steps": steps})).await?;
            say("the scenario begins now");
            return Ok(());
        }
        (Some(subject), None) if arguments.heal => remote.post("heal", &json!({"subject": subject})).await?,
        (Some(subject), None) => {
            let rule = format!("{subject} {}", arguments.faults.join(","));
            remote.post("fault", &json!({"rule": rule})).await?
        }
        (None, None) => remote.get("faults").await?,
    };
    let rules: Vec<&str> = answer["rules"].as_array().into_iter().flatten().filter_map(|rule| rule.as_str()).collect();
    if rules.is_empty() {
        say("nothing goes wrong on demand");
    }
    for rule in rules {
        say(rule);
    }
    Ok(())
}

async fn list() -> anyhow::Result<()> {
    let places = places::all()?;
    if places.is_empty() {
        say("there is no sandbox yet: start one with `landfall sandbox up`");
    }
    for place in places {
        let line = match Remote::reach(&place.name).await {
            Ok(remote) => {
                let status = remote.get("status").await?;
                format!(
                    "{}\trunning\t{}\t{} objects\tit is {}",
                    place.name,
                    place.known().map(|known| known.server).unwrap_or_default(),
                    status["objects"],
                    status["time"].as_str().unwrap_or_default()
                )
            }
            Err(_) => format!("{}\tstopped\t{}", place.name, place.folder.display()),
        };
        say(&line);
    }
    Ok(())
}

async fn down(name: &str, delete: bool) -> anyhow::Result<()> {
    let place = Place::of(name)?;
    match Remote::reach(name).await {
        Ok(remote) => {
            remote.post("stop", &json!({})).await?;
            remote.until_gone().await?;
            say(&format!("the sandbox {name:?} has stopped"));
        }
        Err(error) if !delete => return Err(error),
        Err(_) => {}
    }
    if delete {
        place.delete()?;
        say(&format!("{} is gone", place.folder.display()));
    }
    Ok(())
}

//! `cargo xtask testbed`: a real control plane by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Subcommand;
use landfall_testkit::build::workspace;
use landfall_testkit::run::Testbed;

/// What to do with the control plane.
#[derive(Subcommand)]
pub(crate) enum Act {
    /// Builds what is missing, starts it and leaves it running
    Up,
    /// Ends it
    Down,
    /// Prints the environment for it, to be used as `eval "$(cargo xtask testbed env)"`
    Env,
    /// Builds what is missing, and nothing more
    Build,
    /// Runs Kubernetes' own end-to-end specs (conformance/kubernetes/specs.txt)
    Conformance {
        /// Only specs whose names contain this; with --unlisted a regular expression
        #[arg(long, default_value = "")]
        focus: String,
        /// What they are run against
        #[arg(long, value_enum, default_value = "sandbox")]
        on: crate::specs::Plane,
        /// Only specs that take at most so many seconds
        #[arg(long, default_value_t = 600)]
        seconds_max: u64,
        /// All specs of the suite that contain the focus, not only those of the list
        #[arg(long)]
        unlisted: bool,
        /// Cut the suite off after so many seconds
        #[arg(long, default_value_t = 1800)]
        limit: u64,
        /// Keep the suite's log here
        #[arg(long)]
        log: Option<PathBuf>,
    },
}

/// Carries an act out.
pub(crate) fn run(act: &Act) -> anyhow::Result<ExitCode> {
    let directory = workspace().join("target/testbed");
    match act {
        Act::Build => {
            let programs = landfall_testkit::build::programs()?;
            crate::report(&format!("built in {}", programs.directory.display()));
            for major in [3, 4] {
                crate::report(&format!("Helm {major}: {}", landfall_testkit::build::helm(major)?.display()));
            }
            crate::report(&format!("argocd: {}", landfall_testkit::argocd::program()?.display()));
        }
        Act::Up => {
            down(&directory)?;
            let testbed = Testbed::start(&directory)?;
            let (server, kubeconfig) = (testbed.server.clone(), testbed.kubeconfig.clone());
            let environment = environment(&testbed);
            let ids: Vec<String> = testbed.keep().iter().map(u32::to_string).collect();
            std::fs::write(directory.join("pids"), ids.join("\n"))?;
            std::fs::write(directory.join("env"), environment)?;
            crate::report(&format!("a control plane serves at {server}; KUBECONFIG={}", kubeconfig.display()));
        }
        Act::Down => down(&directory)?,
        Act::Conformance { focus, on, seconds_max, unlisted, limit, log } => {
            let choice = crate::specs::Choice {
                focus: focus.clone(),
                seconds_max: *seconds_max,
                is_unlisted: *unlisted,
                limit_s: *limit,
                log: log.clone(),
            };
            return crate::specs::run(*on, &choice);
        }
        Act::Env => {
            let path = directory.join("env");
            let text = std::fs::read_to_string(&path)
                .context("no control plane runs: start one with `cargo xtask testbed up`")?;
            crate::print(text.trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn environment(testbed: &Testbed) -> String {
    let programs: PathBuf = testbed.kubectl.parent().map(Path::to_owned).unwrap_or_default();
    format!(
        "export KUBECONFIG={}\nexport ADMIN_KUBECONFIG={}\nexport PATH={}:$PATH\n",
        testbed.kubeconfig.display(),
        testbed.admin_kubeconfig.display(),
        programs.display()
    )
}

/// Ends the processes that `up` started, by their ids, and removes what they wrote.
fn down(directory: &Path) -> anyhow::Result<()> {
    if let Ok(ids) = std::fs::read_to_string(directory.join("pids")) {
        for id in ids.lines() {
            // The id may belong to another program by now: only one that runs from this folder is ended.
            let is_ours = std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line)
                    .contains(&*directory.canonicalize().unwrap_or_default().to_string_lossy())
            });
            if is_ours {
                let _ended = Command::new("kill").arg(id).status();
            }
        }
    }
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("cannot remove the old control plane's files")
        }
        _ => Ok(()),
    }
}

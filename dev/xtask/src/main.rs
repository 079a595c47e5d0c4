//! Chores: tidy, conformance, testbed, generated files. Run as `cargo xtask <chore>`.

mod conformance;
mod exchanges;
mod invent;
mod manifests;
mod specs;
mod testbed;
mod tidy;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks the layers, the purity of pure crates, and what every source file must carry
    Tidy,
    /// Writes deploy/install.yaml and the definitions beside it anew
    Manifests {
        /// Changes nothing, and fails if something is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Starts and ends a real Kubernetes control plane on loopback
    Testbed {
        /// What to do with it
        #[command(subcommand)]
        act: testbed::Act,
    },
    /// Asks a real kube-apiserver all requests of conformance/kubernetes again
    Exchanges {
        /// What to do
        act: exchanges::Act,
        /// Only chapters whose names begin with this
        chapter: Option<String>,
    },
    /// Runs golden cases and prints what passes and where the rest first differs
    Conformance {
        /// Which engine to run
        suite: conformance::Suite,
        /// A directory or file in the corpus layout; the project's own cases if left out
        path: Option<PathBuf>,
        /// Compares with this program instead of stored answers, on the directories that follow
        #[arg(long, num_args = 2.., value_names = ["PROGRAM", "DIRECTORY"])]
        against: Vec<PathBuf>,
    },
    /// Invents kustomizations from seeds and compares what they build to with a reference program
    Invent(invent::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.chore {
        Chore::Tidy => tidy::run(),
        Chore::Manifests { check } => manifests::run(check),
        Chore::Testbed { act } => testbed::run(&act),
        Chore::Exchanges { act, chapter } => exchanges::run(act, chapter.as_deref().unwrap_or_default()),
        Chore::Conformance { suite, path, against } => conformance::run(suite, path.as_deref(), &against),
        Chore::Invent(arguments) => invent::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            report(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for people on the standard error stream.
#[expect(clippy::print_stderr, reason = "a command line tool talks to its user")]
pub(crate) fn report(line: &str) {
    eprintln!("{line}");
}

/// Prints a line of the result on the standard output stream.
#[expect(clippy::print_stdout, reason = "a command line tool talks to its user")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

//! Times renders: in process, as a cold command line, and the reference program's, in one run.
//!
//! ```text
//! landfall-bench-render helm CORPUS --against PROGRAM [--landfall PROGRAM] [--profile helm3|helm4] [--rounds N] [--only NAME]
//! landfall-bench-render kustomize CORPUS --against PROGRAM [--landfall PROGRAM] [--rounds N] [--only NAME]
//! ```
//!
//! Only ratios count: machines differ and are noisy. Depends on nothing but the renderers, so that an optimised build is
//! short. [`measure`] holds what suites share; each tool has a file of its own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program prints its figures")]

mod helm;
mod kustomize;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

/// The allocator of the program that renders in the end.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line says.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// The folder with the cases.
    pub(crate) corpus: PathBuf,
    /// The reference program.
    pub(crate) against: Option<PathBuf>,
    /// The `landfall` program, for cold renders.
    pub(crate) landfall: Option<PathBuf>,
    /// Which version of the tool to be.
    pub(crate) profile: String,
    /// How often each thing is timed; medians count.
    pub(crate) rounds: usize,
    /// The one case that is looked at.
    pub(crate) only: Option<String>,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let suite = words.next().unwrap_or_default();
    let arguments = match arguments(words) {
        Ok(arguments) => arguments,
        Err(message) => return failed(&message),
    };
    let done = match suite.as_str() {
        "helm" => helm::run(&arguments),
        "kustomize" => kustomize::run(&arguments),
        "helm-once" => helm::once(&arguments),
        other => Err(format!(
            "no suite `{other}`; hint: landfall-bench-render helm CORPUS --against PROGRAM [--landfall PROGRAM] [--rounds N]"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { rounds: 7, profile: "helm3".to_owned(), ..Arguments::default() };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--against" => arguments.against = Some(value()?.into()),
            "--landfall" => arguments.landfall = Some(value()?.into()),
            "--profile" => arguments.profile = value()?,
            "--rounds" => arguments.rounds = value()?.parse().map_err(|_| "--rounds takes a number".to_owned())?,
            "--only" => arguments.only = Some(value()?),
            flag if flag.starts_with("--") => return Err(format!("unknown flag {flag}")),
            corpus => arguments.corpus = corpus.into(),
        }
    }
    Ok(arguments)
}

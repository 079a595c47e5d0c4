//! Benchmarks of the whole program against a real control plane, beside a calibrator that makes the same writes with no
//! GitOps logic at all. Every time is told as a ratio to the calibrator's in the same run.
//!
//! ```text
//! cargo run --release -p landfall-bench -- --applications 1000 --program target/release/landfall
//! ```
//! S1 cold start: process start to every application Synced and Healthy. S2: one application changed of N,
//! from the webhook to the change. S4: at rest, the share of a core and the requests. S5: a hand edit of one owned field,
//! undone. S7: commits that touch no, 1, 10 and all folders of a repository that all applications read.

mod api;
mod calibrator;
mod git_server;
mod observer;
mod process;
mod sandbox;
mod scenario;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Benchmarks against a real control plane")]
struct Arguments {
    /// How many applications of 4 objects each
    #[arg(long, default_value_t = 1000)]
    applications: usize,
    /// The program to measure; build it with --release
    #[arg(long, default_value = "target/release/landfall")]
    program: PathBuf,
    /// How many commits and hand edits are timed
    #[arg(long, default_value_t = 50)]
    repetitions: usize,
    /// Measure the embedded control plane beside the real one instead
    #[arg(long)]
    sandbox: bool,
    /// Measure the API under load instead; the figures are meant for --applications 5000
    #[arg(long)]
    api: bool,
    /// With --sandbox: only these of start, apply, list, watch, memory
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// With --sandbox: how many applies are timed
    #[arg(long, default_value_t = 3000)]
    applies: usize,
    /// With --sandbox: how many objects are held in memory
    #[arg(long, default_value_t = 100_000)]
    objects: usize,
    /// How many seconds the resting program is watched
    #[arg(long, default_value_t = 30)]
    rest_seconds: u64,
    /// A command to run the program under, such as `heaptrack` or `perf record -g --`
    #[arg(long)]
    wrapper: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let measured = match (arguments.sandbox, arguments.api) {
        (true, _) => sandbox::run(&arguments).await,
        (false, true) => api::run(&arguments).await,
        (false, false) => scenario::run(&arguments).await,
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of the result.
#[expect(clippy::print_stdout, reason = "a benchmark's output is what it measures")]
fn print(line: &str) {
    println!("{line}");
}

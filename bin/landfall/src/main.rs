//! Landfall's one binary: settings in, the World put together, a role run until it is stopped. The only crate that names
//! both the ports' implementations and those who use them.

mod api;
mod cli;
mod controller;
mod demo;
mod journal;
mod logging;
mod options;
mod sandbox;
mod stop;
mod up;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use landfall_cli::Deferred;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes a commit to running, verified software on Kubernetes, keeps it there, and takes it back when it is bad.
#[derive(Parser)]
#[command(name = "landfall", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Keep the Applications of a cluster as their sources have them.
    Controller(Deferred<controller::ControllerArguments>),
    /// Start a control plane in this process and bring a repository to life on it; no cluster is needed.
    Up(Deferred<up::UpArguments>),
    /// A control plane without a cluster, with simulated workloads and faults on demand.
    #[command(subcommand)]
    Sandbox(Deferred<sandbox::SandboxVerb>),
    #[command(flatten)]
    Other(landfall_cli::Verb),
}

fn main() -> ExitCode {
    // Every TLS connection uses the same cryptography; libraries that look for a default find this one.
    let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let verb = Arguments::parse_from(options::with_environment(std::env::args_os())).verb;
    // A verb that ends soon needs no threads, which cost it a tenth of its time.
    let mut runtime = match verb {
        Verb::Other(_) => tokio::runtime::Builder::new_current_thread(),
        Verb::Controller(_) | Verb::Up(_) | Verb::Sandbox(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let result = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(verb)),
        Err(error) => Err(anyhow::Error::new(error).context("the system gives no threads or file descriptors")),
    };
    match result {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            logging::complain(&error);
            ExitCode::from(20)
        }
    }
}

/// Does what the arguments ask for. Returns the exit code.
async fn run(verb: Verb) -> anyhow::Result<u8> {
    match verb {
        Verb::Controller(Deferred(arguments)) => controller::run(arguments).await.map(|()| 0),
        Verb::Up(Deferred(arguments)) => up::run(arguments).await.map(|()| 0),
        Verb::Sandbox(Deferred(verb)) => sandbox::run(verb).await.map(|()| 0),
        Verb::Other(verb) => landfall_cli::run(verb, &cli::Machine).await,
    }
}

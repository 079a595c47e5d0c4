//! Landfall's one binary: settings in, the World put together, a role run until it is stopped. The only crate that names
//! both the ports' implementations and those who use them.

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
    Controller(controller::ControllerArguments),
    /// Start a control plane in this process and bring a repository to life on it; no cluster is needed.
    Up(up::UpArguments),
    /// A control plane without a cluster, with simulated workloads and faults on demand.
    #[command(subcommand)]
    Sandbox(sandbox::SandboxVerb),
    #[command(flatten)]
    Other(landfall_cli::Verb),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Every TLS connection uses the same cryptography; libraries that look for a default find this one.
    let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match Arguments::parse_from(options::with_environment(std::env::args_os())).verb {
        Verb::Controller(arguments) => controller::run(arguments).await.map(|()| 0),
        Verb::Up(arguments) => up::run(arguments).await.map(|()| 0),
        Verb::Sandbox(verb) => sandbox::run(verb).await.map(|()| 0),
        Verb::Other(verb) => landfall_cli::run(verb, &cli::Machine).await,
    };
    match result {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            logging::complain(&error);
            ExitCode::from(20)
        }
    }
}

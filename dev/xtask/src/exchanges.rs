//! `cargo xtask exchanges`: records the answers of a real kube-apiserver, and replays the requests on it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use landfall_exchanges::compare::{compare, write};
use landfall_exchanges::play::{Server, play};
use landfall_exchanges::table::chapters;
use landfall_testkit::run::Testbed;

/// What to do with the exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    /// Asks the real server and keeps its answers
    Record,
    /// Asks the real server and compares with the kept answers
    Check,
}

/// Plays chapters against a fresh kube-apiserver.
pub(crate) fn run(act: Act, prefix: &str) -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let testbed = Testbed::start_api_server(directory.path())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let server = server(&testbed).await?;
        let mut differing = 0;
        for chapter in chapters()?.into_iter().filter(|chapter| chapter.name.starts_with(prefix)) {
            let answers = play(&server, &chapter).await.with_context(|| chapter.name.clone())?;
            match act {
                Act::Record => {
                    write(&chapter, &answers)?;
                    crate::report(&format!("{}: {} exchanges", chapter.name, answers.len()));
                }
                Act::Check => {
                    let (count, failures) = compare(&chapter, &answers)?;
                    crate::report(&format!("{}: {} of {count}", chapter.name, count - failures.len()));
                    for failure in &failures {
                        crate::report(&format!("  {}\n    {}", failure.promise, failure.differences.join("\n    ")));
                    }
                    differing += failures.len();
                }
            }
        }
        Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Clients of a server that runs: one with its administrator's certificate, one without any.
async fn server(testbed: &Testbed) -> anyhow::Result<Server> {
    let kubeconfig = Kubeconfig::read_from(&testbed.admin_kubeconfig)?;
    let admin = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await?;
    let mut nobody = kubeconfig;
    for named in &mut nobody.auth_infos {
        named.auth_info = Some(kube::config::AuthInfo::default());
    }
    let anonymous = Config::from_custom_kubeconfig(nobody, &KubeConfigOptions::default()).await?;
    Ok(Server { admin: Client::try_from(admin)?, anonymous: Client::try_from(anonymous)? })
}

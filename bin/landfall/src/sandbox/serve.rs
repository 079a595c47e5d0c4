//! Starting a sandbox, in front or behind.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use landfall_sandbox::{Clock, Sandbox, Serving, Snapshot};

use super::places::{Known, Place};
use super::remote::Remote;
use super::{ClockChoice, UpArguments};
use crate::logging::{self, LogFormat};
use crate::stop::stopped;
use crate::up::say;

/// How long a sandbox behind may take until it serves.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// Brings it up.
pub(crate) async fn up(arguments: UpArguments) -> anyhow::Result<()> {
    let place = Place::of(&arguments.name)?;
    if Remote::reach(&arguments.name).await.is_ok() {
        say(&format!("the sandbox {:?} runs already", arguments.name));
        tell(&place);
        return Ok(());
    }
    place.make()?;
    if arguments.detach { behind(&arguments, &place).await } else { in_front(&arguments, &place).await }
}

/// Says how to use it.
fn tell(place: &Place) {
    if let Some(known) = place.known() {
        say(&format!("an API server serves at {}", known.server));
        say(&format!("  export KUBECONFIG={}", place.kubeconfig().display()));
        say(&format!("what pods answer, and Prometheus' query API: http://127.0.0.1:{}", known.http_port));
    }
}

async fn in_front(arguments: &UpArguments, place: &Place) -> anyhow::Result<()> {
    if std::env::var_os("LANDFALL_LOG").is_some() {
        logging::start(LogFormat::Text);
    }
    let clock = match arguments.clock {
        ClockChoice::Real => Clock::real(),
        ClockChoice::Stopped => Clock::driven(jiff::Timestamp::now()),
    };
    let mut builder = Sandbox::builder().clock(clock).nodes(arguments.nodes);
    if arguments.quick_probes {
        builder = builder.quick_probes();
    }
    if !arguments.memory {
        builder = builder.file(place.objects());
    }
    let sandbox = builder.start().await.context("the sandbox cannot start")?;
    if let Some(file) = &arguments.from {
        sandbox.restore(&Snapshot::read(file)?).await;
    }
    if let Some(file) = &arguments.scenario {
        let steps = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        sandbox.play(&steps).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))?;
    }
    let before = place.known();
    let port = before.as_ref().map_or(0, |known| known.port);
    let http_port = before.as_ref().map_or(0, |known| known.http_port);
    let serving = serve_api(&sandbox, arguments.port, port).await?;
    let wanted = if arguments.http_port == 0 { http_port } else { arguments.http_port };
    let http = match sandbox.serve_http(([127, 0, 0, 1], wanted).into()).await {
        Err(_) if arguments.http_port == 0 => sandbox.serve_http(([127, 0, 0, 1], 0).into()).await?,
        other => other?,
    };
    let known = Known {
        process: std::process::id(),
        server: format!("https://{}", serving.addr),
        port: serving.addr.port(),
        http_port: http.addr.port(),
    };
    place.write(&known, &serving.kubeconfig_yaml)?;
    tell(place);
    tokio::select! {
        () = stopped() => {}
        () = sandbox.asked_to_stop() => {
            // Who asked is answered first.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    sandbox.stop().await;
    Ok(())
}

/// Serves at the wanted port; without one at that of the last time if it is free.
async fn serve_api(sandbox: &Sandbox, wanted: u16, last: u16) -> anyhow::Result<Serving> {
    let port = if wanted == 0 { last } else { wanted };
    match sandbox.serve_tls(([127, 0, 0, 1], port).into()).await {
        Err(_) if wanted == 0 => Ok(sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await?),
        other => Ok(other?),
    }
}

/// Starts this program again, behind, and waits until it serves.
async fn behind(arguments: &UpArguments, place: &Place) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("this program does not know where it is")?;
    let log = std::fs::File::create(place.log()).with_context(|| format!("cannot write {}", place.log().display()))?;
    let mut command = Command::new(program);
    command.args(["sandbox", "up", &arguments.name, "--nodes", &arguments.nodes.to_string()]);
    command.args(["--port", &arguments.port.to_string(), "--http-port", &arguments.http_port.to_string()]);
    if arguments.memory {
        command.arg("--memory");
    }
    if arguments.quick_probes {
        command.arg("--quick-probes");
    }
    if arguments.clock == ClockChoice::Stopped {
        command.args(["--clock", "stopped"]);
    }
    for (flag, file) in [("--from", &arguments.from), ("--scenario", &arguments.scenario)] {
        if let Some(file) = file {
            command.arg(flag).arg(std::path::absolute(file)?);
        }
    }
    // In a group of its own, so that what ends this terminal's programs does not end it.
    let errors = log.try_clone().context("the log cannot be shared")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .context("the sandbox cannot be started")?;
    let deadline = tokio::time::Instant::now() + START_TIME_MAX;
    loop {
        if let Some(status) = child.try_wait().context("the sandbox cannot be watched")? {
            let told = std::fs::read_to_string(place.log()).unwrap_or_default();
            bail!("the sandbox ended at once ({status}): {}", told.trim());
        }
        let is_new = place.known().is_some_and(|known| known.process == child.id());
        if is_new && Remote::reach(&arguments.name).await.is_ok() {
            tell(place);
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            bail!("the sandbox does not serve yet; its log is {}", place.log().display());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

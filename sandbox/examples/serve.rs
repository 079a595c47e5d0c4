//! Serves a sandbox over TLS until its standard input ends, and writes a kubeconfig:
//! `cargo run -p landfall-sandbox --example serve -- KUBECONFIG [PORT] [FILE]`.

use std::io::{Read, Write};

use landfall_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kubeconfig = arguments.next().ok_or("say where the kubeconfig shall be written")?;
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let mut builder = Sandbox::builder();
    if let Some(file) = arguments.next() {
        builder = builder.file(file);
    }
    let sandbox = builder.start().await?;
    let serving = sandbox.serve_tls(([127, 0, 0, 1], port).into()).await?;
    tokio::fs::write(&kubeconfig, &serving.kubeconfig_yaml).await?;
    writeln!(std::io::stdout(), "serving on https://{}; KUBECONFIG={kubeconfig}", serving.addr)?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    sandbox.stop().await;
    Ok(())
}

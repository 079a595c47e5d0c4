//! Serves a sandbox for kubectl and other programs until it is interrupted.
//!
//! `serve KUBECONFIG [PORT] [FILE]`; with `BARE=1` in the environment there are neither nodes nor controllers.

use std::net::SocketAddr;

use landfall_sandbox::Sandbox;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kubeconfig = arguments.first().ok_or("name the kubeconfig that is to be written")?;
    let port: u16 = arguments.get(1).map_or(Ok(0), |port| port.parse())?;
    let mut builder = Sandbox::builder();
    if let Some(file) = arguments.get(2) {
        builder = builder.file(file);
    }
    if std::env::var_os("BARE").is_some() {
        builder = builder.without_controllers().nodes(0);
    }
    let sandbox = builder.start().await?;
    let serving = sandbox.serve_tls(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    tokio::fs::write(kubeconfig, &serving.kubeconfig_yaml).await?;
    tokio::signal::ctrl_c().await?;
    sandbox.stop().await;
    Ok(())
}

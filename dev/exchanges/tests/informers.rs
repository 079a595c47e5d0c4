//! The Go client's informers against the sandbox.

use std::process::Command;

use anyhow::Context as _;
use landfall_sandbox::Sandbox;
use landfall_testkit::build::workspace;

#[tokio::test(flavor = "multi_thread")]
async fn informers_of_the_go_client_are_told_every_change_once() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("landfall-informers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let sandbox = Sandbox::builder().start().await?;
    let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await?;
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, &serving.kubeconfig_yaml)?;
    let output = tokio::task::spawn_blocking(move || {
        Command::new("go")
            .args(["run", "."])
            .arg(&kubeconfig)
            .current_dir(workspace().join("dev/testbed/informers"))
            .env("CGO_ENABLED", "0")
            .output()
            .context("cannot run `go`: install Go 1.26 or newer, the informers are its program")
    })
    .await??;
    std::fs::remove_dir_all(&folder)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "every change was told once");
    Ok(())
}

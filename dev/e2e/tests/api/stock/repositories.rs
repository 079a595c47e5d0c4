//! Repositories and credentials: that they are tried, where they are stored, and that nothing secret comes back.

use landfall_e2e::world::base64;
use serde_json::Value;

use crate::has;
use crate::stock::{Desk, Tongue};

over_both_tongues!(repositories_are_tried_kept_and_removed, credentials_are_kept_and_never_told);

/// The Secret of a type with an address.
async fn stored(desk: &Desk, secret_type: &str, url: &str) -> anyhow::Result<Option<Value>> {
    use landfall_ports::cluster::{Detail, ListRequest, Selection};
    let kind = desk.world.kind("v1", "Secret").await?;
    let selection = Selection {
        namespace: "argocd".to_owned(),
        label_selector: format!("argocd.argoproj.io/secret-type={secret_type}"),
        field_selector: String::new(),
    };
    let asked = ListRequest { selection, page_size_max: 0, from: String::new() };
    let page = desk.world.cluster.list(&kind, Detail::Full, &asked).await?;
    Ok(page.objects.into_iter().find(|secret| secret["data"]["url"] == base64(url).as_str()))
}

async fn repositories_are_tried_kept_and_removed(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.shop()?;
    let url = repository.url();
    argocd.ok(&["repo", "add", &url, "--name", "shop"]).await?;
    let secret = stored(&desk, "repository", &url).await?.unwrap_or_default();
    assert_eq!(secret["data"]["name"], base64("shop").as_str(), "{secret}");
    has(&argocd.ok(&["repo", "list"]).await?, &["git", "shop", "Successful", &url]);
    has(&argocd.ok(&["repo", "get", &url]).await?, &["Successful"]);
    has(&argocd.ok(&["repo", "list", "--refresh", "hard"]).await?, &["Successful"]);
    // The same once more is no error; something else under its address is.
    argocd.ok(&["repo", "add", &url, "--name", "shop"]).await?;
    has(&argocd.fails(&["repo", "add", &url, "--name", "other"]).await?, &["different", "upsert"]);
    argocd.ok(&["repo", "add", &url, "--name", "other", "--upsert"]).await?;
    has(&argocd.ok(&["repo", "list"]).await?, &["other"]);
    has(&argocd.fails(&["repo", "add", "file:///nowhere/at/all"]).await?, &["nowhere"]);
    assert!(
        stored(&desk, "repository", "file:///nowhere/at/all").await?.is_none(),
        "what cannot be reached is not kept"
    );
    // What goes away is told by the next one who asks anew.
    std::fs::remove_dir_all(&repository.folder)?;
    has(&argocd.ok(&["repo", "list", "--refresh", "hard"]).await?, &["Failed"]);
    argocd.ok(&["repo", "rm", &url]).await?;
    assert!(stored(&desk, "repository", &url).await?.is_none());
    assert!(!argocd.ok(&["repo", "list"]).await?.contains(&url));
    Ok(())
}

async fn credentials_are_kept_and_never_told(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let url = "https://example.test/team";
    argocd.ok(&["repocreds", "add", url, "--username", "ann", "--password", "very-secret"]).await?;
    let secret = stored(&desk, "repo-creds", url).await?.unwrap_or_default();
    assert_eq!(secret["data"]["password"], base64("very-secret").as_str());
    for output in ["wide", "json", "yaml"] {
        let listed = argocd.ok(&["repocreds", "list", "-o", output]).await?;
        has(&listed, &[url, "ann"]);
        assert!(!listed.contains("very-secret") && !listed.contains(&base64("very-secret")), "{listed}");
    }
    let other = ["repocreds", "add", url, "--username", "bob", "--password", "very-secret"];
    has(&argocd.fails(&other).await?, &["different", "upsert"]);
    argocd.ok(&[&other[..], &["--upsert"]].concat()).await?;
    has(&argocd.ok(&["repocreds", "list"]).await?, &["bob"]);
    argocd.ok(&["repocreds", "rm", url]).await?;
    assert!(stored(&desk, "repo-creds", url).await?.is_none());
    has(&argocd.fails(&["repocreds", "rm", url]).await?, &["not found"]);
    Ok(())
}

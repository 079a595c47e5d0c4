//! Projects: every verb, and what then stands in the AppProject.

use serde_json::{Value, json};

use crate::has;
use crate::stock::{Desk, Tongue};

over_both_tongues!(
    a_project_becomes_what_verbs_say,
    roles_have_policies_groups_and_tokens,
    windows_open_close_and_keep_syncs_out,
);

const HERE: &str = "https://kubernetes.default.svc";

async fn spec(desk: &Desk) -> anyhow::Result<Value> {
    let project = desk.object(("argoproj.io/v1alpha1", "AppProject"), "argocd", "team").await?;
    Ok(project["spec"].clone())
}

async fn create(desk: &Desk) -> anyhow::Result<()> {
    let verb = ["proj", "create", "team", "-d", "https://kubernetes.default.svc,team-*", "-s", "https://a.test/*"];
    desk.argocd.ok(&[&verb[..], &["--description", "a team"]].concat()).await?;
    Ok(())
}

async fn a_project_becomes_what_verbs_say(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    create(&desk).await?;
    let made = spec(&desk).await?;
    assert_eq!(made["sourceRepos"], json!(["https://a.test/*"]));
    assert_eq!(made["destinations"], json!([{"server": HERE, "namespace": "team-*"}]));
    has(&argocd.ok(&["proj", "list"]).await?, &["default", "team", "a team"]);
    has(&argocd.ok(&["proj", "get", "team", "-o", "yaml"]).await?, &["description: a team"]);
    has(&argocd.fails(&["proj", "create", "team"]).await?, &["existing project spec is different"]);

    // Each verb, the place that it changes, and what stands there with and without it.
    let pairs: [(&[&str], &[&str], &str, Value); 9] = [
        (
            &["add-source", "https://b.test/x"],
            &["remove-source", "https://b.test/x"],
            "/sourceRepos/1",
            json!("https://b.test/x"),
        ),
        (
            &["add-destination", HERE, "more"],
            &["remove-destination", HERE, "more"],
            "/destinations/1",
            json!({"server": HERE, "namespace": "more"}),
        ),
        (
            &["add-destination-service-account", HERE, "more", "deployer"],
            &["remove-destination-service-account", HERE, "more", "deployer"],
            "/destinationServiceAccounts/0/defaultServiceAccount",
            json!("deployer"),
        ),
        (&["add-source-namespace", "apps"], &["remove-source-namespace", "apps"], "/sourceNamespaces/0", json!("apps")),
        (
            &["add-orphaned-ignore", "", "ConfigMap", "--name", "a-*"],
            &["remove-orphaned-ignore", "", "ConfigMap", "--name", "a-*"],
            "/orphanedResources/ignore/0",
            json!({"kind": "ConfigMap", "name": "a-*"}),
        ),
        (
            &["allow-cluster-resource", "", "Namespace"],
            &["deny-cluster-resource", "", "Namespace", "--list", "allow"],
            "/clusterResourceWhitelist/0/kind",
            json!("Namespace"),
        ),
        (
            &["deny-cluster-resource", "apps", "Nothing", "--list", "deny"],
            &["allow-cluster-resource", "apps", "Nothing", "--list", "deny"],
            "/clusterResourceBlacklist/0/kind",
            json!("Nothing"),
        ),
        (
            &["deny-namespace-resource", "", "Secret"],
            &["allow-namespace-resource", "", "Secret"],
            "/namespaceResourceBlacklist/0/kind",
            json!("Secret"),
        ),
        (
            &[
                "source-integrity",
                "git",
                "policies",
                "add",
                "--repo-url",
                "https://a.test/*",
                "--gpg-mode",
                "strict",
                "--gpg-key",
                "D56C4FCA57A46444",
            ],
            &["source-integrity", "git", "policies", "delete", "0", "--yes"],
            "/sourceIntegrity/git/policies/0/gpg/keys/0",
            json!("D56C4FCA57A46444"),
        ),
    ];
    for (does, undoes, place, wanted) in pairs {
        argocd.ok(&verb(does)).await?;
        let with = spec(&desk).await?;
        assert_eq!(with.pointer(place), Some(&wanted), "{does:?}: {with}");
        argocd.ok(&verb(undoes)).await?;
        let without = spec(&desk).await?;
        assert_ne!(without.pointer(place), Some(&wanted), "{undoes:?}: {without}");
    }

    argocd.ok(&["proj", "set", "team", "--description", "another"]).await?;
    assert_eq!(spec(&desk).await?["description"], "another");
    let editor = desk.editor("another", "edited")?;
    let ran = argocd.run_with(&["proj", "edit", "team"], &[("EDITOR", &editor)]).await?;
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(spec(&desk).await?["description"], "edited");
    argocd.ok(&["proj", "delete", "team"]).await?;
    assert!(desk.world.get("argoproj.io/v1alpha1", "AppProject", "argocd", "team").await?.is_none());
    has(&argocd.fails(&["proj", "delete", "default"]).await?, &["reserved"]);
    Ok(())
}

/// `proj` verbs name the project behind the verb, wherever that ends.
fn verb<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let name_at = if words[0] == "source-integrity" { 4 } else { 1 };
    let (verb, further) = words.split_at(name_at);
    [&["proj"][..], verb, &["team"], further].concat()
}

async fn roles_have_policies_groups_and_tokens(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    create(&desk).await?;
    let role = async |words: &[&str]| argocd.ok(&[&["proj", "role"], words].concat()).await;
    role(&["create", "team", "ci", "--description", "builds"]).await?;
    role(&["add-policy", "team", "ci", "-a", "get", "-p", "allow", "-o", "*"]).await?;
    role(&["add-policy", "team", "ci", "-a", "sync", "-p", "allow", "-o", "*"]).await?;
    role(&["add-group", "team", "ci", "builders"]).await?;
    let stands = spec(&desk).await?;
    assert_eq!(stands["roles"][0]["groups"], json!(["builders"]));
    has(&stands["roles"][0]["policies"].to_string(), &["p, proj:team:ci, applications, sync, team/*, allow"]);
    has(&role(&["get", "team", "ci"]).await?, &["proj:team:ci", "sync", "builders"]);
    has(&role(&["list", "team"]).await?, &["ci", "builds"]);
    role(&["remove-policy", "team", "ci", "-a", "sync", "-p", "allow", "-o", "*"]).await?;
    assert!(!spec(&desk).await?["roles"][0]["policies"].to_string().contains("sync"));
    role(&["remove-group", "team", "ci", "builders"]).await?;
    assert!(spec(&desk).await?["roles"][0]["groups"].as_array().is_none_or(Vec::is_empty));

    let token = role(&["create-token", "team", "ci", "-e", "1h", "--token-only"]).await?;
    let stranger = desk.stranger().await?;
    let further = ["--server", &argocd.address, "--auth-token", token.trim()];
    stranger.ok(&[&["app", "list"][..], &further].concat()).await?;
    has(&stranger.fails(&[&["proj", "delete", "team"][..], &further].concat()).await?, &["PermissionDenied"]);
    let listed = role(&["list-tokens", "team", "ci", "--unixtime"]).await?;
    let issued_at = listed.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
    role(&["delete-token", "team", "ci", issued_at]).await?;
    has(&stranger.fails(&[&["app", "list"][..], &further].concat()).await?, &["Unauthenticated"]);
    has(&role(&["list-tokens", "team", "ci"]).await?, &["No tokens"]);
    role(&["delete", "team", "ci"]).await?;
    assert!(spec(&desk).await?["roles"].as_array().is_none_or(Vec::is_empty));
    Ok(())
}

async fn windows_open_close_and_keep_syncs_out(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.shop()?;
    desk.create_shop(&repository).await?;
    let windows = async |words: &[&str]| argocd.ok(&[&["proj", "windows"], words].concat()).await;
    let project = async || desk.object(("argoproj.io/v1alpha1", "AppProject"), "argocd", "default").await;
    let always = ["--kind", "deny", "--schedule", "* * * * *", "--duration", "24h", "--applications", "*"];
    windows(&[&["add", "default"][..], &always, &["--description", "frozen"]].concat()).await?;
    has(&windows(&["list", "default"]).await?, &["deny", "* * * * *", "24h"]);
    assert_eq!(project().await?["spec"]["syncWindows"][0]["description"], "frozen");
    has(&argocd.fails(&["app", "sync", "shop", "--timeout", "60"]).await?, &["blocked by sync window"]);
    has(&argocd.ok(&["app", "get", "shop"]).await?, &["SyncWindow:", "Sync Denied"]);
    windows(&["enable-manual-sync", "default", "0"]).await?;
    assert_eq!(project().await?["spec"]["syncWindows"][0]["manualSync"], true);
    argocd.ok(&["app", "sync", "shop", "--timeout", "60"]).await?;
    windows(&["disable-manual-sync", "default", "0"]).await?;
    assert_ne!(project().await?["spec"]["syncWindows"][0]["manualSync"], true);
    windows(&["enable-sync-overrun", "default", "0"]).await?;
    assert_eq!(project().await?["spec"]["syncWindows"][0]["syncOverrun"], true);
    windows(&["disable-sync-overrun", "default", "0"]).await?;
    assert_ne!(project().await?["spec"]["syncWindows"][0]["syncOverrun"], true);
    windows(&["update", "default", "0", "--duration", "12h"]).await?;
    assert_eq!(project().await?["spec"]["syncWindows"][0]["duration"], "12h");
    windows(&["delete", "default", "0"]).await?;
    assert!(project().await?["spec"]["syncWindows"].as_array().is_none_or(Vec::is_empty));
    Ok(())
}

//! Signing in and out, contexts, accounts and their tokens, and what policies permit.

use landfall_e2e::plane::Plane;
use serde_json::{Value, json};

use crate::stock::{Desk, Tongue, config_map};
use crate::{has, has_one};

over_both_tongues!(
    who_signs_in_is_known_and_who_signs_out_is_not,
    accounts_have_passwords_and_tokens_of_their_own,
    policies_are_judged_alike_with_and_without_a_server,
);

async fn who_signs_in_is_known_and_who_signs_out_is_not(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let (argocd, address) = (&desk.argocd, desk.argocd.address.clone());
    let known = argocd.ok(&["account", "get-user-info"]).await?;
    has(&known, &["Logged In: true", "Username: admin", "Issuer: argocd"]);
    has(&argocd.ok(&["context"]).await?, &[&address]);
    has(&argocd.ok(&["version"]).await?, &["-server: v3.5.1+landfall"]);
    has(&argocd.ok(&["account", "session-token"]).await?, &["."]);

    let stranger = desk.stranger().await?;
    has(&stranger.ok(&["version", "--server", &address]).await?, &["-server: v3.5.1+landfall"]);
    has(&stranger.fails(&["app", "list", "--server", &address]).await?, &["Unauthenticated"]);
    let refused = stranger.run(&["login", &address, "--username", "admin", "--password", "wrong"]).await?;
    has(&refused.said(), &["Invalid username or password"]);
    let refused = stranger.run(&["login", &address, "--username", "nobody", "--password", "wrong"]).await?;
    has(&refused.said(), &["Invalid username or password"]);
    let known = stranger.ok(&["account", "get-user-info", "--server", &address]).await?;
    has(&known, &["Logged In: false"]);

    // The token of who signed out is refused, also from elsewhere.
    let token = argocd.ok(&["account", "session-token"]).await?;
    let token = token.trim();
    stranger.ok(&["app", "list", "--server", &address, "--auth-token", token]).await?;
    has(&argocd.ok(&["logout", &address]).await?, &["Logged out from"]);
    has(&argocd.fails(&["app", "list"]).await?, &["Unauthenticated"]);
    let refused = stranger.fails(&["app", "list", "--server", &address, "--auth-token", token]).await?;
    has(&refused, &["Unauthenticated"]);
    argocd.login("admin", &desk.serving.password).await?;
    has(&argocd.ok(&["relogin", "--password", &desk.serving.password]).await?, &["updated"]);
    argocd.ok(&["app", "list"]).await?;
    argocd.ok(&["context", &address, "--delete"]).await?;
    has_one(&argocd.fails(&["app", "list"]).await?, &["server", "no cluster to talk to"]);
    Ok(())
}

async fn accounts_have_passwords_and_tokens_of_their_own(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let (argocd, address, admin) = (&desk.argocd, desk.argocd.address.clone(), desk.serving.password.clone());
    has(&argocd.ok(&["account", "list"]).await?, &["NAME", "admin", "ci"]);
    has(&argocd.ok(&["account", "get", "--account", "ci"]).await?, &["apiKey", "login", "NONE"]);
    has(&argocd.fails(&["account", "get", "--account", "nobody"]).await?, &["nobody"]);
    argocd.fails(&password_verb("ci", "not the password", "correct-horse")).await?;
    argocd.ok(&password_verb("ci", &admin, "correct-horse")).await?;

    let ci = desk.stranger().await?;
    ci.login("ci", "correct-horse").await?;
    has(&ci.ok(&["account", "get-user-info"]).await?, &["Username: ci"]);
    assert_eq!(ci.ok(&["account", "can-i", "get", "applications", "default/shop"]).await?.trim(), "yes");
    assert_eq!(ci.ok(&["account", "can-i", "sync", "applications", "default/shop"]).await?.trim(), "no");
    assert_eq!(argocd.ok(&["account", "can-i", "sync", "applications", "default/shop"]).await?.trim(), "yes");
    has(&ci.fails(&["proj", "create", "mine"]).await?, &["PermissionDenied"]);
    has(&ci.fails(&["account", "get", "--account", "admin"]).await?, &["PermissionDenied"]);
    // Who changes an own password is told to sign in anew by the tokens that count no longer.
    let own = ["account", "update-password", "--current-password", "correct-horse", "--new-password", "battery-staple"];
    ci.ok(&own).await?;
    ci.login("ci", "battery-staple").await?;

    let token = argocd.ok(&["account", "generate-token", "--account", "ci", "--expires-in", "1h"]).await?;
    let (token, stranger) = (token.trim(), desk.stranger().await?);
    let as_ci = |verb: &[&'static str]| -> Vec<String> {
        let further = ["--server", &address, "--auth-token", token];
        verb.iter().copied().chain(further).map(str::to_owned).collect()
    };
    let words = as_ci(&["account", "get-user-info"]);
    has(&stranger.ok(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?, &["Username: ci"]);
    let account: Value = argocd.json(&["account", "get", "--account", "ci"]).await?;
    let tokens = account["tokens"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(tokens.len(), 1, "{account}");
    let id = tokens[0]["id"].as_str().unwrap_or_default();
    argocd.ok(&["account", "delete-token", "--account", "ci", id]).await?;
    let words = as_ci(&["app", "list"]);
    has(&stranger.fails(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?, &["Unauthenticated"]);
    let account = argocd.json(&["account", "get", "--account", "ci"]).await?;
    assert!(account["tokens"].as_array().is_none_or(Vec::is_empty), "{account}");
    Ok(())
}

fn password_verb<'a>(account: &'a str, current: &'a str, new: &'a str) -> Vec<&'a str> {
    let who = ["account", "update-password", "--account", account];
    who.into_iter().chain(["--current-password", current, "--new-password", new]).collect()
}

async fn policies_are_judged_alike_with_and_without_a_server(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let Plane::Sandbox(sandbox) = &desk.world.plane else { anyhow::bail!("this is no sandbox") };
    let served = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await?;
    let kubeconfig = desk.file("kubeconfig", &served.kubeconfig_yaml)?;
    let policy =
        "p, ci, applications, get, */*, allow\np, role:ops, applications, sync, team/*, allow\ng, ann, role:ops\n";
    desk.world.apply(config_map("argocd-rbac-cm", json!({"policy.csv": policy}))).await?;
    let ask = async |who: &str, action: &str, object: &str| -> anyhow::Result<String> {
        let place = ["--kubeconfig", kubeconfig.as_str(), "--namespace", "argocd"];
        let verb = [&["admin", "settings", "rbac", "can", who, action, "applications", object][..], &place].concat();
        let ran = desk.argocd.run(&verb).await?;
        assert!(["Yes", "No"].contains(&ran.out.trim()), "{}", ran.said());
        Ok(ran.out.trim().to_owned())
    };
    assert_eq!(ask("ci", "get", "default/shop").await?, "Yes");
    assert_eq!(ask("role:ops", "sync", "team/shop").await?, "Yes");
    assert_eq!(ask("ann", "sync", "team/shop").await?, "Yes");
    assert_eq!(ask("ann", "sync", "other/shop").await?, "No");
    assert_eq!(ask("ann", "delete", "team/shop").await?, "No");
    Ok(())
}

//! Certificates, keys and ApplicationSets.

use serde_json::json;

use crate::stock::{Desk, Tongue};
use crate::{has, has_one};

over_both_tongues!(
    certificates_and_known_hosts_are_kept_where_clients_read_them,
    keys_are_kept_where_commits_are_verified,
    application_sets_are_made_read_and_deleted,
);

const HOST_KEY: &str =
    "git.example.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
/// A key that was made for this test and has signed nothing.
const PUBLIC_KEY: &str = include_str!("public_key.asc");
const PUBLIC_KEY_ID: &str = include_str!("public_key_id.txt");

async fn certificates_and_known_hosts_are_kept_where_clients_read_them(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let made = rcgen::generate_simple_self_signed(["git.example.test".to_owned()])?.cert.pem();
    let pem = desk.file("server.pem", &made)?;
    argocd.ok(&["cert", "add-tls", "git.example.test", "--from", &pem]).await?;
    let stored = desk.object(("v1", "ConfigMap"), "argocd", "argocd-tls-certs-cm").await?;
    assert_eq!(stored["data"]["git.example.test"].as_str().unwrap_or_default().trim(), made.trim());
    let hosts = desk.file("known_hosts", &format!("{HOST_KEY}\n"))?;
    argocd.ok(&["cert", "add-ssh", "--batch", "--from", &hosts]).await?;
    let stored = desk.object(("v1", "ConfigMap"), "argocd", "argocd-ssh-known-hosts-cm").await?;
    has(stored["data"]["ssh_known_hosts"].as_str().unwrap_or_default(), &[HOST_KEY]);
    has(&argocd.ok(&["cert", "list"]).await?, &["git.example.test", "https", "ssh", "ssh-ed25519", "SHA256:"]);
    let only = argocd.ok(&["cert", "list", "--cert-type", "https"]).await?;
    assert!(only.contains("https") && !only.contains("ssh-ed25519"), "{only}");
    argocd.ok(&["cert", "rm", "git.example.test", "--cert-type", "ssh"]).await?;
    let rest = argocd.ok(&["cert", "list"]).await?;
    assert!(rest.contains("https") && !rest.contains("ssh-ed25519"), "{rest}");
    argocd.ok(&["cert", "rm", "git.example.test"]).await?;
    assert!(!argocd.ok(&["cert", "list"]).await?.contains("git.example.test"));
    let nonsense = desk.file("nonsense.pem", "nothing\n")?;
    let said = argocd.run(&["cert", "add-tls", "git.example.test", "--from", &nonsense]).await?.said();
    has_one(&said, &["No valid certificates", "holds no certificate"]);
    Ok(())
}

async fn keys_are_kept_where_commits_are_verified(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let (argocd, id) = (&desk.argocd, PUBLIC_KEY_ID.trim());
    let file = desk.file("key.asc", PUBLIC_KEY)?;
    argocd.ok(&["gpg", "add", "--from", &file]).await?;
    let stored = desk.object(("v1", "ConfigMap"), "argocd", "argocd-gpg-keys-cm").await?;
    has(stored["data"][id].as_str().unwrap_or_default(), &["BEGIN PGP PUBLIC KEY BLOCK"]);
    has(&argocd.ok(&["gpg", "list"]).await?, &[id]);
    has(&argocd.ok(&["gpg", "get", id]).await?, &[id, "tests@example.test"]);
    argocd.ok(&["gpg", "rm", id]).await?;
    assert!(!argocd.ok(&["gpg", "list"]).await?.contains(id));
    let nonsense = desk.file("nonsense.asc", "nothing\n")?;
    argocd.fails(&["gpg", "add", "--from", &nonsense]).await?;
    Ok(())
}

const SET: &str = "apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: shops, labels: {team: a}}
spec:
  generators: [{list: {elements: [{name: one}, {name: two}]}}]
  template:
    metadata: {name: 'shop-{{name}}'}
    spec:
      project: default
      source: {repoURL: 'https://example.test/shop', path: app, targetRevision: HEAD}
      destination: {server: 'https://kubernetes.default.svc', namespace: shop}
";

async fn application_sets_are_made_read_and_deleted(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let file = desk.file("set.yaml", SET)?;
    argocd.ok(&["appset", "create", &file]).await?;
    let stored = desk.object(("argoproj.io/v1alpha1", "ApplicationSet"), "argocd", "shops").await?;
    assert_eq!(stored["spec"]["generators"][0]["list"]["elements"], json!([{"name": "one"}, {"name": "two"}]));
    has(&argocd.ok(&["appset", "list"]).await?, &["argocd/shops", "default"]);
    assert!(!argocd.ok(&["appset", "list", "-l", "team=b"]).await?.contains("shops"));
    let read = argocd.json(&["appset", "get", "shops"]).await?;
    assert_eq!(read["spec"]["template"]["metadata"]["name"], "shop-{{name}}");
    let changed = desk.file("set.yaml", &SET.replace("path: app", "path: other"))?;
    has(&argocd.fails(&["appset", "create", &changed]).await?, &["upsert"]);
    argocd.ok(&["appset", "create", &changed, "--upsert"]).await?;
    let stored = desk.object(("argoproj.io/v1alpha1", "ApplicationSet"), "argocd", "shops").await?;
    assert_eq!(stored["spec"]["template"]["spec"]["source"]["path"], "other");
    has(&argocd.fails(&["appset", "generate", &changed]).await?, &["Unimplemented", "not there yet"]);
    argocd.ok(&["appset", "delete", "shops", "-y"]).await?;
    assert!(desk.world.get("argoproj.io/v1alpha1", "ApplicationSet", "argocd", "shops").await?.is_none());
    Ok(())
}

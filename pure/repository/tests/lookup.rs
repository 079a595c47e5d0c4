//! Repository Secrets: how they are read, and which one applies to an address.

use std::collections::BTreeMap;

use landfall_repository::address::{self, Address};
use landfall_repository::config::{self, RepositoryConfig, SecretRole};
use landfall_repository::lookup::{Access, Repositories};

fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn secret(name: &str, role: SecretRole, pairs: &[(&str, &str)]) -> RepositoryConfig {
    let (config, problems) = config::parse(name, role, &data(pairs));
    assert_eq!(problems, Vec::<String>::new());
    config.expect("a url is given")
}

#[test]
fn spellings_of_one_repository_are_the_same() {
    for (left, right) in [
        ("https://github.com/Org/Repo.git", "https://github.com/org/repo"),
        ("https://github.com/org/repo/", "https://github.com/org/repo"),
        ("https://user:secret@github.com/org/repo", "https://github.com/org/repo.git"),
        ("git@github.com:org/repo.git", "ssh://git@github.com/org/repo"),
        ("https://charts.example.com/stable/", "https://charts.example.com/stable"),
        ("oci://registry.example.com/charts/", "registry.example.com/charts"),
        ("oci://registry.example.com:5000/charts", "registry.example.com:5000/charts"),
    ] {
        assert!(address::same(left, right), "{left} {right}");
    }
    for (left, right) in [
        ("https://github.com/org/repo", "https://github.com/org/repository"),
        ("https://github.com/org/repo", "http://github.com/org/repo"),
        ("git@github.com:org/repo", "git@gitlab.com:org/repo"),
    ] {
        assert!(!address::same(left, right), "{left} {right}");
    }
}

#[test]
fn addresses_are_read_as_git_reads_them() {
    let ssh = |user: Option<&str>, host: &str, port, path: &str| Address::Ssh {
        user: user.map(str::to_owned),
        host: host.into(),
        port,
        path: path.into(),
    };
    let local = |path: &str| Address::Local { path: path.into() };
    for (text, expected) in [
        ("git@github.com:org/repo.git", ssh(Some("git"), "github.com", None, "org/repo.git")),
        ("ssh://git@host.example:2222/srv/repo", ssh(Some("git"), "host.example", Some(2222), "/srv/repo")),
        ("ssh://git@[::1]:22/srv/repo", ssh(Some("git"), "::1", Some(22), "/srv/repo")),
        ("ssh://host/~git/repo", ssh(None, "host", None, "~git/repo")),
        ("file:///srv/a%20b", local("/srv/a b")),
        ("/srv/git/repo", local("/srv/git/repo")),
    ] {
        assert_eq!(address::parse(text), Ok(expected), "{text}");
    }
    let Ok(Address::Http { url, host, user, password, is_encrypted }) =
        address::parse("https://me:p%40ss@Git.Example:8443/a/b.git")
    else {
        panic!("an https address")
    };
    assert_eq!((url.as_str(), host.as_str()), ("https://Git.Example:8443/a/b.git", "git.example"));
    assert_eq!((user.as_deref(), password.unwrap().reveal(), is_encrypted), (Some("me"), "p@ss", true));
}

#[test]
fn what_is_no_address_says_why_and_never_shows_a_password() {
    for text in [
        "",
        "repo",
        "./repo",
        "git://host/repo",
        "ftp://me:secret@host/x",
        "https:///x",
        "ssh://-oProxyCommand=x/y",
        "host:-x",
    ] {
        let error = address::parse(text).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(address::without_credentials("https://me:secret@host/x?y@z"), "https://host/x?y@z");
    assert_eq!(address::without_credentials("ssh://git:secret@host/x"), "ssh://git@host/x");
}

#[test]
fn the_own_project_goes_before_unscoped_and_other_projects_are_not_used() {
    let url = "https://git.example/team/app";
    let repositories = Repositories {
        configs: vec![
            secret("unscoped", SecretRole::Repository, &[("url", url), ("password", "u")]),
            secret("other", SecretRole::Repository, &[("url", url), ("password", "o"), ("project", "other")]),
            secret("mine", SecretRole::Repository, &[("url", url), ("password", "m"), ("project", "mine")]),
        ],
        ..Repositories::default()
    };
    let own = |project| repositories.own(url, project, Access::Read).map(|config| config.secret.as_str());
    assert_eq!((own("mine"), own("other"), own("third")), (Some("mine"), Some("other"), Some("unscoped")));
    assert_eq!(repositories.own(url, "mine", Access::Write), None);
}

#[test]
fn the_longest_template_fills_in_credentials_but_never_replaces_them() {
    let repositories = Repositories {
        configs: vec![
            secret("all", SecretRole::Template, &[("url", "https://git.example"), ("password", "all")]),
            secret("team", SecretRole::Template, &[("url", "https://git.example/team/"), ("password", "team")]),
            secret("own", SecretRole::Repository, &[("url", "https://git.example/team/own"), ("password", "own")]),
            secret(
                "bare",
                SecretRole::Repository,
                &[("url", "https://git.example/team/bare"), ("proxy", "http://p:1")],
            ),
        ],
        ..Repositories::default()
    };
    let found = |url: &str| {
        let repository = repositories.find(url, "default", Access::Read);
        (repository.credentials.password.map(|p| p.reveal().to_owned()), repository.connection.proxy)
    };
    assert_eq!(found("https://git.example/x/y"), (Some("all".into()), None));
    assert_eq!(found("https://git.example/team/z.git"), (Some("team".into()), None));
    assert_eq!(found("https://git.example/team/own"), (Some("own".into()), None));
    assert_eq!(found("https://git.example/team/bare"), (Some("team".into()), Some("http://p:1".into())));
    assert_eq!(found("https://elsewhere.example/team"), (None, None));
}

#[test]
fn authorities_are_found_by_host_and_credentials_stay_on_their_host() {
    let repositories = Repositories {
        tls_authorities_by_host: BTreeMap::from([("git.example".to_owned(), "PEM".to_owned())]),
        known_hosts: Some("git.example ssh-ed25519 AAAA".into()),
        ..Repositories::default()
    };
    let repository = repositories.find("https://GIT.example:8443/x", "default", Access::Read);
    assert_eq!(repository.connection.tls_authorities.as_deref(), Some("PEM"));
    assert!(repository.connection.known_hosts.is_some());

    let mut charts = landfall_repository::repository::Repository::public("https://charts.example/stable");
    charts.credentials.username = Some("me".into());
    assert!(!Repositories::credentials_for_host(&charts, "https://charts.example/a.tgz").is_empty());
    assert!(Repositories::credentials_for_host(&charts, "https://cdn.example/a.tgz").is_empty());
}

#[test]
fn a_wrong_value_is_named_and_the_rest_still_counts() {
    let pairs = [
        ("url", " https://git.example/x\n"),
        ("type", "svn"),
        ("insecure", "yes"),
        ("depth", "-1"),
        ("password", "p\n"),
        ("gcpServiceAccountKey", "k"),
    ];
    let (config, problems) = config::parse("mine", SecretRole::Repository, &data(&pairs));
    let config = config.unwrap();
    assert_eq!(config.url, "https://git.example/x");
    assert_eq!(config.credentials.password.as_ref().map(|p| p.reveal()), Some("p"));
    assert_eq!(config.credentials.unsupported, ["Google Cloud service account (gcpServiceAccountKey)"]);
    assert_eq!(problems.len(), 3);
    assert!(problems.iter().all(|problem| problem.starts_with("Secret mine: ")), "{problems:?}");
    assert!(!format!("{config:?}").contains("\"p\""));

    let (config, problems) = config::parse("none", SecretRole::Repository, &data(&[]));
    assert_eq!((config, problems.len()), (None, 1));
}

#[test]
fn a_github_app_needs_its_id_and_its_key() {
    let url = ("url", "https://github.example/team/app");
    let app = secret("app", SecretRole::Repository, &[url, ("githubAppID", "1"), ("githubAppPrivateKey", "k")]);
    let app = app.credentials.github_app.unwrap();
    assert_eq!((app.id.as_str(), app.installation_id), ("1", None));
    let (config, problems) = config::parse("half", SecretRole::Repository, &data(&[url, ("githubAppPrivateKey", "k")]));
    assert_eq!((config.unwrap().credentials.github_app, problems.len()), (None, 1));
}

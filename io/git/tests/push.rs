//! Commits made without a working copy, pushed to real servers.

mod support;

use landfall_ports::git::{Change, GitRemote, Person};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use support::{Server, Work, client, with_login};

fn change(files: &[(&str, Option<&str>)]) -> Change {
    let file =
        |(path, content): &(&str, Option<&str>)| ((*path).to_owned(), content.map(|text| text.as_bytes().to_vec()));
    Change {
        branch: "main".into(),
        base: None,
        files: files.iter().map(file).collect(),
        message: "Update image\n".into(),
        author: Person { name: "Landfall <robot>".into(), email: "landfall@example.org".into() },
        at: "2026-01-02T03:04:05Z".parse().expect("a time"),
    }
}

fn bare(work: &Work, root: &std::path::Path) {
    work.git(&["clone", "--quiet", "--bare", ".", root.join("app.git").to_str().expect("text")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_changed_and_removed_on_top_of_the_branch() {
    let root = tempfile::tempdir().unwrap();
    let work = Work::new();
    work.write("app/a.yaml", "a: 1\n").write("app/b.yaml", "b: 1\n").write("run.sh", "#!/bin/sh\n");
    std::process::Command::new("chmod").arg("+x").arg(work.path().join("run.sh")).status().unwrap();
    let first = work.commit("First");
    bare(&work, root.path());
    let server = Server::start(root.path()).await;
    server.ask_for("robot", "pa ss:word");
    let repository = with_login(server.repository("app.git"), "robot", "pa ss:word");
    let client = client();
    let wanted = change(&[
        ("app/a.yaml", Some("a: 2\n")),
        ("app/b.yaml", None),
        ("new/deep/c.yaml", Some("c\n")),
        ("run.sh", Some("#!/bin/sh\ntrue\n")),
    ]);
    let second = client.client.commit_and_push(&repository, &wanted).await.unwrap();
    let refs = client.client.list_refs(&repository, &[]).await.unwrap();
    assert_eq!(refs.find("refs/heads/main").unwrap().commit, second);

    work.git(&["fetch", "--quiet", root.path().join("app.git").to_str().unwrap(), "main"]);
    assert_eq!(work.git(&["rev-parse", "FETCH_HEAD"]).trim(), second.as_str());
    assert_eq!(work.git(&["rev-parse", "FETCH_HEAD^"]).trim(), first.as_str());
    assert_eq!(work.git(&["ls-tree", "-r", "--name-only", "FETCH_HEAD"]), "app/a.yaml\nnew/deep/c.yaml\nrun.sh\n");
    assert_eq!(work.git(&["show", "FETCH_HEAD:app/a.yaml"]), "a: 2\n");
    assert!(work.git(&["ls-tree", "FETCH_HEAD", "run.sh"]).starts_with("100755 "), "a program stays one");
    let shown = work.git(&["show", "--no-patch", "--format=%an|%ae|%cI|%B", "FETCH_HEAD"]);
    assert_eq!(shown.trim(), "Landfall  robot|landfall@example.org|2026-01-02T03:04:05+00:00|Update image");
    work.git(&["fsck", "--strict"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_branch_and_the_first_commit_of_all_are_made() {
    let work = Work::new();
    let first = work.write("a", "1").commit("First");
    let client = client();
    let repository = Repository::public(work.url());
    let mut wanted = change(&[("b", Some("2"))]);
    wanted.branch = "hydrated/production".into();
    wanted.base = Some(first.clone());
    let made = client.client.commit_and_push(&repository, &wanted).await.unwrap();
    assert_eq!(work.revision("hydrated/production"), made);
    assert_eq!(work.revision("hydrated/production^"), first);

    let root = tempfile::tempdir().unwrap();
    work.git(&["init", "--quiet", "--bare", "--initial-branch=main", root.path().to_str().unwrap()]);
    let empty = Repository::public(root.path().display().to_string());
    let made = client.client.commit_and_push(&empty, &change(&[("b", Some("2"))])).await.unwrap();
    assert_eq!(client.client.list_refs(&empty, &[]).await.unwrap().head, Some(made));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_moved_is_never_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let work = Work::new();
    let first = work.write("a", "1").commit("First");
    bare(&work, root.path());
    let second = work.commit("Somebody else's");
    work.git(&["push", "--quiet", root.path().join("app.git").to_str().unwrap(), "HEAD:main"]);
    let server = Server::start(root.path()).await;
    let client = client();
    let mut stale = change(&[("a", Some("2"))]);
    stale.base = Some(first);
    let error = client.client.commit_and_push(&server.repository("app.git"), &stale).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Broken, "{error}");
    let refs = client.client.list_refs(&server.repository("app.git"), &[]).await.unwrap();
    assert_eq!(refs.head, Some(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_server_and_paths_that_leave_the_repository_are_named() {
    let root = tempfile::tempdir().unwrap();
    let work = Work::new();
    work.write("a", "1").commit("First");
    bare(&work, root.path());
    let hook = root.path().join("app.git/hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho 'no deploys on Friday' >&2\nexit 1\n").unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let server = Server::start(root.path()).await;
    let client = client();
    let repository = server.repository("app.git");
    let error = client.client.commit_and_push(&repository, &change(&[("a", Some("2"))])).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::Forbidden, "{error}");
    assert!(error.to_string().contains("Friday") || error.to_string().contains("pre-receive"), "{error}");
    for path in ["../x", "/etc/x", ".git/config", "a/.GIT/hooks/x", ""] {
        let error = client.client.commit_and_push(&repository, &change(&[(path, Some("2"))])).await.unwrap_err();
        assert_eq!(error.problem, SourceProblem::Invalid, "{path}");
    }
}

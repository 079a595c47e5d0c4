//! Repositories of this machine: read where they are, without a copy and without a program.

mod support;

use landfall_ports::git::{GitRemote, PathChange, SignatureKind};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::revision::{Resolved, resolve};
use landfall_tree::EntryKind;
use support::{Work, client};

fn example() -> Work {
    let work = Work::new();
    work.write("app/deployment.yaml", "kind: Deployment\n").write("app/sub/service.yaml", "kind: Service\n");
    work.write("app.md", "beside\n").write("run.sh", "#!/bin/sh\n");
    std::os::unix::fs::symlink("app/deployment.yaml", work.path().join("link.yaml")).expect("a link");
    std::process::Command::new("chmod").arg("+x").arg(work.path().join("run.sh")).status().expect("chmod");
    work.commit("First\n\nwith a body");
    work
}

#[tokio::test]
async fn references_and_head_are_listed_with_tags_peeled() {
    let work = example();
    let first = work.revision("HEAD");
    work.git(&["tag", "light"]);
    work.git(&["tag", "--annotate", "v1.0.0", "--message", "release"]);
    work.git(&["checkout", "--quiet", "-b", "feature/x"]);
    let second = work.commit("Second");
    let client = client();
    for url in [work.url(), work.path().display().to_string(), format!("{}/.git", work.url())] {
        let refs = client.client.list_refs(&Repository::public(&url), &[]).await.unwrap();
        assert_eq!(refs.head_branch.as_deref(), Some("refs/heads/feature/x"));
        assert_eq!(refs.head.as_ref(), Some(&second));
        let names: Vec<_> = refs.references.iter().map(|reference| reference.name.as_str()).collect();
        assert_eq!(names, ["refs/heads/feature/x", "refs/heads/main", "refs/tags/light", "refs/tags/v1.0.0"]);
        assert_eq!(refs.find("refs/heads/main").unwrap().commit, first);
        let tag = refs.find("refs/tags/v1.0.0").unwrap();
        assert_eq!((&tag.commit, tag.tag_object.is_some()), (&first, true));
        assert_eq!(refs.find("refs/tags/light").unwrap().tag_object, None);
    }
    assert_eq!(std::fs::read_dir(client.cache.path()).unwrap().count(), 0, "a local repository needs no mirror");
}

#[tokio::test]
async fn the_files_of_a_commit_are_read_from_the_object_database() {
    let work = example();
    let commit = work.revision("HEAD");
    // What is not committed is not seen.
    work.write("app/deployment.yaml", "kind: Changed\n").write("new.yaml", "x");
    let client = client();
    let repository = Repository::public(work.url());
    client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
    let tree = client.client.tree(&repository, &commit).await.unwrap();

    assert_eq!(tree.kind("").unwrap(), Some(EntryKind::Directory));
    assert_eq!(tree.kind("app/sub").unwrap(), Some(EntryKind::Directory));
    assert_eq!(tree.kind("link.yaml").unwrap(), Some(EntryKind::Link));
    assert_eq!(tree.kind("new.yaml").unwrap(), None);
    assert_eq!(tree.kind("app.md/below").unwrap(), None);
    assert_eq!(tree.file("app/deployment.yaml").unwrap().as_deref(), Some(b"kind: Deployment\n".as_slice()));
    assert_eq!(tree.file("app").unwrap(), None);
    assert_eq!(tree.link("link.yaml").unwrap().as_deref(), Some("app/deployment.yaml"));
    assert_eq!(landfall_tree::read(&*tree, "link.yaml").unwrap().as_deref(), Some(b"kind: Deployment\n".as_slice()));
    let names: Vec<_> = tree.directory("").unwrap().unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["app", "app.md", "link.yaml", "run.sh"], "byte order of the names, not Git's");
    let deployment = work.git(&["rev-parse", "HEAD:app/deployment.yaml"]);
    assert_eq!(tree.identity("app/deployment.yaml").unwrap().as_deref(), Some(deployment.trim()));
    assert_eq!(tree.identity("app").unwrap().as_deref(), Some(work.git(&["rev-parse", "HEAD:app"]).trim()));
    assert_eq!(tree.identity("absent").unwrap(), None);
}

#[tokio::test]
async fn submodules_are_mounted_where_they_belong_and_nested_ones_too() {
    let innermost = Work::new();
    innermost.write("deep.yaml", "deep: 1\n").commit("Innermost");
    let inner = example();
    inner.git(&["submodule", "--quiet", "add", &innermost.url(), "nested"]);
    inner.commit("With a submodule");
    let outer = Work::new();
    outer.write("own.yaml", "own: 1\n").git(&["submodule", "--quiet", "add", &inner.url(), "vendor/inner"]);
    let commit = outer.commit("With a submodule");
    // A later commit of the submodule is not the one that was asked for.
    inner.write("app/deployment.yaml", "kind: Later\n").commit("Later");
    let client = client();
    let tree = client.client.tree(&Repository::public(outer.url()), &commit).await.unwrap();
    let text = |path: &str| tree.file(path).unwrap().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(text("own.yaml").as_deref(), Some("own: 1\n"));
    assert_eq!(text("vendor/inner/app/deployment.yaml").as_deref(), Some("kind: Deployment\n"));
    assert_eq!(text("vendor/inner/nested/deep.yaml").as_deref(), Some("deep: 1\n"));
    assert_eq!(tree.kind("vendor/inner").unwrap(), Some(EntryKind::Directory));
    assert_eq!(tree.directory("vendor").unwrap().unwrap()[0].kind, EntryKind::Directory);
    assert!(
        landfall_tree::files_below(&*tree, "vendor").unwrap().contains(&"vendor/inner/nested/deep.yaml".to_owned())
    );
    assert_eq!(tree.kind("vendor/inner/absent").unwrap(), None);
    assert!(tree.identity("vendor/inner").unwrap().is_some());
    assert_eq!(tree.identity("vendor/inner/app").unwrap().unwrap(), inner.git(&["rev-parse", "HEAD~1:app"]).trim());
}

#[tokio::test]
async fn a_submodule_that_cannot_be_had_is_an_error_of_its_own_paths() {
    let inner = example();
    let outer = Work::new();
    outer.write("own.yaml", "own: 1\n").git(&["submodule", "--quiet", "add", &inner.url(), "vendored"]);
    outer.write(".gitmodules", "[submodule \"vendored\"]\n\tpath = vendored\n\turl = /nonexistent/repository\n");
    let commit = outer.commit("With a submodule");
    let client = client();
    let tree = client.client.tree(&Repository::public(outer.url()), &commit).await.unwrap();
    assert!(tree.file("own.yaml").unwrap().is_some());
    let error = tree.file("vendored/app/deployment.yaml").unwrap_err().to_string();
    assert!(error.contains("submodule vendored") && error.contains("/nonexistent/repository"), "{error}");

    let off = support::client_with(|settings| settings.submodules_wanted = false);
    let tree = off.client.tree(&Repository::public(outer.url()), &commit).await.unwrap();
    assert_eq!(tree.kind("vendored").unwrap(), Some(EntryKind::Other));
    assert_eq!((tree.file("vendored").unwrap(), tree.directory("vendored").unwrap()), (None, None));
    assert!(tree.identity("vendored").unwrap().is_some());
}

#[tokio::test]
async fn a_file_in_large_file_storage_stays_a_stand_in_unless_wanted_and_needs_a_server_then() {
    let work = Work::new();
    let stand_in = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let commit = work.write("big.bin", stand_in).write("small.yaml", "a: 1\n").commit("Large");
    let client = client();
    let mut repository = Repository::public(work.url());
    let tree = client.client.tree(&repository, &commit).await.unwrap();
    assert_eq!(tree.file("big.bin").unwrap().unwrap(), stand_in);
    repository.large_files_wanted = true;
    let tree = client.client.tree(&repository, &commit).await;
    assert!(tree.err().unwrap().to_string().contains("over http(s) only"));
}

#[tokio::test]
async fn a_commit_says_who_when_and_what() {
    let work = example();
    let first = work.revision("HEAD");
    let second = work.commit("Second");
    let client = client();
    let repository = Repository::public(work.url());
    let commit = client.client.commit(&repository, &first).await.unwrap();
    assert_eq!(commit.author.to_string(), "Ada Example <ada@example.org>");
    assert_eq!(commit.message, "First\n\nwith a body\n");
    assert_eq!((commit.parents.len(), commit.signature), (0, None));
    assert_eq!(commit.tree, work.git(&["rev-parse", &format!("{first}^{{tree}}")]).trim());
    let shown = work.git(&["show", "--no-patch", "--format=%at", first.as_str()]);
    assert_eq!(commit.authored_at.as_second().to_string(), shown.trim());
    assert_eq!(client.client.commit(&repository, &second).await.unwrap().parents, [first]);
}

#[tokio::test]
async fn a_signature_is_handed_out_with_what_was_signed() {
    let work = example();
    let raw = work.git(&["cat-file", "commit", "HEAD"]);
    let (head, body) = raw.split_once("\n\n").unwrap();
    let signature = "-----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAA\n -----END SSH SIGNATURE-----";
    std::fs::write(work.path().join("signed"), format!("{head}\ngpgsig {signature}\n\n{body}")).unwrap();
    let id = work.git(&["hash-object", "-t", "commit", "-w", "signed"]);
    let id = landfall_repository::refs::CommitId::parse(id.trim()).unwrap();
    let commit = client().client.commit(&Repository::public(work.url()), &id).await.unwrap();
    let found = commit.signature.unwrap();
    assert_eq!(found.kind, SignatureKind::Ssh);
    assert!(found.armored.starts_with("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH"), "{}", found.armored);
    assert_eq!(String::from_utf8(found.payload).unwrap(), raw);
}

#[tokio::test]
async fn ancestry_and_differences_follow_the_history() {
    let work = example();
    let first = work.revision("HEAD");
    work.write("app/deployment.yaml", "kind: Changed\n").write("app/new/a.yaml", "a");
    std::fs::remove_file(work.path().join("app.md")).unwrap();
    let second = work.commit("Second");
    work.git(&["checkout", "--quiet", "--orphan", "other"]);
    let other = work.commit("Unrelated");
    let client = client();
    let repository = Repository::public(work.url());
    let is_ancestor = async |a, b| client.client.is_ancestor(&repository, a, b).await.unwrap();
    assert!(is_ancestor(&first, &second).await);
    assert!(is_ancestor(&first, &first).await);
    assert!(!is_ancestor(&second, &first).await);
    assert!(!is_ancestor(&first, &other).await);

    let changes = client.client.changed_paths(&repository, &first, &second).await.unwrap();
    let changes: Vec<_> = changes.iter().map(|change| (change.path.as_str(), change.how)).collect();
    let expected = [
        ("app.md", PathChange::Removed),
        ("app/deployment.yaml", PathChange::Modified),
        ("app/new/a.yaml", PathChange::Added),
    ];
    assert_eq!(changes, expected);
    assert_eq!(client.client.changed_paths(&repository, &second, &other).await.unwrap(), []);
}

#[tokio::test]
async fn a_shortened_commit_is_found_and_an_ambiguous_one_refused() {
    let work = example();
    let head = work.revision("HEAD");
    let client = client();
    let repository = Repository::public(work.url());
    let refs = client.client.list_refs(&repository, &[]).await.unwrap();
    let Ok(Resolved::ShortId(prefix)) = resolve(&refs, &head.as_str()[..8].to_uppercase(), "") else {
        panic!("eight digits are a shortened commit")
    };
    assert_eq!(client.client.find_commit(&repository, &prefix).await.unwrap(), head);
    // Trees and blobs share the name space, commits alone count.
    let tree = work.git(&["rev-parse", "HEAD^{tree}"]);
    let error = client.client.find_commit(&repository, &tree[..10]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision);
}

#[tokio::test]
async fn commits_made_after_the_repository_was_opened_are_seen() {
    let work = example();
    let client = client();
    let repository = Repository::public(work.url());
    client.client.list_refs(&repository, &[]).await.unwrap();
    for round in 0..3 {
        work.write("app/deployment.yaml", &format!("round: {round}\n"));
        let commit = work.commit("next");
        if round == 1 {
            work.git(&["gc", "--quiet", "--prune=now"]);
        }
        assert_eq!(client.client.list_refs(&repository, &[]).await.unwrap().head.as_ref(), Some(&commit));
        client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
        let tree = client.client.tree(&repository, &commit).await.unwrap();
        assert_eq!(tree.file("app/deployment.yaml").unwrap().unwrap(), format!("round: {round}\n"));
    }
}

#[tokio::test]
async fn what_is_missing_is_said_with_the_path_and_what_to_do() {
    let client = client();
    let empty = tempfile::tempdir().unwrap();
    for (path, text) in [("/nonexistent/repo", "no such folder"), (empty.path().to_str().unwrap(), "no Git repository")]
    {
        let error = client.client.list_refs(&Repository::public(path), &[]).await.unwrap_err();
        assert_eq!(error.problem, SourceProblem::NotFound);
        assert!(error.to_string().contains(text) && error.to_string().contains(path), "{error}");
        assert!(!error.hint.is_empty());
    }
    let work = example();
    let repository = Repository::public(work.url());
    let unknown = landfall_repository::refs::CommitId::parse(&"1".repeat(40)).unwrap();
    for error in [
        client.client.fetch(&repository, std::slice::from_ref(&unknown)).await.unwrap_err(),
        client.client.tree(&repository, &unknown).await.err().unwrap(),
        client.client.commit(&repository, &unknown).await.unwrap_err(),
    ] {
        assert_eq!(error.problem, SourceProblem::UnknownRevision);
        assert!(error.to_string().contains(unknown.as_str()), "{error}");
    }
    let fresh = Work::new();
    let refs = client.client.list_refs(&Repository::public(fresh.url()), &[]).await.unwrap();
    assert_eq!((refs.head, refs.head_branch.as_deref()), (None, Some("refs/heads/main")));
}

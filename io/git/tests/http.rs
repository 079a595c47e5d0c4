//! Repositories behind a real Git server (`git http-backend`) over HTTP.

mod support;

use std::time::Duration;

use landfall_ports::git::GitRemote;
use landfall_repository::problem::SourceProblem;
use landfall_repository::refs::CommitId;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use support::{Client, Server, Work, client, client_with, packs, with_login};

/// A bare repository below the root of a server, and the working copy that pushes to it.
struct Hosted {
    server: Server,
    work: Work,
    _root: tempfile::TempDir,
}

impl Hosted {
    async fn start() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let work = Work::new();
        work.write("app/a.yaml", "a: 1\n").commit("First");
        let bare = root.path().join("team").join("app.git");
        work.git(&["init", "--quiet", "--bare", "--initial-branch=main", bare.to_str().expect("text")]);
        work.git(&["remote", "add", "origin", bare.to_str().expect("text")]);
        work.git(&["push", "--quiet", "origin", "main"]);
        Self { server: Server::start(root.path()).await, work, _root: root }
    }

    fn repository(&self) -> Repository {
        self.server.repository("team/app.git")
    }

    fn push(&self, message: &str) -> CommitId {
        let commit = self.work.commit(message);
        self.work.git(&["push", "--quiet", "--force", "origin", "HEAD"]);
        commit
    }
}

async fn content(client: &Client, repository: &Repository, commit: &CommitId, path: &str) -> Option<String> {
    let tree = client.client.tree(repository, commit).await.expect("the tree of a fetched commit");
    tree.file(path).expect("a readable tree").map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_listed_and_a_commit_is_fetched_and_read() {
    let hosted = Hosted::start().await;
    hosted.work.git(&["tag", "--annotate", "v1.0.0", "--message", "release"]);
    hosted.work.git(&["push", "--quiet", "origin", "v1.0.0", "HEAD:refs/pull/7/head"]);
    let client = client();
    let repository = hosted.repository();
    let refs = client.client.list_refs(&repository, &[]).await.unwrap();
    let head = hosted.work.revision("HEAD");
    assert_eq!((refs.head_branch.as_deref(), refs.head.as_ref()), (Some("refs/heads/main"), Some(&head)));
    let names: Vec<_> = refs.references.iter().map(|reference| reference.name.as_str()).collect();
    assert_eq!(names, ["refs/heads/main", "refs/tags/v1.0.0"], "what nobody asked for is not sent");
    let tag = refs.find("refs/tags/v1.0.0").unwrap();
    assert_eq!((&tag.commit, tag.tag_object.is_some()), (&head, true));
    let prefixes = landfall_repository::revision::extra_prefixes("pull/7/head");
    let with_pull = client.client.list_refs(&repository, &prefixes).await.unwrap();
    assert_eq!(with_pull.find("refs/pull/7/head").unwrap().commit, head);

    client.client.fetch(&repository, std::slice::from_ref(&head)).await.unwrap();
    assert_eq!(content(&client, &repository, &head, "app/a.yaml").await.as_deref(), Some("a: 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_is_never_asked_for_again() {
    let hosted = Hosted::start().await;
    let client = client();
    let repository = hosted.repository();
    let first = hosted.work.revision("HEAD");
    client.client.fetch(&repository, std::slice::from_ref(&first)).await.unwrap();
    let asked = hosted.server.count();
    client.client.fetch(&repository, std::slice::from_ref(&first)).await.unwrap();
    client.client.commit(&repository, &first).await.unwrap();
    assert_eq!(hosted.server.count(), asked, "no request for a commit that is here");
    assert_eq!(client.client.find_commit(&repository, &first.as_str()[..7]).await.unwrap(), first);
    assert_eq!(hosted.server.count(), asked);
    // A second client on the same cache finds the mirror.
    let mut settings = landfall_git::settings::Settings::in_directory(client.cache.path());
    settings.idle_timeout = Duration::from_secs(10);
    let again = landfall_git::client::GitClient::with_settings(settings);
    again.fetch(&repository, &[first]).await.unwrap();
    assert_eq!(hosted.server.count(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_commits_are_fetched_on_top_and_old_ones_stay_readable() {
    let hosted = Hosted::start().await;
    let client = client();
    let repository = hosted.repository();
    let mut commits = vec![hosted.work.revision("HEAD")];
    for round in 2..5 {
        hosted.work.write("app/a.yaml", &format!("a: {round}\n"));
        commits.push(hosted.push("next"));
    }
    for commit in &commits {
        client.client.fetch(&repository, std::slice::from_ref(commit)).await.unwrap();
    }
    for (position, commit) in commits.iter().enumerate() {
        let expected = format!("a: {}\n", position + 1);
        assert_eq!(content(&client, &repository, commit, "app/a.yaml").await, Some(expected));
    }
    assert!(client.client.is_ancestor(&repository, &commits[0], &commits[3]).await.unwrap());
    assert!(packs(client.cache.path()) <= commits.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_was_force_pushed_away_is_replaced_and_stays_readable_where_it_was_fetched() {
    let hosted = Hosted::start().await;
    let client = client();
    let repository = hosted.repository();
    hosted.work.write("app/a.yaml", "a: old\n");
    let old = hosted.push("Old");
    client.client.fetch(&repository, std::slice::from_ref(&old)).await.unwrap();
    hosted.work.git(&["checkout", "--quiet", "--orphan", "fresh"]);
    hosted.work.write("app/a.yaml", "a: new\n");
    hosted.work.commit("New history");
    hosted.work.git(&["push", "--quiet", "--force", "origin", "HEAD:main"]);
    let new = hosted.work.revision("HEAD");
    assert_eq!(client.client.list_refs(&repository, &[]).await.unwrap().head.as_ref(), Some(&new));
    client.client.fetch(&repository, std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(content(&client, &repository, &new, "app/a.yaml").await.as_deref(), Some("a: new\n"));
    assert_eq!(content(&client, &repository, &old, "app/a.yaml").await.as_deref(), Some("a: old\n"));
    assert!(!client.client.is_ancestor(&repository, &old, &new).await.unwrap());

    // Whoever comes later cannot have the old commit once the server forgot it, and is told so.
    let bare = hosted.server.root.join("team/app.git");
    hosted.work.git(&["-C", bare.to_str().unwrap(), "gc", "--quiet", "--prune=now"]);
    let error = support::client().client.fetch(&repository, std::slice::from_ref(&old)).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision, "{error}");
    assert!(error.to_string().contains(old.as_str()) && error.hint.contains("force-pushed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_commit_is_found_by_fetching_branches_and_tags() {
    let hosted = Hosted::start().await;
    let wanted = hosted.work.revision("HEAD");
    hosted.push("Second");
    let client = client();
    let repository = hosted.repository();
    assert_eq!(client.client.find_commit(&repository, &wanted.as_str()[..9]).await.unwrap(), wanted);
    let error = client.client.find_commit(&repository, "0123456").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_asked_for_refused_and_accepted() {
    let hosted = Hosted::start().await;
    hosted.server.ask_for("robot", "s3cret:with@signs");
    let client = client();
    let head = hosted.work.revision("HEAD");
    let public = hosted.repository();
    let error = client.client.list_refs(&public, &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::AuthenticationRequired, "{error}");
    assert!(error.to_string().contains("argocd.argoproj.io/secret-type=repository"), "{error}");
    let wrong = with_login(public.clone(), "robot", "wrong");
    for error in [
        client.client.list_refs(&wrong, &[]).await.unwrap_err(),
        client.client.fetch(&wrong, std::slice::from_ref(&head)).await.unwrap_err(),
    ] {
        assert_eq!(error.problem, SourceProblem::AuthenticationFailed, "{error}");
        assert!(!format!("{error} {error:?}").contains("wrong"), "no secret in a message: {error:?}");
    }
    let right = with_login(public.clone(), "robot", "s3cret:with@signs");
    client.client.list_refs(&right, &[]).await.unwrap();
    client.client.fetch(&right, std::slice::from_ref(&head)).await.unwrap();
    assert!(client.client.tree(&right, &head).await.is_ok());
    // Credentials may stand in the address itself; they are used and never shown.
    let inside = format!("http://robot:s3cret%3Awith%40signs@127.0.0.1:{}/team/app.git", hosted.server.port);
    client.client.list_refs(&Repository::public(&inside), &[]).await.unwrap();
    let missing = Repository::public(inside.replace("app.git", "absent.git"));
    let error = client.client.list_refs(&missing, &[]).await.unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    let mut token = public;
    token.credentials.bearer_token = Some(Confidential::of("abc"));
    let error = client.client.list_refs(&token, &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::AuthenticationFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_not_found() {
    let hosted = Hosted::start().await;
    let error = client().client.list_refs(&hosted.server.repository("team/other.git"), &[]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::NotFound, "{error}");
    assert!(error.to_string().contains("/team/other.git"));
    let unknown = CommitId::parse(&"a".repeat(40)).unwrap();
    let error = client().client.fetch(&hosted.repository(), &[unknown]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_share_one_mirror() {
    let hosted = Hosted::start().await;
    let client = client();
    let repository = hosted.repository();
    let mut commits = vec![hosted.work.revision("HEAD")];
    for round in 0..4 {
        hosted.work.write("app/a.yaml", &format!("a: {round}\n"));
        commits.push(hosted.push("next"));
    }
    let mut tasks = Vec::new();
    for task in 0..20 {
        let (client, repository, commit) = (client.client.clone(), repository.clone(), commits[task % 5].clone());
        tasks.push(tokio::spawn(async move {
            client.fetch(&repository, std::slice::from_ref(&commit)).await?;
            client.tree(&repository, &commit).await.map(|tree| tree.file("app/a.yaml"))
        }));
    }
    for task in tasks {
        assert!(task.await.unwrap().unwrap().unwrap().is_some());
    }
    assert_eq!(std::fs::read_dir(client.cache.path()).unwrap().count(), 1);
    assert!(packs(client.cache.path()) <= 5, "each commit is fetched at most once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_over_the_size_limit_is_refused_and_the_next_repository_is_not() {
    let hosted = Hosted::start().await;
    let mut noise = String::new();
    let mut state = 1_u64;
    while noise.len() < 3 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{state:x}\n"));
    }
    let small = hosted.work.revision("HEAD");
    hosted.work.write("big.txt", &noise);
    let big = hosted.push("Big");
    let client = client_with(|settings| {
        settings.pack_bytes_max = 1 << 20;
        settings.file_bytes_max = 1 << 20;
    });
    let repository = hosted.repository();
    let error = client.client.fetch(&repository, &[big]).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::TooLarge, "{error}");
    client.client.fetch(&repository, std::slice::from_ref(&small)).await.unwrap();
    // A file over its own limit is an error of that path alone.
    let local = Repository::public(hosted.work.url());
    let tree = client.client.tree(&local, &hosted.work.revision("HEAD")).await.unwrap();
    assert!(tree.file("big.txt").unwrap_err().to_string().contains("limit"));
    assert!(tree.file("app/a.yaml").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_depth_fetches_that_much_history_and_no_more() {
    let hosted = Hosted::start().await;
    let first = hosted.work.revision("HEAD");
    hosted.push("Second");
    let third = hosted.push("Third");
    let client = client();
    let mut repository = hosted.repository();
    repository.depth = Some(1);
    client.client.fetch(&repository, std::slice::from_ref(&third)).await.unwrap();
    assert!(client.client.tree(&repository, &third).await.is_ok());
    assert!(client.client.commit(&repository, &first).await.is_err());
    let fourth = hosted.push("Fourth");
    client.client.fetch(&repository, std::slice::from_ref(&fourth)).await.unwrap();
    assert!(client.client.tree(&repository, &fourth).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_files_are_fetched_and_read() {
    let hosted = Hosted::start().await;
    for number in 0..5_000 {
        hosted.work.write(&format!("apps/{:03}/{number}.yaml", number % 100), &format!("number: {number}\n"));
    }
    let commit = hosted.push("Many");
    let client = client();
    let repository = hosted.repository();
    client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
    let tree = client.client.tree(&repository, &commit).await.unwrap();
    let files = landfall_tree::files_below(&*tree, "apps").unwrap();
    assert_eq!(files.len(), 5_000);
    for path in &files {
        assert!(tree.file(path).unwrap().unwrap().starts_with(b"number: "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_that_nobody_uses_are_removed_and_made_again() {
    let hosted = Hosted::start().await;
    let client = client();
    let repository = hosted.repository();
    let head = hosted.work.revision("HEAD");
    client.client.fetch(&repository, std::slice::from_ref(&head)).await.unwrap();
    assert!(client.client.disk_use_bytes().await > 0);
    let keep = [repository.url.clone()];
    assert_eq!(client.client.clean(&keep, Duration::ZERO).await, 0);
    assert_eq!(client.client.clean(&[], Duration::from_secs(3600)).await, 0);
    assert!(client.client.clean(&[], Duration::ZERO).await > 0);
    assert_eq!(std::fs::read_dir(client.cache.path()).unwrap().count(), 0);
    client.client.fetch(&repository, std::slice::from_ref(&head)).await.unwrap();
    assert!(client.client.tree(&repository, &head).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_mirror_is_made_again() {
    let hosted = Hosted::start().await;
    let first = client();
    let repository = hosted.repository();
    let head = hosted.work.revision("HEAD");
    first.client.fetch(&repository, std::slice::from_ref(&head)).await.unwrap();
    let mirror = std::fs::read_dir(first.cache.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(mirror.join("HEAD")).unwrap();
    let again = landfall_git::client::GitClient::with_settings(landfall_git::settings::Settings::in_directory(
        first.cache.path(),
    ));
    again.fetch(&repository, std::slice::from_ref(&head)).await.unwrap();
    assert!(again.tree(&repository, &head).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_become_one_while_everything_stays_readable() {
    let hosted = Hosted::start().await;
    let client = client_with(|settings| settings.packs_max = 3);
    let repository = hosted.repository();
    let mut commits = vec![hosted.work.revision("HEAD")];
    let mut trees = Vec::new();
    for round in 0..6 {
        client.client.fetch(&repository, &commits[round..]).await.unwrap();
        trees.push(client.client.tree(&repository, &commits[round]).await.unwrap());
        assert!(packs(client.cache.path()) <= 3, "after round {round}");
        hosted.work.write("app/a.yaml", &format!("round: {round}\n"));
        commits.push(hosted.push("next"));
    }
    for (tree, commit) in trees.iter().zip(&commits) {
        assert!(tree.file("app/a.yaml").unwrap().is_some());
        assert!(client.client.commit(&repository, commit).await.is_ok());
    }
    // A client without git goes on with the packs as they are.
    let bare = client_with(|settings| {
        settings.packs_max = 1;
        settings.git_program = "/nonexistent/git".into();
    });
    for commit in &commits {
        bare.client.fetch(&repository, std::slice::from_ref(commit)).await.unwrap();
        assert!(bare.client.tree(&repository, commit).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_repository_cannot_reach_folders_of_this_machine_by_a_submodule() {
    let hosted = Hosted::start().await;
    let secret = Work::new();
    secret.write("secret.yaml", "secret").commit("Secret");
    hosted.work.git(&["submodule", "--quiet", "add", &secret.url(), "stolen"]);
    let commit = hosted.push("With a submodule");
    let client = client();
    let repository = hosted.repository();
    client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
    let tree = client.client.tree(&repository, &commit).await.unwrap();
    assert!(tree.file("stolen/secret.yaml").unwrap_err().to_string().contains("folder of this machine"));
    assert!(tree.file("app/a.yaml").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_large_file_storage_are_had_with_the_repositorys_login_where_they_are_wanted() {
    let hosted = Hosted::start().await;
    let content = "kind: large\n".repeat(500);
    let digest = sha256(&content);
    let stand_in = |digest: &str, size: usize| {
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n")
    };
    hosted.work.write("app/large.yaml", &stand_in(&digest, content.len()));
    let commit = hosted.push("Large");
    hosted.server.large.lock().unwrap().insert(digest, content.clone());
    hosted.server.ask_for("reader", "hush");
    let mut repository = with_login(hosted.repository(), "reader", "hush");
    repository.large_files_wanted = true;
    let client = client();
    client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
    assert_eq!(self::content(&client, &repository, &commit, "app/large.yaml").await, Some(content));
    assert_eq!(self::content(&client, &repository, &commit, "app/a.yaml").await.as_deref(), Some("a: 1\n"));
    let asked = hosted.server.count();
    self::content(&client, &repository, &commit, "app/large.yaml").await;
    assert_eq!(hosted.server.count(), asked, "what is here is not asked for again");

    hosted.work.write("app/large.yaml", &stand_in(&sha256("another"), 7));
    let commit = hosted.push("Not there");
    client.client.fetch(&repository, std::slice::from_ref(&commit)).await.unwrap();
    let error = client.client.tree(&repository, &commit).await.err().unwrap();
    assert_eq!(error.problem, SourceProblem::NotFound);
    assert!(error.to_string().contains("git lfs push"), "{error}");
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

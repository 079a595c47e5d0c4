//! Repositories behind a real SSH server. Needs OpenSSH's `sshd`; without it nothing is tested, which with CI=true is
//! a failure.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_ports::git::{Change, GitRemote, Person};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use support::{Work, client};

struct Sshd {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was left out")]
fn sshd_program() -> Option<PathBuf> {
    let found = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"].map(PathBuf::from);
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "install openssh-server: Git over SSH is not tested");
        println!("left out: Git over SSH, because there is no sshd (Debian: openssh-server)");
    }
    found
}

fn keygen(path: &Path) {
    let done = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(done.expect("ssh-keygen").success());
}

impl Sshd {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user", "stranger"] {
            keygen(&at(key));
        }
        let user = Command::new("id").arg("-un").output().expect("id").stdout;
        let user = String::from_utf8(user).expect("a name").trim().to_owned();
        std::fs::copy(at("user.pub"), at("authorized_keys")).expect("copied");
        // sshd run by root insists on this folder.
        std::fs::create_dir_all("/run/sshd").ok();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let settings = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes\nUsePAM no\n\
             PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n",
            at("host").display(),
            at("authorized_keys").display(),
        );
        std::fs::write(at("sshd_config"), settings).expect("written");
        let child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(at("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("sshd.log")).expect("a log"))
            .spawn()
            .expect("sshd starts");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(at("sshd.log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(20), "sshd does not listen: {log}");
            std::thread::yield_now();
        }
        Self { child, port, folder, user }
    }

    fn repository(&self, path: &Path, key: Option<&str>) -> Repository {
        let url = format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, path.display());
        let mut repository = Repository::public(url);
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).expect("a key");
        let host = read("host.pub");
        repository.connection.known_hosts = Some(format!("[127.0.0.1]:{} {host}", self.port));
        // A public repository would use the keys of whoever runs the test: an empty one stands for "no key".
        let key = key.map_or_else(|| read("stranger"), read);
        repository.credentials.ssh_private_key = Some(Confidential::of(key));
        repository
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_listed_fetched_read_and_pushed_to_with_a_key() {
    let Some(program) = sshd_program() else { return };
    let sshd = Sshd::start(&program);
    let work = Work::new();
    let first = work.write("it's/a.yaml", "a: 1\n").commit("First");
    let bare = sshd.folder.path().join("it's mine.git");
    work.git(&["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let repository = sshd.repository(Path::new(&bare.display().to_string().replace(' ', "%20")), Some("user"));
    let client = client();
    let refs = client.client.list_refs(&repository, &[]).await.unwrap();
    assert_eq!((refs.head_branch.as_deref(), refs.head.as_ref()), (Some("refs/heads/main"), Some(&first)));
    client.client.fetch(&repository, std::slice::from_ref(&first)).await.unwrap();
    let tree = client.client.tree(&repository, &first).await.unwrap();
    assert_eq!(tree.file("it's/a.yaml").unwrap().unwrap(), "a: 1\n");

    let change = Change {
        branch: "main".into(),
        base: None,
        files: vec![("it's/a.yaml".into(), Some(b"a: 2\n".to_vec()))],
        message: "Second".into(),
        author: Person { name: "Landfall".into(), email: "landfall@example.org".into() },
        at: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let plain = sshd.folder.path().join("plain.git");
    work.git(&["clone", "--quiet", "--bare", ".", plain.to_str().unwrap()]);
    let plain = sshd.repository(&plain, Some("user"));
    let second = client.client.commit_and_push(&plain, &change).await.unwrap();
    assert_eq!(client.client.list_refs(&plain, &[]).await.unwrap().head, Some(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    let Some(program) = sshd_program() else { return };
    let sshd = Sshd::start(&program);
    let work = Work::new();
    work.commit("First");
    let client = client();
    let problem = async |repository: &Repository| {
        let error = client.client.list_refs(repository, &[]).await.unwrap_err();
        assert!(!error.reason.is_empty());
        (error.problem.clone(), error.to_string())
    };
    let (found, said) = problem(&sshd.repository(work.path(), Some("stranger"))).await;
    assert_eq!(found, SourceProblem::AuthenticationFailed, "{said}");

    let (found, said) = problem(&sshd.repository(Path::new("/nonexistent/repo.git"), Some("user"))).await;
    assert_eq!(found, SourceProblem::NotFound, "{said}");

    let mut unknown_host = sshd.repository(work.path(), Some("user"));
    unknown_host.connection.known_hosts = Some(String::new());
    let (found, said) = problem(&unknown_host).await;
    assert_eq!(found, SourceProblem::HostKeyUnknown, "{said}");
    unknown_host.connection.host_key_insecure = true;
    client.client.list_refs(&unknown_host, &[]).await.unwrap();

    let mut changed_host = sshd.repository(work.path(), Some("user"));
    let other = std::fs::read_to_string(sshd.folder.path().join("stranger.pub")).unwrap();
    changed_host.connection.known_hosts = Some(format!("[127.0.0.1]:{} {other}", sshd.port));
    let (found, said) = problem(&changed_host).await;
    assert_eq!(found, SourceProblem::HostKeyUnknown, "{said}");

    let mut no_key = sshd.repository(work.path(), Some("user"));
    no_key.credentials.ssh_private_key = Some(Confidential::of("-----BEGIN OPENSSH PRIVATE KEY-----\nno\n"));
    let (found, said) = problem(&no_key).await;
    assert_eq!(found, SourceProblem::Invalid, "{said}");

    let mut down = sshd.repository(work.path(), Some("user"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    down.url = down.url.replace(&sshd.port.to_string(), &port.to_string());
    let (found, said) = problem(&down).await;
    assert_eq!(found, SourceProblem::Unreachable, "{said}");
}

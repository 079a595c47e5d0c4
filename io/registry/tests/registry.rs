//! Artifacts in and out of a real registry (Debian's docker-registry). Without it nothing is tested here, which with
//! CI=true is a failure.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use landfall_ports::registry::{Artifact, CHART_CONFIG, CHART_LAYER, Layer, Registry};
use landfall_registry::client::{RegistryClient, Settings};
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;

/// "robot" with the password "s3cret", hashed with bcrypt at its lowest cost.
const PASSWORDS: &str = "robot:$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n";

struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was left out")]
fn program() -> Option<PathBuf> {
    let found = ["/usr/bin/docker-registry", "/usr/local/bin/registry", "/bin/registry"].map(PathBuf::from);
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "install docker-registry: OCI registries are not tested"
        );
        println!("left out: OCI registries, because there is no docker-registry (Debian: docker-registry)");
    }
    found
}

impl Server {
    fn start(program: &Path, asks_for_password: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let mut settings = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: tested\n",
            at("data").display()
        );
        if asks_for_password {
            std::fs::write(at("passwords"), PASSWORDS).expect("written");
            settings
                .push_str(&format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", at("passwords").display()));
        }
        std::fs::write(at("config.yml"), settings).expect("written");
        let child = Command::new(program)
            .arg("serve")
            .arg(at("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).expect("a log"))
            .spawn()
            .expect("the registry starts");
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(at("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(30), "the registry does not listen: {log}");
            std::thread::yield_now();
        }
        Self { child, port, _folder: folder }
    }

    fn repository(&self, path: &str) -> Repository {
        let mut repository = Repository::public(format!("oci://127.0.0.1:{}/{path}", self.port));
        repository.connection.oci_plain_http = true;
        repository
    }
}

fn chart(version: &str) -> Artifact {
    Artifact {
        digest: String::new(),
        config_media_type: CHART_CONFIG.into(),
        config: Bytes::from(format!("{{\"name\":\"app\",\"version\":\"{version}\"}}")),
        layers: vec![Layer { media_type: CHART_LAYER.into(), content: Bytes::from(format!("archive of {version}")) }],
        annotations: vec![("org.opencontainers.image.version".into(), version.into())],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_pushed_listed_resolved_and_pulled_as_it_was() {
    let Some(program) = program() else { return };
    let server = Server::start(&program, false);
    let client = RegistryClient::default();
    let repository = server.repository("charts/app");
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.1+build.5"] {
        let digest = client.push(&repository, version, &chart(version)).await.unwrap();
        let pulled = client.pull(&repository, version).await.unwrap();
        assert_eq!(pulled, Artifact { digest: digest.clone(), ..chart(version) });
        assert_eq!(client.digest(&repository, version).await.unwrap(), digest);
        assert_eq!(client.pull(&repository, &digest).await.unwrap().layers, chart(version).layers);
    }
    let mut tags = client.tags(&repository).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["1.10.0", "1.10.1_build.5", "1.9.0", "2.0.0-rc.1"]);
    let table = [
        ("", "1.10.1_build.5"),
        ("~1.9", "1.9.0"),
        ("1.x", "1.10.1_build.5"),
        (">=2.0.0-0", "2.0.0-rc.1"),
        ("1.10.1+build.5", "1.10.1_build.5"),
        ("1.9.0", "1.9.0"),
    ];
    for (wanted, tag) in table {
        assert_eq!(client.resolve(&repository, wanted).await.unwrap(), tag, "{wanted:?}");
    }
    let error = client.resolve(&repository, ">=3").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision);
    assert!(error.to_string().contains("2.0.0-rc.1"), "{error}");
    let error = client.resolve(&repository, "latest").await.unwrap_err();
    assert!(error.to_string().contains("there is no tag \"latest\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_has_a_new_digest_and_the_old_one_stays() {
    let Some(program) = program() else { return };
    let server = Server::start(&program, false);
    let client = RegistryClient::default();
    let repository = server.repository("many");
    let first = client.push(&repository, "moving", &chart("1.0.0")).await.unwrap();
    let second = client.push(&repository, "moving", &chart("2.0.0")).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(client.digest(&repository, "moving").await.unwrap(), second);
    assert_eq!(client.pull(&repository, &first).await.unwrap().layers, chart("1.0.0").layers);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_asked_for_refused_and_accepted() {
    let Some(program) = program() else { return };
    let server = Server::start(&program, true);
    let client = RegistryClient::default();
    let public = server.repository("charts/app");
    let with = |password: &str| {
        let mut repository = public.clone();
        repository.credentials.username = Some("robot".into());
        repository.credentials.password = Some(Confidential::of(password));
        repository
    };
    let error = client.tags(&public).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::AuthenticationRequired, "{error}");
    for error in [
        client.tags(&with("wrong")).await.unwrap_err(),
        client.pull(&with("wrong"), "1.0.0").await.unwrap_err(),
        client.push(&with("wrong"), "1.0.0", &chart("1.0.0")).await.unwrap_err(),
    ] {
        assert_eq!(error.problem, SourceProblem::AuthenticationFailed, "{error}");
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
    // The wrong ones are not remembered for those who have the right ones.
    client.push(&with("s3cret"), "1.0.0", &chart("1.0.0")).await.unwrap();
    assert_eq!(client.pull(&with("s3cret"), "1.0.0").await.unwrap().layers, chart("1.0.0").layers);
    assert_eq!(client.tags(&public).await.unwrap_err().problem, SourceProblem::AuthenticationRequired);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_too_large_is_named() {
    let Some(program) = program() else { return };
    let server = Server::start(&program, false);
    let client = RegistryClient::with_settings(Settings { artifact_bytes_max: 64, ..Settings::default() });
    let repository = server.repository("charts/app");
    let error = client.tags(&repository).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::NotFound, "{error}");
    let mut large = chart("1.0.0");
    large.layers[0].content = Bytes::from(vec![b'x'; 100]);
    client.push(&repository, "1.0.0", &large).await.unwrap();
    assert_eq!(client.pull(&repository, "1.0.0").await.unwrap_err().problem, SourceProblem::TooLarge);
    let error = client.pull(&repository, "2.0.0").await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::UnknownRevision, "{error}");
    let mut tls = repository.clone();
    tls.connection.oci_plain_http = false;
    assert!(client.tags(&tls).await.is_err());
}

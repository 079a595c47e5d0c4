//! A chart's way from its folder through a registry and back, with the program itself: packaged, checked, pushed, pulled,
//! rendered from the registry, and used as a dependency. Without docker-registry nothing is tested here, which with CI=true
//! is a failure.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests; whoever runs them sees what was left out"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// "robot" with the password "s3cret", hashed with bcrypt at its lowest cost.
const PASSWORDS: &str = "robot:$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn registry(folder: &Path) -> Option<(Server, u16)> {
    let found = ["/usr/bin/docker-registry", "/usr/local/bin/registry", "/bin/registry"].map(PathBuf::from);
    let Some(program) = found.into_iter().find(|path| path.exists()) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "install docker-registry: it is needed here");
        println!("left out: charts in registries, because there is no docker-registry (Debian: docker-registry)");
        return None;
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (data, passwords) = (folder.join("data"), folder.join("passwords"));
    std::fs::write(&passwords, PASSWORDS).unwrap();
    let settings = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: tested\nauth:\n  htpasswd:\n    realm: tests\n    path: {}\n",
        data.display(),
        passwords.display()
    );
    let file = folder.join("registry.yml");
    std::fs::write(&file, settings).unwrap();
    let child = Command::new(program)
        .arg("serve")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child);
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "the registry does not listen");
        std::thread::yield_now();
    }
    Some((server, port))
}

fn landfall(folder: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .env("HOME", folder.join("home"))
        .env("LANDFALL_CACHE", folder.join("cache"))
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("DOCKER_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn done(folder: &Path, words: &str) -> (String, String) {
    let output = landfall(folder, words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{words}: {}{}", text(&output.stdout), text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

fn write(folder: &Path, path: &str, content: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, content).unwrap();
}

#[test]
fn a_chart_goes_to_a_registry_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "web/Chart.yaml", "{apiVersion: v2, name: web, version: 1.2.3+build.4, description: A chart}\n");
    write(
        folder,
        "web/templates/a.yaml",
        "kind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-{{ .Chart.Version }}'}\n",
    );
    let (told, _) = done(folder, "chart lint web");
    assert!(told.contains("==> Linting web") && told.ends_with("1 chart(s) linted, 0 chart(s) failed\n"), "{told}");
    let (told, _) = done(folder, "chart package web -d out");
    let archive = folder.join("out/web-1.2.3+build.4.tgz");
    assert!(archive.exists() && told.contains("Successfully packaged chart and saved it to: "), "{told}");
    done(folder, "chart index out --url https://charts.example");
    let index = std::fs::read_to_string(folder.join("out/index.yaml")).unwrap();
    assert!(index.contains("- https://charts.example/web-1.2.3+build.4.tgz"), "{index}");
    let registry_folder = tempfile::tempdir().unwrap();
    let Some((_server, port)) = registry(registry_folder.path()) else { return };
    let login = "--plain-http --username robot --password s3cret";
    let remote = format!("oci://127.0.0.1:{port}/charts");
    let refused = landfall(folder, &format!("chart push out/web-1.2.3+build.4.tgz {remote} --plain-http"));
    assert!(!refused.status.success(), "nobody may write without a password");
    let (_, told) = done(folder, &format!("chart push out/web-1.2.3+build.4.tgz {remote} {login}"));
    assert!(told.contains(&format!("Pushed: 127.0.0.1:{port}/charts/web:1.2.3_build.4\nDigest: sha256:")), "{told}");
    let (_, told) = done(folder, &format!("chart pull {remote}/web --version ^1 -d back {login}"));
    assert!(told.contains(&format!("Pulled: 127.0.0.1:{port}/charts/web:1.2.3_build.4\n")), "{told}");
    let back = std::fs::read(folder.join("back/web-1.2.3+build.4.tgz")).unwrap();
    assert_eq!(back, std::fs::read(&archive).unwrap(), "what comes back is what went");
    done(folder, &format!("chart pull {remote}/web:1.2.3_build.4 --untar --untardir unpacked {login}"));
    assert!(folder.join("unpacked/web/Chart.yaml").exists());
    let (text, _) = done(folder, &format!("render helm demo {remote}/web --version 1.x {login}"));
    assert!(text.contains("name: 'demo-1.2.3+build.4'"), "{text}");
    // Credentials of `helm registry login` are taken where none are given.
    let packed = "cm9ib3Q6czNjcmV0";
    let logins = format!("{{\"auths\": {{\"127.0.0.1:{port}\": {{\"auth\": \"{packed}\"}}}}}}");
    write(folder, "home/.config/helm/registry/config.json", &logins);
    let dependency = format!("dependencies:\n- name: web\n  version: ^1.0.0\n  repository: {remote}\n");
    write(folder, "top/Chart.yaml", &format!("apiVersion: v2\nname: top\nversion: 0.1.0\n{dependency}"));
    let (told, _) = done(folder, "chart dependency list top");
    assert!(told.starts_with("NAME\tVERSION\tREPOSITORY") && told.contains("\tmissing"), "{told}");
    done(folder, "chart dependency update top --plain-http");
    let lock = std::fs::read_to_string(folder.join("top/Chart.lock")).unwrap();
    assert!(lock.contains("version: 1.2.3+build.4") && lock.contains("digest: sha256:"), "{lock}");
    std::fs::remove_dir_all(folder.join("top/charts")).unwrap();
    done(folder, "chart dependency build top --plain-http");
    assert!(folder.join("top/charts/web-1.2.3+build.4.tgz").exists());
    let (text, _) = done(folder, "render helm top");
    assert!(text.contains("# Source: top/charts/web/templates/a.yaml"), "{text}");
}

#[test]
fn what_needs_a_cluster_or_a_program_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "web/Chart.yaml", "{apiVersion: v2, name: web, version: 1.0.0}\n");
    write(folder, "web/templates/a.yaml", "kind: ConfigMap\nmetadata: {name: x}\n");
    for (flag, reason) in
        [("--validate", "kubectl apply --dry-run=server"), ("--post-renderer ./x", "pipe what is printed")]
    {
        let output = landfall(folder, &format!("render helm web {flag}"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(reason), "{flag}: {told}");
    }
    let (told, _) = done(folder, "render helm web demo --output-dir out --release-name --wait --timeout 5m --atomic");
    assert_eq!(told, "wrote out/demo/web/templates/a.yaml\n\n");
    let written = std::fs::read_to_string(folder.join("out/demo/web/templates/a.yaml")).unwrap();
    assert_eq!(written, "---\n# Source: web/templates/a.yaml\nkind: ConfigMap\nmetadata: {name: x}\n");
}

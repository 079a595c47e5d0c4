//! Builds the control plane's programs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// The version of Kubernetes that dev/testbed/kube/go.mod names.
pub const KUBERNETES_VERSION: &str = "1.36.3";

/// The programs' folder.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Holds `etcd`, `kube` (several programs in one) and `kwok`.
    pub directory: PathBuf,
}

/// One program: its module below dev/testbed, its package there, its name.
const PROGRAMS: [(&str, &str, &str); 3] =
    [("etcd", ".", "etcd"), ("kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"), ("kube", ".", "kube")];

/// The names under which `kube` is linked beside itself.
const KUBE_PARTS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The folder for what is only kept to save time.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let found = variable("LANDFALL_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("landfall")))
        .or_else(|| Some(variable("HOME")?.join(".cache/landfall")));
    found.context("there is no folder to cache in: set LANDFALL_CACHE to one")
}

/// Finds the programs, building those that are not there (6 minutes for all of them on 2 cores).
///
/// Errors: Go is missing, or a build failed; what it printed is part of the message.
pub fn programs() -> anyhow::Result<Programs> {
    let sources = workspace().join("dev/testbed");
    let mut hasher = DefaultHasher::new();
    for (module, ..) in PROGRAMS {
        for file in ["go.sum", "go.mod"] {
            let path = sources.join(module).join(file);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?.hash(&mut hasher);
        }
    }
    let directory = cache()?.join("testbed").join(format!("{:016x}", hasher.finish()));
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (module, package, name) in PROGRAMS {
        if !directory.join(name).exists() {
            build(&sources.join(module), package, name, &directory)?;
        }
    }
    for part in KUBE_PARTS {
        let link = directory.join(part);
        if !link.exists() {
            // Another process may have made it in between: what counts is that it is there.
            let _made = std::os::unix::fs::symlink("kube", &link);
        }
    }
    Ok(Programs { directory })
}

fn build(module: &Path, package: &str, name: &str, directory: &Path) -> anyhow::Result<()> {
    // Built beside its place and moved there, so that an interrupted build leaves nothing that looks whole.
    let partial = directory.join(format!("{name}.partial-{}", std::process::id()));
    let flags = format!("-s -w {}", version_flags());
    let output = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&partial)
        .arg(package)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .output()
        .context("cannot run `go`: install Go 1.26 or newer, the real control plane is built with it")?;
    if !output.status.success() {
        bail!("building {name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&partial, directory.join(name)).with_context(|| format!("cannot put {name} in its place"))
}

/// The versions of Helm whose programs are tried as clients: module path and version.
const HELMS: [(u8, &str, &str); 2] = [(3, "helm.sh/helm/v3", "3.21.4"), (4, "helm.sh/helm/v4", "4.2.4")];

/// Finds the Helm program of a major version (3 or 4), building it if it is not there (a minute on 2 cores).
///
/// Errors: Go is missing, the build failed, or the major version is neither.
pub fn helm(major: u8) -> anyhow::Result<PathBuf> {
    let Some((_, module, version)) = HELMS.iter().find(|(held, ..)| *held == major) else {
        bail!("there is no Helm {major} here, only 3 and 4");
    };
    let directory = cache()?.join("helm").join(version);
    let program = directory.join("helm");
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let partial = directory.join(format!("partial-{}", std::process::id()));
    let mut parts = KUBERNETES_VERSION.split('.');
    let (kube_major, kube_minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    let capabilities = if major == 3 { "pkg/chartutil" } else { "pkg/chart/common" };
    let flags = format!(
        "-s -w -X {module}/internal/version.version=v{version} -X {module}/{capabilities}.k8sVersionMajor={kube_major} \
         -X {module}/{capabilities}.k8sVersionMinor={kube_minor}"
    );
    // `go install` of a version builds outside of any module and puts the program into GOBIN.
    let output = Command::new("go")
        .args(["install", "-trimpath", "-ldflags", &flags, &format!("{module}/cmd/helm@v{version}")])
        .env("CGO_ENABLED", "0")
        .env("GOBIN", &partial)
        .output()
        .context("cannot run `go`: install Go 1.26 or newer, Helm is built with it")?;
    if !output.status.success() {
        bail!("building Helm {version} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(partial.join("helm"), &program)
        .with_context(|| format!("cannot put {} in its place", program.display()))?;
    // Only an empty folder is left.
    let _removed = std::fs::remove_dir(&partial);
    Ok(program)
}

/// Without these a server calls itself v0.0.0, and charts that ask for a version refuse it.
fn version_flags() -> String {
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .map(|package| {
            format!(
                "-X {package}.gitVersion=v{KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
            )
        })
        .join(" ")
}

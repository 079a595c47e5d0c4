//! Builds the stock `argocd` program, which is the judge of the API.
//!
//! The module names its own subfolder `gitops-engine` as another module in a place that only its own repository has, and
//! the published versions of that module are a little newer. Where they differ, a call takes one argument more; those
//! lines, which the command line never reaches while it talks to a server, are fitted in a copy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::build::{cache, workspace};

/// The version of Argo CD.
pub const ARGOCD_VERSION: &str = "3.5.1";

/// A file of the module, and what in it is written otherwise.
const FITTED: [(&str, &[(&str, &str)]); 2] = [
    (
        "util/argo/diff/diff.go",
        &[
            ("import (\n", "import (\n\t\"context\"\n"),
            ("diff.DiffArray(", "diff.DiffArray(context.Background(), "),
            ("diff.Diff(configArray", "diff.Diff(context.Background(), configArray"),
        ],
    ),
    (
        "controller/sync.go",
        &[
            ("syncCtx.Terminate()", "syncCtx.Terminate(context.Background())"),
            ("syncCtx.Sync()", "syncCtx.Sync(context.Background())"),
        ],
    ),
];

/// Finds the program, building it if it is not there (about 8 minutes on 2 cores, and 2 GB below Go's caches).
///
/// Errors: Go is missing, or a build failed; what it printed is part of the message.
pub fn program() -> anyhow::Result<PathBuf> {
    let module = workspace().join("dev/argocd-cli");
    let directory = cache()?.join("argocd").join(ARGOCD_VERSION);
    let program = directory.join("argocd");
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let copy = directory.join(format!("src-{}", std::process::id()));
    let built = fitted_copy(&module, &copy).and_then(|()| build(&module, &copy, &directory, &program));
    // The copy is of no use any more, whether it was built or not.
    let _removed = std::fs::remove_dir_all(&copy);
    built.map(|()| program)
}

/// Copies the module's source out of Go's cache, which nobody writes to, and fits it.
fn fitted_copy(module: &Path, copy: &Path) -> anyhow::Result<()> {
    let source =
        go(module, &["mod", "download", "-json", &format!("github.com/argoproj/argo-cd/v3@v{ARGOCD_VERSION}")])?;
    let source: serde_json::Value = serde_json::from_str(&source).context("`go mod download` printed no JSON")?;
    let source = source["Dir"].as_str().context("`go mod download` names no folder")?;
    copy_folder(Path::new(source), copy)?;
    for (path, changes) in FITTED {
        let path = copy.join(path);
        let mut text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for (from, to) in changes {
            if !text.contains(from) {
                bail!("{} has no {from:?}: is this Argo CD {ARGOCD_VERSION}?", path.display());
            }
            text = text.replace(from, to);
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn build(module: &Path, copy: &Path, directory: &Path, program: &Path) -> anyhow::Result<()> {
    // Our own go.mod stays as it is: a copy of it says where the fitted source is.
    let file = directory.join(format!("go-{}.mod", std::process::id()));
    let sums = file.with_extension("sum");
    std::fs::copy(module.join("go.mod"), &file).context("cannot copy dev/argocd-cli/go.mod")?;
    std::fs::copy(module.join("go.sum"), &sums).context("cannot copy dev/argocd-cli/go.sum")?;
    let replace = format!("github.com/argoproj/argo-cd/v3={}", copy.display());
    let file_text = file.display().to_string();
    go(module, &["mod", "edit", "-replace", &replace, &file_text])?;
    let partial = directory.join(format!("argocd.partial-{}", std::process::id()));
    let flags = format!("-s -w -X github.com/argoproj/argo-cd/v3/common.version={ARGOCD_VERSION}");
    let (modfile, out) = (format!("-modfile={file_text}"), partial.display().to_string());
    let package = "github.com/argoproj/argo-cd/v3/cmd";
    let built = go(module, &["build", &modfile, "-trimpath", "-ldflags", &flags, "-o", &out, package]);
    let _removed = (std::fs::remove_file(&file), std::fs::remove_file(&sums));
    built.context("building argocd failed")?;
    std::fs::rename(&partial, program).context("cannot put argocd in its place")
}

fn go(module: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .output()
        .context("cannot run `go`: install Go 1.26 or newer, the stock argocd is built with it")?;
    if !output.status.success() {
        bail!("go {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            // Written anew rather than copied: files in Go's cache are read-only.
            let bytes =
                std::fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
            std::fs::write(&target, bytes).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

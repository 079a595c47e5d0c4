//! Installs schemathesis, which drives an API by its OpenAPI document and judges the answers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::build::cache;

/// Its version on PyPI.
pub const VERSION: &str = "4.32.5";

/// Finds the program, installing it into a virtual environment of its own if it is not there (half a minute).
///
/// Errors: there is no Python 3.10 or newer with `venv`, or the package cannot be had; what was printed is part of the
/// message.
pub fn program() -> anyhow::Result<PathBuf> {
    let directory = cache()?.join("schemathesis").join(VERSION);
    let program = directory.join("bin/schemathesis");
    // Written last: an installation that was interrupted looks not whole.
    let is_whole = directory.join("whole");
    if program.exists() && is_whole.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let folder = directory.display().to_string();
    run(Path::new("python3"), &["-m", "venv", "--clear", &folder])
        .context("cannot make a virtual environment: is python3-venv installed?")?;
    run(&directory.join("bin/pip"), &["install", "--quiet", &format!("schemathesis=={VERSION}")])?;
    std::fs::write(&is_whole, "").with_context(|| format!("cannot write {}", is_whole.display()))?;
    Ok(program)
}

fn run(program: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} {}: {}", program.display(), arguments.join(" "), said.trim());
    }
    Ok(())
}

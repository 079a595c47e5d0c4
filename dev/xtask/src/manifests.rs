//! `cargo xtask manifests`: `deploy/install.yaml` from the files beside it, and the definitions there from `pure/model/crds`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::report;

/// The files that `deploy/install.yaml` is made of, in the order in which they are applied. `deploy/kustomization.yaml`
/// lists the same.
const PARTS: [&str; 6] = [
    "namespace.yaml",
    "crds/application.yaml",
    "crds/appproject.yaml",
    "crds/applicationset.yaml",
    "rbac.yaml",
    "controller.yaml",
];

pub(crate) fn run(check: bool) -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (deploy, definitions) = (root.join("deploy"), root.join("pure/model/crds"));
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let mut wanted = Vec::new();
    let mut install = "# Made of the files beside it by `cargo xtask manifests`; change those.\n".to_owned();
    for part in PARTS {
        let path = deploy.join(part);
        let text = match part.strip_prefix("crds/") {
            Some(name) => {
                let text = read(&definitions.join(name))?;
                wanted.push((path, text.clone()));
                text
            }
            None => read(&path)?,
        };
        install.push_str("---\n");
        install.push_str(&text);
    }
    wanted.push((deploy.join("install.yaml"), install));
    let mut is_different = false;
    for (path, text) in wanted {
        if std::fs::read_to_string(&path).ok().as_ref() == Some(&text) {
            continue;
        }
        is_different = true;
        match check {
            true => report(&format!("{} is not what it is made of: run `cargo xtask manifests`", path.display())),
            false => std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?,
        }
    }
    Ok(if check && is_different { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

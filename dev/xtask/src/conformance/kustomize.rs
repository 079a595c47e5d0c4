//! Golden cases of kustomize: a directory of cases, or of sections of cases, in the layout of the corpus.

use super::{Report, first_difference};
use anyhow::Context as _;
use bytes::Bytes;
use landfall_kustomize::{Built, LoadRestrictor, NativeCharts, Options, Outside, Reorder, Session, build};
use landfall_tree::{Entry, EntryKind, Tree, TreeError};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Runs the cases at a path, or the project's own.
///
/// Errors: the cases cannot be read.
pub(crate) fn run(path: Option<&Path>) -> anyhow::Result<Report> {
    let directory = super::cases_directory(path, "kustomize")?;
    let mut cases = Vec::new();
    find_cases(&directory, &mut cases)?;
    cases.sort();
    anyhow::ensure!(!cases.is_empty(), "{} holds no case.yaml", directory.display());
    let mut report = Report::default();
    for case in &cases {
        let group = case.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        report.note(&group, &case.display().to_string(), run_case(case)?);
    }
    Ok(report)
}

/// Renders each directory with the reference program as well, and compares. A directory is a case (with `case.yaml`) or a
/// kustomization; what the latter reads must be in the repository around it, if there is one.
///
/// Errors: the program cannot be run.
pub(crate) fn run_against(program: &Path, directories: &[PathBuf]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let session = Session::new();
    for directory in directories {
        let mut inputs = Vec::new();
        find_cases(directory, &mut inputs)?;
        inputs.sort();
        let is_plain = inputs.is_empty();
        if is_plain {
            inputs.push(directory.clone());
        }
        for input in inputs {
            let case = if is_plain { plain_case(&input)? } else { Case::read(&input)? };
            let output = std::process::Command::new(program)
                .arg("build")
                .args(case.flags())
                .arg(case.root.join(&case.directory))
                .output()
                .with_context(|| format!("cannot run {}", program.display()))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() {
                report.groups.entry("built".to_owned()).or_default().0 += 1;
            }
            let difference = match (output.status.success(), case.build(&session)) {
                (true, Ok(built)) => first_difference(&text, &built.text()),
                (true, Err(error)) => Some(format!("only the reference builds it: [{}] {error}", error.class)),
                (false, Ok(_)) => {
                    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                    Some(format!("the reference refuses it: {}", reason.trim()))
                }
                (false, Err(_)) => None,
            };
            report.note("against", &input.display().to_string(), difference);
        }
    }
    Ok(report)
}

/// Below this depth no cases are looked for.
const CASE_DEPTH_MAX: usize = 3;

fn find_cases(directory: &Path, cases: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    find_cases_to(directory, cases, CASE_DEPTH_MAX)
}

fn find_cases_to(directory: &Path, cases: &mut Vec<PathBuf>, depth: usize) -> anyhow::Result<()> {
    if directory.join("case.yaml").is_file() {
        cases.push(directory.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find_cases_to(&path, cases, depth - 1)?;
        }
    }
    Ok(())
}

/// One build with its options.
struct Case {
    root: PathBuf,
    directory: String,
    options: Options,
    info: Value,
}

impl Case {
    fn read(directory: &Path) -> anyhow::Result<Self> {
        let file = directory.join("case.yaml");
        let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let info = landfall_yaml::read_one(&text, landfall_yaml::Resolver::Kubernetes)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let text = |pointer: &str| info.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let options = Options {
            reorder: match text("/options/reorder").as_str() {
                "none" => Reorder::None,
                "legacy" => Reorder::Legacy,
                _ => Reorder::Unspecified,
            },
            load_restrictor: match text("/options/loadRestrictor").as_str() {
                "none" => LoadRestrictor::None,
                _ => LoadRestrictor::RootOnly,
            },
            enable_helm: info.pointer("/options/helm") == Some(&Value::Bool(true)),
            ..Options::default()
        };
        Ok(Self { root: directory.join("tree"), directory: text("/dir"), options, info })
    }

    fn flags(&self) -> Vec<&'static str> {
        let mut flags = Vec::new();
        match self.options.reorder {
            Reorder::Unspecified => {}
            Reorder::None => flags.push("--reorder=none"),
            Reorder::Legacy => flags.push("--reorder=legacy"),
        }
        if self.options.load_restrictor == LoadRestrictor::None {
            flags.push("--load-restrictor=LoadRestrictionsNone");
        }
        if self.options.enable_helm {
            flags.push("--enable-helm");
        }
        flags
    }

    fn build(&self, session: &Session) -> Result<Built, landfall_kustomize::BuildError> {
        let charts = NativeCharts::default();
        let outside = Outside { charts: Some(&charts), ..Outside::default() };
        build(&DiskTree { root: self.root.clone() }, &self.directory, &self.options, &outside, session)
    }
}

fn plain_case(directory: &Path) -> anyhow::Result<Case> {
    let directory = std::fs::canonicalize(directory).with_context(|| format!("cannot find {}", directory.display()))?;
    let root = directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(Path::new("/"));
    let inside = directory.strip_prefix(root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
    Ok(Case { root: root.to_owned(), directory: inside, options: Options::default(), info: Value::Null })
}

fn run_case(directory: &Path) -> anyhow::Result<Option<String>> {
    let case = Case::read(directory)?;
    let text = |pointer: &str| case.info.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Ok(match (text("/expect"), case.build(&Session::new())) {
        ("success", Ok(built)) => first_difference(&expected_text(directory)?, &built.text()),
        ("success", Err(error)) => Some(format!("[{}] {error}", error.class)),
        (_, Ok(_)) => Some(format!("it builds, but must fail with {}", text("/error/class"))),
        (_, Err(error)) => (error.class.name() != text("/error/class"))
            .then(|| format!("expected the class {}, got [{}] {error}", text("/error/class"), error.class)),
    })
}

fn expected_text(case: &Path) -> anyhow::Result<String> {
    let plain = case.join("expected.yaml");
    if plain.is_file() {
        return Ok(std::fs::read_to_string(plain)?);
    }
    let packed = std::fs::read(case.join("expected.yaml.gz"))
        .with_context(|| format!("{} has no expected output", case.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text)?;
    Ok(text)
}

/// A folder of this machine as a tree.
struct DiskTree {
    root: PathBuf,
}

impl DiskTree {
    fn error(path: &str, error: &std::io::Error) -> TreeError {
        TreeError { path: path.to_owned(), reason: error.to_string() }
    }
}

impl Tree for DiskTree {
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        match std::fs::symlink_metadata(self.root.join(path)) {
            Ok(found) if found.is_dir() => Ok(Some(EntryKind::Directory)),
            Ok(found) if found.is_symlink() => Ok(Some(EntryKind::Link)),
            Ok(found) if found.is_file() => Ok(Some(EntryKind::File)),
            Ok(_) => Ok(Some(EntryKind::Other)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(Self::error(path, &error)),
        }
    }

    fn file(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        match self.kind(path)? {
            Some(EntryKind::File) => std::fs::read(self.root.join(path))
                .map(|bytes| Some(bytes.into()))
                .map_err(|error| Self::error(path, &error)),
            _ => Ok(None),
        }
    }

    fn directory(&self, path: &str) -> Result<Option<Vec<Entry>>, TreeError> {
        if self.kind(path)? != Some(EntryKind::Directory) {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.root.join(path)).map_err(|error| Self::error(path, &error))? {
            let entry = entry.map_err(|error| Self::error(path, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(kind) = self.kind(&landfall_tree::join(path, &name))? {
                entries.push(Entry { name, kind });
            }
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(Some(entries))
    }

    fn link(&self, path: &str) -> Result<Option<String>, TreeError> {
        match self.kind(path)? {
            Some(EntryKind::Link) => std::fs::read_link(self.root.join(path))
                .map(|target| Some(target.to_string_lossy().into_owned()))
                .map_err(|error| Self::error(path, &error)),
            _ => Ok(None),
        }
    }

    fn identity(&self, _path: &str) -> Result<Option<String>, TreeError> {
        // A folder has no cheap identity; without one a session keeps nothing of it.
        Ok(None)
    }
}

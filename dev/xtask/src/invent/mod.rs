//! Invents kustomizations from a seed, builds them here and with the reference program, and compares bytes.
//!
//! ```text
//! seed -> bases (objects of every kind) -> overlays of random fields, components, diamonds -> both builders -> report
//! ```
//!
//! A tree that differs is kept in a folder, in the layout of the golden cases, so that it can be looked at and become one.

mod argocd;
mod fields;
mod objects;
mod random;
mod texts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::conformance::{Report, kustomize};
use fields::Written;
use random::Random;

/// An invented tree.
#[derive(Default)]
pub(crate) struct Invented {
    /// Its files.
    pub(crate) files: BTreeMap<String, String>,
    /// Links in it and what they point to.
    pub(crate) links: Vec<(String, String)>,
}

/// The folder that is built.
const TOP: &str = "top";
/// In so many of a hundred cases a field that stops the build stays, as the last one.
const FAILING_FIELDS_KEPT: usize = 4;

impl Invented {
    fn builds(&self, directory: &str) -> bool {
        let files = self.files.iter().map(|(path, text)| (path.clone(), text.as_bytes().to_vec()));
        let tree = landfall_tree::MemoryTree::of(files);
        let outside = landfall_kustomize::Outside::default();
        let session = landfall_kustomize::Session::new();
        landfall_kustomize::build(&tree, directory, &landfall_kustomize::Options::default(), &outside, &session).is_ok()
    }

    fn add(&mut self, directory: &str, written: Written) {
        self.files.entry(format!("{directory}/kustomization.yaml")).or_default().push_str(&written.text);
        for (name, text) in written.files {
            self.files.insert(format!("{directory}/{name}"), text);
        }
    }
}

/// Invents the tree of a seed, with links to folders if wanted.
pub(crate) fn invent(seed: u64, with_links: bool) -> Invented {
    let mut random = Random::of(seed);
    let random = &mut random;
    let mut tree = Invented::default();
    let bases = 1 + random.below(3);
    for at in 0..bases {
        let objects = 1 + random.below(7);
        base(random, &mut tree, &format!("base{at}"), objects);
    }
    let components = if random.percent(30) { 1 + random.below(2) } else { 0 };
    let mut folders: Vec<String> = (0..bases).map(|at| format!("base{at}")).collect();
    let middles = random.below(3);
    for at in 0..middles {
        let mut out = Written::default();
        out.text.push_str(&format!("resources:\n- ../base{}\n", (at + random.below(2)) % bases));
        if random.percent(15) {
            out.text.push_str("namePrefix: m-\n");
        }
        tree.add(&format!("middle{at}"), out);
        folders.push(format!("middle{at}"));
    }
    let mut out = Written::default();
    out.text.push_str("resources:\n");
    for at in 0..middles {
        out.text.push_str(&format!("- ../middle{at}\n"));
    }
    if middles == 0 || random.percent(15) {
        for at in 0..bases {
            if at == 0 || random.percent(60) {
                let (open, close) = [("../", ""), ("./../", ""), ("'../", "/'")][random.below(3)];
                out.text.push_str(&format!("- {open}base{at}{close}\n"));
            }
        }
    }
    if random.percent(40) {
        let object = objects::object(random);
        let file = out.file("resource", object);
        out.text.push_str(&format!("- {file}\n"));
    }
    if components > 0 {
        out.text.push_str("components:\n");
    }
    for at in 0..components {
        out.text.push_str(&format!("- ../component{at}\n"));
        let mut component = Written::default();
        component.text.push_str("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n");
        if random.percent(30) {
            let object = objects::object(random);
            let file = component.file("resource", object);
            component.text.push_str(&format!("resources: [{file}]\n"));
        } else {
            component.text.push_str("resources: []\n");
        }
        tree.add(&format!("component{at}"), component);
        folders.push(format!("component{at}"));
    }
    tree.add(TOP, out);
    folders.push(TOP.to_owned());
    for folder in folders {
        let mut is_broken = false;
        fields::write(random, &mut |random, written| {
            if is_broken {
                return;
            }
            let before = tree.files.clone();
            tree.add(&folder, written);
            if !tree.builds(TOP) {
                is_broken = random.percent(FAILING_FIELDS_KEPT);
                if !is_broken {
                    tree.files = before;
                }
            }
        });
    }
    if with_links && random.percent(5) {
        tree.links.push(("linked".to_owned(), "base0".to_owned()));
        if let Some(text) = tree.files.get_mut("top/kustomization.yaml") {
            *text = text.replacen("- ../base0\n", "- ../linked\n", 1);
        }
    }
    tree
}

fn base(random: &mut Random, tree: &mut Invented, directory: &str, count: usize) {
    let mut out = Written::default();
    let mut names: Vec<String> = Vec::new();
    let mut pending = String::new();
    for at in 0..count {
        if !pending.is_empty() {
            pending.push_str(random.pick(&["---\n", "---\n", "--- # next\n", "---\n---\n"]));
        }
        pending.push_str(&objects::object(random));
        if random.percent(60) || at + 1 == count {
            let text = std::mem::take(&mut pending);
            let text = if random.percent(5) { text.replace('\n', "\r\n") } else { text };
            let text = if random.percent(10) { format!("---\n{text}") } else { text };
            let mut trial = Invented::default();
            let mut written = out.clone();
            let name = written.file("object", text);
            written.text = format!("resources: [{}, {name}]\n", names.join(", ")).replace("[, ", "[");
            trial.add(directory, written.clone());
            if trial.builds(directory) || random.percent(2) {
                out.files = written.files;
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        names.push(out.file("object", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n".to_owned()));
    }
    if random.percent(10) {
        names.reverse();
    }
    out.text = "resources:\n".to_owned();
    for name in names {
        out.text.push_str(&format!("- {name}\n"));
    }
    tree.add(directory, out);
}

/// Arguments of `cargo xtask invent`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The reference program
    program: PathBuf,
    /// How many trees
    #[arg(long, default_value_t = 200)]
    count: u64,
    /// The first tree's seed; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lay a block of an Application over each, as Argo CD does by running the program's `edit` commands
    #[arg(long)]
    argocd: bool,
    /// Where trees that differ are kept
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Invents trees and compares. Fails if one differs.
///
/// Errors: the program cannot be run, trees cannot be written.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::tempdir().context("cannot make a folder for the trees")?;
    let mut report = Report::default();
    let mut built = 0;
    for seed in arguments.seed..arguments.seed + arguments.count {
        let tree = invent(seed, !arguments.argocd);
        let folder = scratch.path().join(format!("{seed}"));
        write(&tree, &folder.join("tree"))?;
        std::fs::write(folder.join("case.yaml"), format!("name: invented-{seed}\ndir: {}\nexpect: success\n", TOP))?;
        let mut block = serde_json::Value::Null;
        let failed = if arguments.argocd {
            block = argocd::block(&mut Random::of(seed ^ (1 << 40)));
            let here = with_block(&tree, &block);
            let (is_built, failed) =
                compare(argocd::run(&arguments.program, &folder.join("tree").join(TOP), &block)?, here);
            built += usize::from(is_built);
            failed
        } else {
            let single = kustomize::run_against(&arguments.program, std::slice::from_ref(&folder))?;
            built += usize::from(single.groups.contains_key("built"));
            single.failures.first().map(|failure| failure.difference.clone())
        };
        let failed = failed.or_else(|| if arguments.argocd { None } else { placeless(&tree) });
        if let (Some(_), Some(keep)) = (&failed, &arguments.keep) {
            let target = keep.join(format!("{seed}"));
            std::fs::remove_dir_all(&target).ok();
            write(&tree, &target.join("tree"))?;
            std::fs::copy(folder.join("case.yaml"), target.join("case.yaml"))?;
            if arguments.argocd {
                std::fs::write(target.join("block.json"), block.to_string())?;
            }
        }
        report.note("invented", &format!("seed {seed}"), failed);
        std::fs::remove_dir_all(&folder).ok();
    }
    crate::print(&format!("the reference builds {built} of {}", arguments.count));
    crate::conformance::print_report(&report)
}

/// What an error lacks: a file, a line and a field in it. A text that is no YAML has no fields.
fn placeless(tree: &Invented) -> Option<String> {
    let files = tree.files.iter().map(|(path, text)| (path.clone(), text.as_bytes().to_vec()));
    let memory = landfall_tree::MemoryTree::of(files);
    let (options, outside) = (landfall_kustomize::Options::default(), landfall_kustomize::Outside::default());
    let error =
        landfall_kustomize::build(&memory, TOP, &options, &outside, &landfall_kustomize::Session::new()).err()?;
    let is_text = error.class == landfall_kustomize::ErrorClass::MalformedYaml;
    let has_place = error.file.is_some() && error.line.is_some() && (error.field.is_some() || is_text);
    (!has_place && tree.links.is_empty()).then(|| {
        format!(
            "the error names no place: file {:?}, line {:?}, field {:?}\n[{}] {error}",
            error.file, error.line, error.field, error.class
        )
    })
}

/// Builds a tree with a block laid over it.
fn with_block(tree: &Invented, block: &serde_json::Value) -> Result<String, String> {
    let files = tree.files.iter().map(|(path, text)| (path.clone(), text.as_bytes().to_vec()));
    let memory = landfall_tree::MemoryTree::of(files);
    let environment =
        argocd::ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let built = landfall_kustomize::argocd::Settings::decode(block).and_then(|settings| {
        let overlaid = settings.apply(&memory, TOP, &environment)?;
        let options = settings.options(landfall_kustomize::Options::default());
        let outside = landfall_kustomize::Outside::default();
        landfall_kustomize::build(&overlaid, TOP, &options, &outside, &landfall_kustomize::Session::new())
    });
    built.map(|built| built.text()).map_err(|error| error.to_string())
}

/// Whether the reference builds, and how the two differ.
fn compare(reference: Result<String, String>, here: Result<String, String>) -> (bool, Option<String>) {
    let is_built = reference.is_ok();
    let difference = match (reference, here) {
        (Ok(expected), Ok(actual)) => crate::conformance::first_difference(&expected, &actual),
        (Ok(_), Err(error)) => Some(format!("only the reference builds it: {error}")),
        (Err(reason), Ok(_)) => Some(format!("the reference refuses it: {reason}")),
        (Err(_), Err(_)) => None,
    };
    (is_built, difference)
}

fn write(tree: &Invented, folder: &Path) -> anyhow::Result<()> {
    for (path, text) in &tree.files {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().expect("it is below the folder"))?;
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    for (from, to) in &tree.links {
        std::os::unix::fs::symlink(to, folder.join(from))?;
    }
    Ok(())
}

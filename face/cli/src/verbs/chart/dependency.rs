//! `landfall chart dependency list|build|update`: as `helm dependency`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use landfall_helm::chart::{Chart, Dependency, Lock};
use landfall_helm::{lock, package};
use landfall_repository::dependencies::Origin;
use landfall_semver::{Constraint, Version};
use landfall_tree::{MemoryTree, Tree, join};

use crate::Outside;
use crate::charts::{self, ChartFlags, ServerFlags};

/// What can be done with the charts that a chart depends on.
#[derive(Debug, Subcommand)]
pub enum DependencyVerb {
    /// List them and whether they are there.
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// Fetch those that Chart.lock names into charts/.
    Build(FetchArguments),
    /// Resolve them anew, fetch them into charts/ and write Chart.lock.
    #[command(visible_alias = "up")]
    Update(FetchArguments),
}

/// Arguments of `landfall chart dependency list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// The chart's folder.
    #[arg(default_value = ".", value_name = "CHART")]
    chart: PathBuf,
    /// How wide a column may be.
    #[arg(long, default_value_t = 80)]
    max_col_width: usize,
}

/// Arguments of `landfall chart dependency build` and `update`.
#[derive(Debug, Args)]
pub struct FetchArguments {
    /// The chart's folder.
    #[arg(default_value = ".", value_name = "CHART")]
    chart: PathBuf,
    #[command(flatten)]
    server: ServerFlags,
    /// Accepted because helm has it: indexes are asked for only where they are needed.
    #[arg(long)]
    skip_refresh: bool,
    /// Check archives' signatures.
    #[arg(long)]
    verify: bool,
}

pub(super) async fn run(verb: DependencyVerb, outside: &dyn Outside) -> anyhow::Result<()> {
    match verb {
        DependencyVerb::List(arguments) => list(&arguments, outside),
        DependencyVerb::Build(arguments) => {
            refuse_verify(arguments.verify)?;
            build(&arguments.chart, &arguments.server, outside).await
        }
        DependencyVerb::Update(arguments) => {
            refuse_verify(arguments.verify)?;
            update(&arguments.chart, &arguments.server, outside).await
        }
    }
}

fn refuse_verify(is_asked: bool) -> anyhow::Result<()> {
    if is_asked {
        bail!(
            "--verify: signatures of charts are not checked here\nhint: Chart.lock pins versions; pin digests by using oci://…@sha256:…"
        );
    }
    Ok(())
}

/// Resolves and fetches everything, and writes the lock.
pub(crate) async fn update(folder: &Path, server: &ServerFlags, outside: &dyn Outside) -> anyhow::Result<()> {
    let chart = Work::open(folder, outside)?;
    if chart.declared.is_empty() {
        return Ok(());
    }
    let got = chart.fetch(&chart.declared, server, outside).await?;
    let locked: Vec<Dependency> = chart
        .declared
        .iter()
        .zip(&got)
        .map(|(dependency, got)| Dependency {
            name: dependency.name.clone(),
            version: got.version.clone(),
            repository: dependency.repository.clone(),
            ..Dependency::default()
        })
        .collect();
    chart.save(&got, outside)?;
    let digest = lock::digest(&chart.declared, &locked);
    if chart.lock.as_ref().is_some_and(|lock| lock.digest == digest) {
        return Ok(());
    }
    let lock = Lock { generated: outside.now().to_string(), digest, dependencies: locked };
    let name = if chart.is_v1 { "requirements.lock" } else { "Chart.lock" };
    outside.write(&folder.join(name), lock::text(&lock).as_bytes())
}

/// Fetches what the lock says; without a lock as [`update`].
async fn build(folder: &Path, server: &ServerFlags, outside: &dyn Outside) -> anyhow::Result<()> {
    let chart = Work::open(folder, outside)?;
    let Some(lock) = &chart.lock else { return update(folder, server, outside).await };
    if lock::digest(&chart.declared, &lock.dependencies) != lock.digest {
        let (lock, file) = match chart.is_v1 {
            true => ("requirements.lock", "requirements.yaml"),
            false => ("Chart.lock", "Chart.yaml"),
        };
        bail!(
            "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the dependencies\nhint: `landfall chart dependency update {}`",
            folder.display()
        );
    }
    let got = chart.fetch(&lock.dependencies, server, outside).await?;
    chart.save(&got, outside)
}

/// An archive for `charts/`.
struct Got {
    name: String,
    version: String,
    archive: Vec<u8>,
}

/// A chart whose dependencies are looked after.
struct Work {
    folder: PathBuf,
    tree: std::sync::Arc<dyn Tree>,
    inside: String,
    declared: Vec<Dependency>,
    lock: Option<Lock>,
    is_v1: bool,
}

impl Work {
    fn open(folder: &Path, outside: &dyn Outside) -> anyhow::Result<Self> {
        let (tree, inside) = outside.tree_around(folder)?;
        // Only what says what is needed: vendored archives may be broken, that is why they are fetched.
        let mut files = MemoryTree::default();
        for name in ["Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock"] {
            if let Some(content) = landfall_tree::read(&*tree, &join(&inside, name))? {
                files.files.insert(name.to_owned(), content);
            }
        }
        let chart = Chart::from_tree(&files, "").with_context(|| format!("{} is no chart", folder.display()))?;
        let is_v1 = chart.metadata.api_version == "v1";
        let declared = chart.metadata.dependencies.clone().unwrap_or_default();
        Ok(Self { folder: folder.to_owned(), tree, inside, declared, lock: chart.lock, is_v1 })
    }

    async fn fetch(
        &self,
        wanted: &[Dependency],
        server: &ServerFlags,
        outside: &dyn Outside,
    ) -> anyhow::Result<Vec<Got>> {
        outside.print(&format!("Saving {} charts\n", wanted.len()))?;
        let mut got = Vec::new();
        for dependency in wanted {
            got.push(self.fetch_one(dependency, server, outside).await?);
        }
        Ok(got)
    }

    async fn fetch_one(
        &self,
        dependency: &Dependency,
        server: &ServerFlags,
        outside: &dyn Outside,
    ) -> anyhow::Result<Got> {
        let name = &dependency.name;
        let origin = landfall_repository::dependencies::origin(&dependency.repository);
        let flags = |server: &ServerFlags, repo: Option<String>| ChartFlags {
            server: server.clone(),
            repo,
            version: dependency.version.clone(),
            ..ChartFlags::default()
        };
        let fetched = match origin {
            None => return self.vendored(dependency),
            Some(Origin::Local { path }) => return self.local(dependency, &path),
            Some(Origin::Http { url }) => {
                outside.print(&format!("Downloading {name} from repo {}\n", dependency.repository))?;
                // Credentials that `helm repo add` knows for this address are used for it.
                let known = charts::repositories(outside, server)?;
                let same = known.iter().find(|entry| entry.url.trim_end_matches('/') == url.trim_end_matches('/'));
                let server = same.map_or_else(|| server.clone(), |entry| entry.flags(server));
                charts::fetch(name, &flags(&server, Some(url)), outside).await?
            }
            Some(Origin::Oci { url }) => {
                outside.print(&format!("Downloading {name} from repo {}\n", dependency.repository))?;
                let reference = format!("{}/{name}", url.trim_end_matches('/'));
                charts::fetch(&reference, &flags(server, None), outside).await?
            }
            Some(Origin::Named { name: alias }) => {
                outside.print(&format!("Downloading {name} from repo {}\n", dependency.repository))?;
                charts::fetch(&format!("{alias}/{name}"), &flags(server, None), outside).await?
            }
        };
        let chart =
            Chart::from_archive(&fetched.archive).with_context(|| format!("the dependency {name} is no chart"))?;
        if chart.metadata.name != *name {
            bail!("the dependency {name} was found to be the chart {}", chart.metadata.name);
        }
        Ok(Got { name: name.clone(), version: chart.metadata.version, archive: fetched.archive.to_vec() })
    }

    /// A dependency without a repository lies in `charts/`, as a folder or an archive.
    fn vendored(&self, dependency: &Dependency) -> anyhow::Result<Got> {
        let place = join(&self.inside, &format!("charts/{}", dependency.name));
        let chart = Chart::from_tree(&*self.tree, &place)
            .with_context(|| format!("directory {}/charts/{} not found", self.folder.display(), dependency.name))?;
        satisfied(dependency, &chart)?;
        Ok(Got { name: String::new(), version: chart.metadata.version.clone(), archive: Vec::new() })
    }

    /// A chart in a folder beside this one.
    fn local(&self, dependency: &Dependency, path: &str) -> anyhow::Result<Got> {
        let place = landfall_tree::clean(&join(&self.inside, path)).map_err(|_| {
            anyhow::anyhow!(
                "the dependency {} is at file://{path}, which leads outside the repository",
                dependency.name
            )
        })?;
        let chart = Chart::from_tree(&*self.tree, &place)
            .with_context(|| format!("the dependency {} at file://{path} cannot be loaded", dependency.name))?;
        satisfied(dependency, &chart)?;
        let packed = package::package_as_it_is(&chart)?;
        Ok(Got { name: dependency.name.clone(), version: chart.metadata.version.clone(), archive: packed.content })
    }

    /// Writes the archives into `charts/` and takes other versions of the same charts away.
    fn save(&self, got: &[Got], outside: &dyn Outside) -> anyhow::Result<()> {
        let charts = self.folder.join("charts");
        outside.make_folder(&charts)?;
        let files: Vec<(String, &Got)> = got
            .iter()
            .filter(|got| !got.archive.is_empty())
            .map(|got| (format!("{}-{}.tgz", got.name, got.version), got))
            .collect();
        for (file, got) in &files {
            outside.write(&charts.join(file), &got.archive)?;
        }
        outside.print("Deleting outdated charts\n")?;
        for name in outside.names(&charts)?.unwrap_or_default() {
            let is_kept = files.iter().any(|(file, _)| *file == name);
            if is_kept || !name.ends_with(".tgz") {
                continue;
            }
            // Only other versions of what was fetched go; archives that nobody declared stay.
            let loaded = outside.read(&charts.join(&name)).ok().and_then(|content| Chart::from_archive(&content).ok());
            if loaded.is_some_and(|chart| files.iter().any(|(_, got)| got.name == chart.metadata.name)) {
                outside.remove(&charts.join(&name))?;
            }
        }
        Ok(())
    }
}

fn satisfied(dependency: &Dependency, chart: &Chart) -> anyhow::Result<()> {
    let version = &chart.metadata.version;
    let is_good = match (Constraint::parse(&dependency.version), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        (Err(_), _) => {
            bail!("dependency {:?} has an invalid version/constraint format: {}", dependency.name, dependency.version)
        }
        _ => false,
    };
    if is_good {
        return Ok(());
    }
    bail!(
        "can't get a valid version for dependency {}: {} is wanted, and {version} is there",
        dependency.name,
        dependency.version
    )
}

fn list(arguments: &ListArguments, outside: &dyn Outside) -> anyhow::Result<()> {
    let chart = Work::open(&arguments.chart, outside)?;
    let charts = arguments.chart.join("charts");
    if chart.declared.is_empty() {
        outside.tell(&format!("WARNING: no dependencies at {}", charts.display()));
        return Ok(());
    }
    let names = outside.names(&charts)?.unwrap_or_default();
    let mut rows = vec![["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned)];
    for dependency in &chart.declared {
        let status = status(&charts, &names, dependency, outside);
        rows.push([dependency.name.clone(), dependency.version.clone(), dependency.repository.clone(), status]);
    }
    outside.print(&table(&rows, arguments.max_col_width))?;
    let mut undeclared = Vec::new();
    for name in &names {
        let found = loaded(&charts, name, outside).map(|found| found.0);
        if found.is_some_and(|found| !chart.declared.iter().any(|declared| declared.name == found)) {
            undeclared.push(format!("WARNING: {:?} is not in Chart.yaml.", charts.join(name).display().to_string()));
        }
    }
    outside.print(&format!("\n{}", undeclared.iter().map(|line| format!("{line}\n")).collect::<String>()))
}

/// The name and version of what lies in `charts/` under a name.
fn loaded(charts: &Path, name: &str, outside: &dyn Outside) -> Option<(String, String)> {
    let path = charts.join(name);
    let metadata = if name.ends_with(".tgz") {
        Chart::from_archive(&outside.read(&path).ok()?).ok()?.metadata
    } else {
        let (tree, inside) = outside.tree_around(&path).ok()?;
        Chart::from_tree(&*tree, &inside).ok()?.metadata
    };
    Some((metadata.name, metadata.version))
}

/// Says how a dependency does. Source: Helm 3.21 `pkg/action/dependency.go`.
fn status(charts: &Path, names: &[String], dependency: &Dependency, outside: &dyn Outside) -> String {
    let is_good = |version: &str| {
        matches!((Constraint::parse(&dependency.version), Version::parse(version)),
            (Ok(constraint), Ok(version)) if constraint.check(&version))
    };
    let prefix = format!("{}-", dependency.name);
    let archives: Vec<&String> = names
        .iter()
        .filter(|name| {
            let version = name.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(&prefix));
            version.is_some_and(|version| Version::parse(version).is_ok())
        })
        .collect();
    let name = match archives.as_slice() {
        [] if names.contains(&dependency.name) => &dependency.name,
        [] => return "missing".to_owned(),
        [one] => *one,
        _ => return "too many matches".to_owned(),
    };
    let is_folder = *name == dependency.name;
    match loaded(charts, name, outside) {
        None => "corrupt".to_owned(),
        Some((found, _)) if found != dependency.name => "misnamed".to_owned(),
        Some((_, version)) if !is_good(&version) => "wrong version".to_owned(),
        Some(_) if is_folder => "unpacked".to_owned(),
        Some(_) => "ok".to_owned(),
    }
}

/// Lays rows out as helm does: cells padded to the widest, parted by tabs.
fn table(rows: &[[String; 4]], width_max: usize) -> String {
    let clipped = |cell: &String| match cell.chars().count() > width_max {
        true => format!("{}...", cell.chars().take(width_max.saturating_sub(3)).collect::<String>()),
        false => cell.clone(),
    };
    let rows: Vec<[String; 4]> = rows.iter().map(|row| row.each_ref().map(clipped)).collect();
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("\t"))
    };
    rows.iter().map(line).collect()
}

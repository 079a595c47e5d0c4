//! Charts: rendered in process and by `helm template`, all in one run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landfall_gotemplate::context::NoHost;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use landfall_tree::MemoryTree;

use crate::Arguments;
use crate::measure::{self, mebibytes, median_of, median_ratio, ratio};

#[path = "../../../../pure/helm/tests/cases/charts.rs"]
#[expect(dead_code, reason = "only the reading of cases is used here")]
mod cases;

/// The charts that [`umbrella`] puts together: as large as the largest charts that people run.
const UMBRELLA: [&str; 8] =
    ["argo-cd", "prometheus", "grafana", "longhorn", "velero", "loki-distributed", "traefik", "vault"];

/// One chart in every form that is timed.
struct Subject {
    name: String,
    /// Its files, as the controller has them from Git.
    tree: MemoryTree,
    request: Request,
    /// The same request in words of the command line.
    words: Vec<String>,
}

/// Times every chart of a corpus with its default case.
///
/// Errors: the corpus cannot be read, a program cannot be run, a chart is refused.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let scratch = Scratch::new()?;
    let subjects = subjects(arguments, &scratch.0)?;
    let (mut of_renders, mut of_loads, mut of_commands) = (Vec::new(), Vec::new(), Vec::new());
    println!(
        "{:30} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8}",
        "chart", "render", "load+rend.", "first", "command", "helm", "output", "x render", "x load", "x command"
    );
    let mut slowest = Duration::ZERO;
    for subject in &subjects {
        let started = Instant::now();
        let chart = Chart::from_tree(&subject.tree, "").map_err(|error| format!("{}: {error}", subject.name))?;
        let bytes = rendered(&chart, &subject.request).map_err(|error| format!("{}: {error}", subject.name))?;
        let first = started.elapsed();
        let warm = median_of(arguments.rounds * 3, || rendered(&chart, &subject.request))?;
        let loaded = median_of(arguments.rounds * 3, || {
            let chart = Chart::from_tree(&subject.tree, "").map_err(|error| error.to_string())?;
            rendered(&chart, &subject.request)
        })?;
        slowest = slowest.max(warm);
        let mut words: Vec<&str> = vec!["template"];
        words.extend(subject.words.iter().map(String::as_str));
        let theirs = arguments.against.as_ref();
        let theirs = theirs.map(|program| median_of(arguments.rounds, || measure::run(program, &words))).transpose()?;
        let mut own: Vec<&str> = vec!["render", "helm"];
        own.extend([subject.words[1].as_str(), subject.words[0].as_str()]);
        own.extend(subject.words[2..].iter().map(String::as_str));
        own.extend(["--profile", arguments.profile.as_str()]);
        let command = arguments.landfall.as_ref();
        let command = command.map(|program| median_of(arguments.rounds, || measure::run(program, &own))).transpose()?;
        let times = |time: Option<Duration>| theirs.zip(time).map(|(theirs, time)| ratio(theirs, time));
        let (of_render, of_load, of_command) = (times(Some(warm)), times(Some(loaded)), times(command));
        let show = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{time:.2?}"));
        let factor = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}"));
        println!(
            "{:30} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8}",
            subject.name,
            show(Some(warm)),
            show(Some(loaded)),
            show(Some(first)),
            show(command),
            show(theirs),
            bytes,
            factor(of_render),
            factor(of_load),
            factor(of_command)
        );
        of_renders.extend(of_render);
        of_loads.extend(of_load);
        of_commands.extend(of_command);
    }
    println!(
        "median of {}: helm takes {:.1} times a warm render, {:.1} times a warm load and render, {:.1} times a cold command; the slowest warm render takes {slowest:.2?}",
        subjects.len(),
        median_ratio(&mut of_renders),
        median_ratio(&mut of_loads),
        median_ratio(&mut of_commands)
    );
    memory(arguments)?;
    scaling(arguments, &subjects)
}

/// Renders one chart once and prints this process' peak of memory: started by [`run`].
///
/// Errors: as [`run`].
pub(crate) fn once(arguments: &Arguments) -> Result<(), String> {
    let scratch = Scratch::new()?;
    let name = arguments.only.as_deref().unwrap_or_default();
    let subject = match name {
        "" => None,
        "umbrella" => Some(umbrella(&arguments.corpus, &scratch.0, arguments)?),
        name => subject(&arguments.corpus.join(name), &scratch.0, arguments)?,
    };
    let subject = subject.ok_or_else(|| "name a chart of the corpus with --only".to_owned())?;
    let before = measure::own_peak_bytes();
    let chart = Chart::from_tree(&subject.tree, "").map_err(|error| error.to_string())?;
    let output = render(&chart, &subject.request, &mut NoHost).map_err(|error| error.to_string())?;
    let bytes = output.text().len();
    println!(
        "{name}: {bytes} bytes of output, peak {}, of which {} before the chart was loaded",
        mebibytes(measure::own_peak_bytes()),
        mebibytes(before)
    );
    Ok(())
}

/// The peak of memory of the largest chart, in a process of its own.
fn memory(arguments: &Arguments) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let corpus = arguments.corpus.display().to_string();
    for name in ["argo-cd", "umbrella"] {
        let output = std::process::Command::new(&this)
            .args(["helm-once", &corpus, "--only", name, "--profile", &arguments.profile])
            .output()
            .map_err(|error| error.to_string())?;
        print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if let Some(program) = &arguments.against {
            let scratch = Scratch::new()?;
            let subject = match name {
                "umbrella" => Some(umbrella(&arguments.corpus, &scratch.0, arguments)?),
                name => subject(&arguments.corpus.join(name), &scratch.0, arguments)?,
            };
            let Some(subject) = subject else { continue };
            let mut words: Vec<&str> = vec!["template"];
            words.extend(subject.words.iter().map(String::as_str));
            println!("{name}: helm's peak {}", mebibytes(measure::peak_bytes(program, &words)?));
            if let Some(landfall) = &arguments.landfall {
                let mut own: Vec<&str> = vec!["render", "helm", &subject.words[1], &subject.words[0]];
                own.extend(subject.words[2..].iter().map(String::as_str));
                println!("{name}: the command's peak {}", mebibytes(measure::peak_bytes(landfall, &own)?));
            }
        }
    }
    Ok(())
}

/// Whether renders that have nothing to do with each other run beside each other.
fn scaling(arguments: &Arguments, subjects: &[Subject]) -> Result<(), String> {
    let mut charts = Vec::new();
    for subject in subjects {
        charts.push((Chart::from_tree(&subject.tree, "").map_err(|error| error.to_string())?, &subject.request));
    }
    let all = || {
        for (chart, request) in &charts {
            let _ = rendered(chart, request);
        }
    };
    all();
    println!("two threads do {:.2} times the work of one", measure::scaling(arguments.rounds, &all));
    Ok(())
}

/// Renders and gives the length of the text.
fn rendered(chart: &Chart, request: &Request) -> Result<usize, String> {
    let output = render(chart, request, &mut NoHost).map_err(|error| error.to_string())?;
    Ok(output.text().len())
}

fn subjects(arguments: &Arguments, scratch: &Path) -> Result<Vec<Subject>, String> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&arguments.corpus)
        .map_err(|error| format!("{}: {error}", arguments.corpus.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| cases::is_chart(path))
        .collect();
    folders.sort();
    let mut subjects = Vec::new();
    for folder in &folders {
        let is_wanted = arguments.only.as_ref().is_none_or(|only| folder.ends_with(only));
        if is_wanted && let Some(subject) = subject(folder, scratch, arguments)? {
            // Charts that refuse their own defaults have nothing to time.
            let chart = Chart::from_tree(&subject.tree, "").map_err(|error| error.to_string())?;
            if rendered(&chart, &subject.request).is_ok() {
                subjects.push(subject);
            }
        }
    }
    if arguments.only.as_ref().is_none_or(|only| only == "umbrella") {
        subjects.push(umbrella(&arguments.corpus, scratch, arguments)?);
    }
    Ok(subjects)
}

/// A chart of the corpus with its case `default`, or with its first one.
fn subject(folder: &Path, scratch: &Path, arguments: &Arguments) -> Result<Option<Subject>, String> {
    let profile = profile(arguments);
    let cases = cases::cases_of(folder)?;
    let chosen = cases.iter().find(|case| case.ends_with("default")).or(cases.first());
    let Some(case) = chosen else { return Ok(None) };
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tree = match folder.join("chart").is_dir() {
        true => cases::read_directory(&folder.join("chart"))?,
        false => {
            let archive = std::fs::read(folder.join("chart.tgz")).map_err(|error| error.to_string())?;
            Chart::unpack(&archive, "").map_err(|error| error.to_string())?
        }
    };
    let request = cases::request(case, profile)?;
    let unpacked = scratch.join(&name);
    write_out(&tree, &unpacked)?;
    let mut words = vec![request.name.clone(), unpacked.display().to_string()];
    words.extend(["--namespace".to_owned(), request.namespace.clone()]);
    words.extend(["--kube-version".to_owned(), request.capabilities.kube_version.version.clone()]);
    for version in &request.capabilities.api_versions[landfall_helm::capabilities::DEFAULT_API_VERSIONS.len()..] {
        words.extend(["--api-versions".to_owned(), version.clone()]);
    }
    if request.include_crds {
        words.push("--include-crds".to_owned());
    }
    let values = case.join("values.yaml");
    if values.exists() {
        words.extend(["--values".to_owned(), values.display().to_string()]);
    }
    Ok(Some(Subject { name, tree, request, words }))
}

/// A chart that has several large ones as its dependencies, definitions included.
fn umbrella(corpus: &Path, scratch: &Path, arguments: &Arguments) -> Result<Subject, String> {
    let mut metadata = String::from("apiVersion: v2\nname: umbrella\nversion: 1.0.0\n");
    let mut tree = MemoryTree::default();
    for name in UMBRELLA {
        let archive = std::fs::read(corpus.join(name).join("chart.tgz")).map_err(|error| format!("{name}: {error}"))?;
        let inner = Chart::unpack(&archive, &format!("charts/{name}")).map_err(|error| error.to_string())?;
        tree.files.extend(inner.files);
    }
    metadata.push_str("dependencies: []\n");
    tree.files.insert("Chart.yaml".to_owned(), metadata.into());
    tree.files.insert("values.yaml".to_owned(), "vault: {server: {dev: {enabled: true}}}\n".into());
    let mut request = Request::new("demo", "apps", profile(arguments));
    request.include_crds = true;
    let version = "v1.34.0".to_owned();
    request.capabilities.kube_version = landfall_helm::capabilities::KubeVersion::parse(&version, request.profile)
        .map_err(|error| error.to_string())?;
    let folder = scratch.join("umbrella");
    write_out(&tree, &folder)?;
    let mut words = vec!["demo".to_owned(), folder.display().to_string()];
    words.extend(["--namespace".to_owned(), "apps".to_owned(), "--include-crds".to_owned()]);
    words.extend(["--kube-version".to_owned(), version]);
    Ok(Subject { name: "umbrella".to_owned(), tree, request, words })
}

fn profile(arguments: &Arguments) -> landfall_helm::Profile {
    match arguments.profile.as_str() {
        "helm4" => landfall_helm::Profile::Helm4,
        _ => landfall_helm::Profile::Helm3,
    }
}

fn write_out(tree: &MemoryTree, folder: &Path) -> Result<(), String> {
    for (path, content) in &tree.files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// A folder that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, String> {
        let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = std::env::temp_dir().join(format!("landfall-bench-{}-{unique}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

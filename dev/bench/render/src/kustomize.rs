//! Kustomizations: built in process, on the command line and by `kustomize build`, all in one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use landfall_kustomize::{LoadRestrictor, NativeCharts, Options, Outside, Reorder, Session, build};
use landfall_tree::MemoryTree;
use serde_json::Value;

use crate::Arguments;
use crate::measure::{self, median_of, median_ratio, ratio};

/// One case of the corpus.
struct Subject {
    name: String,
    /// Its files on disk.
    folder: PathBuf,
    /// Its files, as the controller has them from Git.
    tree: MemoryTree,
    directory: String,
    options: Options,
}

/// Times every case below a folder, then many overlays over few bases.
///
/// Errors: the corpus cannot be read, a program cannot be run, a case is refused.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let mut subjects = Vec::new();
    find(&arguments.corpus, 4, &mut subjects)?;
    subjects.retain(|subject| arguments.only.as_ref().is_none_or(|only| subject.name.contains(only.as_str())));
    subjects.sort_by(|left, right| left.name.cmp(&right.name));
    println!(
        "{:45} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8}",
        "kustomization", "warm", "first", "command", "kustomize", "output", "x warm", "x first", "x command"
    );
    let (mut of_warm, mut of_first, mut of_command) = (Vec::new(), Vec::new(), Vec::new());
    for subject in &subjects {
        let session = Session::new();
        let first = median_of(arguments.rounds, || text(subject, &Session::new()))?;
        let output = text(subject, &session)?;
        let warm = median_of(arguments.rounds * 3, || text(subject, &session))?;
        let folder = subject.folder.join(&subject.directory);
        let folder = folder.to_string_lossy();
        let flags = flags(&subject.options);
        let mut words = vec!["build"];
        words.extend(flags.iter().copied());
        words.push(&folder);
        let theirs = arguments.against.as_ref();
        let theirs = theirs.map(|program| median_of(arguments.rounds, || measure::run(program, &words))).transpose()?;
        let mut own = vec!["render", "kustomize"];
        own.extend(&words[1..]);
        let command = arguments.landfall.as_ref();
        let command = command.map(|program| median_of(arguments.rounds, || measure::run(program, &own))).transpose()?;
        let times = |time: Option<Duration>| theirs.zip(time).map(|(theirs, time)| ratio(theirs, time));
        let ratios = [times(Some(warm)), times(Some(first)), times(command)];
        let show = |time: Option<Duration>| time.map_or("-".to_owned(), |time| format!("{time:.2?}"));
        let factor = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}"));
        println!(
            "{:45} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8}",
            subject.name,
            show(Some(warm)),
            show(Some(first)),
            show(command),
            show(theirs),
            output.len(),
            factor(ratios[0]),
            factor(ratios[1]),
            factor(ratios[2])
        );
        of_warm.extend(ratios[0]);
        of_first.extend(ratios[1]);
        of_command.extend(ratios[2]);
    }
    println!(
        "median ratio to the reference: {:.1} warm, {:.1} with nothing remembered, {:.1} as a command",
        median_ratio(&mut of_warm),
        median_ratio(&mut of_first),
        median_ratio(&mut of_command)
    );
    overlays()
}

fn text(subject: &Subject, session: &Session) -> Result<String, String> {
    let charts = NativeCharts::default();
    let outside = Outside { charts: Some(&charts), ..Outside::default() };
    build(&subject.tree, &subject.directory, &subject.options, &outside, session)
        .map(|built| built.text())
        .map_err(|error| format!("{}: {error}", subject.name))
}

fn flags(options: &Options) -> Vec<&'static str> {
    let mut flags = Vec::new();
    match options.reorder {
        Reorder::Unspecified => {}
        Reorder::None => flags.push("--reorder=none"),
        Reorder::Legacy => flags.push("--reorder=legacy"),
    }
    if options.load_restrictor == LoadRestrictor::None {
        flags.push("--load-restrictor=LoadRestrictionsNone");
    }
    if options.enable_helm {
        flags.push("--enable-helm");
    }
    flags
}

fn find(folder: &Path, depth: usize, subjects: &mut Vec<Subject>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let case = folder.join("case.yaml");
    if case.is_file() {
        let info = landfall_yaml::read_one(&std::fs::read(&case).map_err(failed)?, landfall_yaml::Resolver::Kubernetes)
            .map_err(|error| error.to_string())?;
        let of = |pointer: &str| info.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if of("/expect") != "success" {
            return Ok(());
        }
        let options = Options {
            reorder: match of("/options/reorder").as_str() {
                "none" => Reorder::None,
                "legacy" => Reorder::Legacy,
                _ => Reorder::Unspecified,
            },
            load_restrictor: match of("/options/loadRestrictor").as_str() {
                "none" => LoadRestrictor::None,
                _ => LoadRestrictor::RootOnly,
            },
            enable_helm: info.pointer("/options/helm") == Some(&Value::Bool(true)),
            ..Options::default()
        };
        let root = folder.join("tree");
        let mut files = BTreeMap::new();
        read(&root, &root, &mut files)?;
        subjects.push(Subject {
            name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            folder: root,
            tree: MemoryTree::of(files),
            directory: of("/dir"),
            options,
        });
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            find(&path, depth - 1, subjects)?;
        }
    }
    Ok(())
}

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, Bytes>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            read(root, &path, files)?;
        } else if let Ok(content) = std::fs::read(&path) {
            let inside = path.strip_prefix(root).map_err(|error| error.to_string())?;
            files.insert(inside.to_string_lossy().into_owned(), content.into());
        }
    }
    Ok(())
}

const BASES: usize = 20;
const OVERLAYS: usize = 1_000;

/// Builds many overlays over few bases in one session: each base is parsed once.
fn overlays() -> Result<(), String> {
    let mut files = BTreeMap::new();
    for base in 0..BASES {
        let workload = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{base}\n  labels: {{app: app-{base}}}\nspec:\n  replicas: 1\n  selector:\n    matchLabels: {{app: app-{base}}}\n  template:\n    metadata:\n      labels: {{app: app-{base}}}\n    spec:\n      serviceAccountName: app-{base}\n      containers:\n      - name: app\n        image: registry.example.com/team/app-{base}:1.0\n        ports:\n        - name: http\n          containerPort: 8080\n        env:\n        - name: LEVEL\n          value: info\n        - name: HOST\n          valueFrom:\n            configMapKeyRef: {{name: app-{base}, key: host}}\n        resources:\n          limits: {{cpu: 500m, memory: 256Mi}}\n          requests: {{cpu: 100m, memory: 128Mi}}\n        readinessProbe:\n          httpGet: {{path: /ready, port: http}}\n        livenessProbe:\n          httpGet: {{path: /live, port: http}}\n"
        );
        let rest = format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: app-{base}\nspec:\n  selector: {{app: app-{base}}}\n  ports:\n  - port: 80\n    targetPort: http\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app-{base}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: app-{base}\nspec:\n  rules:\n  - host: app-{base}.example.com\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            name: app-{base}\n            port: {{name: http}}\n"
        );
        files.insert(format!("base-{base}/workload.yaml"), workload);
        files.insert(format!("base-{base}/rest.yaml"), rest);
        files.insert(
            format!("base-{base}/kustomization.yaml"),
            format!("resources: [workload.yaml, rest.yaml]\nconfigMapGenerator:\n- name: app-{base}\n  literals: [host=app-{base}.example.com]\n"),
        );
    }
    for overlay in 0..OVERLAYS {
        let base = overlay % BASES;
        files.insert(
            format!("overlay-{overlay}/kustomization.yaml"),
            format!("resources: [../base-{base}]\nnamespace: team-{overlay}\nnamePrefix: t{overlay}-\nlabels:\n- pairs: {{team: t{overlay}}}\nimages:\n- name: registry.example.com/team/app-{base}\n  newTag: 2.{overlay}.0\nreplicas:\n- name: app-{base}\n  count: 3\npatches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      name: app-{base}\n    spec:\n      template:\n        spec:\n          containers:\n          - name: app\n            env:\n            - name: LEVEL\n              value: debug\n"),
        );
    }
    let tree = MemoryTree::of(files.into_iter().map(|(path, text)| (path, text.into_bytes())));
    let session = Session::new();
    let started = Instant::now();
    let mut bytes = 0;
    for overlay in 0..OVERLAYS {
        let directory = format!("overlay-{overlay}");
        let built = build(&tree, &directory, &Options::default(), &Outside::default(), &session);
        bytes += built.map_err(|error| error.to_string())?.text().len();
    }
    println!("{OVERLAYS} overlays over {BASES} bases: {:.2?}, {bytes} bytes of output", started.elapsed());
    Ok(())
}

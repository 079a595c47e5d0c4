//! Argo CD's `kustomize` blocks: invented, and carried out by the reference program as Argo CD's repo-server does it.
//!
//! Source: Argo CD 3.4 `util/kustomize/kustomize.go`, `Build`: the commands, their order and their arguments.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::random::Random;

/// Invents a block.
pub(crate) fn block(random: &mut Random) -> Value {
    let mut block = json!({});
    let mut set = |name: &str, value: Value| block[name] = value;
    if random.percent(30) {
        set("namePrefix", json!(random.pick(&["argo-", "a.b-", "-dash"])));
    }
    if random.percent(20) {
        set("nameSuffix", json!(random.pick(&["-argo", "-x"])));
    }
    if random.percent(30) {
        set("namespace", json!(random.pick(&["argo", "prod", "default"])));
    }
    if random.percent(45) {
        let images = [
            "nginx:9",
            "nginx=other/nginx:8",
            "nginx=other",
            "docker.io/library/nginx=mirror:5000/nginx@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "busybox@sha256:1111111111111111111111111111111111111111111111111111111111111111",
            "registry.example.com:5000/team/app:v2",
            "team/app=*:v3",
            "ghcr.io/org/app=*@sha256:2222222222222222222222222222222222222222222222222222222222222222",
            "absent:1",
            "team/app=x/y:1@sha256:2222222222222222222222222222222222222222222222222222222222222222",
            "nginx:${ARGOCD_APP_REVISION}",
        ];
        // What the command refuses stops everything, so it is rare.
        let refused = ["nginx", "=x", "a=b=c"];
        let first = if random.percent(6) { random.pick(&refused) } else { random.pick(&images) };
        let chosen = if random.percent(50) { vec![first] } else { vec![first, random.pick(&images)] };
        set("images", json!(chosen));
    }
    if random.percent(25) {
        let count = if random.percent(70) { json!(4) } else { json!("2") };
        let name = random.pick(&["web", "web", "api", "absent"]);
        let mut replicas = vec![json!({"name": name, "count": count})];
        if random.percent(30) {
            replicas.push(json!({"name": "db", "count": 0}));
        }
        set("replicas", json!(replicas));
    }
    if random.percent(35) {
        let labels = [
            json!({"argo": "yes"}),
            json!({"app": "argo"}),
            json!({"team": "x", "b": "${ARGOCD_APP_NAME}"}),
            json!({"rev": "$ARGOCD_APP_REVISION", "n": "1"}),
            json!({"colon": "a:b"}),
            json!({"e": ""}),
        ];
        set("commonLabels", labels[random.below(labels.len())].clone());
        for flag in ["labelWithoutSelector", "labelIncludeTemplates", "forceCommonLabels"] {
            if random.percent(40) {
                set(flag, json!(true));
            }
        }
    }
    if random.percent(30) {
        let annotations = [
            json!({"owner": "argo"}),
            json!({"x": "y:z", "n": "5"}),
            json!({"r": "${ARGOCD_APP_REVISION}"}),
            json!({"url": "https://a.example/b"}),
            json!({"note": "two words", "owner": "b"}),
        ];
        set("commonAnnotations", annotations[random.below(annotations.len())].clone());
        for flag in ["commonAnnotationsEnvsubst", "forceCommonAnnotations"] {
            if random.percent(40) {
                set(flag, json!(true));
            }
        }
    }
    if random.percent(30) {
        let patches = [
            json!({"patch": "- op: add\n  path: /metadata/labels/patched\n  value: argo\n", "target": {"kind": "Service"}}),
            json!({"patch": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 11\n"}),
            json!({"patch": "- op: replace\n  path: /metadata/name\n  value: new\n", "target": {"kind": "ConfigMap"}, "options": {"allowNameChange": true}}),
            json!({"patch": "kind: X\nmetadata: {name: x}\nspec: {a: b}\n", "target": {"kind": "Deployment", "labelSelector": "app=web"}, "options": {"allowKindChange": true}}),
        ];
        let chosen: Vec<Value> =
            (0..1 + random.below(2)).map(|_| patches[random.below(patches.len())].clone()).collect();
        set("patches", json!(chosen));
    }
    if random.percent(20) {
        let components = ["../component0", "../component1", "../absent", "./../component0"];
        let chosen: Vec<&str> = (0..1 + random.below(2)).map(|_| random.pick(&components)).collect();
        set("components", json!(chosen));
        if random.percent(50) {
            set("ignoreMissingComponents", json!(true));
        }
    }
    block
}

/// The build environment of the blocks.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [("ARGOCD_APP_NAME", "shop"), ("ARGOCD_APP_REVISION", "c0ffee")];

/// Runs the commands that Argo CD runs in the folder, then the build. `Err` holds what a failing command said.
///
/// Errors: the program cannot be run.
pub(crate) fn run(program: &Path, folder: &Path, block: &Value) -> anyhow::Result<Result<String, String>> {
    let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
    let is_set = |name: &str| block[name] == true;
    let list = |name: &str| block[name].as_array().cloned().unwrap_or_default();
    let substituted = |text: &str| {
        ENVIRONMENT.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
        })
    };
    let mut commands: Vec<Vec<String>> = Vec::new();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (field, name) in [("namePrefix", "nameprefix"), ("nameSuffix", "namesuffix")] {
        if !text(field).is_empty() {
            commands.push(words(&["edit", "set", name, "--", &text(field)]));
        }
    }
    if !list("images").is_empty() {
        let mut command = words(&["edit", "set", "image"]);
        command.extend(list("images").iter().filter_map(Value::as_str).map(substituted));
        commands.push(command);
    }
    if !list("replicas").is_empty() {
        let mut command = words(&["edit", "set", "replicas"]);
        for replica in list("replicas") {
            let count = replica["count"].as_str().map_or_else(|| replica["count"].to_string(), str::to_owned);
            command.push(format!("{}={count}", replica["name"].as_str().unwrap_or_default()));
        }
        commands.push(command);
    }
    for (field, what, force, is_substituted) in [
        ("commonLabels", "label", "forceCommonLabels", true),
        ("commonAnnotations", "annotation", "forceCommonAnnotations", is_set("commonAnnotationsEnvsubst")),
    ] {
        let Some(entries) = block[field].as_object() else { continue };
        let mut command = words(&["edit", "add", what]);
        if is_set(force) {
            command.push("--force".to_owned());
        }
        if what == "label" && is_set("labelWithoutSelector") {
            command.push("--without-selector".to_owned());
        }
        if what == "label" && is_set("labelIncludeTemplates") {
            command.push("--include-templates".to_owned());
        }
        for (key, value) in entries {
            let value = value.as_str().unwrap_or_default();
            command.push(format!("{key}:{}", if is_substituted { substituted(value) } else { value.to_owned() }));
        }
        commands.push(command);
    }
    if !text("namespace").is_empty() {
        commands.push(words(&["edit", "set", "namespace", "--", &text("namespace")]));
    }
    for command in commands {
        if let Err(said) = execute(program, folder, &command)? {
            return Ok(Err(said));
        }
    }
    if !list("patches").is_empty() {
        let file = folder.join("kustomization.yaml");
        let mut kustomization = landfall_yaml::read_one(&std::fs::read(&file)?, landfall_yaml::Resolver::Kubernetes)?;
        let mut patches = kustomization["patches"].as_array().cloned().unwrap_or_default();
        patches.extend(list("patches"));
        kustomization["patches"] = json!(patches);
        std::fs::write(&file, landfall_yaml::write(&kustomization))?;
    }
    let mut components: Vec<String> = list("components").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if is_set("ignoreMissingComponents") {
        components.retain(|component| folder.join(component).exists());
    }
    if !components.is_empty() {
        let mut command = words(&["edit", "add", "component"]);
        command.extend(components);
        if let Err(said) = execute(program, folder, &command)? {
            return Ok(Err(said));
        }
    }
    execute(program, folder, &words(&["build", "."]))
}

fn execute(program: &Path, folder: &Path, words: &[String]) -> anyhow::Result<Result<String, String>> {
    let output = Command::new(program).args(words).current_dir(folder).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    })
}

//! The flags that describe an Application, for `app create` and `app set`, and what they change in it.

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::source_flags::{ReadFile, RetryFlags, SourceFlags};

/// Flags of source, destination and policy. What is not given is left as it is.
#[derive(Debug, Default, Args)]
pub(crate) struct SpecFlags {
    /// The repository.
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The folder in the repository.
    #[arg(long)]
    path: Option<String>,
    /// Branch, tag, commit or version.
    #[arg(long)]
    revision: Option<String>,
    /// The chart of a chart repository.
    #[arg(long)]
    helm_chart: Option<String>,
    /// The destination cluster by its address.
    #[arg(long, value_name = "URL", conflicts_with = "dest_name")]
    dest_server: Option<String>,
    /// The destination cluster by its name.
    #[arg(long, value_name = "NAME")]
    dest_name: Option<String>,
    /// The namespace for objects that name none.
    #[arg(long, value_name = "NAMESPACE")]
    dest_namespace: Option<String>,
    /// The project.
    #[arg(long)]
    project: Option<String>,
    /// Synchronise without being asked, or not.
    #[arg(long, value_enum)]
    sync_policy: Option<Policy>,
    /// Delete what the source no longer holds, with --sync-policy automated.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    auto_prune: Option<bool>,
    /// Undo changes made in the cluster, with --sync-policy automated.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    self_heal: Option<bool>,
    /// Let a source that holds nothing delete everything, with --sync-policy automated.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    allow_empty: Option<bool>,
    /// An option of syncs, as CreateNamespace=true; !Name takes one away.
    #[arg(long = "sync-option", value_name = "NAME=VALUE")]
    sync_options: Vec<String>,
    /// A Helm value.
    #[arg(long = "helm-set", value_name = "KEY=VALUE")]
    helm_set: Vec<String>,
    /// A Helm value that is a string.
    #[arg(long = "helm-set-string", value_name = "KEY=VALUE")]
    helm_set_string: Vec<String>,
    /// A Helm value, by the name that it has had since there were parameters.
    #[arg(short = 'p', long = "parameter", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
    /// The chart's release name.
    #[arg(long)]
    release_name: Option<String>,
    /// A values file in the repository.
    #[arg(long, value_name = "FILE")]
    values: Vec<String>,
    /// An image of a kustomization, as NAME=IMAGE:TAG.
    #[arg(long = "kustomize-image", value_name = "IMAGE")]
    kustomize_images: Vec<String>,
    /// Put before the names of a kustomization's objects.
    #[arg(long)]
    nameprefix: Option<String>,
    /// Put behind the names of a kustomization's objects.
    #[arg(long)]
    namesuffix: Option<String>,
    /// Read folders below too, in a folder of plain manifests.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    directory_recurse: Option<bool>,
    #[command(flatten)]
    further: SourceFlags,
    #[command(flatten)]
    retry: RetryFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Without being asked.
    #[value(alias = "auto", alias = "automatic")]
    Automated,
    /// When asked.
    #[value(alias = "manual")]
    None,
}

impl SpecFlags {
    /// Writes the flags into an Application; `position` names one of several sources, from 1.
    ///
    /// Errors: a flag that is no `KEY=VALUE`, a flag of the automatic policy without one, a source that is not there.
    pub(super) fn apply(
        &self,
        application: &mut Value,
        position: Option<usize>,
        read: ReadFile<'_>,
    ) -> anyhow::Result<()> {
        let spec = entry(application, "spec")?;
        if let Some(project) = &self.project {
            spec.insert("project".to_owned(), json!(project));
        }
        self.destination(entry_of(spec, "destination")?);
        if self.changes_source() {
            self.source(source_of(spec, position)?, read)?;
        }
        self.retry.apply(spec)?;
        self.policy(spec)
    }

    /// A source of its own, as the flags describe it.
    pub(super) fn new_source(&self, read: ReadFile<'_>) -> anyhow::Result<Value> {
        let mut source = Map::new();
        self.source(&mut source, read)?;
        Ok(Value::Object(source))
    }

    fn destination(&self, destination: &mut Map<String, Value>) {
        // A destination is named in one way: the new one takes the place of the old.
        for (given, key, other) in [(&self.dest_server, "server", "name"), (&self.dest_name, "name", "server")] {
            if let Some(value) = given {
                destination.insert(key.to_owned(), json!(value));
                destination.remove(other);
            }
        }
        if let Some(namespace) = &self.dest_namespace {
            destination.insert("namespace".to_owned(), json!(namespace));
        }
    }

    fn changes_source(&self) -> bool {
        let texts = [
            &self.repo,
            &self.path,
            &self.revision,
            &self.helm_chart,
            &self.release_name,
            &self.nameprefix,
            &self.namesuffix,
        ];
        let lists = [&self.helm_set, &self.helm_set_string, &self.parameters, &self.values, &self.kustomize_images];
        texts.iter().any(|text| text.is_some())
            || lists.iter().any(|list| !list.is_empty())
            || self.directory_recurse.is_some()
            || self.further.is_given()
    }

    fn source(&self, source: &mut Map<String, Value>, read: ReadFile<'_>) -> anyhow::Result<()> {
        let texts = [
            ("repoURL", &self.repo),
            ("path", &self.path),
            ("targetRevision", &self.revision),
            ("chart", &self.helm_chart),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                source.insert(key.to_owned(), json!(value));
            }
        }
        let typed = self.helm_set.iter().chain(&self.parameters).map(|text| (text, false));
        for (text, is_string) in typed.chain(self.helm_set_string.iter().map(|text| (text, true))) {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| anyhow!("{text:?} is no Helm value\nhint: write KEY=VALUE, as in image.tag=v2"))?;
            let mut parameter = json!({"name": name, "value": value});
            if is_string {
                parameter["forceString"] = json!(true);
            }
            let helm = entry_of(source, "helm")?;
            upsert(helm, "parameters", parameter, |known| known["name"] == name)?;
        }
        if let Some(name) = &self.release_name {
            entry_of(source, "helm")?.insert("releaseName".to_owned(), json!(name));
        }
        if !self.values.is_empty() {
            entry_of(source, "helm")?.insert("valueFiles".to_owned(), json!(self.values));
        }
        for image in &self.kustomize_images {
            let name = image_name(image);
            let kustomize = entry_of(source, "kustomize")?;
            upsert(kustomize, "images", json!(image), |known| {
                known.as_str().is_some_and(|text| image_name(text) == name)
            })?;
        }
        for (key, value) in [("namePrefix", &self.nameprefix), ("nameSuffix", &self.namesuffix)] {
            if let Some(value) = value {
                entry_of(source, "kustomize")?.insert(key.to_owned(), json!(value));
            }
        }
        if let Some(recurse) = self.directory_recurse {
            entry_of(source, "directory")?.insert("recurse".to_owned(), json!(recurse));
        }
        self.further.apply(source, read)
    }

    fn policy(&self, spec: &mut Map<String, Value>) -> anyhow::Result<()> {
        let switches = [("prune", self.auto_prune), ("selfHeal", self.self_heal), ("allowEmpty", self.allow_empty)];
        let has_switches = switches.iter().any(|(_, value)| value.is_some());
        if self.sync_policy.is_none() && !has_switches && self.sync_options.is_empty() {
            return Ok(());
        }
        let policy = entry_of(spec, "syncPolicy")?;
        match self.sync_policy {
            Some(Policy::None) => {
                policy.remove("automated");
            }
            Some(Policy::Automated) => {
                entry_of(policy, "automated")?.remove("enabled");
            }
            None => {}
        }
        if has_switches {
            if !policy.get("automated").is_some_and(Value::is_object) {
                bail!(
                    "--auto-prune, --self-heal and --allow-empty belong to the automatic policy, which is off\nhint: add --sync-policy automated"
                );
            }
            for (key, value) in switches {
                if let Some(value) = value {
                    entry_of(policy, "automated")?.insert(key.to_owned(), json!(value));
                }
            }
        }
        for option in &self.sync_options {
            let name = option.trim_start_matches('!').split('=').next().unwrap_or_default().to_owned();
            let is_same = |known: &Value| known.as_str().is_some_and(|text| text.split('=').next() == Some(&name));
            if option.starts_with('!') {
                if let Some(Value::Array(options)) = policy.get_mut("syncOptions") {
                    options.retain(|known| !is_same(known));
                }
            } else if option.contains('=') {
                upsert(policy, "syncOptions", json!(option), is_same)?;
            } else {
                bail!("{option:?} is no sync option\nhint: write NAME=VALUE, as in CreateNamespace=true");
            }
        }
        Ok(())
    }
}

/// The name that tells images apart: what stands before `=`, or before the tag or digest.
pub(super) fn image_name(image: &str) -> String {
    if let Some((name, _)) = image.split_once('=') {
        return name.to_owned();
    }
    let bare = image.split('@').next().unwrap_or_default();
    let last = bare.rfind('/').map_or(0, |at| at + 1);
    bare[last..].find(':').map_or(bare, |at| &bare[..last + at]).to_owned()
}

pub(super) fn source_of(
    spec: &mut Map<String, Value>,
    position: Option<usize>,
) -> anyhow::Result<&mut Map<String, Value>> {
    let count = spec.get("sources").and_then(Value::as_array).map_or(0, Vec::len);
    match (count, position) {
        (0, None | Some(1)) => entry_of(spec, "source"),
        (0, Some(position)) => bail!("there is no source {position}: the Application has one source"),
        (_, None) => {
            bail!("the Application has {count} sources\nhint: say which with --source-position, counted from 1")
        }
        (_, Some(position)) => {
            let source = spec["sources"].get_mut(position.wrapping_sub(1)).and_then(Value::as_object_mut);
            source.ok_or_else(|| anyhow!("there is no source {position}: the Application has {count}"))
        }
    }
}

fn entry<'a>(value: &'a mut Value, key: &str) -> anyhow::Result<&'a mut Map<String, Value>> {
    let map = value.as_object_mut().ok_or_else(|| anyhow!("the Application is no object"))?;
    entry_of(map, key)
}

pub(super) fn entry_of<'a>(map: &'a mut Map<String, Value>, key: &str) -> anyhow::Result<&'a mut Map<String, Value>> {
    let value = map.entry(key).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut().ok_or_else(|| anyhow!("{key} of the Application is no map"))
}

pub(super) fn upsert(
    map: &mut Map<String, Value>,
    key: &str,
    value: Value,
    is_same: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let list = map.entry(key).or_insert_with(|| json!([]));
    let list = list.as_array_mut().ok_or_else(|| anyhow!("{key} of the Application is no list"))?;
    match list.iter_mut().find(|known| is_same(known)) {
        Some(known) => *known = value,
        None => list.push(value),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: SpecFlags,
    }

    fn applied(application: Value, words: &str) -> anyhow::Result<Value> {
        let command = Command::try_parse_from(std::iter::once("test").chain(words.split_whitespace()))?;
        let mut application = application;
        command.flags.apply(&mut application, None, &|_| Ok(Vec::new()))?;
        Ok(application)
    }

    #[test]
    fn flags_become_fields_of_the_spec() {
        let words = "--repo https://git/x --path a --dest-name prod --project p --sync-policy auto --auto-prune \
                     --self-heal=false --sync-option CreateNamespace=true --helm-set a=1 -p a=2 --helm-set-string b=3";
        let application = applied(json!({"spec": {"destination": {"server": "https://old"}}}), words).unwrap();
        let spec = json!({
            "project": "p", "destination": {"name": "prod"},
            "source": {"repoURL": "https://git/x", "path": "a", "helm": {"parameters": [
                {"name": "a", "value": "2"}, {"name": "b", "value": "3", "forceString": true}]}},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": false}, "syncOptions": ["CreateNamespace=true"]},
        });
        assert_eq!(application["spec"], spec);
    }

    #[test]
    fn images_and_options_replace_their_equals() {
        let before = json!({"spec": {
            "source": {"kustomize": {"images": ["reg:5000/web:v1", "db=x:1"]}},
            "syncPolicy": {"syncOptions": ["Replace=true", "Validate=false"]},
        }});
        let words = "--kustomize-image reg:5000/web:v2 --kustomize-image db=y:2 --sync-option !Replace --sync-option Validate=true";
        let after = applied(before, words).unwrap();
        assert_eq!(after["spec"]["source"]["kustomize"]["images"], json!(["reg:5000/web:v2", "db=y:2"]));
        assert_eq!(after["spec"]["syncPolicy"]["syncOptions"], json!(["Validate=true"]));
    }

    #[test]
    fn wrong_flags_say_what_to_do() {
        for (words, hint) in [("--auto-prune", "--sync-policy automated"), ("--helm-set a", "KEY=VALUE")] {
            let message = applied(json!({}), words).unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
        let several = json!({"spec": {"sources": [{}, {}]}});
        assert!(applied(several, "--path x").unwrap_err().to_string().contains("--source-position"));
    }
}

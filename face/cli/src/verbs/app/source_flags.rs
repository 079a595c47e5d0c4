//! The rarer flags that describe a source and how it is synchronised: one table of what each writes where.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Map, Value, json};

use super::flags::{entry_of, upsert};

/// Reads a file of this machine.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> anyhow::Result<Vec<u8>>;

/// Flags of a source. What is not given is left as it is.
#[derive(Debug, Default, Args)]
pub(super) struct SourceFlags {
    /// Find Git tags by this prefix before the version.
    #[arg(long, value_name = "PREFIX")]
    tag_prefix: Option<String>,
    /// A Helm value that is a file of the repository, as KEY=PATH.
    #[arg(long, value_name = "KEY=PATH")]
    helm_set_file: Vec<String>,
    /// A file of this machine whose content becomes the values.
    #[arg(long, value_name = "FILE")]
    values_literal_file: Option<PathBuf>,
    /// The namespace that the chart is told, if it is another than the destination's.
    #[arg(long, value_name = "NAMESPACE")]
    helm_namespace: Option<String>,
    /// The version of Kubernetes that the chart is told.
    #[arg(long, value_name = "VERSION")]
    helm_kube_version: Option<String>,
    /// An API that the chart is told of, as apps/v1/Deployment.
    #[arg(long, value_name = "API")]
    helm_api_versions: Vec<String>,
    /// Taken for `argocd`'s sake: what charts are rendered as is a setting of the installation.
    #[arg(long, hide = true, value_name = "VERSION")]
    helm_version: Option<String>,
    /// Send credentials to all domains.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    helm_pass_credentials: Option<bool>,
    /// Leave out the chart's definitions.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    helm_skip_crds: Option<bool>,
    /// Do not check values by the chart's schema.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    helm_skip_schema_validation: Option<bool>,
    /// Leave out the chart's tests.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    helm_skip_tests: Option<bool>,
    /// Values files may be missing.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    ignore_missing_value_files: Option<bool>,
    /// The version of Kustomize.
    #[arg(long, value_name = "VERSION")]
    kustomize_version: Option<String>,
    /// The namespace that the kustomization sets.
    #[arg(long, value_name = "NAMESPACE")]
    kustomize_namespace: Option<String>,
    /// The version of Kubernetes that charts of the kustomization are told.
    #[arg(long, value_name = "VERSION")]
    kustomize_kube_version: Option<String>,
    /// An API that charts of the kustomization are told of.
    #[arg(long, value_name = "API")]
    kustomize_api_versions: Vec<String>,
    /// A label of all objects.
    #[arg(long, value_name = "NAME=VALUE")]
    kustomize_common_label: Vec<String>,
    /// An annotation of all objects.
    #[arg(long, value_name = "NAME=VALUE")]
    kustomize_common_annotation: Vec<String>,
    /// Common labels take the place of those that are there.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    kustomize_force_common_label: Option<bool>,
    /// Common annotations take the place of those that are there.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    kustomize_force_common_annotation: Option<bool>,
    /// Leave selectors as they are.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    kustomize_label_without_selector: Option<bool>,
    /// Label templates too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    kustomize_label_include_templates: Option<bool>,
    /// How often something runs, as NAME=COUNT.
    #[arg(long, value_name = "NAME=COUNT")]
    kustomize_replica: Vec<String>,
    /// Components may be missing.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    ignore_missing_components: Option<bool>,
    /// Only files that match, in a folder of plain manifests.
    #[arg(long, value_name = "PATTERN")]
    directory_include: Option<String>,
    /// No files that match, in a folder of plain manifests.
    #[arg(long, value_name = "PATTERN")]
    directory_exclude: Option<String>,
    /// An external variable of Jsonnet that is a text.
    #[arg(long, value_name = "NAME=VALUE")]
    jsonnet_ext_var_str: Vec<String>,
    /// An external variable of Jsonnet that is code.
    #[arg(long, value_name = "NAME=CODE")]
    jsonnet_ext_var_code: Vec<String>,
    /// A top-level argument of Jsonnet that is a text.
    #[arg(long, value_name = "NAME=VALUE")]
    jsonnet_tla_str: Vec<String>,
    /// A top-level argument of Jsonnet that is code.
    #[arg(long, value_name = "NAME=CODE")]
    jsonnet_tla_code: Vec<String>,
    /// A folder of the repository with libraries of Jsonnet.
    #[arg(long, value_name = "FOLDER")]
    jsonnet_libs: Vec<String>,
    /// The plugin that renders.
    #[arg(long, value_name = "NAME")]
    config_management_plugin: Option<String>,
    /// A variable of the plugin.
    #[arg(long, value_name = "NAME=VALUE")]
    plugin_env: Vec<String>,
}

impl SourceFlags {
    /// Says whether any is given.
    pub(super) fn is_given(&self) -> bool {
        let mut probe = Map::new();
        let read: ReadFile<'_> = &|_| Ok(Vec::new());
        // What cannot be written is given, too.
        self.apply(&mut probe, read).is_err() || !probe.is_empty()
    }

    /// Writes the flags into a source.
    pub(super) fn apply(&self, source: &mut Map<String, Value>, read: ReadFile<'_>) -> anyhow::Result<()> {
        if let Some(prefix) = &self.tag_prefix {
            source.insert("tagPrefix".to_owned(), json!(prefix));
        }
        let literal = match &self.values_literal_file {
            Some(file) => {
                let content = String::from_utf8(read(file)?);
                Some(content.with_context(|| format!("{} is no text", file.display()))?)
            }
            None => None,
        };
        let texts = [
            ("helm", "values", &literal),
            ("helm", "namespace", &self.helm_namespace),
            ("helm", "kubeVersion", &self.helm_kube_version),
            ("kustomize", "version", &self.kustomize_version),
            ("kustomize", "namespace", &self.kustomize_namespace),
            ("kustomize", "kubeVersion", &self.kustomize_kube_version),
            ("directory", "include", &self.directory_include),
            ("directory", "exclude", &self.directory_exclude),
            ("plugin", "name", &self.config_management_plugin),
        ];
        for (part, field, value) in texts {
            if let Some(value) = value {
                entry_of(source, part)?.insert(field.to_owned(), json!(value));
            }
        }
        let switches = [
            ("helm", "passCredentials", self.helm_pass_credentials),
            ("helm", "skipCrds", self.helm_skip_crds),
            ("helm", "skipSchemaValidation", self.helm_skip_schema_validation),
            ("helm", "skipTests", self.helm_skip_tests),
            ("helm", "ignoreMissingValueFiles", self.ignore_missing_value_files),
            ("kustomize", "forceCommonLabels", self.kustomize_force_common_label),
            ("kustomize", "forceCommonAnnotations", self.kustomize_force_common_annotation),
            ("kustomize", "labelWithoutSelector", self.kustomize_label_without_selector),
            ("kustomize", "labelIncludeTemplates", self.kustomize_label_include_templates),
            ("kustomize", "ignoreMissingComponents", self.ignore_missing_components),
        ];
        for (part, field, value) in switches {
            if let Some(value) = value {
                entry_of(source, part)?.insert(field.to_owned(), json!(value));
            }
        }
        let lists = [
            ("helm", "apiVersions", &self.helm_api_versions),
            ("kustomize", "apiVersions", &self.kustomize_api_versions),
        ];
        for (part, field, values) in lists {
            if !values.is_empty() {
                entry_of(source, part)?.insert(field.to_owned(), json!(values));
            }
        }
        for (field, given) in
            [("commonLabels", &self.kustomize_common_label), ("commonAnnotations", &self.kustomize_common_annotation)]
        {
            for text in given {
                let (name, value) = pair(text)?;
                let kustomize = entry_of(source, "kustomize")?;
                entry_of(kustomize, field)?.insert(name.to_owned(), json!(value));
            }
        }
        for text in &self.kustomize_replica {
            let (name, count) = pair(text)?;
            let count: i64 = count.parse().map_err(|_| anyhow!("{text:?}: {count:?} is no number"))?;
            let entry = json!({"name": name, "count": count});
            upsert(entry_of(source, "kustomize")?, "replicas", entry, |known| known["name"] == name)?;
        }
        for text in &self.helm_set_file {
            let (name, path) = pair(text)?;
            let entry = json!({"name": name, "path": path});
            upsert(entry_of(source, "helm")?, "fileParameters", entry, |known| known["name"] == name)?;
        }
        for text in &self.plugin_env {
            let (name, value) = pair(text)?;
            let entry = json!({"name": name, "value": value});
            upsert(entry_of(source, "plugin")?, "env", entry, |known| known["name"] == name)?;
        }
        self.jsonnet(source)
    }

    fn jsonnet(&self, source: &mut Map<String, Value>) -> anyhow::Result<()> {
        let variables = [
            ("extVars", &self.jsonnet_ext_var_str, false),
            ("extVars", &self.jsonnet_ext_var_code, true),
            ("tlas", &self.jsonnet_tla_str, false),
            ("tlas", &self.jsonnet_tla_code, true),
        ];
        for (field, given, is_code) in variables {
            for text in given {
                let (name, value) = pair(text)?;
                let mut entry = json!({"name": name, "value": value});
                if is_code {
                    entry["code"] = json!(true);
                }
                let directory = entry_of(source, "directory")?;
                upsert(entry_of(directory, "jsonnet")?, field, entry, |known| known["name"] == name)?;
            }
        }
        if !self.jsonnet_libs.is_empty() {
            let directory = entry_of(source, "directory")?;
            entry_of(directory, "jsonnet")?.insert("libs".to_owned(), json!(self.jsonnet_libs));
        }
        Ok(())
    }
}

/// Flags of how often a failed sync is tried again, and what else stands beside the policy.
#[derive(Debug, Default, Args)]
pub(super) struct RetryFlags {
    /// How many earlier syncs are remembered.
    #[arg(long, value_name = "COUNT")]
    revision_history_limit: Option<i64>,
    /// How often a failed sync is tried again; -1 is without end.
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    sync_retry_limit: Option<i64>,
    /// How long it waits before the first time, as 5s.
    #[arg(long, value_name = "DURATION")]
    sync_retry_backoff_duration: Option<String>,
    /// By how much that grows each time.
    #[arg(long, value_name = "FACTOR")]
    sync_retry_backoff_factor: Option<i64>,
    /// How long it waits at most, as 3m.
    #[arg(long, value_name = "DURATION")]
    sync_retry_backoff_max_duration: Option<String>,
    /// Try again with the newest revision.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    sync_retry_refresh: Option<bool>,
    /// Taken for `argocd`'s sake: what cannot work is always refused.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    validate: Option<bool>,
}

impl RetryFlags {
    /// Writes the flags into a spec.
    pub(super) fn apply(&self, spec: &mut Map<String, Value>) -> anyhow::Result<()> {
        if let Some(limit) = self.revision_history_limit {
            spec.insert("revisionHistoryLimit".to_owned(), json!(limit));
        }
        let values = [
            (&["limit"][..], self.sync_retry_limit.map(|limit| json!(limit))),
            (&["refresh"], self.sync_retry_refresh.map(|refresh| json!(refresh))),
            (&["backoff", "duration"], self.sync_retry_backoff_duration.as_ref().map(|text| json!(text))),
            (&["backoff", "factor"], self.sync_retry_backoff_factor.map(|factor| json!(factor))),
            (&["backoff", "maxDuration"], self.sync_retry_backoff_max_duration.as_ref().map(|text| json!(text))),
        ];
        for (path, value) in values {
            let Some(value) = value else { continue };
            let policy = entry_of(spec, "syncPolicy")?;
            let retry = entry_of(policy, "retry")?;
            match path {
                [field] => retry.insert((*field).to_owned(), value),
                [inner, field] => entry_of(retry, inner)?.insert((*field).to_owned(), value),
                _ => None,
            };
        }
        Ok(())
    }
}

fn pair(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('=').ok_or_else(|| anyhow!("{text:?} is no pair\nhint: write NAME=VALUE"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        source: SourceFlags,
        #[command(flatten)]
        retry: RetryFlags,
    }

    fn applied(words: &str) -> anyhow::Result<Value> {
        let program = Program::try_parse_from(std::iter::once("app").chain(words.split_whitespace()))?;
        let mut spec = Map::new();
        let mut source = Map::new();
        program.source.apply(&mut source, &|_| Ok(b"a: 1\n".to_vec()))?;
        program.retry.apply(&mut spec)?;
        spec.insert("source".to_owned(), Value::Object(source));
        Ok(Value::Object(spec))
    }

    #[test]
    fn each_flag_writes_its_field() {
        let words = "--kustomize-replica web=3 --kustomize-common-label a=b --helm-set-file k=p --values-literal-file f \
                     --jsonnet-tla-code x=1 --plugin-env A=B --sync-retry-limit -1 --sync-retry-backoff-duration 9s \
                     --revision-history-limit 4 --helm-skip-crds --directory-include *.yaml";
        let spec = applied(words).unwrap();
        let source = &spec["source"];
        assert_eq!(source["kustomize"]["replicas"], json!([{"name": "web", "count": 3}]));
        assert_eq!(source["kustomize"]["commonLabels"], json!({"a": "b"}));
        assert_eq!(source["helm"]["fileParameters"], json!([{"name": "k", "path": "p"}]));
        assert_eq!((&source["helm"]["values"], &source["helm"]["skipCrds"]), (&json!("a: 1\n"), &json!(true)));
        assert_eq!(source["directory"]["jsonnet"]["tlas"], json!([{"name": "x", "value": "1", "code": true}]));
        assert_eq!(source["plugin"]["env"], json!([{"name": "A", "value": "B"}]));
        assert_eq!(spec["syncPolicy"]["retry"], json!({"limit": -1, "backoff": {"duration": "9s"}}));
        assert_eq!(spec["revisionHistoryLimit"], 4);
    }

    #[test]
    fn nothing_given_is_nothing_written() {
        assert_eq!(applied("").unwrap(), json!({"source": {}}));
        assert!(applied("--kustomize-replica web").is_err());
    }
}

//! Resources from Helm charts: the arguments are put together here, the caller's renderer inflates the chart.

use std::rc::Rc;
use std::sync::Arc;

use landfall_tree::EntryKind;
use serde_json::Value;

use super::Generator;
use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::kustomization::{HelmChart, HelmGlobals};
use crate::loader::Loader;
use crate::merge::ListOrder;
use crate::node::json::Numbers;
use crate::node::read::read_one;
use crate::outside::{ChartRequest, ChartSource};
use crate::resource::{HELM_GENERATED, Resource, Source, shape_error};

const DEFAULT_CHART_HOME: &str = "charts";

/// One entry of `helmCharts`.
#[derive(Debug, Clone)]
pub(crate) struct HelmInflation {
    pub(crate) globals: HelmGlobals,
    pub(crate) chart: HelmChart,
    /// The file that holds the entry, for messages.
    pub(crate) file: String,
}

impl Generator for HelmInflation {
    fn generate(&self, build: &mut Build<'_>, loader: &Rc<Loader<'_>>) -> Result<Vec<Resource>> {
        let chart = &self.chart;
        let error = |class: ErrorClass, message: String| {
            BuildError::new(class, message).file(&self.file).field(chart.field.as_str())
        };
        let Some(charts) = build.outside.charts.filter(|_| build.options.enable_helm) else {
            return Err(
                error(ErrorClass::Helm, "Helm charts are not enabled".to_owned()).hint("build with --enable-helm")
            );
        };
        if chart.name.is_empty() {
            return Err(error(ErrorClass::Helm, "a chart needs a name".to_owned()));
        }
        let home = if self.globals.chart_home.is_empty() { DEFAULT_CHART_HOME } else { &self.globals.chart_home };
        let home = if !chart.version.is_empty() && !chart.repo.is_empty() {
            format!("{home}/{}-{}", chart.name, chart.version)
        } else {
            home.to_owned()
        };
        let directory = format!("{home}/{}", chart.name);
        let is_local = loader.kind(&directory) == Some(EntryKind::Directory);
        let source = if is_local {
            let path = landfall_tree::clean(&loader.path_of(&directory))
                .map_err(|_| error(ErrorClass::OutsideRoot, format!("{directory} leads out of the repository")))?;
            ChartSource::Local { path }
        } else if chart.repo.is_empty() {
            return Err(error(
                ErrorClass::MissingFile,
                format!("there is no chart at {directory}, and no repo to fetch it from"),
            )
            .hint("unpack the chart there, or name its repository with repo"));
        } else {
            ChartSource::Repository {
                url: chart.repo.clone(),
                name: chart.name.clone(),
                version: chart.version.clone(),
                devel: chart.devel,
            }
        };
        let mut values = vec![self.values(build, loader, is_local.then(|| format!("{directory}/values.yaml")))?];
        for (at, path) in chart.additional_values_files.iter().enumerate() {
            let field = format!("{}.additionalValuesFiles[{at}]", chart.field);
            let file = loader.load(build.outside.remote, path).map_err(|error| error.field(field).file(&self.file))?;
            values.push(file.text()?.into_owned());
        }
        let kube_version = if chart.kube_version.is_empty() {
            build.options.helm_kube_version.clone()
        } else {
            chart.kube_version.clone()
        };
        let api_versions = if chart.api_versions.is_empty() {
            build.options.helm_api_versions.clone()
        } else {
            chart.api_versions.clone()
        };
        let tree = loader.tree.clone();
        let request = ChartRequest {
            tree: tree.tree(),
            chart: source,
            release_name: (!chart.release_name.is_empty()).then(|| chart.release_name.clone()),
            name_template: chart.name_template.clone(),
            namespace: chart.namespace.clone(),
            values,
            api_versions,
            kube_version,
            include_crds: chart.include_crds,
            skip_tests: chart.skip_tests,
            skip_hooks: chart.skip_hooks,
        };
        let output = charts.template(&request).map_err(|reason| {
            error(ErrorClass::Helm, format!("the chart {} cannot be rendered: {reason}", chart.name))
        })?;
        let resources = build
            .resources_of_text(&output, &format!("chart {}", chart.name), None, 0)
            .map_err(|error| error.hint("the chart renders something that is no Kubernetes object"))?;
        build.check_conflicts(&resources)?;
        let source = Arc::new(Source { file: self.file.clone(), line: 0, field: chart.field.clone() });
        let mut marked = Vec::with_capacity(resources.len());
        for mut resource in resources {
            if let Some(root) = resource.root {
                build.arena.set_annotation(root, HELM_GENERATED, "true").map_err(|error| shape_error(&error))?;
            }
            resource.source = source.clone();
            marked.push(resource);
        }
        Ok(marked)
    }
}

impl HelmInflation {
    /// The first values text: the chart's or the entry's file, with inline values over it, under it or instead of it.
    fn values(&self, build: &mut Build<'_>, loader: &Rc<Loader<'_>>, default_file: Option<String>) -> Result<String> {
        let chart = &self.chart;
        let load = |build: &Build<'_>| -> Result<String> {
            let path = match (&*chart.values_file, default_file.as_deref()) {
                ("", Some(path)) => path,
                ("", None) => return Ok(String::new()),
                (path, _) => path,
            };
            let file = loader
                .load(build.outside.remote, path)
                .map_err(|error| error.field(format!("{}.valuesFile", chart.field)).file(&self.file))?;
            Ok(file.text()?.into_owned())
        };
        let Some(inline) = chart.values_inline.as_ref().filter(|inline| !inline.is_empty()) else { return load(build) };
        let over = match chart.values_merge.as_str() {
            "" | "override" => true,
            "merge" => false,
            "replace" => return Ok(landfall_yaml::write(&Value::Object(inline.clone()))),
            other => {
                return Err(BuildError::new(ErrorClass::Helm, format!("valuesMerge is {other:?}"))
                    .file(&self.file)
                    .field(format!("{}.valuesMerge", chart.field))
                    .hint("write merge, override or replace"));
            }
        };
        let text = load(build)?;
        let file_values = read_one(&mut build.arena, &text).map_err(|error| {
            BuildError::new(ErrorClass::MalformedYaml, format!("the values file is malformed YAML: {}", error.message))
                .line(Some(error.line))
        })?;
        let inline = build.arena.build_json(&Value::Object(inline.clone()), Numbers::Floats);
        let Some(file_values) = file_values else {
            return Ok(landfall_yaml::write(&Value::Object(chart.values_inline.clone().unwrap_or_default())));
        };
        let (patch, target) = if over { (inline, file_values) } else { (file_values, inline) };
        let merged = build
            .merge(patch, target, ListOrder::Append)
            .map_err(|error| error.file(&self.file).field(format!("{}.valuesInline", chart.field)))?;
        let Some(merged) = merged else { return Ok(String::new()) };
        let value = build
            .arena
            .to_json(merged)
            .map_err(|problem| build.json_error(&problem, "the merged values").file(&self.file))?;
        Ok(landfall_yaml::write(&value))
    }
}

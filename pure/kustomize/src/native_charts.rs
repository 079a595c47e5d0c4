//! Charts inflated by the native Helm renderer.

use landfall_gotemplate::context::NoHost;
use landfall_helm::Profile;
use landfall_helm::capabilities::KubeVersion;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use landfall_tree::MemoryTree;
use serde_json::{Value, json};

use crate::outside::{ChartRequest, ChartSource, Charts};
use crate::remotes::FetchedChart;

/// Fetches a chart that is in a repository; the error is a sentence.
pub type FetchChart<'a> = dyn Fn(&ChartSource) -> Result<FetchedChart, String> + Send + Sync + 'a;

/// Inflates charts in process, as `helm template` of the chosen Helm does.
///
/// Templates see no clock, randomness or cluster; a chart without release name gets its own name with `-release`, where
/// the reference would make one up from the time.
pub struct NativeCharts<'a> {
    /// Which Helm to be.
    pub profile: Profile,
    /// Fetches charts that are not in the tree; `None`: such charts are refused.
    pub fetch: Option<&'a FetchChart<'a>>,
}

impl Default for NativeCharts<'_> {
    fn default() -> Self {
        Self { profile: Profile::Helm3, fetch: None }
    }
}

impl std::fmt::Debug for NativeCharts<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NativeCharts").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Charts for NativeCharts<'_> {
    fn template(&self, request: &ChartRequest<'_>) -> Result<String, String> {
        let chart = self.chart(request)?;
        let name = match (&request.release_name, request.name_template.as_str()) {
            (Some(name), _) => name.clone(),
            (None, "") => format!("{}-release", chart_name(&request.chart)),
            (None, template) => self.name_of(template)?,
        };
        let namespace = if request.namespace.is_empty() { "default" } else { &request.namespace };
        let mut render_request = Request::new(name, namespace, self.profile);
        for text in &request.values {
            let values = landfall_helm::values::read(text.as_bytes(), self.profile)
                .map_err(|error| format!("the values cannot be read: {error}"))?;
            landfall_helm::values::merge_maps(&mut render_request.values, values);
        }
        if !request.kube_version.is_empty() {
            render_request.capabilities.kube_version =
                KubeVersion::parse(&request.kube_version, self.profile).map_err(|error| error.to_string())?;
        }
        render_request.capabilities.api_versions.extend(request.api_versions.iter().cloned());
        render_request.include_crds = request.include_crds;
        render_request.skip_tests = request.skip_tests;
        let mut rendered = render(&chart, &render_request, &mut NoHost).map_err(|error| error.to_string())?;
        if request.skip_hooks {
            rendered.hooks.clear();
        }
        Ok(rendered.text())
    }
}

fn chart_name(source: &ChartSource) -> &str {
    match source {
        ChartSource::Local { path } => path.rsplit('/').next().unwrap_or(path),
        ChartSource::Repository { name, .. } => name,
    }
}

impl NativeCharts<'_> {
    fn chart(&self, request: &ChartRequest<'_>) -> Result<Chart, String> {
        match &request.chart {
            ChartSource::Local { path } => Chart::from_tree(request.tree, path).map_err(|error| error.to_string()),
            source => {
                let fetch = self.fetch.ok_or("charts are not fetched here; unpack the chart into the chart home")?;
                let (tree, folder) = fetch(source)?;
                Chart::from_tree(&*tree, &folder).map_err(|error| error.to_string())
            }
        }
    }

    /// The release name that a `nameTemplate` gives.
    fn name_of(&self, template: &str) -> Result<String, String> {
        let tree = MemoryTree::of([
            ("name/Chart.yaml", "{apiVersion: v2, name: name, version: 0.0.0}"),
            ("name/templates/name.yaml", "kind: Name\nname: {{ tpl .Values.template . | quote }}\n"),
        ]);
        let chart = Chart::from_tree(&tree, "name").map_err(|error| error.to_string())?;
        let mut request = Request::new("name", "default", self.profile);
        if let Value::Object(values) = json!({"template": template}) {
            request.values = values;
        }
        let rendered = render(&chart, &request, &mut NoHost).map_err(|error| format!("nameTemplate fails: {error}"))?;
        let name = rendered.manifests.first().and_then(|manifest| manifest.object.get("name")).and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| "nameTemplate gives no name".to_owned())
    }
}

//! `landfall chart push`: as `helm push`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use landfall_helm::chart::{Chart, Metadata};
use landfall_ports::registry::{Artifact, CHART_CONFIG, CHART_LAYER, Layer};

use crate::Outside;
use crate::charts::{self, ServerFlags};

/// The media type of a chart's provenance file. Source: Helm 3.21 `pkg/registry/constants.go`.
const PROVENANCE_LAYER: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// Arguments of `landfall chart push`.
#[derive(Debug, Args)]
pub struct PushArguments {
    /// The archive.
    #[arg(value_name = "CHART")]
    chart: PathBuf,
    /// The folder in the registry: oci://host/path.
    #[arg(value_name = "REMOTE")]
    remote: String,
    #[command(flatten)]
    server: ServerFlags,
}

pub(super) async fn run(arguments: &PushArguments, outside: &dyn Outside) -> anyhow::Result<()> {
    let Some(place) = arguments.remote.strip_prefix("oci://") else {
        let scheme = arguments.remote.split_once("://").map_or("", |(scheme, _)| scheme);
        bail!("scheme prefix missing from remote or not supported: {scheme:?}\nhint: write oci://{}", arguments.remote);
    };
    let archive = outside.read(&arguments.chart)?;
    let chart =
        Chart::from_archive(&archive).with_context(|| format!("{} is no chart archive", arguments.chart.display()))?;
    let metadata = &chart.metadata;
    let mut layers = vec![Layer { media_type: CHART_LAYER.to_owned(), content: Bytes::from(archive) }];
    let mut provenance = arguments.chart.clone().into_os_string();
    provenance.push(".prov");
    if let Ok(content) = outside.read(&PathBuf::from(provenance)) {
        layers.push(Layer { media_type: PROVENANCE_LAYER.to_owned(), content: Bytes::from(content) });
    }
    let config = landfall_yaml::json::encode(&landfall_helm::package::metadata_value(metadata));
    let artifact = Artifact {
        digest: String::new(),
        config_media_type: CHART_CONFIG.to_owned(),
        config: Bytes::from(config),
        layers,
        annotations: annotations(metadata, &outside.now().to_string()),
    };
    let place = format!("{}/{}", place.trim_end_matches('/'), metadata.name);
    let repository = charts::repository(&format!("oci://{place}"), &arguments.server, outside)?;
    // A registry's tags cannot hold a plus.
    let tag = metadata.version.replace('+', "_");
    let digest = outside.charts()?.registry.push(&repository, &tag, &artifact).await?;
    outside.tell(&format!("Pushed: {place}:{tag}\nDigest: {digest}"));
    Ok(())
}

/// The annotations of the manifest, sorted. Source: Helm 3.21 `pkg/registry/chart.go`.
fn annotations(metadata: &Metadata, created: &str) -> Vec<(String, String)> {
    let opencontainers = |name: &str| format!("org.opencontainers.image.{name}");
    let authors: Vec<String> = metadata
        .maintainers
        .iter()
        .filter(|maintainer| !maintainer.name.is_empty())
        .map(|maintainer| match maintainer.email.as_str() {
            "" => maintainer.name.clone(),
            email => format!("{} ({email})", maintainer.name),
        })
        .collect();
    let own = [
        ("description", metadata.description.clone()),
        ("title", metadata.name.clone()),
        ("version", metadata.version.clone()),
        ("url", metadata.home.clone()),
        ("created", created.to_owned()),
        ("source", metadata.sources.first().cloned().unwrap_or_default()),
        ("authors", authors.join(", ")),
    ];
    let mut all: Vec<(String, String)> = own
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(name, text)| (opencontainers(name), text))
        .collect();
    let is_fixed = |name: &String| *name == opencontainers("title") || *name == opencontainers("version");
    for (name, text) in metadata.annotations.iter().filter(|(name, _)| !is_fixed(name)) {
        all.retain(|(known, _)| known != name);
        all.push((name.clone(), text.clone()));
    }
    all.sort();
    all
}

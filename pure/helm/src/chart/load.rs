//! From a list of files to a chart: which file is what, and the charts inside `charts/`.
//!
//! Source: Helm 3.21.4, `pkg/chart/loader/load.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use landfall_yaml::Resolver;
use serde_json::Value;

use super::archive::{self, Budget};
use super::metadata::{Lock, Metadata};
use super::{Chart, File};
use crate::error::{Error, ErrorKind};
use crate::go;

/// Bounds how deep charts may nest in charts.
pub const CHARTS_NESTED_MAX: usize = 32;

/// A file of a chart before it is known what it is for.
#[derive(Debug, Clone)]
pub(crate) struct LoadedFile {
    pub(crate) path: String,
    pub(crate) content: Bytes,
}

impl LoadedFile {
    /// Takes a file, without the byte order mark that it may begin with.
    pub(crate) fn new(path: String, content: Bytes) -> Self {
        let content = if content.starts_with(b"\xef\xbb\xbf") { content.slice(3..) } else { content };
        Self { path, content }
    }
}

/// Makes a chart of its files.
pub(crate) fn load(files: Vec<LoadedFile>, budget: &mut Budget, depth: usize) -> Result<Chart, Error> {
    if depth > CHARTS_NESTED_MAX {
        return Err(Error::new(ErrorKind::Load, format!("charts nest deeper than {CHARTS_NESTED_MAX} levels")));
    }
    let mut chart = Chart::default();
    let mut has_metadata = false;
    for file in files.iter().filter(|file| file.path == "Chart.yaml") {
        has_metadata = true;
        decode(&file.path, &file.content, |value| chart.metadata.decode_into(value))?;
        if chart.metadata.api_version.is_empty() {
            chart.metadata.api_version = "v1".to_owned();
        }
    }
    let mut nested: BTreeMap<String, Vec<LoadedFile>> = BTreeMap::new();
    for LoadedFile { path, content } in files {
        match path.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => chart.lock = Some(lock(&path, &content)?),
            "values.yaml" => chart.values_file = Some(content),
            "values.schema.json" => chart.schema = Some(content),
            "requirements.yaml" => {
                has_metadata = true;
                decode(&path, &content, |value| chart.metadata.decode_into(value))?;
                companion(
                    &mut chart,
                    path,
                    content,
                    "Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating dependencies to Chart.yaml.",
                );
            }
            "requirements.lock" => {
                has_metadata = true;
                chart.lock = Some(lock(&path, &content)?);
                companion(
                    &mut chart,
                    path,
                    content,
                    "Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating to Chart.lock.",
                );
            }
            _ if path.starts_with("templates/") => chart.templates.push(File { path, content }),
            _ => match path.strip_prefix("charts/") {
                Some(below) if go::extension(&path) != ".prov" => {
                    let name = below.split('/').next().unwrap_or(below).to_owned();
                    nested.entry(name).or_default().push(LoadedFile { path: below.to_owned(), content });
                }
                _ => chart.files.push(File { path, content }),
            },
        }
    }
    if !has_metadata {
        return Err(Error::new(ErrorKind::Chart, "Chart.yaml file is missing")
            .with_hint("a chart is a directory with a Chart.yaml; check the path"));
    }
    validate(&mut chart.metadata)?;
    for (name, files) in nested {
        let loaded = subchart(&chart, &name, files, budget, depth)
            .map_err(|error| error.wrapped(format!("error unpacking subchart {name} in {}", chart.metadata.name)))?;
        chart.subcharts.extend(loaded.map(Arc::new));
    }
    Ok(chart)
}

/// Loads what stands under one name in `charts/`: a directory, an archive, or nothing that counts.
fn subchart(
    chart: &Chart,
    name: &str,
    files: Vec<LoadedFile>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Option<Chart>, Error> {
    if name.starts_with(['_', '.']) {
        return Ok(None);
    }
    if go::extension(name) == ".tgz" {
        let archive = files.into_iter().next().filter(|file| file.path == name).ok_or_else(|| {
            Error::new(
                ErrorKind::Load,
                format!("error unpacking subchart tar in {}: {name} is a directory", chart.metadata.name),
            )
        })?;
        let files = archive::unpack(&archive.content, budget)?;
        return load(files, budget, depth + 1).map(Some);
    }
    let below: Vec<LoadedFile> = files
        .into_iter()
        .filter_map(|file| {
            let (_, path) = file.path.split_once('/')?;
            Some(LoadedFile { path: path.to_owned(), content: file.content })
        })
        .collect();
    load(below, budget, depth + 1).map(Some)
}

/// `requirements.*` belongs to version 1 charts, whose templates may read it; in others it only earns a warning.
fn companion(chart: &mut Chart, path: String, content: Bytes, warning: &str) {
    if chart.metadata.api_version == "v1" {
        chart.files.push(File { path, content });
    } else {
        chart.warnings.push(warning.to_owned());
    }
}

fn lock(path: &str, content: &[u8]) -> Result<Lock, Error> {
    let mut lock = Lock::default();
    decode(path, content, |value| {
        lock = Lock::decode(value)?;
        Ok(())
    })?;
    Ok(lock)
}

fn decode(path: &str, content: &[u8], into: impl FnOnce(&Value) -> Result<(), String>) -> Result<(), Error> {
    let value = landfall_yaml::read_one(content, Resolver::Kubernetes).map_err(|error| {
        Error::new(ErrorKind::Chart, format!("cannot load {path}: {}", go::yaml_error(&error, content)))
            .at(path, error.line, None)
            .with_hint(go::yaml_hint(&error))
    })?;
    into(&value).map_err(|message| match message.strip_prefix("validation: ") {
        Some(_) => Error::new(ErrorKind::Chart, message),
        None => Error::new(ErrorKind::Chart, format!("cannot load {path}: {message}")),
    })
}

fn validate(metadata: &mut Metadata) -> Result<(), Error> {
    let name = metadata.name.clone();
    metadata.validate().map_err(|message| {
        Error::new(ErrorKind::Chart, message).in_chart(&name).with_hint("correct the chart's Chart.yaml")
    })
}

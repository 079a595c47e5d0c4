//! Which version of a chart a `targetRevision` or a dependency's `version` means.
//!
//! Source: Helm 3.21 `IndexFile.Get` (an exact text first, then the highest that satisfies the constraint; empty is `*`)
//! and Argo CD 3.5 `util/helm`; pre-releases count only where the constraint names one.

use landfall_semver::{Constraint, Version};

use crate::chart_index::{ChartVersion, Index};

/// Counts the names or versions that an error lists at most.
const SUGGESTIONS_MAX: usize = 5;

/// Says that no version answers, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVersion {
    /// The repository has no chart of that name.
    #[error("there is no chart {chart:?}{}", listed("similar charts", similar))]
    NoChart {
        /// The chart.
        chart: String,
        /// Charts that look alike, or the first ones.
        similar: Vec<String>,
    },
    /// The constraint cannot be read.
    #[error("{wanted:?} is neither a version nor a version constraint: {reason}")]
    Malformed {
        /// The constraint.
        wanted: String,
        /// Why.
        reason: String,
    },
    /// No version satisfies the constraint.
    #[error("no version of {chart} satisfies {wanted:?}{}", listed("the highest there are", highest))]
    NoMatch {
        /// The chart.
        chart: String,
        /// The version or constraint.
        wanted: String,
        /// The highest versions that there are.
        highest: Vec<String>,
    },
}

fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
}

/// Finds the version of `chart` that `wanted` means.
pub fn in_index<'a>(index: &'a Index, chart: &str, wanted: &str) -> Result<&'a ChartVersion, NoVersion> {
    let versions = index.versions_by_chart.get(chart).ok_or_else(|| {
        let names = || index.versions_by_chart.keys();
        let alike = |name: &&String| name.contains(chart) || chart.contains(name.as_str());
        let mut similar: Vec<_> = names().filter(alike).take(SUGGESTIONS_MAX).cloned().collect();
        if similar.is_empty() {
            similar = names().take(SUGGESTIONS_MAX).cloned().collect();
        }
        NoVersion::NoChart { chart: chart.to_owned(), similar }
    })?;
    let texts: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
    let position = among(chart, &texts, wanted)?;
    Ok(&versions[position])
}

/// Finds the tag of an OCI repository that `wanted` means; `+` of a version is `_` in a tag.
pub fn in_tags(chart: &str, tags: &[String], wanted: &str) -> Result<String, NoVersion> {
    let versions: Vec<String> = tags.iter().map(|tag| tag.replace('_', "+")).collect();
    let texts: Vec<&str> = versions.iter().map(String::as_str).collect();
    let position = among(chart, &texts, &wanted.replace('_', "+"))?;
    Ok(tags[position].clone())
}

/// Says whether `wanted` names one version, so that no list of versions is needed to know it.
pub fn is_exact(wanted: &str) -> bool {
    Version::parse_strict(wanted.trim().trim_start_matches('v')).is_ok()
}

fn among(chart: &str, versions: &[&str], wanted: &str) -> Result<usize, NoVersion> {
    let wanted = wanted.trim();
    if let Some(position) = versions.iter().position(|version| *version == wanted) {
        return Ok(position);
    }
    let constraint = Constraint::parse(if wanted.is_empty() { "*" } else { wanted })
        .map_err(|error| NoVersion::Malformed { wanted: wanted.to_owned(), reason: error.to_string() })?;
    let parsed: Vec<(usize, Version)> = versions
        .iter()
        .enumerate()
        .filter_map(|(position, version)| Some((position, Version::parse(version).ok()?)))
        .collect();
    let highest = landfall_semver::highest_matching(&constraint, parsed.iter().map(|(_, version)| version));
    highest.map(|found| parsed[found].0).ok_or_else(|| {
        let mut parsed = parsed;
        parsed.sort_by(|a, b| b.1.precedence(&a.1));
        let highest = parsed.iter().take(SUGGESTIONS_MAX).map(|(position, _)| versions[*position].to_owned()).collect();
        NoVersion::NoMatch { chart: chart.to_owned(), wanted: wanted.to_owned(), highest }
    })
}

//! Choosing resources by patterns: for patches, replacements and added values.

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::ids::{Gvk, ResId};
use crate::kustomization::Selector;
use crate::label_selector::LabelSelector;
use crate::node::NodeId;
use crate::pattern::Pattern;
use crate::resource::Resource;

/// A selector with its patterns compiled. Empty patterns fit everything.
pub(crate) struct CompiledSelector {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: LabelSelector,
    annotations: LabelSelector,
}

impl CompiledSelector {
    /// Compiles a selector; `class` is that of a pattern that cannot be compiled.
    pub(crate) fn new(selector: &Selector, class: ErrorClass) -> Result<Self> {
        let pattern = |text: &str, field: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            Pattern::of(text, |text| format!("^(?:{text})$")).map(Some).map_err(|error| {
                BuildError::new(class, format!("{text:?} is no regular expression: {error}"))
                    .field(format!("target.{field}"))
            })
        };
        let labels = |text: &str, field: &str| {
            LabelSelector::parse(text).map_err(|reason| BuildError::new(class, reason).field(format!("target.{field}")))
        };
        Ok(Self {
            group: pattern(&selector.gvk.group, "group")?,
            version: pattern(&selector.gvk.version, "version")?,
            kind: pattern(&selector.gvk.kind, "kind")?,
            name: pattern(&selector.name, "name")?,
            namespace: pattern(&selector.namespace, "namespace")?,
            labels: labels(&selector.label_selector, "labelSelector")?,
            annotations: labels(&selector.annotation_selector, "annotationSelector")?,
        })
    }

    pub(crate) fn fits_gvk(&self, gvk: &Gvk) -> bool {
        fits(self.group.as_ref(), gvk.group())
            && fits(self.version.as_ref(), gvk.version())
            && fits(self.kind.as_ref(), &gvk.kind)
    }

    pub(crate) fn fits_name(&self, name: &str) -> bool {
        fits(self.name.as_ref(), name)
    }

    pub(crate) fn fits_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Kind, name and namespace as written, without the default namespace.
    pub(crate) fn fits_written_id(&self, id: &ResId) -> bool {
        self.fits_gvk(&id.gvk) && self.fits_name(&id.name) && self.fits_namespace(&id.namespace)
    }
}

fn fits(pattern: Option<&Pattern>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.fits(text))
}

impl Build<'_> {
    pub(crate) fn fits_labels(&self, selector: &CompiledSelector, root: NodeId) -> bool {
        selector.labels.fits(&self.arena.metadata_map(root, "labels"))
            && selector.annotations.fits(&self.arena.annotations(root))
    }

    /// The places of the resources that a selector chooses, by their first or current name and namespace.
    pub(crate) fn select(&self, resources: &[Resource], selector: &Selector, class: ErrorClass) -> Result<Vec<usize>> {
        let compiled = CompiledSelector::new(selector, class)?;
        let mut chosen = Vec::new();
        for (at, resource) in resources.iter().enumerate() {
            let Some(root) = resource.root else { continue };
            let (current, original) = (self.current_id(root), self.original_id(root));
            let fits = (compiled.fits_namespace(original.effective_namespace())
                || compiled.fits_namespace(current.effective_namespace()))
                && (compiled.fits_name(&original.name) || compiled.fits_name(&current.name))
                && compiled.fits_gvk(&current.gvk)
                && self.fits_labels(&compiled, root);
            if fits {
                chosen.push(at);
            }
        }
        Ok(chosen)
    }

    /// The places of the resources that have or had an id.
    pub(crate) fn with_any_id(&self, resources: &[Resource], fits: impl Fn(&ResId) -> bool) -> Vec<usize> {
        resources
            .iter()
            .enumerate()
            .filter(|(_, resource)| !resource.is_gone(&self.arena))
            .filter_map(|(at, resource)| resource.root.map(|root| (at, root)))
            .filter(|(_, root)| fits(&self.current_id(*root)) || self.previous_ids(*root).iter().any(&fits))
            .map(|(at, _)| at)
            .collect()
    }
}

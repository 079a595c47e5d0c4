//! Which tool renders a source, and how it is called.

use landfall_model::application::Source;
use landfall_source::detect::{self, SourceType};
use landfall_source::{directory, overrides};
use landfall_tree::{Recording, Tree};

use super::{Input, RenderError, Rendered};

/// Renders on recorded trees: the source's own first, then those of `references` in order.
pub(super) fn render(input: &Input, recordings: &[Recording<'_>]) -> Result<Rendered, RenderError> {
    let tree: &dyn Tree = &recordings[0];
    let failed = |error: &dyn std::fmt::Display| RenderError(error.to_string());
    let folder = detect::folder(tree, &input.source.path).map_err(|error| failed(&error))?;
    let source = overrides::apply(tree, &folder, &input.application, &input.source).map_err(|error| failed(&error))?;
    let source_type = detect::detect(tree, &folder, &source).map_err(|error| failed(&error))?;
    match source_type {
        SourceType::Directory => plain(input, tree, &folder, &source),
        SourceType::Helm => Err(RenderError("Helm sources come next".to_owned())),
        SourceType::Kustomize => Err(RenderError("Kustomize sources come next".to_owned())),
        SourceType::Plugin => Err(RenderError(
            "configuration management plugins are not run; commit what the plugin renders, or use helm, kustomize or directory".to_owned(),
        )),
    }
}

fn plain(input: &Input, tree: &dyn Tree, folder: &str, source: &Source) -> Result<Rendered, RenderError> {
    let how = source.directory.clone().unwrap_or_default();
    let manifests = directory::objects(tree, folder, &how).map_err(|error| RenderError(error.to_string()))?;
    Ok(Rendered {
        objects: manifests.into_iter().map(|manifest| manifest.object).collect(),
        source_type: SourceType::Directory,
        warnings: Vec::new(),
        is_deterministic: true,
        revision: input.checkout.revision.clone(),
    })
}

//! What the installation's settings (`argocd-cm`) say, read once per change.

use std::collections::BTreeMap;

use landfall_access::installation::Installation;
use landfall_diff::settings::{self, Settings};
use landfall_model::annotations::FIELD_MANAGER;

/// The settings, ready to use.
#[derive(Debug, Default)]
pub struct Installed {
    /// Kinds that are left alone, and projects whose rules hold for others.
    pub access: Installation,
    /// How objects are compared.
    pub comparison: Settings,
}

impl Installed {
    /// Reads the data of the settings' ConfigMap. What cannot be read is logged, and ignored.
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let access = Installation::read(data);
        let mut comparison = settings::read(data);
        // We apply under the name that Argo CD applies under: there is no former applier to take over from.
        comparison.options.manager = FIELD_MANAGER.to_owned();
        comparison.options.former_managers = Vec::new();
        for problem in access.problems.iter().chain(&comparison.problems) {
            tracing::warn!(%problem, "a setting in argocd-cm is ignored");
        }
        Self { access, comparison }
    }
}

//! `labels` and `commonLabels`: labels on every resource, and as asked in selectors and templates.

use std::collections::BTreeMap;

use super::{Transformer, set_entries};
use crate::build::Build;
use crate::error::Result;
use crate::field_spec::FieldSpec;
use crate::resource::Resource;

/// Labels and where they go.
pub(crate) struct Labels {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Labels {
    /// The label that says by which version an object was made.
    pub(crate) fn managed_by(manager: &str) -> Self {
        Self {
            labels: BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), manager.to_owned())]),
            specs: vec![FieldSpec { path: "metadata/labels".to_owned(), create: true, ..FieldSpec::default() }],
        }
    }
}

impl Transformer for Labels {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        set_entries(build, resources, &self.labels, &self.specs)
    }
}

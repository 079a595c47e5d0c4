//! `commonAnnotations`: annotations on every resource and on the templates in it.

use std::collections::BTreeMap;

use super::{Transformer, set_entries};
use crate::build::Build;
use crate::error::Result;
use crate::field_spec::FieldSpec;
use crate::resource::Resource;

/// Annotations and where they go.
pub(crate) struct Annotations {
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transformer for Annotations {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        set_entries(build, resources, &self.annotations, &self.specs)
    }
}

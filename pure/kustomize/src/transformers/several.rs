//! Several transformers as one, for the built-in that sets prefix and suffix together.

use super::Transformer;
use crate::build::Build;
use crate::error::Result;
use crate::resource::Resource;

/// Transformers that run one after the other.
pub(crate) struct Several {
    pub(crate) transformers: Vec<Box<dyn Transformer>>,
}

impl Transformer for Several {
    fn transform(&self, build: &mut Build<'_>, resources: &mut Vec<Resource>) -> Result<()> {
        self.transformers.iter().try_for_each(|transformer| transformer.transform(build, resources))
    }
}

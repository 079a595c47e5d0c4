//! Generators: configuration in, resources out.

pub(crate) mod data_object;
pub(crate) mod helm;
pub(crate) mod iam;

use std::rc::Rc;

use crate::build::Build;
use crate::error::Result;
use crate::loader::Loader;
use crate::resource::Resource;

/// Makes resources.
pub(crate) trait Generator {
    /// Generates the resources. `loader` reads files as the kustomization of the generator does.
    fn generate(&self, build: &mut Build<'_>, loader: &Rc<Loader<'_>>) -> Result<Vec<Resource>>;
}

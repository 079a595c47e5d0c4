//! What the verbs print: tables, trees, JSON and YAML. Pure functions from objects to text.

pub(crate) mod applications;
pub(crate) mod details;
pub(crate) mod format;
pub(crate) mod history;
pub(crate) mod resources;
pub(crate) mod table;

//! The functions by family, and the one table that joins them.

pub(crate) mod arguments;
pub(crate) mod helm;
pub(crate) mod language;
pub(crate) mod regex;

use crate::function::Functions;

/// Adds all of Sprig.
pub(crate) fn register_sprig(functions: &mut Functions) {
    regex::register(functions);
}

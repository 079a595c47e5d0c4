//! The functions by family, and the one table that joins them.

pub(crate) mod arguments;
pub(crate) mod cases;
pub(crate) mod certificates;
pub(crate) mod convert;
pub(crate) mod dates;
pub(crate) mod decimal;
pub(crate) mod defaults;
pub(crate) mod der;
pub(crate) mod dicts;
pub(crate) mod encoding;
pub(crate) mod formats;
pub(crate) mod helm;
pub(crate) mod keys;
pub(crate) mod language;
pub(crate) mod lists;
pub(crate) mod math;
pub(crate) mod passwords;
pub(crate) mod paths;
pub(crate) mod pattern;
pub(crate) mod pattern_syntax;
pub(crate) mod random;
pub(crate) mod reflection;
pub(crate) mod regex;
pub(crate) mod semver;
pub(crate) mod strings;
pub(crate) mod toml_text;
pub(crate) mod urls;
pub(crate) mod yaml_words;

use crate::function::Functions;

/// Adds all of Sprig.
pub(crate) fn register_sprig(functions: &mut Functions) {
    strings::register(functions);
    cases::register(functions);
    lists::register(functions);
    dicts::register(functions);
    dates::register(functions);
    math::register(functions);
    defaults::register(functions);
    reflection::register(functions);
    paths::register(functions);
    regex::register(functions);
    encoding::register(functions);
    semver::register(functions);
    urls::register(functions);
    random::register(functions);
    passwords::register(functions);
    certificates::register(functions);
}

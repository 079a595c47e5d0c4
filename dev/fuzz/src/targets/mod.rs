//! What is fed: one file per target.

mod access;
mod api;
mod chart_archive;
mod gotemplate;
mod kustomize_tree;
mod strvals;
mod yaml;

/// Something that reads what strangers wrote.
pub(crate) struct Target {
    /// Its name on the command line and of its folder of seeds.
    pub(crate) name: &'static str,
    /// Words of its language, which mutations put in.
    pub(crate) words: &'static [&'static str],
    /// Takes an input and names what came of it, alike for inputs that took the same way; panics if a promise is broken.
    pub(crate) run: fn(&[u8]) -> String,
}

/// Every target.
pub(crate) const ALL: &[Target] = &[
    yaml::TARGET,
    gotemplate::TARGET,
    strvals::TARGET,
    chart_archive::TARGET,
    kustomize_tree::TARGET,
    access::TARGET,
    api::TARGET,
];

/// Names an error without what varies from input to input: numbers and quoted parts.
pub(crate) fn kind_of_error(message: &str) -> String {
    let mut kind = String::new();
    let mut quote = None;
    for character in message.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(character),
            (None, digit) if digit.is_ascii_digit() => {}
            (None, other) => kind.push(other),
        }
    }
    kind
}

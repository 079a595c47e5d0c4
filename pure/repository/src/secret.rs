//! Text that must never be printed.

/// Holds a password, token or private key. `Debug` and `Display` show nothing of it; [`Confidential::reveal`] gives it
/// to the one place that sends it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Confidential(String);

impl Confidential {
    /// Wraps a secret text.
    pub fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text itself. Never log, store or put it into a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(confidential)")
    }
}

impl std::fmt::Display for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(confidential)")
    }
}

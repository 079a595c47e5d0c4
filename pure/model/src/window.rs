//! What the sync windows of a project say about one application at one moment. The rules are in `landfall-access`.

use crate::time::Time;

/// The answer of all windows that match an application, for the moment it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowVerdict {
    /// Whether a sync that nobody asked for may begin.
    pub automatic_allowed: bool,
    /// Whether a person may begin one.
    pub manual_allowed: bool,
    /// Whether a sync that began while it was allowed may end although it is not allowed any more.
    pub overrun_allowed: bool,
    /// The next moment at which the answer may change; `None` if no window matches.
    pub changes_at: Option<Time>,
    /// Why, in words: which window, until when. Empty if no window matches.
    pub why: String,
}

impl WindowVerdict {
    /// The answer where no window matches: everything is allowed.
    pub fn open() -> Self {
        Self {
            automatic_allowed: true,
            manual_allowed: true,
            overrun_allowed: true,
            changes_at: None,
            why: String::new(),
        }
    }
}

//! Pages of applications that were made a moment ago: as long as nothing happens, who asks for the same gets the same.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;

/// How many pages are kept.
const PAGES_MAX: usize = 128;
/// The longest question that is remembered.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// What a page was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The last event about Applications.
    pub(crate) event: u64,
    /// What is permitted to whom.
    pub(crate) access: u64,
}

/// Pages by who asked and for what.
#[derive(Default)]
pub struct Pages(Mutex<HashMap<(String, String), (Moment, Bytes)>>);

impl Pages {
    /// Finds a page that is as it would be made now.
    pub(crate) fn find(&self, token: &str, query: &str, now: Moment) -> Option<Bytes> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (moment, body) = pages.get(&(token.to_owned(), query.to_owned()))?;
        (*moment == now).then(|| body.clone())
    }

    /// Keeps a page.
    pub(crate) fn keep(&self, token: &str, query: &str, now: Moment, body: Bytes) {
        if token.len() + query.len() > QUESTION_BYTES_MAX {
            return;
        }
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= PAGES_MAX {
            pages.retain(|_, (moment, _)| *moment == now);
        }
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        pages.insert((token.to_owned(), query.to_owned()), (now, body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_who_asked_and_ends_with_the_next_event_or_change_of_access() {
        let pages = Pages::default();
        let moment = |event, access| Moment { event, access };
        pages.keep("ann", "limit=1", moment(5, 1), Bytes::from_static(b"page"));
        assert_eq!(pages.find("ann", "limit=1", moment(5, 1)).as_deref(), Some(&b"page"[..]));
        assert!(pages.find("bob", "limit=1", moment(5, 1)).is_none());
        assert!(pages.find("ann", "limit=2", moment(5, 1)).is_none());
        assert!(pages.find("ann", "limit=1", moment(6, 1)).is_none());
        assert!(pages.find("ann", "limit=1", moment(5, 2)).is_none());
        for at in 0..10 * PAGES_MAX {
            pages.keep("ann", &at.to_string(), moment(5, 1), Bytes::new());
        }
        assert!(pages.0.lock().unwrap().len() <= PAGES_MAX);
    }
}

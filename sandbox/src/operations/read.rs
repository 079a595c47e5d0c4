//! Reading: one object, or a page of a list.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Core;
use crate::error::ApiError;
use crate::json;
use crate::registry::Resource;
use crate::selector::{FieldSelector, LabelSelector};
use crate::store::{Compacted, Stored};

/// What a list asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListQuery {
    /// One namespace, or all.
    pub(crate) namespace: Option<String>,
    /// One object's name, from the path of a watch.
    pub(crate) name: Option<String>,
    /// Labels.
    pub(crate) labels: LabelSelector,
    /// Fields.
    pub(crate) fields: FieldSelector,
    /// The page's size; 0 is everything.
    pub(crate) limit: usize,
    /// Where the page begins.
    pub(crate) continue_token: String,
    /// The revision asked for.
    pub(crate) revision: Option<u64>,
    /// Whether exactly that revision is meant.
    pub(crate) exact: bool,
}

/// One page of a list.
pub(crate) struct Page {
    /// The objects.
    pub(crate) items: Vec<Arc<Stored>>,
    /// The revision of the whole list.
    pub(crate) revision: u64,
    /// The token of the next page, "" at the end.
    pub(crate) continue_token: String,
    /// How many objects follow, when that is known.
    pub(crate) remaining: Option<usize>,
}

impl ListQuery {
    /// True when an object is asked for.
    pub(crate) fn selects(&self, value: &Value) -> bool {
        self.name.as_deref().is_none_or(|name| name == json::name(value))
            && self.labels.matches(value)
            && self.fields.matches(value)
    }

    fn selects_everything(&self) -> bool {
        self.name.is_none() && self.labels.is_everything() && self.fields.is_everything()
    }
}

/// What a continue token says. It is opaque to clients.
struct Continue {
    revision: u64,
    namespace: String,
    name: String,
}

impl Continue {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(
            json!({"v": "sandbox/v1", "rv": self.revision, "ns": self.namespace, "name": self.name}).to_string(),
        )
    }

    fn decode(token: &str) -> Result<Self, ApiError> {
        let broken = || {
            ApiError::bad_request(
                "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|_| broken())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| broken())?;
        Ok(Self {
            revision: value.get("rv").and_then(Value::as_u64).ok_or_else(broken)?,
            namespace: json::text(&value, "/ns").to_string(),
            name: json::text(&value, "/name").to_string(),
        })
    }
}

impl Core {
    /// Reads one object.
    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Arc<Stored>, ApiError> {
        self.store.get(&resource.key, namespace, name).ok_or_else(|| ApiError::not_found(resource.qualified(), name))
    }

    /// Reads a page of a list.
    pub(crate) fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError> {
        let current = self.store.revision();
        let from = match query.continue_token.as_str() {
            "" => None,
            token => Some(Continue::decode(token)?),
        };
        if from.is_some() && query.revision.is_some_and(|revision| revision > 0) {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        if let Some(asked) = query.revision
            && asked > current
        {
            return Err(ApiError::revision_too_large(asked, current));
        }
        let at = match &from {
            Some(from) => Some(from.revision),
            None if query.exact => query.revision,
            None => None,
        };
        let namespace = query.namespace.as_deref();
        let mut listing = self.store.list(&resource.key, namespace, at.filter(|at| *at < current)).map_err(
            |Compacted { oldest }| match &from {
                Some(from) => ApiError::expired(format!(
                    "The provided continue parameter is too old to display a consistent list result. You can start a \
                     new list without the continue parameter: it is of revision {}, and changes are known from {oldest}.",
                    from.revision
                )),
                None => ApiError::expired(format!("too old resource version: {} ({oldest})", at.unwrap_or(0))),
            },
        )?;
        if let Some(at) = at {
            listing.revision = at;
        }
        if let Some(from) = &from {
            listing.items.retain(|stored| {
                (json::namespace(&stored.value), json::name(&stored.value))
                    > (from.namespace.as_str(), from.name.as_str())
            });
        }
        let everything = query.selects_everything();
        if !everything {
            listing.items.retain(|stored| query.selects(&stored.value));
        }
        let total = listing.items.len();
        let mut page =
            Page { items: listing.items, revision: listing.revision, continue_token: String::new(), remaining: None };
        // A resourceVersion of 0 is served from memory whole, whatever the limit, as the watch cache does.
        let limit = if query.revision == Some(0) && !query.exact { 0 } else { query.limit };
        if limit > 0 && total > limit {
            page.items.truncate(limit);
            if let Some(last) = page.items.last() {
                page.continue_token = Continue {
                    revision: page.revision,
                    namespace: json::namespace(&last.value).to_string(),
                    name: json::name(&last.value).to_string(),
                }
                .encode();
            }
            page.remaining = everything.then_some(total - limit);
        }
        Ok(page)
    }
}

//! What several builds share: files that were parsed before, found by their content's identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::kustomization::Kustomization;
use crate::node::Arena;
use crate::node::read::ReadDocument;

/// Keeps parsed files between builds, so that a base of many overlays is parsed once.
///
/// Files are found by [`landfall_tree::Tree::identity`], so trees of different commits share what is the same. A session
/// may be used by several threads. It is bounded: when it holds too many files it starts anew.
#[derive(Debug, Default)]
pub struct Session {
    documents: Mutex<HashMap<String, Arc<ParsedDocuments>>>,
    values: Mutex<HashMap<String, Arc<Value>>>,
    kustomizations: Mutex<HashMap<String, Arc<Kustomization>>>,
}

/// The documents of one resource file.
#[derive(Debug)]
pub(crate) struct ParsedDocuments {
    pub(crate) arena: Arena,
    pub(crate) documents: Vec<ReadDocument>,
}

/// How many files of each sort a session keeps before it starts anew. A large monorepo has a few thousand.
const FILES_MAX: usize = 50_000;

impl Session {
    /// Makes an empty session.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn documents(&self, identity: &str) -> Option<Arc<ParsedDocuments>> {
        self.documents.lock().ok()?.get(identity).cloned()
    }

    pub(crate) fn keep_documents(&self, identity: String, parsed: Arc<ParsedDocuments>) {
        if let Ok(mut kept) = self.documents.lock() {
            if kept.len() >= FILES_MAX {
                kept.clear();
            }
            kept.insert(identity, parsed);
        }
    }

    pub(crate) fn kustomization(&self, identity: &str) -> Option<Arc<Kustomization>> {
        self.kustomizations.lock().ok()?.get(identity).cloned()
    }

    pub(crate) fn keep_kustomization(&self, identity: String, kustomization: Arc<Kustomization>) {
        if let Ok(mut kept) = self.kustomizations.lock() {
            if kept.len() >= FILES_MAX {
                kept.clear();
            }
            kept.insert(identity, kustomization);
        }
    }

    pub(crate) fn value(&self, identity: &str) -> Option<Arc<Value>> {
        self.values.lock().ok()?.get(identity).cloned()
    }

    pub(crate) fn keep_value(&self, identity: String, value: Arc<Value>) {
        if let Ok(mut kept) = self.values.lock() {
            if kept.len() >= FILES_MAX {
                kept.clear();
            }
            kept.insert(identity, value);
        }
    }
}

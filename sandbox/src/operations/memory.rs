//! What one request remembers while it is tried again: chosen names, and the answers of admission webhooks.
//!
//! The verbs are synchronous; a webhook is asked over the network. A verb that needs an answer it does not have yet ends with
//! [`ApiError::pending`](crate::error::ApiError); the HTTP layer asks and calls the verb again, which finds the answer here. Random choices
//! are remembered, so that every attempt is about the same object.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

/// What a webhook answered, or why it did not.
pub(crate) type Asked = Result<Value, String>;

/// One request's memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    waits: bool,
    choices: Mutex<BTreeMap<String, String>>,
    answers: Mutex<BTreeMap<String, Asked>>,
}

impl Memory {
    /// The memory of a writer that nobody begins again for: it waits for webhooks itself.
    pub(crate) fn waiting() -> Self {
        Self { waits: true, ..Self::default() }
    }

    /// Whether the writer waits for webhooks itself.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// The same choice at every attempt.
    pub(crate) fn choice(&self, name: &str, make: impl FnOnce() -> String) -> String {
        self.choices.lock().expect("no holder of this lock panics").entry(name.to_string()).or_insert_with(make).clone()
    }

    /// The answer to a question, if it was asked.
    pub(crate) fn answer(&self, question: &str) -> Option<Asked> {
        self.answers.lock().expect("no holder of this lock panics").get(question).cloned()
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, question: String, answer: Asked) {
        self.answers.lock().expect("no holder of this lock panics").insert(question, answer);
    }
}

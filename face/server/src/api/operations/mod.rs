//! The operations, by what they are about. Each takes a request as JSON in the shape of its message and answers in kind.

pub(super) mod applications;
pub(super) mod applicationsets;
pub(super) mod certificates;
pub(super) mod change;
pub(super) mod clusters;
pub(super) mod credentials;
pub(super) mod events;
pub(super) mod folders;
pub(super) mod gpg;
pub(super) mod hosts;
pub(super) mod links;
pub(super) mod logs;
pub(super) mod manifests;
pub(super) mod notifications;
pub(super) mod objects;
pub(super) mod operate;
pub(super) mod projects;
pub(super) mod repositories;
pub(super) mod rotation;
pub(super) mod secrets;
pub(super) mod selector;
pub(super) mod settings;
pub(super) mod sources;
pub(super) mod stored;
pub(super) mod tree;

//! The verbs of the API on whole objects, without HTTP: create, read, update, patch, delete.
//!
//! ```text
//!  request body -> decode, drop unknown fields -> convert to storage version -> default -> admission
//!               -> carry over what the verb may not touch -> validate -> generation -> managedFields -> store
//! ```
//!
//! Everything here is synchronous and works on `serde_json::Value`; writers race by compare and swap. The HTTP layer and
//! the simulated controllers call the same functions. Entry: [`Core`].

mod binding;
mod create;
mod delete;
mod fields;
pub(crate) mod memory;
mod metadata;
mod patch;
mod read;
mod replace;
mod scale;
mod unknown;
mod update;

pub(crate) use delete::{DeleteOptions, Deleted, Propagation};
pub(crate) use fields::merged_configuration;
pub(crate) use metadata::{
    LABEL_VALUE_RULE, QUALIFIED_NAME_RULE, SUBDOMAIN_RULE, check_labels, is_dns_label, is_qualified_name, is_subdomain,
};
pub(crate) use patch::{PatchKind, patched};
pub(crate) use read::ListQuery;
pub(crate) use scale::scale_of;

use std::sync::Arc;

use serde_json::Value;

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::faults::Book;
use crate::http::params::FieldValidation;
use crate::random::Random;
use crate::registry::{Registry, Resource};
use crate::store::{ResourceKey, Store, Stored};
use crate::tokens::Identity;
use crate::traffic::Traffic;
use crate::workloads::Engine;

pub(crate) use memory::Memory;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) identity: Arc<Identity>,
    /// The program, from the User-Agent header.
    pub(crate) user_agent: String,
}

impl Caller {
    /// True for those who may do everything.
    pub(crate) fn is_master(&self) -> bool {
        self.identity.is_in(crate::tokens::MASTERS)
    }

    /// The field manager of a write that names none: the program's name.
    pub(crate) fn default_manager(&self) -> String {
        let program = self.user_agent.split('/').next().unwrap_or_default();
        let printable: String = program.chars().filter(|c| !c.is_control()).take(128).collect();
        if printable.is_empty() { "unknown".to_string() } else { printable }
    }
}

/// How a write is to be done.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    /// The field manager under which the write is recorded.
    pub(crate) manager: String,
    /// Everything but the storing.
    pub(crate) dry_run: bool,
    /// What happens with unknown and duplicate fields.
    pub(crate) validation: FieldValidation,
    /// Who writes.
    pub(crate) who: Arc<Identity>,
    /// What one request remembers while it is tried again.
    pub(crate) memory: Arc<Memory>,
}

impl WriteOptions {
    /// The options of a component of the control plane.
    pub(crate) fn component(name: &str) -> Self {
        Self {
            manager: name.to_string(),
            dry_run: false,
            validation: FieldValidation::Ignore,
            who: Arc::new(Identity::component(name)),
            memory: Arc::new(Memory::waiting()),
        }
    }
}

/// Which part of an object a write may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status (where that is a subresource).
    Main,
    /// The status.
    Status,
    /// A namespace's `spec.finalizers`.
    Finalize,
    /// The approval conditions of a certificate signing request.
    Approval,
    /// A pod's ephemeral containers.
    EphemeralContainers,
    /// A pod's resources.
    Resize,
    /// The number of replicas, by way of `/scale`.
    Scale,
    /// A pod's node, by way of `/binding`.
    Binding,
}

impl Part {
    /// The part that a path names as a subresource, where it is read and written in the form of the whole object.
    pub(crate) fn served(resource: &Resource, subresource: &str) -> Option<Self> {
        match (resource.key.as_str(), subresource) {
            (_, "status") if resource.has_status => Some(Self::Status),
            _ if resource.custom.is_some() => None,
            ("namespaces", "finalize") => Some(Self::Finalize),
            ("certificatesigningrequests.certificates.k8s.io", "approval") => Some(Self::Approval),
            ("pods", "ephemeralcontainers") => Some(Self::EphemeralContainers),
            ("pods", "resize") => Some(Self::Resize),
            _ => None,
        }
    }

    /// Whether it can be read and patched; a namespace's finalizers are only replaced.
    pub(crate) fn is_read(self) -> bool {
        self != Self::Finalize
    }

    /// The name in paths and managedFields, "" for the main part.
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
            Self::Approval => "approval",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Scale => "scale",
            Self::Binding => "binding",
        }
    }
}

/// What a write came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The object as it is now (or would be, in a dry run).
    pub(crate) object: Arc<Stored>,
    /// True when it did not exist before.
    pub(crate) created: bool,
    /// Sentences for the `Warning` header.
    pub(crate) warnings: Vec<String>,
}

/// A decoded request body with what was noticed while decoding.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoded {
    /// The object.
    pub(crate) value: Value,
    /// Paths of keys that occurred twice, e.g. `spec.replicas`.
    pub(crate) duplicates: Vec<String>,
}

impl From<Value> for Decoded {
    fn from(value: Value) -> Self {
        Self { value, duplicates: Vec::new() }
    }
}

/// How the simulated cluster behaves where nothing else is said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Probes answer at once, whatever delays they have.
    pub(crate) quick_probes: bool,
    /// When commands that are not understood end, in pods that may end; never when not set.
    pub(crate) unknown_commands_end: Option<std::time::Duration>,
    /// How long the body of a request may take to come.
    pub(crate) body_patience: std::time::Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let body_patience = std::time::Duration::from_secs(30);
        Self { quick_probes: false, unknown_commands_end: None, body_patience }
    }
}

/// The state that all verbs share.
pub(crate) struct Core {
    /// The objects.
    pub(crate) store: Store,
    /// The kinds.
    pub(crate) registry: Registry,
    /// The time.
    pub(crate) clock: Clock,
    /// Names and uids.
    pub(crate) random: Random,
    /// Cluster IPs and node ports.
    pub(crate) addresses: Addresses,
    /// What goes wrong on demand.
    pub(crate) faults: Book,
    /// The simulated controllers, once they run.
    pub(crate) engine: std::sync::OnceLock<Engine>,
    /// Cancelled when somebody asked the sandbox to stop, by `/sandbox/v1/stop`.
    pub(crate) asked_to_stop: tokio_util::sync::CancellationToken,
    /// What autoscalers remember.
    pub(crate) autoscaling: crate::workloads::AutoscalerMemory,
    /// Simulated requests.
    pub(crate) traffic: Traffic,
    /// How the simulated cluster behaves.
    pub(crate) settings: Settings,
    /// The PEM certificate that every namespace's `kube-root-ca.crt` holds.
    pub(crate) root_certificate_pem: std::sync::OnceLock<String>,
}

impl Core {
    /// A core over a store.
    pub(crate) fn new(store: Store, clock: Clock, random: Random, settings: Settings) -> Self {
        Self {
            store,
            registry: Registry::with_builtin_kinds(),
            clock,
            random,
            addresses: Addresses::default(),
            faults: Book::default(),
            autoscaling: crate::workloads::AutoscalerMemory::default(),
            engine: std::sync::OnceLock::new(),
            asked_to_stop: tokio_util::sync::CancellationToken::new(),
            traffic: Traffic::default(),
            settings,
            root_certificate_pem: std::sync::OnceLock::new(),
        }
    }

    /// The storage row of a resource key; the key comes from this code, so it is served.
    pub(crate) fn resource(&self, key: &ResourceKey) -> Result<Arc<Resource>, ApiError> {
        self.registry.stored(key).ok_or_else(ApiError::no_such_resource)
    }
}

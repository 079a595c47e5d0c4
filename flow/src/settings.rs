//! What an operator may set, with its defaults.

use std::time::Duration;

use landfall_helm::Profile;
use landfall_model::annotations::SECRET_TYPE_LABEL;
use landfall_ports::cluster::Selection;

use crate::home::HomeKind;

/// Where sources are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// On threads of their own, so that a long render holds nothing up.
    OnThreads,
    /// Where they are asked for: for simulations, in which nothing may depend on how threads are scheduled.
    OnTheSpot,
}

/// Settings of a controller.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The control namespace: where Applications, AppProjects and settings stand. Default `argocd`.
    pub namespace: String,
    /// Whether Applications in other namespaces are kept too.
    pub all_namespaces: bool,
    /// How often a repository's references are listed; a repository's own jitter of up to half of it comes on top.
    /// Default 120 s. Source: Argo CD `timeout.reconciliation`.
    pub poll_interval: Duration,
    /// How long a source that cannot be had is not reported while an earlier state is known. Default 180 s.
    /// Source: Argo CD `controller.repo.error.grace.period.seconds`.
    pub source_grace: Duration,
    /// How many applications are passed over at the same time. A pass waits for the network only.
    pub passes_at_once_max: usize,
    /// How many sources are rendered at the same time: one per core.
    pub renders_at_once_max: usize,
    /// Where sources are rendered.
    pub rendering: Rendering,
    /// Which Helm renders charts, unless an application or its source says it. Default Helm 3.
    pub helm_profile: Profile,
    /// The installation's name to stamp on objects, where several share a cluster; `""` for none.
    pub installation: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "argocd".to_owned(),
            all_namespaces: false,
            poll_interval: Duration::from_secs(120),
            source_grace: Duration::from_secs(180),
            passes_at_once_max: 64,
            renders_at_once_max: std::thread::available_parallelism().map_or(2, usize::from),
            rendering: Rendering::OnThreads,
            helm_profile: Profile::default(),
            installation: String::new(),
        }
    }
}

impl Settings {
    /// Which objects of a home kind are read.
    pub(crate) fn selection(&self, kind: HomeKind) -> Selection {
        let namespace =
            if kind == HomeKind::Application && self.all_namespaces { String::new() } else { self.namespace.clone() };
        let label_selector = if kind == HomeKind::Secret { SECRET_TYPE_LABEL.to_owned() } else { String::new() };
        Selection { namespace, label_selector, field_selector: String::new() }
    }
}

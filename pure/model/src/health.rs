//! How an object does, in Argo CD's words.

use serde::{Deserialize, Serialize};

/// The states of health, from best to worst: the health of a whole is the worst of its parts.
/// Source: gitops-engine `pkg/health/health.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum HealthStatus {
    /// All is well.
    Healthy,
    /// Paused on purpose.
    Suspended,
    /// Not there yet, and still moving.
    Progressing,
    /// Not in the cluster.
    Missing,
    /// Failed, or could not reach a healthy state in time.
    Degraded,
    /// Could not be assessed.
    #[default]
    Unknown,
}

impl HealthStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }
}

impl std::fmt::Display for HealthStatus {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A state of health and the reason for it in words; `message` is empty where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// The state.
    pub status: HealthStatus,
    /// Why, for people; may be empty.
    pub message: String,
}

impl Health {
    /// Makes a health with a reason.
    pub fn of(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

//! The AppProject resource (`argoproj.io/v1alpha1`): what the applications of a project may use and touch. Its rules are
//! decided in `landfall-access`. Source: Argo CD 3.5 `pkg/apis/application/v1alpha1/app_project_types.go`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{Destination, Metadata};
use crate::object;

/// One AppProject as read from the API.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Project {
    /// Metadata.
    pub metadata: Metadata,
    /// The rules.
    pub spec: ProjectSpec,
}

/// `spec`. `None` and empty differ for the namespaced lists: see each field.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectSpec {
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Repositories, as globs; `!` denies.
    pub source_repos: Vec<String>,
    /// Clusters and namespaces, as globs; `!` denies.
    pub destinations: Vec<Destination>,
    /// Namespaces that Applications may stand in, besides the controller's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_namespaces: Vec<String>,
    /// Cluster-scoped kinds that are allowed; empty is none.
    pub cluster_resource_whitelist: Vec<KindRule>,
    /// Cluster-scoped kinds that are denied.
    pub cluster_resource_blacklist: Vec<KindRule>,
    /// Namespaced kinds that are allowed; `None` is all, empty is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_resource_whitelist: Option<Vec<KindRule>>,
    /// Namespaced kinds that are denied.
    pub namespace_resource_blacklist: Vec<KindRule>,
    /// Roles and their policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<ProjectRole>,
    /// When syncs are allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_windows: Vec<SyncWindow>,
    /// Whether objects that no application has are reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned_resources: Option<Value>,
    /// Keys that commits must be signed by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signature_keys: Vec<Value>,
    /// What must be true of the sources' signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_integrity: Option<Value>,
    /// Whether only clusters of this project may be used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub permit_only_project_scoped_clusters: bool,
}

/// Kinds by group and kind, as globs; `name`, where given, is a glob too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KindRule {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The object's name; `""` is any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A role of a project.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectRole {
    /// The name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Lines of policy.
    pub policies: Vec<String>,
    /// Groups that have the role.
    pub groups: Vec<String>,
    /// Tokens of the role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt_tokens: Vec<Value>,
}

/// A time in which syncs are allowed or denied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncWindow {
    /// `allow` or `deny`.
    pub kind: String,
    /// When it opens: cron with five fields.
    pub schedule: String,
    /// How long it is open: a Go duration.
    pub duration: String,
    /// Applications, as globs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    /// Namespaces, as globs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Clusters by name or server, as globs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Whether a person may sync all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub manual_sync: bool,
    /// The time zone's name; `""` is UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// Whether all lists must match rather than any.
    #[serde(rename = "andOperator", skip_serializing_if = "std::ops::Not::not")]
    pub use_and_operator: bool,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether a sync that began while it was allowed may end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sync_overrun: bool,
}

impl Project {
    /// Reads an AppProject. Errors: the reason in words, when a field has another type than its schema.
    pub fn read(value: &Value) -> Result<Self, String> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Wire {
            metadata: Metadata,
            spec: ProjectSpec,
        }
        let wire: Wire = serde_json::from_value(value.clone())
            .map_err(|error| format!("AppProject {} cannot be read: {error}", object::name(value)))?;
        Ok(Self { metadata: wire.metadata, spec: wire.spec })
    }

    /// The project that exists where nobody made one: `default`, which allows everything.
    pub fn permissive_default(namespace: &str) -> Self {
        let any = KindRule { group: "*".into(), kind: "*".into(), name: String::new() };
        Self {
            metadata: Metadata { name: "default".into(), namespace: namespace.to_owned(), ..Metadata::default() },
            spec: ProjectSpec {
                source_repos: vec!["*".into()],
                destinations: vec![Destination { server: "*".into(), name: String::new(), namespace: "*".into() }],
                cluster_resource_whitelist: vec![any],
                ..ProjectSpec::default()
            },
        }
    }
}

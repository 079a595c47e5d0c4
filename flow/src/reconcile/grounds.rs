//! What an application stands on: its cluster, its project, and what the project permits.

use std::sync::Arc;

use landfall_access::orphans::OrphanSettings;
use landfall_access::project::{Permissions, Place, with_globals};
use landfall_access::windows::{self, Subject};
use landfall_model::application::{Application, Destination};
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::project::{Project, ProjectSpec};
use landfall_model::status::{Condition, ConditionType};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;

use super::Controller;
use crate::destinations::KnownCluster;
use crate::difference::Comparison;
use crate::installation::Installed;

/// What an application stands on.
pub(super) struct Grounds {
    pub(super) cluster: KnownCluster,
    pub(super) comparison: Comparison,
    pub(super) installed: Arc<Installed>,
    project: Arc<Project>,
    permissions: Permissions,
    namespace: String,
}

impl Grounds {
    /// Says whether the project lets the application have an object.
    pub(super) fn permit(&self, key: &ObjectKey) -> Result<(), String> {
        if self.excludes(&key.group_kind()) {
            return Err(format!("Resource {}/{} is excluded in the settings", key.group, key.kind));
        }
        self.cluster.live.reach().covers(key)?;
        self.permissions.permit(key, self.place())
    }

    /// Says whether settings leave a kind alone.
    pub(super) fn excludes(&self, kind: &GroupKind) -> bool {
        self.installed.access.excludes(kind, &self.cluster.server)
    }

    /// What the project wants to know of objects that no application has; `None`: nothing. Settings that cannot be read
    /// want nothing, and the reason is an error.
    pub(super) fn orphans(&self) -> Result<Option<OrphanSettings>, String> {
        OrphanSettings::read(&self.project.spec)
    }

    /// Says whether an object may be an orphan of the application: one that the project would let it have.
    pub(super) fn may_be_orphan(&self, key: &ObjectKey) -> bool {
        !self.excludes(&key.group_kind()) && self.permissions.permits_kind(&key.group_kind(), &key.name, true)
    }

    /// Says what the project's sync windows say about an application now.
    pub(super) fn windows(&self, application: &Application, now: Time) -> WindowVerdict {
        let subject = Subject {
            application: &application.metadata.name,
            namespace: &self.namespace,
            server: &self.cluster.server,
            cluster: &self.cluster.name,
        };
        windows::evaluate(&self.project.spec.sync_windows, subject, now)
    }

    /// The project's rules, to tell when they change.
    pub(super) fn rules(&self) -> &ProjectSpec {
        &self.project.spec
    }

    fn place(&self) -> Place<'_> {
        Place { server: &self.cluster.server, cluster: &self.cluster.name, namespace: &self.namespace }
    }
}

impl Controller {
    /// Finds what an application stands on. Errors: conditions that say what in its spec cannot be followed.
    pub(super) fn grounds(&self, application: &Application) -> Result<Grounds, Vec<Condition>> {
        let invalid = |message: String| {
            vec![Condition { condition_type: ConditionType::InvalidSpecError, message, last_transition_time: None }]
        };
        let cluster = self.destinations.find(&application.spec.destination).map_err(&invalid)?;
        let name = application.spec.project();
        let project = match self.home.project(name) {
            Some(project) => project,
            None if name == "default" => Arc::new(Project::permissive_default(&self.settings.namespace)),
            None => {
                return Err(invalid(format!(
                    "Application referencing project {name} which does not exist; create the AppProject {name} in namespace {}, or correct spec.project",
                    self.settings.namespace
                )));
            }
        };
        if !project.spec.signature_keys.is_empty() || project.spec.source_integrity.is_some() {
            return Err(invalid(format!(
                "project {name} demands signed commits (signatureKeys, sourceIntegrity), and signatures are not verified yet: nothing of it is synchronised; take the demand out of the project, or move the application to another"
            )));
        }
        let installed = self.home.installed();
        let project = self.with_what_is_added(project, &installed);
        if !cluster.project.is_empty() && cluster.project != name {
            return Err(invalid(format!(
                "the cluster {} belongs to project {}, and the application is in project {name}; correct spec.project or spec.destination",
                cluster.name, cluster.project
            )));
        }
        if project.spec.permit_only_project_scoped_clusters && cluster.project != name {
            return Err(invalid(format!(
                "project {name} permits its own clusters only (permitOnlyProjectScopedClusters), and {} is not one of them",
                cluster.name
            )));
        }
        let grounds = Grounds {
            comparison: Comparison::of(application, &installed.comparison.ignore, &installed.comparison.options),
            installed,
            permissions: Permissions::of(&project),
            namespace: application.spec.destination.namespace.clone(),
            cluster,
            project,
        };
        let refused = grounds.permissions.check(application, grounds.place(), &self.settings.namespace);
        if refused.is_empty() { Ok(grounds) } else { Err(refused) }
    }
    /// Adds to a project what holds for it without being written in it: the rules of global projects, and its own clusters
    /// as destinations. Source: Argo CD `util/argo/argo.go` (GetAppVirtualProject).
    fn with_what_is_added(&self, project: Arc<Project>, installed: &Installed) -> Arc<Project> {
        let name = &project.metadata.name;
        let globals: Vec<Project> = installed
            .access
            .globals
            .iter()
            .filter(|global| global.project_name != *name && global.label_selector.matches(&project.metadata.labels))
            .filter_map(|global| self.home.project(&global.project_name))
            .map(|global| (*global).clone())
            .collect();
        let own: Vec<Destination> = self
            .destinations
            .all()
            .into_iter()
            .filter(|cluster| !cluster.project.is_empty() && cluster.project == *name)
            .map(|cluster| Destination { server: cluster.server, name: String::new(), namespace: "*".to_owned() })
            .collect();
        if globals.is_empty() && own.is_empty() {
            return project;
        }
        let mut merged = with_globals(&project, &globals);
        merged.spec.destinations.extend(own);
        Arc::new(merged)
    }
}

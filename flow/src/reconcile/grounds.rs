//! What an application stands on: its cluster, its project, and what the project permits.

use std::sync::Arc;

use landfall_access::project::{Permissions, Place};
use landfall_access::windows::{self, Subject};
use landfall_diff::settings;
use landfall_model::annotations::FIELD_MANAGER;
use landfall_model::application::Application;
use landfall_model::key::ObjectKey;
use landfall_model::project::{Project, ProjectSpec};
use landfall_model::status::{Condition, ConditionType};
use landfall_model::time::Time;
use landfall_model::window::WindowVerdict;

use super::Controller;
use crate::destinations::KnownCluster;
use crate::difference::Comparison;

/// What an application stands on.
pub(super) struct Grounds {
    pub(super) cluster: KnownCluster,
    pub(super) comparison: Comparison,
    project: Arc<Project>,
    permissions: Permissions,
    namespace: String,
}

impl Grounds {
    /// Says whether the project lets the application have an object.
    pub(super) fn permit(&self, key: &ObjectKey) -> Result<(), String> {
        self.permissions.permit(key, self.place())
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
        let mut installation = settings::read(&self.home.config_map("argocd-cm").unwrap_or_default());
        // We apply under the name that Argo CD applies under: there is no former applier to take over from.
        installation.options.manager = FIELD_MANAGER.to_owned();
        installation.options.former_managers = Vec::new();
        let grounds = Grounds {
            comparison: Comparison::of(
                application,
                &installation.ignore,
                &installation.options,
                &installation.problems,
            ),
            permissions: Permissions::of(&project),
            namespace: application.spec.destination.namespace.clone(),
            cluster,
            project,
        };
        let refused = grounds.permissions.check(application, grounds.place(), &self.settings.namespace);
        if refused.is_empty() { Ok(grounds) } else { Err(refused) }
    }
}

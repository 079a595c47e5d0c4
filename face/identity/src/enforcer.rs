//! May they: requests against the policy of the installation and of the object's project.
//! Source: Argo CD 3.5 `server/rbacpolicy/rbacpolicy.go`.

use std::sync::Arc;

use landfall_access::policy::Request;
use landfall_api::error::ApiError;

use crate::access::{Access, Snapshot};
use crate::caller::{Caller, Via};
use crate::tokens::project_role;

/// Decides what callers may do, by what is set at that moment.
#[derive(Clone)]
pub struct Enforcer {
    access: Arc<Access>,
}

/// What an action on a part of an application is about.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The API group; `""` is the core's.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; `""` for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

impl Enforcer {
    /// Decides by what `access` knows.
    pub fn of(access: Arc<Access>) -> Self {
        Self { access }
    }

    /// The same as [`Snapshot::permits_all`], now.
    pub fn permits_all(&self, caller: &Caller, resource: &str, action: &str) -> bool {
        self.access.snapshot().permits_all(caller, resource, action)
    }

    /// Lets a request through or refuses it with `PermissionDenied`.
    ///
    /// `object` is `<project>/<application>` (or `<project>/<namespace>/<application>` outside the control namespace) for
    /// `applications`, `applicationsets`, `logs` and `exec`; `<project>/<url>` or `<url>` for `repositories` and `clusters`;
    /// the name for all others.
    pub fn enforce(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> Result<(), ApiError> {
        match self.access.snapshot().permits(caller, resource, action, object) {
            true => Ok(()),
            false => Err(ApiError::denied(resource, action, object, caller.name())),
        }
    }

    /// As [`Self::enforce`], for whoever has a second way to go.
    pub fn permits(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool {
        self.access.snapshot().permits(caller, resource, action, object)
    }

    /// Lets `update` or `delete` of one object inside an application through: `verb/group/kind/namespace/name` has to be
    /// permitted, or plain `verb` where the installation lets it count for everything inside
    /// (`server.rbac.disableApplicationFineGrainedRBACInheritance: "false"`).
    pub fn enforce_part(&self, caller: &Caller, verb: &str, part: Part<'_>, application: &str) -> Result<(), ApiError> {
        let snapshot = self.access.snapshot();
        let Part { group, kind, namespace, name } = part;
        let inherits = snapshot.settings.is_inherited_by_resources;
        if inherits && snapshot.permits(caller, "applications", verb, application) {
            return Ok(());
        }
        let action = format!("{verb}/{group}/{kind}/{namespace}/{name}");
        match snapshot.permits(caller, "applications", &action, application) {
            true => Ok(()),
            false => Err(ApiError::denied("applications", &action, application, caller.name())),
        }
    }
}

impl Snapshot {
    /// Says whether a request is permitted whatever object of any project it is about; `false` means only that each has to
    /// be asked about.
    pub fn permits_all(&self, caller: &Caller, resource: &str, action: &str) -> bool {
        let groups = match caller.via {
            Via::ProjectRole => return false,
            Via::Provider => caller.groups(&self.settings.scopes),
            Via::Account(_) | Via::Anonymous => Vec::new(),
        };
        let request = Request { subject: &caller.subject, groups: &groups, resource, action, object: "" };
        let projects = self.projects.values().map(|project| &project.policy);
        !caller.is_narrowed() && self.settings.policy.allows_every_object(projects, &request)
    }

    /// Says whether a request is permitted.
    pub fn permits(&self, caller: &Caller, resource: &str, action: &str, object: &str) -> bool {
        if !caller.is_in_scope(resource, action, object) {
            return false;
        }
        let project = project_of(resource, object).and_then(|name| self.projects.get_key_value(name));
        if let (Via::ProjectRole, Some((name, _))) = (caller.via, project) {
            // A role's token is for its own project, whatever other projects' roles are called.
            let own = project_role(&caller.subject).map(|(project, _)| project);
            if own != Some(name.as_str()) {
                return false;
            }
        }
        // A role of a project has no groups: claims of a token that we made do not name any.
        let groups = match caller.via {
            Via::Provider => caller.groups(&self.settings.scopes),
            Via::Account(_) | Via::ProjectRole | Via::Anonymous => Vec::new(),
        };
        let request = Request { subject: &caller.subject, groups: &groups, resource, action, object };
        self.settings.policy.allows_with(project.map(|(_, project)| &project.policy), &request)
    }
}

/// The project whose roles count for an object.
fn project_of<'a>(resource: &str, object: &'a str) -> Option<&'a str> {
    match resource {
        "applications" | "applicationsets" | "logs" | "exec" | "clusters" | "repositories" | "write-repositories" => {
            object.split_once('/').map(|(project, _)| project)
        }
        "projects" => Some(object),
        _ => None,
    }
}

//! Sync options, parsed once: those of an application and those that one object sets over them.
//! Source: Argo CD `docs/user-guide/sync-options.md`, `gitops-engine/pkg/sync/common/types.go`.

use serde_json::Value;

use crate::annotations::SYNC_OPTIONS;
use crate::object;

/// What happens to an object that Git no longer holds, or to all objects when the application goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removal {
    /// It is deleted.
    #[default]
    Allowed,
    /// It stays.
    Never,
    /// It is deleted once a person approved (`argocd.argoproj.io/deletion-approved`).
    Confirm,
}

/// How dependents go when an object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// Dependents first.
    #[default]
    Foreground,
    /// The object first.
    Background,
    /// Dependents stay.
    Orphan,
}

impl Propagation {
    /// The word in Kubernetes' DeleteOptions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

/// Every option, with its default. `None` in an object's options means: as the application has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncOptions {
    /// `Validate`; default true.
    pub validate: Option<bool>,
    /// `SkipDryRunOnMissingResource`; default false.
    pub skip_dry_run_on_missing_resource: Option<bool>,
    /// `CreateNamespace`; application only; default false.
    pub create_namespace: Option<bool>,
    /// `Prune`; default allowed.
    pub prune: Option<Removal>,
    /// `Delete`; default allowed.
    pub delete: Option<Removal>,
    /// `PruneLast`; default false.
    pub prune_last: Option<bool>,
    /// `PrunePropagationPolicy`; application only; default foreground.
    pub prune_propagation: Option<Propagation>,
    /// `ApplyOutOfSyncOnly`; application only; default false.
    pub apply_out_of_sync_only: Option<bool>,
    /// `ServerSideApply`. Landfall always applies server-side; kept because `false` on an object is a wish not to.
    pub server_side_apply: Option<bool>,
    /// `Replace`; default false; beats server-side apply.
    pub replace: Option<bool>,
    /// `Force`; object only; default false: delete and create again when applying fails.
    pub force: Option<bool>,
    /// `FailOnSharedResource`; application only; default false.
    pub fail_on_shared_resource: Option<bool>,
    /// `RespectIgnoreDifferences`; application only; default false.
    pub respect_ignore_differences: Option<bool>,
    /// `ClientSideApplyMigration`; default true.
    pub client_side_apply_migration: Option<bool>,
    /// Options that nobody knows, as written, for a warning.
    pub unknown: Vec<String>,
}

impl SyncOptions {
    /// Parses options of the form `Name=value`; later ones win.
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Self {
        let mut parsed = Self::default();
        for option in options.into_iter().map(str::trim).filter(|option| !option.is_empty()) {
            if !parsed.set(option) {
                parsed.unknown.push(option.to_owned());
            }
        }
        parsed
    }

    /// Reads an object's annotation.
    pub fn of_object(object: &Value) -> Self {
        Self::parse(object::annotation(object, SYNC_OPTIONS).unwrap_or("").split(','))
    }

    /// Puts an object's own options over the application's (`self`).
    pub fn with_object(&self, own: &Self) -> Self {
        Self {
            validate: own.validate.or(self.validate),
            skip_dry_run_on_missing_resource: own
                .skip_dry_run_on_missing_resource
                .or(self.skip_dry_run_on_missing_resource),
            create_namespace: self.create_namespace,
            prune: own.prune.or(self.prune),
            delete: own.delete.or(self.delete),
            prune_last: own.prune_last.or(self.prune_last),
            prune_propagation: self.prune_propagation,
            apply_out_of_sync_only: self.apply_out_of_sync_only,
            server_side_apply: own.server_side_apply.or(self.server_side_apply),
            replace: own.replace.or(self.replace),
            force: own.force,
            fail_on_shared_resource: self.fail_on_shared_resource,
            respect_ignore_differences: self.respect_ignore_differences,
            client_side_apply_migration: own.client_side_apply_migration.or(self.client_side_apply_migration),
            unknown: own.unknown.clone(),
        }
    }

    fn set(&mut self, option: &str) -> bool {
        let Some((name, value)) = option.split_once('=') else { return false };
        let switch = match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let removal = match value {
            "true" => Some(Removal::Allowed),
            "false" => Some(Removal::Never),
            "confirm" => Some(Removal::Confirm),
            _ => None,
        };
        match name {
            "Prune" => return assign(&mut self.prune, removal),
            "Delete" => return assign(&mut self.delete, removal),
            "PrunePropagationPolicy" => {
                let propagation = match value {
                    "foreground" => Some(Propagation::Foreground),
                    "background" => Some(Propagation::Background),
                    "orphan" => Some(Propagation::Orphan),
                    _ => None,
                };
                return assign(&mut self.prune_propagation, propagation);
            }
            _ => {}
        }
        let field = match name {
            "Validate" => &mut self.validate,
            "SkipDryRunOnMissingResource" => &mut self.skip_dry_run_on_missing_resource,
            "CreateNamespace" => &mut self.create_namespace,
            "PruneLast" => &mut self.prune_last,
            "ApplyOutOfSyncOnly" => &mut self.apply_out_of_sync_only,
            "ServerSideApply" => &mut self.server_side_apply,
            "Replace" => &mut self.replace,
            "Force" => &mut self.force,
            "FailOnSharedResource" => &mut self.fail_on_shared_resource,
            "RespectIgnoreDifferences" => &mut self.respect_ignore_differences,
            "ClientSideApplyMigration" => &mut self.client_side_apply_migration,
            _ => return false,
        };
        assign(field, switch)
    }
}

fn assign<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let is_known = value.is_some();
    if is_known {
        *field = value;
    }
    is_known
}

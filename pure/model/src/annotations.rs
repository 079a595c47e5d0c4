//! Every annotation, label and finalizer that changes behaviour. Source: Argo CD 3.5
//! `pkg/apis/application/v1alpha1/application_annotations.go`, `common/common.go`, `gitops-engine/pkg/sync/common`.

/// Sync wave of an object, a whole number; default 0.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Hook phases of an object, comma-separated.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// When a hook is deleted, comma-separated.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// Finalizer that keeps a hook until its end was recorded.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";
/// Helm's hook events of an object, comma-separated.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm's hook weight, a whole number.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// When Helm deletes a hook, comma-separated.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// `keep` protects an object from deletion.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";
/// Options of one object, comma-separated.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// How an object is compared, comma-separated.
pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
/// Which application an object belongs to.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Which installation an object belongs to, where several share a cluster.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
/// Label that older installations track by.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Asks for a refresh, `normal` or `hard`; removed when done.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Paths that an application reads; a hint that Landfall does not need, because it records what was read.
pub const MANIFEST_GENERATE_PATHS: &str = "argocd.argoproj.io/manifest-generate-paths";
/// `"true"` makes the controller leave an application alone.
pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
/// `"true"` leaves an object out of the application's health.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";
/// Names the manager whose field ownership is migrated.
pub const CLIENT_SIDE_MIGRATION_MANAGER: &str = "argocd.argoproj.io/client-side-apply-migration-manager";
/// Approves what needs a confirmation, when newer than the operation; RFC 3339.
pub const DELETION_APPROVED: &str = "argocd.argoproj.io/deletion-approved";
/// Which Helm renders an application's charts: `helm3` or `helm4`.
pub const HELM_PROFILE: &str = "landfall.dev/helm-profile";
/// What `kubectl apply` last applied, as JSON.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Finalizer: delete what the application manages, waiting for it (foreground).
pub const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// Finalizer: the same, spelled out.
pub const FINALIZER_FOREGROUND: &str = "resources-finalizer.argocd.argoproj.io/foreground";
/// Finalizer: delete what the application manages in the background.
pub const FINALIZER_BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";
/// Finalizer: run PreDelete hooks first.
pub const FINALIZER_PRE_DELETE: &str = "pre-delete-finalizer.argocd.argoproj.io";
/// Finalizer: clean up after PreDelete hooks.
pub const FINALIZER_PRE_DELETE_CLEANUP: &str = "pre-delete-finalizer.argocd.argoproj.io/cleanup";
/// Finalizer: run PostDelete hooks at the end.
pub const FINALIZER_POST_DELETE: &str = "post-delete-finalizer.argocd.argoproj.io";
/// Finalizer: clean up after PostDelete hooks.
pub const FINALIZER_POST_DELETE_CLEANUP: &str = "post-delete-finalizer.argocd.argoproj.io/cleanup";

/// Label that says what a settings Secret holds: `cluster`, `repository`, `repo-creds`, ...
pub const SECRET_TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// The field manager that Landfall applies as: Argo CD's, so that taking an application over changes no owner.
/// Source: gitops-engine `pkg/sync/common` (`argocd-controller`).
pub const FIELD_MANAGER: &str = "argocd-controller";

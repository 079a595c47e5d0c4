//! Who calls, and may they: accounts, tokens, sessions, sign-on, policy, and the audit of what was done.
//!
//! ```text
//!  request ── extract ──> token ── tokens::verify ──> Caller ── in the request's extensions (layer)
//!                                    ^                   |
//!  argocd-cm, argocd-secret,         |                   v
//!  argocd-rbac-cm, AppProjects ──> Snapshot ──────> Enforcer::enforce(caller, resource, action, object)
//!        (watched: access)           ^
//!                                    |
//!  session, account, settings: what a person asks about themselves, as plain functions of the API
//! ```
//!
//! Everything is stored where Argo CD stores it, so that an installation can be taken over and given back. Entry:
//! [`access::Access`]. Source: Argo CD 3.5 `util/session`, `util/settings`, `server/rbacpolicy`.

pub mod access;
pub mod accounts;
pub mod accounts_service;
pub mod audit;
pub mod caller;
pub mod enforcer;
pub mod extract;
pub mod guard;
pub mod layer;
pub mod oidc;
pub mod passwords;
pub mod prepare;
pub mod project_tokens;
pub mod routes;
pub mod sessions;
pub mod settings;
pub mod sign_on;
pub mod throttle;
pub mod tls;
pub mod tokens;

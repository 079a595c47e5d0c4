//! The custom resource definitions, as YAML text: names, printer columns and shapes are those that Argo CD's users have
//! in their clusters; what the schemas do not spell out is kept, so that objects written for any version stay whole.

/// `Application`.
pub const APPLICATION: &str = include_str!("../crds/application.yaml");
/// `AppProject`.
pub const APP_PROJECT: &str = include_str!("../crds/appproject.yaml");
/// `ApplicationSet`.
pub const APPLICATION_SET: &str = include_str!("../crds/applicationset.yaml");

/// All of them, in the order in which they are installed.
pub const ALL: [&str; 3] = [APPLICATION, APP_PROJECT, APPLICATION_SET];

//! What a project permits: sources, destinations, kinds, and namespaces for Applications. Every refusal says which rule.
//! Source: Argo CD 3.5 `types.go` (AppProject), `util/argo/argo.go` (ValidatePermissions), `util/git/git.go`.
//!
//! Deny entries begin with `!`. One that hits refuses at once; one that does not counts as a match, so that a list of
//! denials alone permits the rest. That is how Argo CD does it, and its users' projects rely on it.

use landfall_model::application::{Application, Destination};
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::project::{KindRule, Project, ProjectSpec};
use landfall_model::status::{Condition, ConditionType};

use crate::pattern::Pattern;

/// A destination as it was resolved: both names of the cluster, and a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The URL of the API server; `""` if unknown.
    pub server: &'a str,
    /// The name of the cluster; `""` if unknown.
    pub cluster: &'a str,
    /// The namespace.
    pub namespace: &'a str,
}

/// The rules of a project, read once.
#[derive(Debug, Clone)]
pub struct Permissions {
    project: String,
    sources: Vec<Rule>,
    destinations: Vec<DestinationRule>,
    source_namespaces: Vec<Pattern>,
    cluster_allowed: Vec<KindPattern>,
    cluster_denied: Vec<KindPattern>,
    /// `None`: all are allowed.
    namespaced_allowed: Option<Vec<KindPattern>>,
    namespaced_denied: Vec<KindPattern>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    is_denial: bool,
}

#[derive(Debug, Clone)]
struct DestinationRule {
    server: Rule,
    cluster: Rule,
    namespace: Rule,
}

#[derive(Debug, Clone)]
struct KindPattern {
    group: Pattern,
    kind: Pattern,
    name: Pattern,
}

impl Rule {
    fn read(text: &str, separator: Option<char>) -> Self {
        match text.strip_prefix('!') {
            Some(denied) => Self { pattern: Pattern::read(denied, separator), is_denial: true },
            None => Self { pattern: Pattern::read(text, separator), is_denial: false },
        }
    }

    /// A denial matches what it does not name.
    fn matches(&self, text: &str) -> bool {
        self.pattern.matches(text) != self.is_denial
    }
}

impl KindPattern {
    fn read(rule: &KindRule) -> Self {
        let name = if rule.name.is_empty() { "*" } else { &rule.name };
        Self {
            group: Pattern::read(&rule.group, None),
            kind: Pattern::read(&rule.kind, None),
            name: Pattern::read(name, None),
        }
    }

    fn matches(&self, kind: &GroupKind, name: &str) -> bool {
        self.group.matches(&kind.group) && self.kind.matches(&kind.kind) && self.name.matches(name)
    }
}

impl Permissions {
    /// Reads a project's rules.
    pub fn of(project: &Project) -> Self {
        let ProjectSpec { source_repos, destinations, source_namespaces, .. } = &project.spec;
        let kinds = |rules: &[KindRule]| rules.iter().map(KindPattern::read).collect::<Vec<_>>();
        Self {
            project: project.metadata.name.clone(),
            sources: source_repos.iter().map(|glob| source_rule(glob)).collect(),
            destinations: destinations
                .iter()
                .map(|Destination { server, name, namespace }| DestinationRule {
                    server: Rule::read(server, None),
                    cluster: Rule::read(name, None),
                    namespace: Rule::read(namespace, None),
                })
                .collect(),
            source_namespaces: source_namespaces.iter().map(|text| Pattern::read_or_expression(text)).collect(),
            cluster_allowed: kinds(&project.spec.cluster_resource_whitelist),
            cluster_denied: kinds(&project.spec.cluster_resource_blacklist),
            namespaced_allowed: project.spec.namespace_resource_whitelist.as_deref().map(kinds),
            namespaced_denied: kinds(&project.spec.namespace_resource_blacklist),
        }
    }

    /// Says whether a repository may be used.
    pub fn permits_source(&self, repo_url: &str) -> bool {
        let url = normal_url(repo_url);
        let mut is_matched = false;
        for rule in &self.sources {
            let matches = rule.matches(&url);
            if !matches && rule.is_denial {
                return false;
            }
            is_matched |= matches;
        }
        is_matched
    }

    /// Says whether a cluster and namespace may be used.
    pub fn permits_destination(&self, place: Place<'_>) -> bool {
        let mut is_matched = false;
        for rule in &self.destinations {
            let by_server = !place.server.is_empty() && rule.server.matches(place.server);
            let by_cluster = !place.cluster.is_empty() && rule.cluster.matches(place.cluster);
            let by_namespace = rule.namespace.matches(place.namespace);
            if (by_server || by_cluster) && by_namespace {
                is_matched = true;
                continue;
            }
            let is_denied = (!by_cluster && rule.cluster.is_denial)
                || (!by_server && rule.server.is_denial)
                || (!by_namespace && rule.namespace.is_denial);
            if is_denied {
                return false;
            }
        }
        is_matched
    }

    /// Says whether objects of a kind may be had. `name` counts for cluster-scoped kinds only.
    pub fn permits_kind(&self, kind: &GroupKind, name: &str, is_namespaced: bool) -> bool {
        let hits = |rules: &[KindPattern]| rules.iter().any(|rule| rule.matches(kind, name));
        if is_namespaced {
            self.namespaced_allowed.as_deref().is_none_or(hits) && !hits(&self.namespaced_denied)
        } else {
            hits(&self.cluster_allowed) && !hits(&self.cluster_denied)
        }
    }

    /// Says whether an application may have an object at its destination; the reason in words if not. The object is
    /// cluster-scoped if its key has no namespace.
    pub fn permit(&self, key: &ObjectKey, destination: Place<'_>) -> Result<(), String> {
        let (kind, is_namespaced) = (key.group_kind(), !key.namespace.is_empty());
        if !self.permits_kind(&kind, &key.name, is_namespaced) {
            let list = match is_namespaced {
                true => "namespaceResourceWhitelist or namespaceResourceBlacklist",
                false => "clusterResourceWhitelist or clusterResourceBlacklist",
            };
            return Err(format!(
                "resource {}:{} is not permitted in project {}; see {list} of the project",
                kind.group, kind.kind, self.project
            ));
        }
        if is_namespaced && !self.permits_destination(Place { namespace: &key.namespace, ..destination }) {
            return Err(format!(
                "namespace {} is not permitted in project {}; see destinations of the project",
                key.namespace, self.project
            ));
        }
        Ok(())
    }

    /// Says whether Applications may stand in a namespace besides the controller's.
    pub fn permits_application_in(&self, namespace: &str, control_namespace: &str) -> bool {
        namespace == control_namespace || self.source_namespaces.iter().any(|pattern| pattern.matches(namespace))
    }

    /// Lists what in an application the project does not permit, as conditions without times. `destination` is the
    /// resolved one.
    pub fn check(&self, application: &Application, destination: Place<'_>, control_namespace: &str) -> Vec<Condition> {
        let mut messages = Vec::new();
        let project = &self.project;
        for source in application.spec.sources() {
            if !self.permits_source(&source.repo_url) {
                messages.push(format!(
                    "application repo {} is not permitted in project '{project}'; add it to sourceRepos of the project",
                    source.repo_url
                ));
            }
        }
        if !self.permits_destination(destination) {
            let server = if destination.server.is_empty() { destination.cluster } else { destination.server };
            messages.push(format!(
                "application destination server '{server}' and namespace '{}' do not match any of the allowed \
                 destinations in project '{project}'",
                destination.namespace
            ));
        }
        let namespace = &application.metadata.namespace;
        if !self.permits_application_in(namespace, control_namespace) {
            messages.push(format!(
                "application '{}' in namespace '{namespace}' is not permitted to use project '{project}'; add the \
                 namespace to sourceNamespaces of the project",
                application.metadata.name
            ));
        }
        let condition = |message| Condition {
            condition_type: ConditionType::InvalidSpecError,
            message,
            last_transition_time: None,
        };
        messages.into_iter().map(condition).collect()
    }
}

/// Puts what global projects say behind a project's own rules. Source: Argo CD `util/argo/argo.go` (GetAppVirtualProject).
pub fn with_globals(project: &Project, globals: &[Project]) -> Project {
    let mut merged = project.clone();
    let spec = &mut merged.spec;
    for global in globals.iter().map(|global| &global.spec) {
        spec.cluster_resource_whitelist.extend(global.cluster_resource_whitelist.iter().cloned());
        spec.cluster_resource_blacklist.extend(global.cluster_resource_blacklist.iter().cloned());
        spec.namespace_resource_blacklist.extend(global.namespace_resource_blacklist.iter().cloned());
        if let Some(allowed) = &global.namespace_resource_whitelist {
            spec.namespace_resource_whitelist.get_or_insert_default().extend(allowed.iter().cloned());
        }
        spec.sync_windows.extend(global.sync_windows.iter().cloned());
        spec.source_repos.extend(global.source_repos.iter().cloned());
        spec.destinations.extend(global.destinations.iter().cloned());
    }
    merged
}

fn source_rule(glob: &str) -> Rule {
    let (mark, url) = match glob.strip_prefix('!') {
        Some(url) => ("!", url),
        None => ("", glob),
    };
    Rule::read(&format!("{mark}{}", normal_url(url)), Some('/'))
}

/// Brings the ways to write a repository's URL into one form: lower case, no `.git`, `git@host:path` as `git@host/path`.
/// Source: Argo CD `util/git/git.go` (NormalizeGitURL).
pub fn normal_url(url: &str) -> String {
    let mut normal = url.trim().to_lowercase();
    if let Some(rest) = normal.strip_prefix("ssh://") {
        normal = rest.to_owned();
    } else if !normal.contains("://") && normal.contains('@') {
        normal = normal.replacen(':', "/", 1);
    }
    normal.strip_suffix(".git").unwrap_or(&normal).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(change: impl FnOnce(&mut ProjectSpec)) -> Permissions {
        let mut project = Project::default();
        project.metadata.name = "team".into();
        change(&mut project.spec);
        Permissions::of(&project)
    }

    fn sources(globs: &[&str], url: &str) -> bool {
        permissions(|spec| spec.source_repos = globs.iter().map(|glob| (*glob).to_owned()).collect())
            .permits_source(url)
    }

    #[test]
    fn sources_are_permitted_by_globs_and_denials() {
        assert!(!sources(&[], "https://example.com/a"));
        assert!(sources(&["*"], "https://example.com/a/b"));
        assert!(sources(&["https://example.com/team/*"], "https://example.com/team/a.git"));
        assert!(!sources(&["https://example.com/team/*"], "https://example.com/team/a/b"));
        assert!(sources(&["git@example.com:team/a.git"], "ssh://git@example.com/team/a"));
        assert!(sources(&["https://Example.com/A"], "https://example.com/a"));
        assert!(!sources(&["*", "!https://example.com/secret"], "https://example.com/secret"));
        assert!(sources(&["*", "!https://example.com/secret"], "https://example.com/open"));
        assert!(sources(&["!https://example.com/secret"], "https://example.com/open"), "denials alone permit the rest");
    }

    fn destinations(rules: &[(&str, &str, &str)], place: (&str, &str, &str)) -> bool {
        let list = rules.iter().map(|(server, name, namespace)| Destination {
            server: (*server).into(),
            name: (*name).into(),
            namespace: (*namespace).into(),
        });
        let permissions = permissions(|spec| spec.destinations = list.collect());
        permissions.permits_destination(Place { server: place.0, cluster: place.1, namespace: place.2 })
    }

    #[test]
    fn destinations_are_permitted_by_server_or_name_and_namespace() {
        let here = ("https://a", "a", "shop");
        assert!(!destinations(&[], here));
        assert!(destinations(&[("*", "", "*")], here));
        assert!(destinations(&[("", "a", "shop")], here));
        assert!(!destinations(&[("", "b", "shop")], here));
        assert!(!destinations(&[("https://a", "", "other")], here));
        assert!(destinations(&[("https://b", "", "shop"), ("https://a", "", "sh*")], here));
        assert!(!destinations(&[("*", "", "*"), ("*", "", "!kube-system")], ("https://a", "a", "kube-system")));
        assert!(destinations(&[("*", "", "*"), ("*", "", "!kube-system")], here));
        assert!(!destinations(&[("*", "", "*"), ("!https://a", "", "*")], here));
        assert!(destinations(&[("*", "", "!kube-system")], here), "a denial that does not hit counts as a match");
    }

    #[test]
    fn kinds_are_permitted_by_lists() {
        let rule = |group: &str, kind: &str, name: &str| KindRule {
            group: group.into(),
            kind: kind.into(),
            name: name.into(),
        };
        let (deployment, namespace) = (GroupKind::of("apps", "Deployment"), GroupKind::of("", "Namespace"));
        let empty = permissions(|_| {});
        assert!(empty.permits_kind(&deployment, "a", true), "no list: every namespaced kind");
        assert!(!empty.permits_kind(&namespace, "a", false), "no list: no cluster-scoped kind");
        let none = permissions(|spec| spec.namespace_resource_whitelist = Some(vec![]));
        assert!(!none.permits_kind(&deployment, "a", true), "an empty list: none");
        let some = permissions(|spec| {
            spec.namespace_resource_whitelist = Some(vec![rule("apps", "*", "")]);
            spec.namespace_resource_blacklist = vec![rule("*", "Stateful*", "")];
            spec.cluster_resource_whitelist = vec![rule("", "Namespace", "team-*"), rule("*", "ClusterRole", "")];
            spec.cluster_resource_blacklist = vec![rule("rbac.authorization.k8s.io", "*", "")];
        });
        assert!(some.permits_kind(&deployment, "a", true));
        assert!(!some.permits_kind(&GroupKind::of("apps", "StatefulSet"), "a", true));
        assert!(!some.permits_kind(&GroupKind::of("", "Secret"), "a", true));
        assert!(some.permits_kind(&namespace, "team-a", false));
        assert!(!some.permits_kind(&namespace, "other", false));
        assert!(!some.permits_kind(&GroupKind::of("rbac.authorization.k8s.io", "ClusterRole"), "a", false));
    }

    #[test]
    fn objects_are_permitted_by_kind_and_namespace_and_refusals_name_the_list() {
        let permissions = permissions(|spec| {
            spec.destinations = vec![Destination { server: "*".into(), name: String::new(), namespace: "shop".into() }];
        });
        let place = Place { server: "https://a", cluster: "a", namespace: "shop" };
        assert_eq!(permissions.permit(&ObjectKey::of("apps", "Deployment", "shop", "web"), place), Ok(()));
        let elsewhere = permissions.permit(&ObjectKey::of("apps", "Deployment", "other", "web"), place);
        assert!(elsewhere.is_err_and(|why| why.contains("namespace other") && why.contains("team")));
        let cluster = permissions.permit(&ObjectKey::of("", "Namespace", "", "shop"), place);
        assert!(cluster.is_err_and(|why| why.contains("clusterResourceWhitelist")));
    }

    #[test]
    fn applications_stand_in_the_controllers_namespace_or_where_the_project_says() {
        let permissions = permissions(|spec| spec.source_namespaces = vec!["team-*".into(), "/^x[0-9]$/".into()]);
        for (namespace, is_permitted) in
            [("landfall", true), ("team-a", true), ("x1", true), ("x12", false), ("other", false)]
        {
            assert_eq!(permissions.permits_application_in(namespace, "landfall"), is_permitted, "{namespace}");
        }
    }

    #[test]
    fn the_default_project_permits_everything() {
        let permissions = Permissions::of(&Project::permissive_default("landfall"));
        let place = Place { server: "https://a", cluster: "", namespace: "any" };
        assert!(permissions.permits_source("https://example.com/a") && permissions.permits_destination(place));
        assert_eq!(permissions.permit(&ObjectKey::of("", "Namespace", "", "a"), place), Ok(()));
        assert_eq!(permissions.permit(&ObjectKey::of("apps", "Deployment", "any", "a"), place), Ok(()));
    }

    #[test]
    fn global_projects_add_their_rules() {
        let mut global = Project::default();
        global.spec.cluster_resource_blacklist =
            vec![KindRule { group: "*".into(), kind: "Namespace".into(), name: String::new() }];
        let merged = with_globals(&Project::permissive_default("landfall"), &[global]);
        assert!(!Permissions::of(&merged).permits_kind(&GroupKind::of("", "Namespace"), "a", false));
    }

    #[test]
    fn what_an_application_may_not_do_is_told_in_full() {
        let mut application = Application::read(&serde_json::json!({"metadata": {"name": "a", "namespace": "x"},
            "spec": {"source": {"repoURL": "https://example.com/a"}}}))
        .expect("valid");
        let place = Place { server: "https://a", cluster: "", namespace: "shop" };
        let found = permissions(|_| {}).check(&application, place, "landfall");
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|condition| condition.condition_type == ConditionType::InvalidSpecError));
        application.metadata.namespace = "landfall".into();
        let all = Permissions::of(&Project::permissive_default("landfall"));
        assert!(all.check(&application, place, "landfall").is_empty());
    }
}

//! policy.csv: who may do what, as Argo CD's users write it. Source: Argo CD `util/rbac/rbac.go`, `assets/model.conf`,
//! `assets/builtin-policy.csv`, `docs/operator-manual/rbac.md`.
//!
//! A line is `p, <subject>, <resource>, <action>, <object>, <allow|deny>` or `g, <subject>, <role>`. A request is allowed
//! if some rule of the subject or its roles allows it and none denies it; [`Policy::allows_with`] says who is asked in turn.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::project::ProjectSpec;

use crate::pattern::Pattern;

/// How resource, action and object of a rule are matched (`policy.matchMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatchMode {
    /// As globs.
    #[default]
    Glob,
    /// As regular expressions.
    Regex,
}

/// The rules that every installation has.
const BUILT_IN: &str = "\
p, role:readonly, applications, get, */*, allow
p, role:readonly, applicationsets, get, */*, allow
p, role:readonly, certificates, get, *, allow
p, role:readonly, clusters, get, *, allow
p, role:readonly, repositories, get, *, allow
p, role:readonly, write-repositories, get, *, allow
p, role:readonly, projects, get, *, allow
p, role:readonly, accounts, get, *, allow
p, role:readonly, gpgkeys, get, *, allow
p, role:readonly, logs, get, */*, allow
p, role:admin, applications, *, */*, allow
p, role:admin, applicationsets, *, */*, allow
p, role:admin, certificates, *, *, allow
p, role:admin, clusters, *, *, allow
p, role:admin, repositories, *, *, allow
p, role:admin, write-repositories, *, *, allow
p, role:admin, projects, *, *, allow
p, role:admin, accounts, *, *, allow
p, role:admin, gpgkeys, *, *, allow
p, role:admin, logs, *, */*, allow
p, role:admin, exec, create, */*, allow
g, role:admin, role:readonly
g, admin, role:admin
";

#[derive(Debug, Clone)]
struct Rule {
    resource: Pattern,
    action: Pattern,
    object: Pattern,
    /// Whether the object matches whatever is asked for.
    is_about_all: bool,
    is_denial: bool,
}

/// Rules, read once.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules_by_subject: BTreeMap<String, Vec<Rule>>,
    roles_by_subject: BTreeMap<String, BTreeSet<String>>,
    default_role: String,
}

/// A line of a policy that cannot be read, and is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {reason}: {text:?}")]
pub struct InvalidLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The account or token.
    pub subject: &'a str,
    /// The groups the subject is in.
    pub groups: &'a [String],
    /// `applications`, `projects`, `clusters`, ...
    pub resource: &'a str,
    /// `get`, `sync`, `action/apps/Deployment/restart`, ...
    pub action: &'a str,
    /// `<project>/<application>` or a name.
    pub object: &'a str,
}

impl Policy {
    /// Reads a policy on top of the built-in one. `default_role` is what everybody has who is signed in; `""` is none.
    pub fn read(csv: &str, default_role: &str, mode: MatchMode) -> (Self, Vec<InvalidLine>) {
        let mut policy = Self { default_role: default_role.to_owned(), ..Self::default() };
        policy.add(BUILT_IN, MatchMode::Glob);
        let problems = policy.add(csv, mode);
        (policy, problems)
    }

    /// Reads a policy by itself, without the built-in roles.
    pub fn read_alone(csv: &str, default_role: &str, mode: MatchMode) -> (Self, Vec<InvalidLine>) {
        let mut policy = Self { default_role: default_role.to_owned(), ..Self::default() };
        let problems = policy.add(csv, mode);
        (policy, problems)
    }

    /// Adds lines, as a project's roles have them; returns those that cannot be read.
    pub fn add(&mut self, csv: &str, mode: MatchMode) -> Vec<InvalidLine> {
        let mut problems = Vec::new();
        for (index, text) in csv.lines().enumerate() {
            let line = text.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(reason) = self.add_line(line, mode) {
                problems.push(InvalidLine { line: index + 1, text: text.to_owned(), reason });
            }
        }
        problems
    }

    /// Adds the roles of a project: their policies, their groups, and that each may look at its project. A policy that
    /// reaches out of its role or project is left out and returned.
    /// Source: Argo CD `types.go` (AppProject.ProjectPoliciesString, validatePolicy).
    pub fn add_project(&mut self, name: &str, spec: &ProjectSpec, mode: MatchMode) -> Vec<InvalidLine> {
        let mut problems = Vec::new();
        for role in &spec.roles {
            let subject = format!("proj:{name}:{}", role.name);
            let own = format!("p, {subject}, projects, get, {name}, allow");
            problems.extend(self.add(&own, MatchMode::Glob));
            for (index, policy) in role.policies.iter().enumerate() {
                let fields = fields(policy);
                let is_own = fields.get(1) == Some(&subject);
                let is_inside =
                    fields.get(4).is_some_and(|object| *object == name || object.starts_with(&format!("{name}/")));
                if is_own && is_inside {
                    problems.extend(self.add(policy, mode));
                } else {
                    let reason = "a project's policy is about its own role and its own project";
                    problems.push(InvalidLine { line: index + 1, text: policy.clone(), reason });
                }
            }
            for group in &role.groups {
                self.roles_by_subject.entry(group.clone()).or_default().insert(subject.clone());
            }
        }
        problems
    }

    fn add_line(&mut self, line: &str, mode: MatchMode) -> Result<(), &'static str> {
        let fields = fields(line);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["p", subject, resource, action, object, effect] => {
                let is_denial = match *effect {
                    "allow" => false,
                    "deny" => true,
                    _ => return Err("the effect is neither allow nor deny"),
                };
                let read = |text: &str| match mode {
                    MatchMode::Glob => Pattern::read(text, None),
                    MatchMode::Regex => Pattern::read_or_expression(&format!("/{text}/")),
                };
                let is_about_all = mode == MatchMode::Glob && matches!(*object, "*" | "*/*");
                let rule = Rule {
                    resource: read(resource),
                    action: read(action),
                    object: read(object),
                    is_about_all,
                    is_denial,
                };
                self.rules_by_subject.entry((*subject).to_owned()).or_default().push(rule);
                Ok(())
            }
            ["g", subject, role] => {
                self.roles_by_subject.entry((*subject).to_owned()).or_default().insert((*role).to_owned());
                Ok(())
            }
            ["p", ..] => Err("a rule has six fields: p, subject, resource, action, object, effect"),
            ["g", ..] => Err("an assignment has three fields: g, subject, role"),
            _ => Err("it begins neither with p nor with g"),
        }
    }

    /// Says whether a request is allowed by these rules alone.
    pub fn allows(&self, request: &Request<'_>) -> bool {
        self.allows_with(None, request)
    }

    /// Says whether a request is allowed by these rules and those of the object's project ([`Self::of_project`]).
    ///
    /// The default role is asked first, then the subject, then each group that is assigned to some role; the first that
    /// is allowed decides. A denial stops whoever it is about, through any of their roles, but neither the default role
    /// nor another group of theirs. Source: Argo CD `server/rbacpolicy/rbacpolicy.go` (EnforceClaims), `util/rbac/rbac.go`.
    pub fn allows_with(&self, project: Option<&Self>, request: &Request<'_>) -> bool {
        let layers: Vec<&Self> = std::iter::once(self).chain(project).collect();
        let is_assigned = |group: &&str| layers.iter().any(|layer| layer.roles_by_subject.contains_key(*group));
        let groups = request.groups.iter().map(String::as_str).filter(is_assigned);
        std::iter::once(self.default_role.as_str())
            .chain(std::iter::once(request.subject))
            .chain(groups)
            .filter(|candidate| !candidate.is_empty())
            .any(|candidate| is_permitted(&layers, candidate, request))
    }

    /// Says whether a request is allowed whatever object it is about, with the rules of these projects too. `false` means
    /// only that each object has to be asked about. The object of `request` does not matter; it has a project.
    pub fn allows_every_object<'a>(&'a self, projects: impl Iterator<Item = &'a Self>, request: &Request<'_>) -> bool {
        let concerns = |rule: &Rule| rule.resource.matches(request.resource) && rule.action.matches(request.action);
        let mut layers = std::iter::once(self).chain(projects);
        let denies =
            |layer: &Self| layer.rules_by_subject.values().flatten().any(|rule| rule.is_denial && concerns(rule));
        if layers.any(denies) {
            return false;
        }
        let allows = |subject: &str| {
            let rules = self.rules_by_subject.get(subject).into_iter().flatten();
            rules.into_iter().any(|rule| rule.is_about_all && !rule.is_denial && concerns(rule))
        };
        let mut subjects: Vec<&str> = [self.default_role.as_str(), request.subject].to_vec();
        subjects.extend(request.groups.iter().map(String::as_str));
        let mut known: BTreeSet<&str> = subjects.iter().copied().collect();
        while let Some(subject) = subjects.pop() {
            if !subject.is_empty() && allows(subject) {
                return true;
            }
            for role in self.roles_by_subject.get(subject).into_iter().flatten() {
                if known.insert(role) {
                    subjects.push(role);
                }
            }
        }
        false
    }

    /// Reads the rules of one project alone, to be laid over the installation's with [`Self::allows_with`].
    pub fn of_project(name: &str, spec: &ProjectSpec, mode: MatchMode) -> (Self, Vec<InvalidLine>) {
        let mut policy = Self::default();
        let problems = policy.add_project(name, spec, mode);
        (policy, problems)
    }
}

/// Asks for one subject with all of its roles: some rule allows and none denies.
fn is_permitted(layers: &[&Policy], candidate: &str, request: &Request<'_>) -> bool {
    let mut subjects: Vec<&str> = vec![candidate];
    let mut known: BTreeSet<&str> = subjects.iter().copied().collect();
    let mut is_allowed = false;
    while let Some(subject) = subjects.pop() {
        for layer in layers {
            for rule in layer.rules_by_subject.get(subject).into_iter().flatten() {
                let hits = rule.resource.matches(request.resource)
                    && rule.action.matches(request.action)
                    && rule.object.matches(request.object);
                if hits && rule.is_denial {
                    return false;
                }
                is_allowed |= hits;
            }
            for role in layer.roles_by_subject.get(subject).into_iter().flatten() {
                if known.insert(role) {
                    subjects.push(role);
                }
            }
        }
    }
    is_allowed
}

/// Splits a line as CSV: fields are trimmed, one in double quotes may hold commas and doubled quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut letters = line.chars().peekable();
    let (mut is_quoted, mut was_quoted) = (false, false);
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.trim().is_empty() && !was_quoted => {
                field.clear();
                (is_quoted, was_quoted) = (true, true);
            }
            ',' if !is_quoted => {
                fields.push(field.trim().to_owned());
                field.clear();
                was_quoted = false;
            }
            other => field.push(other),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

#[cfg(test)]
mod tests {
    use landfall_model::project::ProjectRole;

    use super::*;

    fn allows(policy: &Policy, subject: &str, resource: &str, action: &str, object: &str) -> bool {
        policy.allows(&Request { subject, groups: &[], resource, action, object })
    }

    #[test]
    fn the_built_in_roles_read_and_do_everything() {
        let (policy, problems) = Policy::read("g, ann, role:readonly", "", MatchMode::Glob);
        assert_eq!(problems, []);
        assert!(allows(&policy, "ann", "applications", "get", "team/shop"));
        assert!(!allows(&policy, "ann", "applications", "sync", "team/shop"));
        assert!(allows(&policy, "admin", "applications", "delete", "team/shop"));
        assert!(!allows(&policy, "bob", "applications", "get", "team/shop"));
        let (open, _) = Policy::read("", "role:readonly", MatchMode::Glob);
        assert!(allows(&open, "bob", "applications", "get", "team/shop"));
    }

    #[test]
    fn who_may_read_everything_is_found_out_at_once_unless_somebody_is_denied_something() {
        let ask = |csv: &str, subject: &str, action: &str| {
            let (policy, _) = Policy::read(csv, "", MatchMode::Glob);
            let request = Request { subject, groups: &[], resource: "applications", action, object: "" };
            policy.allows_every_object(std::iter::empty(), &request)
        };
        assert!(ask("", "admin", "get") && ask("", "admin", "sync"));
        assert!(ask("g, ann, role:readonly", "ann", "get"));
        assert!(!ask("g, ann, role:readonly", "ann", "sync"));
        assert!(!ask("p, ann, applications, get, team/*, allow", "ann", "get"));
        assert!(!ask("p, bob, applications, get, team/secret, deny", "admin", "get"), "each has to be asked about");
        assert!(ask("p, bob, projects, get, secret, deny", "admin", "get"));
    }

    #[test]
    fn rules_match_globs_denials_win_and_groups_count() {
        let csv = "# team\np, role:dev, applications, *, team/*, allow\np, role:dev, applications, delete, team/prod-*, deny\n\
                   p, role:dev, applications, action/apps/*, other/*, allow\ng, devs, role:dev\n";
        let (policy, problems) = Policy::read(csv, "", MatchMode::Glob);
        assert_eq!(problems, []);
        let groups = ["devs".to_owned()];
        let ask = |action, object| {
            policy.allows(&Request { subject: "eve", groups: &groups, resource: "applications", action, object })
        };
        assert!(ask("sync", "team/shop") && ask("delete", "team/shop"));
        assert!(!ask("delete", "team/prod-shop"));
        assert!(ask("action/apps/Deployment/restart", "other/x"));
        assert!(!ask("sync", "other/x"));
        let (regex, _) = Policy::read("p, ann, applications, (get|sync), ^team/[a-z]+$, allow", "", MatchMode::Regex);
        assert!(allows(&regex, "ann", "applications", "sync", "team/shop"));
        assert!(!allows(&regex, "ann", "applications", "sync", "team/shop1"));
    }

    #[test]
    fn lines_that_cannot_be_read_are_told_and_permit_nothing() {
        let (policy, problems) =
            Policy::read("p, ann, applications, get, */*\nx\ng, a\np, ann, a, b, c, maybe", "", MatchMode::Glob);
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(!allows(&policy, "ann", "applications", "get", "team/shop"));
    }

    #[test]
    fn the_roles_of_a_project_stay_inside_it() {
        let role = |policies: &[&str]| ProjectRole {
            name: "deploy".into(),
            policies: policies.iter().map(|policy| (*policy).to_owned()).collect(),
            groups: vec!["devs".into()],
            ..ProjectRole::default()
        };
        let spec = ProjectSpec {
            roles: vec![role(&[
                "p, proj:team:deploy, applications, sync, team/*, allow",
                "p, proj:team:deploy, applications, sync, other/*, allow",
                "p, role:admin, applications, sync, team/*, allow",
            ])],
            ..ProjectSpec::default()
        };
        let (mut policy, _) = Policy::read("", "", MatchMode::Glob);
        assert_eq!(policy.add_project("team", &spec, MatchMode::Glob).len(), 2);
        let groups = ["devs".to_owned()];
        let ask = |resource, action, object| {
            policy.allows(&Request { subject: "eve", groups: &groups, resource, action, object })
        };
        assert!(ask("applications", "sync", "team/shop") && ask("projects", "get", "team"));
        assert!(!ask("applications", "sync", "other/shop") && !ask("projects", "get", "other"));
    }

    #[test]
    fn a_denial_stops_whom_it_is_about_but_not_the_default_role_nor_another_group() {
        let csv = "p, role:dev, applications, *, team/*, allow\np, ann, applications, delete, team/*, deny\n\
                   g, ann, role:dev\ng, devs, role:dev\n";
        let (policy, _) = Policy::read(csv, "", MatchMode::Glob);
        assert!(!allows(&policy, "ann", "applications", "delete", "team/shop"));
        assert!(allows(&policy, "ann", "applications", "sync", "team/shop"));
        let groups = ["devs".to_owned()];
        let ask = Request {
            subject: "ann",
            groups: &groups,
            resource: "applications",
            action: "delete",
            object: "team/shop",
        };
        assert!(policy.allows(&ask), "the group is asked by itself");
        let (open, _) = Policy::read(csv, "role:admin", MatchMode::Glob);
        assert!(allows(&open, "ann", "applications", "delete", "team/shop"), "the default role cannot be denied");
    }

    #[test]
    fn a_group_counts_only_where_it_is_assigned_to_a_role() {
        let (policy, _) = Policy::read("p, devs, applications, get, team/*, allow", "", MatchMode::Glob);
        let groups = ["devs".to_owned()];
        let ask =
            Request { subject: "ann", groups: &groups, resource: "applications", action: "get", object: "team/shop" };
        assert!(!policy.allows(&ask));
        let (policy, _) =
            Policy::read("p, devs, applications, get, team/*, allow\ng, devs, role:none", "", MatchMode::Glob);
        assert!(policy.allows(&ask));
    }

    #[test]
    fn fields_in_quotes_may_hold_commas() {
        assert_eq!(fields(r#"p, "a, b",c"#), ["p", "a, b", "c"]);
        assert_eq!(fields(r#""say ""hi""", x"#), [r#"say "hi""#, "x"]);
        let line = r#"p, ann, applications, get, "^team/[a-z]{1,3}$", allow"#;
        let (policy, problems) = Policy::read(line, "", MatchMode::Regex);
        assert_eq!(problems, []);
        assert!(allows(&policy, "ann", "applications", "get", "team/abc"));
        assert!(!allows(&policy, "ann", "applications", "get", "team/abcd"));
    }

    #[test]
    fn fine_grained_actions_name_the_object_inside_the_application() {
        let csv = "p, ann, applications, update, team/*, allow\n\
                   p, ann, applications, delete/*/Pod/*/*, team/*, allow\n\
                   p, bob, applications, update/*, team/*, allow\np, bob, applications, update/apps/*, team/*, deny\n";
        let (policy, _) = Policy::read(csv, "", MatchMode::Glob);
        for (subject, action, is_allowed) in [
            ("ann", "update", true),
            ("ann", "update/apps/Deployment/shop/web", false),
            ("ann", "delete", false),
            ("ann", "delete//Pod/shop/web-1", true),
            ("ann", "delete/apps/Deployment/shop/web", false),
            ("bob", "update/batch/Job/shop/x", true),
            ("bob", "update/apps/Deployment/shop/web", false),
            ("bob", "update", false),
        ] {
            assert_eq!(allows(&policy, subject, "applications", action, "team/shop"), is_allowed, "{subject} {action}");
        }
    }

    #[test]
    fn circles_of_roles_end() {
        let (policy, _) = Policy::read("g, a, b\ng, b, a\np, b, projects, get, x, allow", "", MatchMode::Glob);
        assert!(allows(&policy, "a", "projects", "get", "x"));
        assert!(!allows(&policy, "a", "projects", "get", "y"));
    }
}

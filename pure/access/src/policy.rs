//! policy.csv: who may do what, as Argo CD's users write it. Source: Argo CD `util/rbac/rbac.go`, `assets/model.conf`,
//! `assets/builtin-policy.csv`, `docs/operator-manual/rbac.md`.
//!
//! A line is `p, <subject>, <resource>, <action>, <object>, <allow|deny>` or `g, <subject>, <role>`. A request is allowed
//! if some rule of the subject or its roles allows it and none denies it.

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
    pub fn add_project(&mut self, name: &str, spec: &ProjectSpec) -> Vec<InvalidLine> {
        let mut problems = Vec::new();
        for role in &spec.roles {
            let subject = format!("proj:{name}:{}", role.name);
            let own = format!("p, {subject}, projects, get, {name}, allow");
            problems.extend(self.add(&own, MatchMode::Glob));
            for (index, policy) in role.policies.iter().enumerate() {
                let fields: Vec<&str> = policy.split(',').map(str::trim).collect();
                let is_own = fields.get(1) == Some(&subject.as_str());
                let is_inside =
                    fields.get(4).is_some_and(|object| *object == name || object.starts_with(&format!("{name}/")));
                if is_own && is_inside {
                    problems.extend(self.add(policy, MatchMode::Glob));
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
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
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
                let rule = Rule { resource: read(resource), action: read(action), object: read(object), is_denial };
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

    /// Says whether a request is allowed.
    pub fn allows(&self, request: &Request<'_>) -> bool {
        let groups = request.groups.iter().map(String::as_str);
        let start = std::iter::once(request.subject).chain(groups).chain(std::iter::once(self.default_role.as_str()));
        let mut subjects: Vec<&str> = start.filter(|subject| !subject.is_empty()).collect();
        let mut known: BTreeSet<&str> = subjects.iter().copied().collect();
        let mut is_allowed = false;
        while let Some(subject) = subjects.pop() {
            for rule in self.rules_by_subject.get(subject).into_iter().flatten() {
                let hits = rule.resource.matches(request.resource)
                    && rule.action.matches(request.action)
                    && rule.object.matches(request.object);
                if hits && rule.is_denial {
                    return false;
                }
                is_allowed |= hits;
            }
            for role in self.roles_by_subject.get(subject).into_iter().flatten() {
                if known.insert(role) {
                    subjects.push(role);
                }
            }
        }
        is_allowed
    }
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
        assert_eq!(policy.add_project("team", &spec).len(), 2);
        let groups = ["devs".to_owned()];
        let ask = |resource, action, object| {
            policy.allows(&Request { subject: "eve", groups: &groups, resource, action, object })
        };
        assert!(ask("applications", "sync", "team/shop") && ask("projects", "get", "team"));
        assert!(!ask("applications", "sync", "other/shop") && !ask("projects", "get", "other"));
    }

    #[test]
    fn circles_of_roles_end() {
        let (policy, _) = Policy::read("g, a, b\ng, b, a\np, b, projects, get, x, allow", "", MatchMode::Glob);
        assert!(allows(&policy, "a", "projects", "get", "x"));
        assert!(!allows(&policy, "a", "projects", "get", "y"));
    }
}

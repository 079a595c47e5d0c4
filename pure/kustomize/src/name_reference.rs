//! Name references: fields that name another resource follow it when it is renamed.
//!
//! A candidate had the name that the field holds, is of the kind that the table says, and shares the namespace. If
//! several are left, prefixes and suffixes decide; if that does not help, they must at least have the same name now.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{FieldSpec, FieldTables, apply};
use crate::ids::{GvkPattern, ResId};
use crate::node::access::{Access, AccessError};
use crate::node::{Arena, Kind, NodeId};
use crate::resource::{PREFIXES, REFERRED_BY, Resource, SUFFIXES, shape_error};
use crate::resources::place_of;

/// What is known of a resource that may be referred to.
struct Candidate {
    at: usize,
    root: NodeId,
    current: ResId,
    previous: Vec<ResId>,
    prefixes: Vec<Arc<str>>,
    suffixes: Vec<Arc<str>>,
}

impl Candidate {
    fn of(build: &Build<'_>, at: usize, root: NodeId) -> Self {
        Self {
            at,
            root,
            current: build.current_id(root),
            previous: build.previous_ids(root),
            prefixes: build.arena.list_annotation(root, PREFIXES),
            suffixes: build.arena.list_annotation(root, SUFFIXES),
        }
    }

    fn original(&self) -> &ResId {
        self.previous.first().unwrap_or(&self.current)
    }
}

/// The candidates that one resource can refer to.
struct Reachable<'f> {
    /// All candidates, by every name that they had.
    by_name: &'f HashMap<Arc<str>, Vec<usize>>,
    /// The namespaces of the accounts that a role binding names.
    bound_namespaces: Vec<String>,
    /// The namespaces that the reachable ones started in, found when first asked for.
    original_namespaces: OnceCell<HashSet<String>>,
}

impl Reachable<'_> {
    fn reaches(&self, referrer: &Candidate, candidate: &Candidate) -> bool {
        referrer.current.gvk.is_cluster_scoped
            || candidate.current.gvk.is_cluster_scoped
            || candidate.current.same_namespace(&referrer.current)
            || self.bound_namespaces.iter().any(|namespace| **namespace == *candidate.current.namespace)
    }

    fn original_namespaces(&self, referrer: &Candidate, candidates: &[Candidate]) -> &HashSet<String> {
        self.original_namespaces.get_or_init(|| {
            let reachable = candidates.iter().filter(|candidate| self.reaches(referrer, candidate));
            let namespaced = reachable.map(Candidate::original).filter(|original| !original.gvk.is_cluster_scoped);
            namespaced.map(|original| original.effective_namespace().to_owned()).collect()
        })
    }
}

/// Why no single referral was found.
enum ReferralError {
    Access(AccessError),
    Ambiguous(Vec<usize>),
}

impl From<AccessError> for ReferralError {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl Build<'_> {
    /// Fixes every reference that the tables list.
    pub(crate) fn fix_name_references(&mut self, tables: &FieldTables, resources: &mut [Resource]) -> Result<()> {
        let mut candidates: Vec<Candidate> = resources
            .iter()
            .enumerate()
            .filter_map(|(at, resource)| resource.root.map(|root| Candidate::of(self, at, root)))
            .collect();
        // Previous names never change while references are fixed, only current ones may.
        let mut by_name: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (at, candidate) in candidates.iter().enumerate() {
            for id in &candidate.previous {
                let known = by_name.entry(id.name.clone()).or_default();
                if known.last() != Some(&at) {
                    known.push(at);
                }
            }
        }
        for referrer_at in 0..candidates.len() {
            let original = candidates[referrer_at].original().clone();
            let specs: Vec<(&GvkPattern, &FieldSpec)> = tables
                .name_reference
                .iter()
                .flat_map(|reference| reference.referrers.iter().map(move |spec| (&reference.target, spec)))
                .filter(|(_, spec)| spec.gvk.fits(&original.gvk))
                .collect();
            if specs.is_empty() {
                continue;
            }
            let resource = &resources[candidates[referrer_at].at];
            let reachable =
                self.reachable(&candidates, &by_name, referrer_at).map_err(|error| resource.locate(error))?;
            for (target, spec) in specs {
                self.fix_one(&candidates, &reachable, referrer_at, target, spec, resources)?;
                if spec.path.starts_with("metadata") || spec.path == "kind" || spec.path == "apiVersion" {
                    let (at, root) = (candidates[referrer_at].at, candidates[referrer_at].root);
                    candidates[referrer_at] = Candidate::of(self, at, root);
                }
            }
        }
        Ok(())
    }

    /// What a resource can refer to at all.
    fn reachable<'f>(
        &self,
        candidates: &[Candidate],
        by_name: &'f HashMap<Arc<str>, Vec<usize>>,
        referrer_at: usize,
    ) -> Result<Reachable<'f>> {
        let referrer = &candidates[referrer_at];
        let binds = &*referrer.current.gvk.kind == "RoleBinding" && !referrer.current.gvk.is_cluster_scoped;
        let bound_namespaces = if binds { self.subject_namespaces(referrer)? } else { Vec::new() };
        Ok(Reachable { by_name, bound_namespaces, original_namespaces: OnceCell::new() })
    }

    fn subject_namespaces(&self, referrer: &Candidate) -> Result<Vec<String>> {
        let mut namespaces = Vec::new();
        let Some(subjects) =
            self.arena.field(referrer.root, "subjects").filter(|subjects| self.arena.kind(*subjects) == Kind::Sequence)
        else {
            return Ok(namespaces);
        };
        for subject in &self.arena.get(subjects).content {
            let is_account = self.arena.text_field(*subject, "kind") == Some("ServiceAccount");
            let Some(namespace) = self.arena.field(*subject, "namespace").filter(|_| is_account) else { continue };
            if self.arena.is_null(namespace) || !self.arena.is_string(namespace) {
                return Err(BuildError::new(
                    ErrorClass::BadResource,
                    format!("a subject of {} has a blank namespace", referrer.current),
                )
                .field("subjects.namespace")
                .hint("write the namespace of the service account, or leave the field out"));
            }
            namespaces.push(self.arena.value(namespace).to_owned());
        }
        Ok(namespaces)
    }

    fn fix_one(
        &mut self,
        candidates: &[Candidate],
        reachable: &Reachable<'_>,
        referrer_at: usize,
        target: &GvkPattern,
        spec: &FieldSpec,
        resources: &[Resource],
    ) -> Result<()> {
        let referrer = &candidates[referrer_at];
        // The table chose by the first kind; the path is followed in whatever kind it is now.
        let mut ambiguous = None;
        let mut fixer = Fixer { candidates, reachable, referrer, target, path: &spec.path, referred: Vec::new() };
        let result = apply(&mut self.arena, spec, referrer.root, &None, &mut |arena: &mut Arena, node: NodeId| {
            fixer.set(arena, node).map_err(|error| match error {
                ReferralError::Access(error) => error,
                ReferralError::Ambiguous(found) => {
                    ambiguous = Some(found);
                    AccessError::Path("several resources could be meant".to_owned())
                }
            })
        });
        let referred = std::mem::take(&mut fixer.referred);
        let locate = |error: Box<BuildError>| resources[referrer.at].locate(error.field(spec.path.as_str()));
        if let Some(found) = ambiguous {
            let places: Vec<String> = found
                .iter()
                .map(|at| {
                    format!("{} from {}", candidates[*at].current, place_of(&resources[candidates[*at].at].source))
                })
                .collect();
            return Err(locate(
                BuildError::new(
                    ErrorClass::AmbiguousMatch,
                    format!(
                        "{} refers to a name that several resources have or had: {}",
                        referrer.current,
                        places.join("; ")
                    ),
                )
                .hint("give them different names, or put referrer and target into one namespace"),
            ));
        }
        result.map_err(|error| locate(shape_error(&error)))?;
        for at in referred {
            let note = referrer.current.noted();
            self.arena
                .append_to_list_annotation(candidates[at].root, REFERRED_BY, &note)
                .map_err(|error| shape_error(&error))?;
        }
        Ok(())
    }
}

struct Fixer<'f> {
    candidates: &'f [Candidate],
    reachable: &'f Reachable<'f>,
    referrer: &'f Candidate,
    target: &'f GvkPattern,
    path: &'f str,
    referred: Vec<usize>,
}

impl Fixer<'_> {
    fn set(&mut self, arena: &mut Arena, node: NodeId) -> std::result::Result<(), ReferralError> {
        if arena.is_null(node) {
            return Ok(());
        }
        match arena.kind(node) {
            Kind::Scalar => self.set_scalar(arena, node),
            Kind::Mapping => self.set_mapping(arena, node),
            Kind::Sequence => {
                for element in arena.get(node).content.clone() {
                    if arena.is_null(element) {
                        continue;
                    }
                    match arena.kind(element) {
                        Kind::Scalar => self.set_scalar(arena, element)?,
                        Kind::Mapping => self.set_mapping(arena, element)?,
                        Kind::Sequence => {
                            return Err(
                                AccessError::Path("a list of names must hold names or mappings".to_owned()).into()
                            );
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set_scalar(&mut self, arena: &mut Arena, node: NodeId) -> std::result::Result<(), ReferralError> {
        let name = arena.value(node).to_owned();
        let Some(found) = self.select(arena, &name, None, false)? else { return Ok(()) };
        self.referred.push(found);
        let new = &self.candidates[found].current.name;
        if **new != *name {
            let new = arena.untyped(new.clone());
            arena.set_scalar(node, new)?;
        }
        Ok(())
    }

    fn set_mapping(&mut self, arena: &mut Arena, node: NodeId) -> std::result::Result<(), ReferralError> {
        let Some(name_node) = arena.get_field(node, "name")? else {
            return Err(AccessError::Path("there is no name in this reference".to_owned()).into());
        };
        let name = arena.value(name_node).to_owned();
        let namespace = arena.field(node, "namespace").map(|namespace| arena.value(namespace).to_owned());
        let Some(found) = self.select(arena, &name, namespace.as_deref(), true)? else { return Ok(()) };
        self.referred.push(found);
        let referral = &self.candidates[found].current;
        if *referral.name == *name && referral.namespace.is_empty() {
            return Ok(());
        }
        let new = arena.untyped(referral.name.clone());
        arena.set_field(node, "name", Some(new), false)?;
        if !referral.namespace.is_empty() {
            let new = arena.untyped(referral.namespace.clone());
            arena.set_field(node, "namespace", Some(new), false)?;
        }
        Ok(())
    }

    /// The candidates in the namespace that a reference names: by their first namespace, else by their current one.
    fn in_namespace(&self, namespace: &str, known: &[usize]) -> Vec<usize> {
        let is_original = |candidate: &Candidate| {
            !candidate.original().gvk.is_cluster_scoped && candidate.original().effective_namespace() == namespace
        };
        // Whether anything started there is asked of all reachable candidates, not only of those of this name.
        let any_original = self.reachable.original_namespaces(self.referrer, self.candidates).contains(namespace);
        known
            .iter()
            .copied()
            .filter(|at| {
                let candidate = &self.candidates[*at];
                if any_original {
                    is_original(candidate)
                } else {
                    !candidate.current.gvk.is_cluster_scoped && candidate.current.effective_namespace() == namespace
                }
            })
            .collect()
    }

    fn select(
        &self,
        arena: &Arena,
        name: &str,
        namespace: Option<&str>,
        with_namespaces: bool,
    ) -> std::result::Result<Option<usize>, ReferralError> {
        let Some(known) = self.reachable.by_name.get(name) else { return Ok(None) };
        let reaches = |at: &usize| self.reachable.reaches(self.referrer, &self.candidates[*at]);
        let known: Vec<usize> = known.iter().copied().filter(reaches).collect();
        if known.is_empty() {
            return Ok(None);
        }
        let mut found = match namespace {
            Some(namespace) => self.in_namespace(namespace, &known),
            None => known,
        };
        found.retain(|at| self.candidates[*at].previous.iter().any(|id| self.target.fits(&id.gvk)));
        if self.path.ends_with("roleRef/name")
            && let Some(role) = role_reference(arena, self.referrer.root)
        {
            found.retain(|at| self.candidates[*at].previous.iter().any(|id| role.fits(&id.gvk)));
        }
        let referrer = &self.referrer.current;
        if !referrer.gvk.is_cluster_scoped {
            found.retain(|at| {
                let current = &self.candidates[*at].current;
                current.gvk.is_cluster_scoped
                    || &*current.gvk.kind == "ServiceAccount"
                    || referrer.same_namespace(current)
            });
        }
        if let [one] = found.as_slice() {
            return Ok(Some(*one));
        }
        found.retain(|at| self.affixes_fit(&self.candidates[*at], true));
        if found.len() > 1 {
            found.retain(|at| self.affixes_fit(&self.candidates[*at], false));
        }
        let Some(first) = found.first().copied() else { return Ok(None) };
        let identical = found.iter().all(|at| {
            let (left, right) = (&self.candidates[*at].current, &self.candidates[first].current);
            left.name == right.name && (!with_namespaces || left.namespace == right.namespace)
        });
        if identical { Ok(Some(first)) } else { Err(ReferralError::Ambiguous(found)) }
    }

    fn affixes_fit(&self, candidate: &Candidate, empty_fits: bool) -> bool {
        let fits = |left: &[Arc<str>], right: &[Arc<str>]| {
            (empty_fits && (left.is_empty() || right.is_empty())) || same_ending(left, right)
        };
        fits(&candidate.prefixes, &self.referrer.prefixes) && fits(&candidate.suffixes, &self.referrer.suffixes)
    }
}

/// Whether the shorter list is the end of the longer one; an empty one is only that of an empty one.
fn same_ending(left: &[Arc<str>], right: &[Arc<str>]) -> bool {
    let (shorter, longer) = if left.len() > right.len() { (right, left) } else { (left, right) };
    if shorter.is_empty() { longer.is_empty() } else { longer.ends_with(shorter) }
}

fn role_reference(arena: &Arena, root: NodeId) -> Option<GvkPattern> {
    let role: Access<Option<NodeId>> = arena.lookup(root, &["roleRef"]);
    let role = role.ok().flatten()?;
    Some(GvkPattern {
        group: arena.text_field(role, "apiGroup")?.to_owned(),
        version: String::new(),
        kind: arena.text_field(role, "kind")?.to_owned(),
    })
}

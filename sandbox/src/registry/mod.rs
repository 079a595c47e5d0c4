//! Which resources the server serves: a table of built-in kinds, and one row per version of each custom resource.
//!
//! A [`Resource`] is everything the generic handlers need to know about a kind; there is no code per kind in the HTTP
//! layer. Custom resource definitions add and remove rows while the server runs. Entry: [`Registry`].

mod builtin;
mod strategy;

pub(crate) use builtin::METRICS_GROUP;

pub(crate) use strategy::{GenerationFollows, generation_follows};

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use crate::crd::CustomResource;
use crate::store::ResourceKey;

/// Whether objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Objects live in a namespace.
    Namespaced,
    /// Objects are cluster-wide.
    Cluster,
}

/// The scale subresource of a resource: where its numbers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    /// Pointer to the wanted number, e.g. `/spec/replicas`.
    pub(crate) spec_replicas: String,
    /// Pointer to the observed number.
    pub(crate) status_replicas: String,
    /// Pointer to the selector (an object for built-in kinds, a string for custom ones).
    pub(crate) selector: Option<String>,
}

/// One resource in one served version.
#[derive(Debug)]
pub(crate) struct Resource {
    /// API group, "" for the core group.
    pub(crate) group: String,
    /// Version of this row.
    pub(crate) version: String,
    /// Version in which objects are stored.
    pub(crate) storage_version: String,
    /// Kind, e.g. `Deployment`.
    pub(crate) kind: String,
    /// Kind of a list.
    pub(crate) list_kind: String,
    /// Name in paths, e.g. `deployments`.
    pub(crate) plural: String,
    /// Singular name.
    pub(crate) singular: String,
    /// Abbreviations for kubectl.
    pub(crate) short_names: Vec<String>,
    /// Categories for kubectl, e.g. `all`.
    pub(crate) categories: Vec<String>,
    /// Namespaced or not.
    pub(crate) scope: Scope,
    /// Whether `/status` is served (and `status` is ignored on the main path).
    pub(crate) has_status: bool,
    /// Whether and where `/scale` is served.
    pub(crate) scale: Option<ScalePaths>,
    /// Whether objects can only be created, answered, and are never stored (reviews).
    pub(crate) is_virtual: bool,
    /// The store's key of the resource.
    pub(crate) key: ResourceKey,
    /// For custom resources: schema, columns and options of this version.
    pub(crate) custom: Option<Arc<CustomResource>>,
}

impl Resource {
    /// `v1` or `group/version`.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `plural` or `plural.group`, as in error messages.
    pub(crate) fn qualified(&self) -> &str {
        self.key.as_str()
    }

    /// The verbs that discovery shows.
    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        match (self.is_virtual, self.plural.as_str()) {
            (true, _) | (_, "bindings") => &["create"],
            (false, "componentstatuses") => &["get", "list"],
            (false, _) if self.group == METRICS_GROUP => &["get", "list"],
            (false, "namespaces") if self.group.is_empty() => {
                &["create", "delete", "get", "list", "patch", "update", "watch"]
            }
            // Another part of the real server tells them in another order.
            (false, _) if self.custom.is_some() => {
                &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
            }
            (false, _) => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        }
    }

    /// True for objects that live in namespaces.
    pub(crate) fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}

/// `v1` or `group/version`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_string() } else { format!("{group}/{version}") }
}

/// Splits an `apiVersion` into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Group, version and plural name: how a path names a resource.
type PathKey = (String, String, String);

#[derive(Default)]
struct Rows {
    by_path: BTreeMap<PathKey, Arc<Resource>>,
    by_kind: BTreeMap<PathKey, Arc<Resource>>,
    storage: BTreeMap<ResourceKey, Arc<Resource>>,
    /// Counts changes, so that documents derived from the table can be cached.
    edition: u64,
}

impl Rows {
    fn add(&mut self, resources: Vec<Resource>) {
        for resource in resources {
            let resource = Arc::new(resource);
            let path = (resource.group.clone(), resource.version.clone(), resource.plural.clone());
            let kind = (resource.group.clone(), resource.version.clone(), resource.kind.clone());
            if is_storage_row(&resource) || !self.storage.contains_key(&resource.key) {
                self.storage.insert(resource.key.clone(), Arc::clone(&resource));
            }
            self.by_path.insert(path, Arc::clone(&resource));
            self.by_kind.insert(kind, resource);
        }
        self.edition += 1;
    }

    fn remove(&mut self, key: &ResourceKey) {
        self.by_path.retain(|_, resource| resource.key != *key);
        self.by_kind.retain(|_, resource| resource.key != *key);
        self.storage.remove(key);
        self.edition += 1;
    }
}

/// Events of the second group share the first one's objects, whose own row is the stored one.
fn is_storage_row(resource: &Resource) -> bool {
    resource.version == resource.storage_version && ResourceKey::new(&resource.group, &resource.plural) == resource.key
}

/// The table of served resources; readers get snapshots of rows.
pub(crate) struct Registry {
    rows: RwLock<Rows>,
}

impl Registry {
    /// A table that holds the built-in kinds.
    pub(crate) fn with_builtin_kinds() -> Self {
        let registry = Self { rows: RwLock::new(Rows::default()) };
        registry.add(builtin::resources());
        registry
    }

    /// Serves what pods and nodes use, as a cluster does that has metrics-server.
    pub(crate) fn add_metrics(&self) {
        self.add(builtin::metrics());
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rows> {
        self.rows.read().expect("no holder of this lock panics")
    }

    /// Adds rows.
    fn add(&self, resources: Vec<Resource>) {
        self.rows.write().expect("no holder of this lock panics").add(resources);
    }

    /// Puts these rows in the place of all versions of a resource, in one step.
    pub(crate) fn replace(&self, key: &ResourceKey, resources: Vec<Resource>) {
        let mut rows = self.rows.write().expect("no holder of this lock panics");
        rows.remove(key);
        rows.add(resources);
    }

    /// Removes every version of a resource.
    pub(crate) fn remove(&self, key: &ResourceKey) {
        self.rows.write().expect("no holder of this lock panics").remove(key);
    }

    /// The resource at a path.
    pub(crate) fn at(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.read().by_path.get(&(group.to_string(), version.to_string(), plural.to_string())).cloned()
    }

    /// The resource of an `apiVersion` and `kind`.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        let (group, version) = split_api_version(api_version);
        self.read().by_kind.get(&(group.to_string(), version.to_string(), kind.to_string())).cloned()
    }

    /// The storage version of a resource.
    pub(crate) fn stored(&self, key: &ResourceKey) -> Option<Arc<Resource>> {
        self.read().storage.get(key).cloned()
    }

    /// All rows in order of group, version and plural name.
    pub(crate) fn all(&self) -> Vec<Arc<Resource>> {
        self.read().by_path.values().cloned().collect()
    }

    /// All resources, once each, in their storage version.
    pub(crate) fn all_stored(&self) -> Vec<Arc<Resource>> {
        self.read().storage.values().cloned().collect()
    }

    /// The rows of one group and version, in order of their plural names.
    pub(crate) fn of_version(&self, group: &str, version: &str) -> Vec<Arc<Resource>> {
        let rows = self.read();
        let first = (group.to_string(), version.to_string(), String::new());
        rows.by_path
            .range(first..)
            .take_while(|((held_group, held_version, _), _)| held_group == group && held_version == version)
            .map(|(_, resource)| Arc::clone(resource))
            .collect()
    }

    /// A number that changes whenever the table does.
    pub(crate) fn edition(&self) -> u64 {
        self.read().edition
    }

    /// True when any resource of this group and version is served.
    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        !self.of_version(group, version).is_empty()
    }
}

/// True for a group that the server itself brings.
pub(crate) fn is_builtin_group(group: &str) -> bool {
    builtin::GROUP_ORDER.contains(&group)
}

/// The place of a group in discovery: built-in ones in their fixed order, then the others.
pub(crate) fn group_rank(group: &str) -> usize {
    builtin::GROUP_ORDER.iter().position(|known| *known == group).unwrap_or(builtin::GROUP_ORDER.len())
}

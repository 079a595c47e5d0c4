//! What a resource is called: group, version, kind, name, namespace, now and before each change.

use std::fmt;
use std::sync::Arc;

/// The namespace that resources without one are compared in.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Stands for the namespace of cluster-scoped resources in comparisons.
const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Group, version and kind of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Gvk {
    pub(crate) api_version: Arc<str>,
    pub(crate) kind: Arc<str>,
    /// Certainly cluster-scoped, by the schema. Ids that people write in selectors never are.
    pub(crate) is_cluster_scoped: bool,
}

/// Splits an `apiVersion` at its first slash.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Gvk {
    pub(crate) fn group(&self) -> &str {
        split_api_version(&self.api_version).0
    }

    pub(crate) fn version(&self) -> &str {
        split_api_version(&self.api_version).1
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.group() == other.group() && self.version() == other.version()
    }
}

/// Group, version and kind to look for; empty parts fit everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GvkPattern {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl GvkPattern {
    pub(crate) fn fits(&self, gvk: &Gvk) -> bool {
        (self.kind.is_empty() || *self.kind == *gvk.kind)
            && (self.group.is_empty() || self.group == gvk.group())
            && (self.version.is_empty() || self.version == gvk.version())
    }

    /// Whether everything this pattern names, `narrower` names as well and the same.
    pub(crate) fn covers(&self, narrower: &Self) -> bool {
        (self.kind.is_empty() || self.kind == narrower.kind)
            && (self.group.is_empty() || self.group == narrower.group)
            && (self.version.is_empty() || self.version == narrower.version)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.group.is_empty() && self.version.is_empty() && self.kind.is_empty()
    }
}

impl fmt::Display for GvkPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> = [&self.group, &self.version, &self.kind]
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        formatter.write_str(if parts.is_empty() { "any kind" } else { "" })?;
        formatter.write_str(&parts.join("/"))
    }
}

/// The identity of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ResId {
    pub(crate) gvk: Gvk,
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Arc<str>,
}

/// The parts by which two ids are the same, borrowed: equal exactly for ids that are the [same](ResId::same).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IdKey<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    /// As [`ResId::effective_namespace`].
    pub(crate) namespace: &'a str,
}

/// The namespace for comparisons: absent is `default`, cluster-scoped is a name of its own.
pub(crate) fn effective_namespace(namespace: &str, is_cluster_scoped: bool) -> &str {
    if is_cluster_scoped {
        NO_NAMESPACE
    } else if namespace.is_empty() {
        DEFAULT_NAMESPACE
    } else {
        namespace
    }
}

impl ResId {
    /// The namespace for comparisons: absent is `default`, cluster-scoped is a name of its own.
    pub(crate) fn effective_namespace(&self) -> &str {
        effective_namespace(&self.namespace, self.gvk.is_cluster_scoped)
    }

    pub(crate) fn same_namespace(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    /// Group, version, kind and name are the same.
    pub(crate) fn same_but_namespace(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk.same(&other.gvk)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.same_namespace(other) && self.same_but_namespace(other)
    }

    /// With the namespace that it is compared in: equal exactly for ids that are the [same](Self::same).
    pub(crate) fn comparable(mut self) -> Self {
        self.namespace = Arc::from(self.effective_namespace());
        self
    }

    /// The form in which references are noted on the resource they refer to.
    pub(crate) fn noted(&self) -> String {
        let or = |text: &str, absent: &str| if text.is_empty() { absent.to_owned() } else { text.to_owned() };
        format!(
            "{}.{}.{}/{}.{}",
            or(&self.gvk.kind, "[noKind]"),
            or(self.gvk.version(), "[noVer]"),
            or(self.gvk.group(), "[noGrp]"),
            or(&self.name, "[noName]"),
            or(&self.namespace, "[noNs]")
        )
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", if self.gvk.kind.is_empty() { "resource" } else { &self.gvk.kind })?;
        if !self.namespace.is_empty() {
            write!(formatter, "{}/", self.namespace)?;
        }
        write!(
            formatter,
            "{} ({})",
            if self.name.is_empty() { "without name" } else { &self.name },
            self.gvk.api_version
        )
    }
}

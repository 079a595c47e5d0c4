//! What can go wrong in a build: one error type with a class, a place (file, line, field), a reason and a hint.
//!
//! The classes are those by which the conformance cases are compared with the reference builder; the text is ours.

use std::fmt;

/// Sorts failures by what the author of the kustomization has to repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// A resource, patch, generator source, component or schema path does not exist.
    MissingFile,
    /// A directory without kustomization.yaml, kustomization.yml or Kustomization, or with an empty one.
    NoKustomizationFile,
    /// Two of these names in one directory.
    SeveralKustomizationFiles,
    /// A file above the kustomization root while the load restriction is on.
    OutsideRoot,
    /// A directory includes itself, directly or through others.
    Cycle,
    /// A field that the kustomization schema does not have.
    UnknownField,
    /// A field holds a value of another type.
    WrongType,
    /// Wrong kind or apiVersion, a component listed under resources or the reverse.
    WrongKind,
    /// Two resources with one id (group, version, kind, name, namespace).
    ConflictingIds,
    /// A patch, replica count or variable names a resource that is not there.
    NoMatch,
    /// A patch or reference fits several resources.
    AmbiguousMatch,
    /// The patch entry or text itself is not usable.
    BadPatch,
    /// An operation of a JSON patch fails.
    JsonPatch,
    /// A strategic merge patch (or a transformer) meets another node kind.
    MergeType,
    /// create, merge or replace does not fit what exists.
    GeneratorBehavior,
    /// A literal, env line or file of a generator is not usable.
    GeneratorSource,
    /// Replacement source missing, ambiguous or without the field, target path not found, index out of range.
    BadReplacement,
    /// The field of a variable is not found.
    BadVar,
    /// One variable name twice.
    ConflictingVars,
    /// YAML syntax, or a duplicate mapping key in a resource.
    MalformedYaml,
    /// A resource without kind, name or a needed namespace.
    BadResource,
    /// The result cannot be written as JSON (non-string map key, infinity, impossible tag).
    UnprintableOutput,
    /// sortOptions are not valid.
    BadSortOptions,
    /// openapi version unknown, or version and path together.
    BadOpenapi,
    /// A generator, transformer or validator that is not built in.
    ExternalPlugin,
    /// A remote resource that the caller refused or could not fetch.
    Remote,
    /// A Helm chart that could not be inflated, or charts while they are not enabled.
    Helm,
    /// The file tree itself could not answer.
    Tree,
    /// More directories or nodes than a build may have.
    TooLarge,
}

impl ErrorClass {
    /// Names the class in the words of the conformance cases, for example `missing-file`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingFile => "missing-file",
            Self::NoKustomizationFile => "no-kustomization-file",
            Self::SeveralKustomizationFiles => "several-kustomization-files",
            Self::OutsideRoot => "outside-root",
            Self::Cycle => "cycle",
            Self::UnknownField => "unknown-field",
            Self::WrongType => "wrong-type",
            Self::WrongKind => "wrong-kind",
            Self::ConflictingIds => "conflicting-ids",
            Self::NoMatch => "no-match",
            Self::AmbiguousMatch => "ambiguous-match",
            Self::BadPatch => "bad-patch",
            Self::JsonPatch => "json-patch",
            Self::MergeType => "merge-type",
            Self::GeneratorBehavior => "generator-behavior",
            Self::GeneratorSource => "generator-source",
            Self::BadReplacement => "bad-replacement",
            Self::BadVar => "bad-var",
            Self::ConflictingVars => "conflicting-vars",
            Self::MalformedYaml => "malformed-yaml",
            Self::BadResource => "bad-resource",
            Self::UnprintableOutput => "unprintable-output",
            Self::BadSortOptions => "bad-sort-options",
            Self::BadOpenapi => "bad-openapi",
            Self::ExternalPlugin => "external-plugin",
            Self::Remote => "remote",
            Self::Helm => "helm",
            Self::Tree => "tree",
            Self::TooLarge => "too-large",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Says why a build failed, where, and what to do.
///
/// `Display` prints `file:line: field: message`, the chain of directories that led there, and the hint on its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError {
    /// The kind of failure.
    pub class: ErrorClass,
    /// What happened and why, in one sentence without a final stop.
    pub message: String,
    /// The file concerned, relative to the root of the tree, if one is known.
    pub file: Option<String>,
    /// The line in that file, counted from 1, if it is known.
    pub line: Option<usize>,
    /// The field concerned, as a path in the kustomization or in the object, for example `patches[1].path`.
    pub field: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The kustomization directories from the one that failed up to the one that was asked for.
    pub trail: Vec<String>,
}

impl BuildError {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            class,
            message: message.into(),
            file: None,
            line: None,
            field: None,
            hint: None,
            trail: Vec::new(),
        })
    }

    pub(crate) fn file(mut self: Box<Self>, file: &str) -> Box<Self> {
        if self.file.is_none() {
            self.file = Some(if file.is_empty() { ".".to_owned() } else { file.to_owned() });
        }
        self
    }

    pub(crate) fn line(mut self: Box<Self>, line: Option<usize>) -> Box<Self> {
        if self.line.is_none() {
            self.line = line;
        }
        self
    }

    pub(crate) fn field(mut self: Box<Self>, field: impl Into<String>) -> Box<Self> {
        if self.field.is_none() {
            self.field = Some(field.into());
        }
        self
    }

    pub(crate) fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        if self.hint.is_none() {
            self.hint = Some(hint.into());
        }
        self
    }

    pub(crate) fn within(mut self: Box<Self>, directory: &str) -> Box<Self> {
        self.trail.push(if directory.is_empty() { ".".to_owned() } else { directory.to_owned() });
        self
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            match self.line {
                Some(line) => write!(formatter, "{file}:{line}: ")?,
                None => write!(formatter, "{file}: ")?,
            }
        }
        if let Some(field) = &self.field {
            write!(formatter, "{field}: ")?;
        }
        formatter.write_str(&self.message)?;
        if self.trail.len() > 1 {
            write!(formatter, " (in {})", self.trail.join(", included by "))?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

pub(crate) type Result<T> = std::result::Result<T, Box<BuildError>>;

pub(crate) fn fail<T>(class: ErrorClass, message: impl Into<String>) -> Result<T> {
    Err(BuildError::new(class, message))
}

//! `Chart.yaml`: decoding with Go's leniency (numbers for texts, keys in any case) and Helm's validation.
//!
//! Source: Helm 3.21.4, `pkg/chart/metadata.go`, `dependency.go`; sigs.k8s.io/yaml 1.6.0 for the decoding.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::go;

/// Describes a chart: what stands in its `Chart.yaml`. Absent texts are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The chart's name; a single path element.
    pub name: String,
    /// A home page.
    pub home: String,
    /// Where the source code is.
    pub sources: Vec<String>,
    /// The chart's own version; a version that [`landfall_semver::Version::parse`] accepts.
    pub version: String,
    /// One sentence about the chart.
    pub description: String,
    /// Words to search by.
    pub keywords: Vec<String>,
    /// Who maintains it.
    pub maintainers: Vec<Maintainer>,
    /// A picture's address.
    pub icon: String,
    /// `v1` or `v2`; `v1` where the file says nothing.
    pub api_version: String,
    /// Unused by Helm; kept because templates can read it.
    pub condition: String,
    /// Unused by Helm; kept because templates can read it.
    pub tags: String,
    /// The version of what the chart installs.
    pub app_version: String,
    /// Whether the chart should no longer be used.
    pub deprecated: bool,
    /// Anything else, for other tools.
    pub annotations: BTreeMap<String, String>,
    /// A constraint on the version of Kubernetes.
    pub kube_version: String,
    /// What the chart depends on; `None` where the key is absent, which is not the same as an empty list.
    pub dependencies: Option<Vec<Dependency>>,
    /// Empty, `application` or `library`.
    pub kind: String,
}

/// Names a maintainer of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// A name.
    pub name: String,
    /// A mail address.
    pub email: String,
    /// A web address.
    pub url: String,
}

/// Declares a dependency on another chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// The name of the chart depended on.
    pub name: String,
    /// A constraint on its version.
    pub version: String,
    /// Where it comes from: an address, `file://…` or `@alias`.
    pub repository: String,
    /// Paths of booleans in the values, parted by commas; the first that exists decides whether the chart is enabled.
    pub condition: String,
    /// Groups that can be switched on and off together.
    pub tags: Vec<String>,
    /// What the file says; rendering decides anew.
    pub enabled: bool,
    /// Values to take over from the dependency.
    pub import_values: Vec<ImportValue>,
    /// The name to use the chart under, instead of its own.
    pub alias: String,
}

/// Says which values of a dependency to take over.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportValue {
    /// `child` table of the dependency into the `parent` path.
    Table {
        /// The path in the dependency's values.
        child: String,
        /// The path in the chart's values; `.` is the root.
        parent: String,
    },
    /// `exports.NAME` of the dependency into the root.
    Export(String),
    /// Something that Helm silently ignores.
    Other(Value),
}

/// The charts that a lock file pins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// When the lock was made, as written.
    pub generated: String,
    /// The digest of the dependencies that were declared then.
    pub digest: String,
    /// One exact version per dependency.
    pub dependencies: Vec<Dependency>,
}

impl Metadata {
    /// Decodes a file into the metadata that there is already, as Helm does for `Chart.yaml` and `requirements.yaml`.
    ///
    /// Errors: a value of the wrong type, in the words of Go's decoder.
    pub(crate) fn decode_into(&mut self, file: &Value) -> Result<(), String> {
        let Some(fields) = object(file, "chart.Metadata")? else { return Ok(()) };
        for (key, value) in sorted(fields) {
            let field = Field { of: "Metadata", key };
            match canonical(key, METADATA_KEYS) {
                Some("name") => field.text(value, &mut self.name)?,
                Some("home") => field.text(value, &mut self.home)?,
                Some("sources") => field.texts(value, &mut self.sources)?,
                Some("version") => field.text(value, &mut self.version)?,
                Some("description") => field.text(value, &mut self.description)?,
                Some("keywords") => field.texts(value, &mut self.keywords)?,
                Some("maintainers") => {
                    self.maintainers = field.list(value, "[]*chart.Maintainer")?.map_or(Ok(Vec::new()), |items| {
                        items.iter().map(Maintainer::decode).collect::<Result<_, _>>()
                    })?;
                }
                Some("icon") => field.text(value, &mut self.icon)?,
                Some("apiVersion") => field.text(value, &mut self.api_version)?,
                Some("condition") => field.text(value, &mut self.condition)?,
                Some("tags") => field.text(value, &mut self.tags)?,
                Some("appVersion") => field.text(value, &mut self.app_version)?,
                Some("deprecated") => field.truth(value, &mut self.deprecated)?,
                Some("annotations") => field.text_map(value, &mut self.annotations)?,
                Some("kubeVersion") => field.text(value, &mut self.kube_version)?,
                Some("dependencies") => self.dependencies = decode_dependencies(&field, value)?,
                Some("type") => field.text(value, &mut self.kind)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the metadata and cleans its texts, as Helm does after loading.
    ///
    /// Errors: in Helm's words.
    pub(crate) fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(text);
        }
        self.sources.iter_mut().chain(&mut self.keywords).for_each(sanitize);
        let wrong = |message: String| Err(format!("validation: {message}"));
        if self.api_version.is_empty() {
            return wrong("chart.metadata.apiVersion is required".to_owned());
        }
        if self.name.is_empty() {
            return wrong("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return wrong(format!("chart.metadata.name {} is not allowed", go::quote(&self.name)));
        }
        if self.name != go::base_name(&self.name) {
            return wrong(format!("chart.metadata.name {} is invalid", go::quote(&self.name)));
        }
        if self.version.is_empty() {
            return wrong("chart.metadata.version is required".to_owned());
        }
        if landfall_semver::Version::parse(&self.version).is_err() {
            return wrong(format!("chart.metadata.version {} is invalid", go::quote(&self.version)));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return wrong("chart.metadata.type must be application or library".to_owned());
        }
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        let mut seen = std::collections::BTreeSet::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            dependency.validate()?;
            let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if !seen.insert(key.clone()) {
                return wrong(format!("more than one dependency with name or alias {}", go::quote(key)));
            }
        }
        Ok(())
    }

    /// Says whether the chart only lends templates to others.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }
}

impl Maintainer {
    fn decode(value: &Value) -> Result<Self, String> {
        let mut maintainer = Self::default();
        let Some(fields) = object(value, "chart.Maintainer")? else {
            return Err("validation: maintainers must not contain empty or null nodes".to_owned());
        };
        for (key, value) in sorted(fields) {
            let field = Field { of: "Maintainer", key };
            match canonical(key, &["name", "email", "url"]) {
                Some("name") => field.text(value, &mut maintainer.name)?,
                Some("email") => field.text(value, &mut maintainer.email)?,
                Some("url") => field.text(value, &mut maintainer.url)?,
                _ => {}
            }
        }
        Ok(maintainer)
    }
}

impl Dependency {
    fn decode(value: &Value) -> Result<Self, String> {
        let mut dependency = Self::default();
        let Some(fields) = object(value, "chart.Dependency")? else {
            return Err("validation: dependencies must not contain empty or null nodes".to_owned());
        };
        for (key, value) in sorted(fields) {
            let field = Field { of: "Dependency", key };
            match canonical(key, DEPENDENCY_KEYS) {
                Some("name") => field.text(value, &mut dependency.name)?,
                Some("version") => field.text(value, &mut dependency.version)?,
                Some("repository") => field.text(value, &mut dependency.repository)?,
                Some("condition") => field.text(value, &mut dependency.condition)?,
                Some("tags") => field.texts(value, &mut dependency.tags)?,
                Some("enabled") => field.truth(value, &mut dependency.enabled)?,
                Some("import-values") => {
                    let items = field.list(value, "[]interface {}")?.map_or(&[][..], Vec::as_slice);
                    dependency.import_values = items.iter().map(ImportValue::decode).collect();
                }
                Some("alias") => field.text(value, &mut dependency.alias)?,
                _ => {}
            }
        }
        Ok(dependency)
    }

    fn validate(&mut self) -> Result<(), String> {
        for text in [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition] {
            sanitize(text);
        }
        self.tags.iter_mut().for_each(sanitize);
        let is_good = self.alias.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'));
        if is_good {
            return Ok(());
        }
        Err(format!("validation: dependency {} has disallowed characters in the alias", go::quote(&self.name)))
    }
}

impl ImportValue {
    fn decode(value: &Value) -> Self {
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => "<nil>".to_owned(),
            Some(other) => other.to_string(),
        };
        match value {
            Value::Object(fields) => {
                Self::Table { child: text(fields.get("child")), parent: text(fields.get("parent")) }
            }
            Value::String(name) => Self::Export(name.clone()),
            other => Self::Other(other.clone()),
        }
    }
}

impl Lock {
    /// Decodes a lock file.
    ///
    /// Errors: a value of the wrong type.
    pub(crate) fn decode(file: &Value) -> Result<Self, String> {
        let mut lock = Self::default();
        let Some(fields) = object(file, "chart.Lock")? else { return Ok(lock) };
        for (key, value) in sorted(fields) {
            let field = Field { of: "Lock", key };
            match canonical(key, &["generated", "digest", "dependencies"]) {
                Some("generated") => field.text(value, &mut lock.generated)?,
                Some("digest") => field.text(value, &mut lock.digest)?,
                Some("dependencies") => lock.dependencies = decode_dependencies(&field, value)?.unwrap_or_default(),
                _ => {}
            }
        }
        Ok(lock)
    }
}

const METADATA_KEYS: &[&str] = &[
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];
const DEPENDENCY_KEYS: &[&str] =
    &["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];

fn decode_dependencies(field: &Field<'_>, value: &Value) -> Result<Option<Vec<Dependency>>, String> {
    let items = field.list(value, "[]*chart.Dependency")?;
    items.map(|items| items.iter().map(Dependency::decode).collect()).transpose()
}

/// The known key that a written one stands for: itself, or the one that differs only in case.
fn canonical(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let same = known.iter().find(|candidate| **candidate == key);
    same.or_else(|| known.iter().find(|candidate| candidate.eq_ignore_ascii_case(key))).copied()
}

/// Go's decoder reads a marshalled map: in key order, later spellings of a key win.
fn sorted(fields: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut pairs: Vec<(&str, &Value)> = fields.iter().map(|(key, value)| (key.as_str(), value)).collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}

fn object<'a>(value: &'a Value, type_name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        other => Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type {type_name}",
            json_kind(other)
        )),
    }
}

/// What Go's JSON decoder calls a kind of value.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A text from YAML that stands where a text is wanted: numbers and booleans are written out, as sigs.k8s.io/yaml does.
/// `None` for what is no text.
pub(crate) fn coerced_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        // Go prints the float in 32-bit precision; a number without fraction arrives here as an integer.
        Value::Number(number) if number.is_f64() => number.as_f64().map(|float| short_float(float as f32)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Go's `strconv.FormatFloat(x, 'g', -1, 32)`.
fn short_float(float: f32) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{float}")
}

struct Field<'a> {
    of: &'static str,
    key: &'a str,
}

impl Field<'_> {
    fn wrong<T>(&self, value: &Value, wanted: &str) -> Result<T, String> {
        Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go struct field {}.{} of type {wanted}",
            json_kind(value),
            self.of,
            self.key
        ))
    }

    fn text(&self, value: &Value, place: &mut String) -> Result<(), String> {
        match coerced_text(value) {
            Some(text) => *place = text,
            None if value.is_null() => {}
            None => return self.wrong(value, "string"),
        }
        Ok(())
    }

    fn truth(&self, value: &Value, place: &mut bool) -> Result<(), String> {
        match value {
            Value::Null => {}
            Value::Bool(truth) => *place = *truth,
            other => return self.wrong(other, "bool"),
        }
        Ok(())
    }

    fn list<'v>(&self, value: &'v Value, wanted: &str) -> Result<Option<&'v Vec<Value>>, String> {
        match value {
            Value::Null => Ok(None),
            Value::Array(items) => Ok(Some(items)),
            other => self.wrong(other, wanted),
        }
    }

    fn texts(&self, value: &Value, place: &mut Vec<String>) -> Result<(), String> {
        let items = self.list(value, "[]string")?.map_or(&[][..], Vec::as_slice);
        *place = Vec::with_capacity(items.len());
        for item in items {
            let mut text = String::new();
            self.text(item, &mut text)?;
            place.push(text);
        }
        Ok(())
    }

    fn text_map(&self, value: &Value, place: &mut BTreeMap<String, String>) -> Result<(), String> {
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                for (key, item) in entries {
                    let mut text = String::new();
                    self.text(item, &mut text)?;
                    place.insert(key.clone(), text);
                }
            }
            other => return self.wrong(other, "map[string]string"),
        }
        Ok(())
    }
}

/// Makes every blank a space and drops what does not print.
fn sanitize(text: &mut String) {
    if text.chars().all(|character| character == ' ' || character.is_ascii_graphic()) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|character| {
            if character.is_whitespace() { Some(' ') } else { go::is_printable(character).then_some(character) }
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decoded(file: &Value) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        metadata.decode_into(file)?;
        metadata.validate()?;
        Ok(metadata)
    }

    #[test]
    fn numbers_and_keys_in_any_case_are_taken_as_go_takes_them() {
        let metadata = decoded(&json!({"APIVERSION": "v2", "name": "a", "version": "1.0", "appVersion": 1.2})).unwrap();
        assert_eq!((metadata.api_version.as_str(), metadata.app_version.as_str()), ("v2", "1.2"));
        let error = decoded(&json!({"keywords": "x"})).unwrap_err();
        assert!(error.ends_with("cannot unmarshal string into Go struct field Metadata.keywords of type []string"));
    }

    #[test]
    fn validation_refuses_in_helms_words() {
        let cases = [
            (json!({"name": "a", "version": "1"}), "validation: chart.metadata.apiVersion is required"),
            (json!({"apiVersion": "v2", "version": "1"}), "validation: chart.metadata.name is required"),
            (
                json!({"apiVersion": "v2", "name": "a/b", "version": "1"}),
                "validation: chart.metadata.name \"a/b\" is invalid",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "x"}),
                "validation: chart.metadata.version \"x\" is invalid",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "dependencies": [{"name": "b"}, {"name": "c", "alias": "b"}]}),
                "validation: more than one dependency with name or alias \"b\"",
            ),
        ];
        for (file, message) in cases {
            assert_eq!(decoded(&file).unwrap_err(), message);
        }
    }

    #[test]
    fn floats_print_in_short_form() {
        assert_eq!(short_float(1.2), "1.2");
        assert_eq!(short_float(0.000_01), "1e-05");
        assert_eq!(short_float(1_234_567.5), "1.2345675e+06");
    }
}

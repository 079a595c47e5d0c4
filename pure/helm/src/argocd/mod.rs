//! An Argo CD Application's `helm` block as a [`Request`]: which values in which order, which name, which cluster.
//!
//! Precedence, lowest first: the chart's values, `valueFiles` in order, `values` or `valuesObject`, `parameters`,
//! `parameters` with `forceString`, `fileParameters`. Source: Argo CD 3.4 `reposerver/repository`, `util/helm/cmd.go`.

mod environment;
mod files;

pub use environment::{Environment, substitute};
pub use files::{Files, RemoteFile};

use serde_json::Value;

use crate::Profile;
use crate::capabilities::KubeVersion;
use crate::error::{Error, ErrorKind};
use crate::render::Request;
use crate::values::{Layers, ValuesFile};

/// The `helm` block of an Application's source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Values files: paths relative to the chart, from the repository's root (`/`), in another source (`$ref/…`), or
    /// addresses; patterns with `*`, `**`, `?`, `[]`, `{}` are allowed.
    pub value_files: Vec<String>,
    /// A values file in the Application itself.
    pub values: String,
    /// The same as a map; wins over `values`.
    pub values_object: Option<Value>,
    /// Single values.
    pub parameters: Vec<Parameter>,
    /// Single values whose text is in a file.
    pub file_parameters: Vec<FileParameter>,
    /// The release's name instead of the Application's.
    pub release_name: String,
    /// The release's namespace instead of the destination's.
    pub namespace: String,
    /// Whether values files that do not exist are left out instead of refused.
    pub ignore_missing_value_files: bool,
    /// Whether `crds/` is left out.
    pub skip_crds: bool,
    /// Whether hooks that are tests are left out.
    pub skip_tests: bool,
    /// Whether `values.schema.json` is not looked at.
    pub skip_schema_validation: bool,
    /// Credentials of the chart's repository go to other hosts too; used where the chart is fetched.
    pub pass_credentials: bool,
    /// The version of Kubernetes instead of the cluster's.
    pub kube_version: String,
    /// API versions instead of the cluster's.
    pub api_versions: Vec<String>,
    /// Which Helm renders (`version: v3`, `v4`); `None` leaves it to the Application or the controller.
    pub profile: Option<Profile>,
}

/// A single value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The path, in the grammar of `--set`.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether it is a text whatever it looks like.
    pub force_string: bool,
}

/// A single value whose text is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileParameter {
    /// The path, in the grammar of `--set`.
    pub name: String,
    /// The file: relative to the chart, from the repository's root (`/`), or in another source (`$ref/…`).
    pub path: String,
}

/// What an Application brings along besides its `helm` block.
#[derive(Debug, Clone)]
pub struct Application<'a> {
    /// Its name, without a namespace.
    pub name: &'a str,
    /// The destination's namespace; empty means `default`.
    pub namespace: &'a str,
    /// The destination cluster's version; empty means the renderer's default.
    pub kube_version: &'a str,
    /// What the destination cluster serves: `group/version` and `group/version/Kind`.
    pub api_versions: &'a [String],
    /// The build environment: `ARGOCD_APP_NAME` and its relatives.
    pub environment: &'a Environment,
}

impl Settings {
    /// Decodes the block. Unknown fields are passed over; null is absence.
    ///
    /// Errors: [`ErrorKind::Request`]: a field of the wrong type, with its path.
    pub fn decode(block: &Value) -> Result<Self, Error> {
        let mut settings = Self::default();
        let fields = match block {
            Value::Null => return Ok(settings),
            Value::Object(fields) => fields,
            other => return Err(wrong_type("helm", "a map", other)),
        };
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let path = format!("helm.{key}");
            match key.as_str() {
                "valueFiles" => settings.value_files = texts(&path, value)?,
                "values" => settings.values = text(&path, value)?,
                "valuesObject" if value.is_object() => settings.values_object = Some(value.clone()),
                "valuesObject" => return Err(wrong_type(&path, "a map", value)),
                "parameters" => {
                    settings.parameters = list(&path, value, |path, item| {
                        Ok(Parameter {
                            name: text(&format!("{path}.name"), &item["name"])?,
                            value: text(&format!("{path}.value"), &item["value"])?,
                            force_string: truth(&format!("{path}.forceString"), &item["forceString"])?,
                        })
                    })?;
                }
                "fileParameters" => {
                    settings.file_parameters = list(&path, value, |path, item| {
                        Ok(FileParameter {
                            name: text(&format!("{path}.name"), &item["name"])?,
                            path: text(&format!("{path}.path"), &item["path"])?,
                        })
                    })?;
                }
                "releaseName" => settings.release_name = text(&path, value)?,
                "namespace" => settings.namespace = text(&path, value)?,
                "ignoreMissingValueFiles" => settings.ignore_missing_value_files = truth(&path, value)?,
                "skipCrds" => settings.skip_crds = truth(&path, value)?,
                "skipTests" => settings.skip_tests = truth(&path, value)?,
                "skipSchemaValidation" => settings.skip_schema_validation = truth(&path, value)?,
                "passCredentials" => settings.pass_credentials = truth(&path, value)?,
                "kubeVersion" => settings.kube_version = text(&path, value)?,
                "version" => settings.profile = version(&path, value)?,
                "apiVersions" => settings.api_versions = texts(&path, value)?,
                _ => {}
            }
        }
        Ok(settings)
    }

    /// The addresses among the values files: what must be fetched before [`Settings::request`] can be answered.
    pub fn remote_files(&self, environment: &Environment) -> Vec<String> {
        let substituted = self.value_files.iter().map(|file| substitute(file, environment));
        substituted.filter(|file| files::is_remote(file)).collect()
    }

    /// Makes the request that Argo CD's `helm template` command would be.
    ///
    /// Errors: [`ErrorKind::Values`]: a values file that is missing, leads outside its repository or cannot be read;
    /// [`ErrorKind::Request`].
    pub fn request(
        &self,
        application: &Application<'_>,
        files: &Files<'_>,
        profile: Profile,
    ) -> Result<Request, Error> {
        let environment = application.environment;
        let mut layers = Layers {
            files: files.value_files(&self.value_files, environment, self.ignore_missing_value_files)?,
            ..Layers::default()
        };
        if let Some(object) = &self.values_object {
            layers.files.push(inline("valuesObject", landfall_yaml::write(object).into_bytes()));
        } else if !self.values.is_empty() {
            layers.files.push(inline("values", self.values.clone().into_bytes()));
        }
        // Argo CD keeps parameters by name: the last one of a name counts.
        for (index, parameter) in self.parameters.iter().enumerate() {
            let is_same =
                |later: &Parameter| later.name == parameter.name && later.force_string == parameter.force_string;
            if self.parameters[index + 1..].iter().any(is_same) {
                continue;
            }
            let value = escape_commas(&substitute(&parameter.value, environment));
            let argument = format!("{}={value}", parameter.name);
            if parameter.force_string { &mut layers.set_string } else { &mut layers.set }.push(argument);
        }
        let mut contents = Vec::new();
        for (index, parameter) in self.file_parameters.iter().enumerate() {
            if self.file_parameters[index + 1..].iter().any(|later| later.name == parameter.name) {
                continue;
            }
            layers.set_file.push(format!("{}={}", parameter.name, contents.len()));
            contents.push(files.file_parameter(&parameter.path, environment)?);
        }
        let read = |place: &str| {
            let content = place.parse().ok().and_then(|place: usize| contents.get(place));
            content.cloned().ok_or_else(|| format!("open {place}: no such file or directory"))
        };
        let values = layers.merge(profile, &read).map_err(|error| {
            error.with_hint("look at spec.source.helm of the Application, and at the files that it names")
        })?;
        let pick = |own: &'_ str, default: &str| if own.is_empty() { default.to_owned() } else { own.to_owned() };
        let namespace = pick(&self.namespace, &pick(application.namespace, "default"));
        let mut request = Request::new(pick(&self.release_name, application.name), namespace, profile);
        request.values = values;
        let kube_version = pick(&self.kube_version, application.kube_version);
        if !kube_version.is_empty() {
            request.capabilities.kube_version = KubeVersion::parse(&kube_version, profile)?;
        }
        let api_versions =
            if self.api_versions.is_empty() { application.api_versions } else { self.api_versions.as_slice() };
        request.capabilities.api_versions.extend(api_versions.iter().cloned());
        request.include_crds = !self.skip_crds;
        request.skip_tests = self.skip_tests;
        request.skip_schema_validation = self.skip_schema_validation;
        Ok(request)
    }
}

fn inline(field: &str, content: Vec<u8>) -> ValuesFile {
    ValuesFile { name: format!("spec.source.helm.{field}"), content }
}

/// Keeps commas of a value from parting it, unless it is a list in braces or they are escaped already.
fn escape_commas(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut escaped = String::with_capacity(value.len());
    let mut previous = '\0';
    for character in value.chars() {
        if character == ',' && previous != '\\' {
            escaped.push('\\');
        }
        escaped.push(character);
        previous = character;
    }
    escaped
}

fn text(path: &str, value: &Value) -> Result<String, Error> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(path, "a text", other)),
    }
}

/// Reads which Helm is meant; `v2` and nothing mean none in particular.
fn version(path: &str, value: &Value) -> Result<Option<Profile>, Error> {
    let name = text(path, value)?;
    match (name.as_str(), Profile::parse(&name)) {
        ("" | "v2", _) => Ok(None),
        (_, Some(profile)) => Ok(Some(profile)),
        (_, None) => {
            Err(Error::new(ErrorKind::Request, format!("{path} is {}, which is no Helm", crate::go::quote(&name)))
                .with_hint("write `v3` or `v4`, or leave it out"))
        }
    }
}

fn truth(path: &str, value: &Value) -> Result<bool, Error> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(truth) => Ok(*truth),
        other => Err(wrong_type(path, "true or false", other)),
    }
}

fn texts(path: &str, value: &Value) -> Result<Vec<String>, Error> {
    list(path, value, text)
}

fn list<T>(path: &str, value: &Value, read: impl Fn(&str, &Value) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| read(&format!("{path}[{index}]"), item)).collect()
        }
        other => Err(wrong_type(path, "a list", other)),
    }
}

fn wrong_type(path: &str, wanted: &str, found: &Value) -> Error {
    let found = crate::chart::json_kind(found);
    Error::new(ErrorKind::Request, format!("{path} is of type {found}, but must be {wanted}"))
        .with_hint("correct the source in the Application's spec")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_of_a_parameter_belong_to_its_value() {
        assert_eq!(escape_commas("a,b"), "a\\,b");
        assert_eq!(escape_commas("a\\,b"), "a\\,b");
        assert_eq!(escape_commas("{a,b}"), "{a,b}");
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_with_its_path() {
        let error = Settings::decode(&serde_json::json!({"parameters": [{"name": "a", "value": 1}]})).unwrap_err();
        assert!(error.message.starts_with("helm.parameters[0].value is of type number"), "{error}");
    }
}

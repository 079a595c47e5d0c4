//! What templates find at the top: `.Chart`, `.Release`, `.Capabilities`, `.Files`, `.Values`, `.Subcharts`.
//!
//! Types and their names are Go's: templates can ask for them, and printing depends on them.

use std::rc::Rc;

use landfall_gotemplate::context::Context;
use landfall_gotemplate::error::Error as TemplateError;
use landfall_gotemplate::text::Str;
use landfall_gotemplate::types::{self, Field, Kind, Method, Signature, TypeInfo};
use landfall_gotemplate::value::{Map, Struct, Value};

use crate::Profile;
use crate::capabilities::Capabilities;
use crate::chart::{Dependency, ImportValue, Metadata};
use crate::family::{Family, Member};
use crate::glob::Glob;
use crate::go;

/// The type of `.Values` and `.Template`.
pub(crate) fn values_type(profile: Profile) -> &'static TypeInfo {
    match profile {
        Profile::Helm3 => &VALUES_HELM3,
        Profile::Helm4 => &VALUES_HELM4,
    }
}

static VALUES_HELM3: TypeInfo =
    TypeInfo::container("chartutil.Values", Kind::Map, &types::ANY).with_methods(&VALUES_METHODS_HELM3);
static VALUES_HELM4: TypeInfo =
    TypeInfo::container("common.Values", Kind::Map, &types::ANY).with_methods(&VALUES_METHODS_HELM4);
static VALUES_METHODS_HELM3: [Method; 5] = values_methods(table_helm3);
static VALUES_METHODS_HELM4: [Method; 5] = values_methods(table_helm4);

/// The methods that Go code has on values. Templates can call them by accident: they hide keys of the same name.
const fn values_methods(table: types::MethodBody) -> [Method; 5] {
    let path_value = Signature { parameters: ONE_TEXT, is_variadic: false, returns_any: true };
    [
        method("AsMap", &[], |_, values, _| {
            Ok(match values {
                Value::Map(map) if !map.is_empty() => Value::Map(map.seen_as(&types::MAP_ANY)),
                _ => Value::map([]),
            })
        }),
        method("Encode", ONE_WRITER, |_, _, _| {
            Err(TemplateError::function("runtime error: invalid memory address or nil pointer dereference"))
        }),
        Method {
            name: "PathValue",
            signature: path_value,
            needs_pointer: false,
            body: |_, values, arguments| path_value_of(values, arguments),
        },
        method("Table", ONE_TEXT, table),
        method("YAML", &[], |context, values, _| {
            let json = context.json_of(values)?;
            let text = landfall_yaml::marshal(&json).map_err(|error| TemplateError::function(error.to_string()))?;
            context.charge_bytes(text.len())?;
            Ok(Value::str(text))
        }),
    ]
}

/// `io.Writer`: nothing that a template holds is one.
static WRITER: TypeInfo = TypeInfo::plain("io.Writer", Kind::Pointer);
const ONE_WRITER: &[&TypeInfo] = &[&WRITER];

fn table_helm3(_: &mut Context<'_>, values: &Value, arguments: &[Value]) -> Result<Value, TemplateError> {
    table_of(values, &argument_text(arguments)).map(|table| Value::Map(table.seen_as(&VALUES_HELM3)))
}

fn table_helm4(_: &mut Context<'_>, values: &Value, arguments: &[Value]) -> Result<Value, TemplateError> {
    table_of(values, &argument_text(arguments)).map(|table| Value::Map(table.seen_as(&VALUES_HELM4)))
}

fn argument_text(arguments: &[Value]) -> String {
    arguments.first().and_then(Value::as_str).map(|text| text.text().into_owned()).unwrap_or_default()
}

/// The map at a dotted path.
fn table_of(values: &Value, path: &str) -> Result<Map, TemplateError> {
    let mut table = values.as_map().cloned().unwrap_or_else(|| Map::nil(&types::MAP_ANY));
    for key in path.split('.') {
        table = match table.get(key.as_bytes()) {
            Some(Value::Map(inner)) => inner,
            _ => return Err(TemplateError::function(format!("{} is not a table", go::quote(key)))),
        };
    }
    Ok(table)
}

/// The plain value or list at a dotted path.
fn path_value_of(values: &Value, arguments: &[Value]) -> Result<Value, TemplateError> {
    let path = argument_text(arguments);
    if path.is_empty() {
        return Err(TemplateError::function("YAML path cannot be empty"));
    }
    let (table, key) = match path.rsplit_once('.') {
        Some((table, key)) => (table_of(values, table).ok(), key),
        None => (values.as_map().cloned(), path.as_str()),
    };
    match table.and_then(|table| table.get(key.as_bytes())) {
        Some(found) if !matches!(&found, Value::Map(map) if std::ptr::eq(map.info, &types::MAP_ANY)) => Ok(found),
        _ => Err(TemplateError::function(format!("{} is not a value", go::quote(key)))),
    }
}

/// `.Capabilities`.
pub(crate) fn capabilities(capabilities: &Capabilities, profile: Profile) -> Value {
    let text = |text: &str| Value::str(text);
    let version = &capabilities.kube_version;
    let helm = &capabilities.helm_version;
    let (kube_type, kube_fields, helm_type, all_type, versions_type) = match profile {
        Profile::Helm3 => (
            &KUBE_VERSION_HELM3,
            vec![text(&version.version), text(&version.major), text(&version.minor)],
            &HELM_VERSION_HELM3,
            &CAPABILITIES_HELM3,
            &VERSIONS_HELM3,
        ),
        Profile::Helm4 => (
            &KUBE_VERSION_HELM4,
            vec![text(&version.version), text(&version.normalized), text(&version.major), text(&version.minor)],
            &HELM_VERSION_HELM4,
            &CAPABILITIES_HELM4,
            &VERSIONS_HELM4,
        ),
    };
    let mut helm_fields =
        vec![text(&helm.version), text(&helm.git_commit), text(&helm.git_tree_state), text(&helm.go_version)];
    if profile == Profile::Helm4 {
        helm_fields.push(text(&helm.kube_client_version));
    }
    let versions = capabilities.api_versions.iter().map(|version| text(version)).collect();
    let fields = vec![
        Value::Struct(Rc::new(Struct::new(kube_type, kube_fields))),
        Value::typed_list(versions_type, versions),
        Value::Struct(Rc::new(Struct::new(helm_type, helm_fields))),
    ];
    Value::Struct(Rc::new(Struct::new(all_type, fields).pointer()))
}

const VERSION: Field = Field::new("Version", "Version");
const MAJOR: Field = Field::new("Major", "Major");
const MINOR: Field = Field::new("Minor", "Minor");

static KUBE_VERSION_HELM3: TypeInfo = TypeInfo {
    pointer_string: Some(|version| field_text(version, 0)),
    ..TypeInfo::structure("chartutil.KubeVersion", &[VERSION, MAJOR, MINOR])
}
.with_methods(&[
    pointer_method("String", |_, version, _| Ok(Value::str(field_text(version, 0)))),
    pointer_method("GitVersion", |_, version, _| Ok(Value::str(field_text(version, 0)))),
]);

static KUBE_VERSION_HELM4: TypeInfo = TypeInfo {
    pointer_string: Some(|version| field_text(version, 1)),
    ..TypeInfo::structure("common.KubeVersion", &[VERSION, Field::new("normalizedVersion", ""), MAJOR, MINOR])
}
.with_methods(&[
    pointer_method("String", |_, version, _| Ok(Value::str(field_text(version, 1)))),
    pointer_method("GitVersion", |_, version, _| Ok(Value::str(field_text(version, 0)))),
]);

static HELM_VERSION_HELM3: TypeInfo = TypeInfo::structure(
    "version.BuildInfo",
    &[
        Field::new("Version", "version").omit_empty(),
        Field::new("GitCommit", "git_commit").omit_empty(),
        Field::new("GitTreeState", "git_tree_state").omit_empty(),
        Field::new("GoVersion", "go_version").omit_empty(),
    ],
);
static HELM_VERSION_HELM4: TypeInfo = TypeInfo::structure(
    "version.BuildInfo",
    &[
        Field::new("Version", "version").omit_empty(),
        Field::new("GitCommit", "git_commit").omit_empty(),
        Field::new("GitTreeState", "git_tree_state").omit_empty(),
        Field::new("GoVersion", "go_version").omit_empty(),
        Field::new("KubeClientVersion", "kube_client_version"),
    ],
);

static VERSIONS_HELM3: TypeInfo =
    TypeInfo::container("chartutil.VersionSet", Kind::Slice, &types::STRING).with_methods(VERSIONS_METHODS);
static VERSIONS_HELM4: TypeInfo =
    TypeInfo::container("common.VersionSet", Kind::Slice, &types::STRING).with_methods(VERSIONS_METHODS);
const ONE_TEXT: &[&TypeInfo] = &[&types::STRING];
const VERSIONS_METHODS: &[Method] = &[method("Has", ONE_TEXT, |_, versions, arguments| {
    let (Value::List(list), Some(wanted)) = (versions, arguments[0].as_str()) else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(list.items.iter().any(|version| version.as_str() == Some(wanted))))
})];

const CAPABILITIES_FIELDS: &[Field] = &[
    Field::new("KubeVersion", "KubeVersion"),
    Field::new("APIVersions", "APIVersions"),
    Field::new("HelmVersion", "HelmVersion"),
];
static CAPABILITIES_HELM3: TypeInfo = TypeInfo::structure("chartutil.Capabilities", CAPABILITIES_FIELDS);
static CAPABILITIES_HELM4: TypeInfo = TypeInfo::structure("common.Capabilities", CAPABILITIES_FIELDS);

fn field_text(value: &Value, index: usize) -> String {
    match value {
        Value::Struct(structure) => structure.fields[index].as_str().map(ToString::to_string).unwrap_or_default(),
        _ => String::new(),
    }
}

const fn method(
    name: &'static str,
    parameters: &'static [&'static TypeInfo],
    body: fn(&mut Context<'_>, &Value, &[Value]) -> Result<Value, TemplateError>,
) -> Method {
    let signature = Signature { parameters, is_variadic: false, returns_any: false };
    Method { name, signature, needs_pointer: false, body }
}

const fn pointer_method(
    name: &'static str,
    body: fn(&mut Context<'_>, &Value, &[Value]) -> Result<Value, TemplateError>,
) -> Method {
    Method { needs_pointer: true, ..method(name, &[], body) }
}

/// `.Files`: the chart's own files by path.
pub(crate) fn files(family: &Family<'_>, member: Member) -> Value {
    let files = family.chart(member).files.iter();
    let info = match family.profile() {
        Profile::Helm3 => &FILES_HELM3,
        Profile::Helm4 => &FILES_HELM4,
    };
    Value::typed_map(
        info,
        files.map(|file| (Str::from(file.path.as_str()), Value::Bytes(Str::from(&file.content[..])))),
    )
}

static FILES_HELM3: TypeInfo =
    TypeInfo::container("engine.files", Kind::Map, &types::BYTES).with_methods(&FILES_METHODS_HELM3);
static FILES_HELM4: TypeInfo =
    TypeInfo::container("engine.files", Kind::Map, &types::BYTES).with_methods(&FILES_METHODS_HELM4);
static FILES_METHODS_HELM3: [Method; 6] = files_methods(
    |context, files, arguments| globbed(context, files, arguments, &FILES_HELM3),
    |context, files, arguments| lines(context, files, arguments, Profile::Helm3),
);
static FILES_METHODS_HELM4: [Method; 6] = files_methods(
    |context, files, arguments| globbed(context, files, arguments, &FILES_HELM4),
    |context, files, arguments| lines(context, files, arguments, Profile::Helm4),
);

const fn files_methods(glob: types::MethodBody, lines: types::MethodBody) -> [Method; 6] {
    [
        method("Get", ONE_TEXT, |_, files, arguments| Ok(Value::Str(content(files, arguments)))),
        method("GetBytes", ONE_TEXT, |_, files, arguments| Ok(Value::Bytes(content(files, arguments)))),
        method("Glob", ONE_TEXT, glob),
        method("AsConfig", &[], |context, files, _| {
            as_yaml(context, files, |content| String::from_utf8_lossy(content).into_owned())
        }),
        method("AsSecrets", &[], |context, files, _| {
            use base64::Engine;
            as_yaml(context, files, |content| base64::engine::general_purpose::STANDARD.encode(content))
        }),
        method("Lines", ONE_TEXT, lines),
    ]
}

/// The files that a pattern matches.
fn globbed(
    context: &mut Context<'_>,
    files: &Value,
    arguments: &[Value],
    info: &'static TypeInfo,
) -> Result<Value, TemplateError> {
    let glob = Glob::parse(&argument_text(arguments));
    let entries = files.as_map().map(Map::entries).unwrap_or_default();
    context.charge_steps(entries.len() as u64)?;
    Ok(Value::typed_map(info, entries.into_iter().filter(|(path, _)| glob.matches(&path.text()))))
}

/// A file's lines. Helm 4 looks at the last byte of a file without asking whether it has one.
fn lines(
    context: &mut Context<'_>,
    files: &Value,
    arguments: &[Value],
    profile: Profile,
) -> Result<Value, TemplateError> {
    let text = content(files, arguments);
    if text.is_empty() {
        let is_there = files.as_map().is_some_and(|files| files.has(argument_text(arguments).as_bytes()));
        if is_there && profile == Profile::Helm4 {
            return Err(TemplateError::function("runtime error: index out of range [-1]")
                .with_hint("Helm 4 cannot cut an empty file into lines: guard it with `if .Files.Get`"));
        }
        return Ok(Value::strings([]));
    }
    context.charge_bytes(text.len())?;
    let lines = text.strip_suffix(b"\n").unwrap_or(&text);
    Ok(Value::strings(lines.split(|byte| *byte == b'\n').map(Str::from)))
}

/// The content of the file that the first argument names; nothing if there is none.
fn content(files: &Value, arguments: &[Value]) -> Str {
    let found = match (files, arguments.first().and_then(Value::as_str)) {
        (Value::Map(files), Some(path)) => files.get(path),
        _ => None,
    };
    match found {
        Some(Value::Bytes(content)) => content,
        _ => Str::empty(),
    }
}

/// A YAML map from base names to contents; of two files of the same name the later path wins.
fn as_yaml(context: &mut Context<'_>, files: &Value, encode: fn(&[u8]) -> String) -> Result<Value, TemplateError> {
    let mut entries = serde_json::Map::new();
    for (path, content) in files.as_map().map(|files| files.entries()).unwrap_or_default() {
        let Value::Bytes(content) = content else { continue };
        context.charge_bytes(content.len())?;
        entries.insert(go::base_name(&path.text()).to_owned(), encode(&content).into());
    }
    Ok(Value::str(landfall_yaml::to_yaml(&serde_json::Value::Object(entries))))
}

/// `.Chart`: a structure under Helm 3, a map under Helm 4.
pub(crate) fn chart(family: &Family<'_>, member: Member) -> Value {
    let metadata = &family.chart(member).metadata;
    let name = family.name(member);
    let dependencies: Option<Vec<&Dependency>> = family.dependencies(member).map(Iterator::collect);
    let is_root = Value::Bool(family.is_root(member));
    match family.profile() {
        Profile::Helm3 => {
            let fields = chart_fields(metadata, name, dependencies.as_deref());
            let metadata = Value::Struct(Rc::new(Struct::new(&METADATA, fields)));
            Value::Struct(Rc::new(Struct::new(&CHART, vec![metadata, is_root])))
        }
        Profile::Helm4 => {
            let mut fields: Vec<(Str, Value)> = METADATA
                .fields
                .iter()
                .zip(chart_fields(metadata, name, dependencies.as_deref()))
                .map(|(field, value)| (Str::from(field.name), flattened(value)))
                .collect();
            fields.push((Str::from("IsRoot"), is_root));
            Value::map(fields)
        }
    }
}

/// Structures and slices as Helm 4 turns them into maps and lists.
fn flattened(value: Value) -> Value {
    match value {
        Value::List(list) => Value::list(list.items.iter().cloned().map(flattened).collect()),
        Value::Struct(structure) => {
            let named = structure.info.fields.iter().zip(&structure.fields);
            Value::map(named.map(|(field, value)| (Str::from(field.name), flattened(value.clone()))))
        }
        plain => plain,
    }
}

fn chart_fields(metadata: &Metadata, name: &str, dependencies: Option<&[&Dependency]>) -> Vec<Value> {
    let text = |text: &str| Value::str(text);
    let maintainers = metadata.maintainers.iter().map(|maintainer| {
        let fields = vec![text(&maintainer.name), text(&maintainer.email), text(&maintainer.url)];
        Value::Struct(Rc::new(Struct::new(&MAINTAINER, fields).pointer()))
    });
    let maintainers: Vec<Value> = maintainers.collect();
    let annotations = if metadata.annotations.is_empty() {
        Value::Map(Map::nil(&types::MAP_STRING))
    } else {
        let entries = metadata.annotations.iter();
        Value::typed_map(&types::MAP_STRING, entries.map(|(key, item)| (Str::from(key.as_str()), text(item))))
    };
    let dependencies = match dependencies {
        None => Value::nil_list(&DEPENDENCIES),
        Some(dependencies) => Value::typed_list(
            &DEPENDENCIES,
            dependencies.iter().map(|dependency| dependency_value(dependency)).collect(),
        ),
    };
    vec![
        text(name),
        text(&metadata.home),
        texts(&metadata.sources),
        text(&metadata.version),
        text(&metadata.description),
        texts(&metadata.keywords),
        if maintainers.is_empty() {
            Value::nil_list(&MAINTAINERS)
        } else {
            Value::typed_list(&MAINTAINERS, maintainers)
        },
        text(&metadata.icon),
        text(&metadata.api_version),
        text(&metadata.condition),
        text(&metadata.tags),
        text(&metadata.app_version),
        Value::Bool(metadata.deprecated),
        annotations,
        text(&metadata.kube_version),
        dependencies,
        text(&metadata.kind),
    ]
}

fn dependency_value(dependency: &Dependency) -> Value {
    let text = |text: &str| Value::str(text);
    let imports = dependency.import_values.iter().filter_map(|import| {
        let (child, parent) = match import {
            ImportValue::Table { child, parent } => (child.clone(), parent.as_str()),
            ImportValue::Export(name) => (format!("exports.{name}"), "."),
            ImportValue::Other(_) => return None,
        };
        let entries = [("child", text(&child)), ("parent", text(parent))];
        Some(Value::typed_map(&types::MAP_STRING, entries.map(|(key, value)| (Str::from(key), value))))
    });
    let imports: Vec<Value> = imports.collect();
    let fields = vec![
        text(&dependency.name),
        text(&dependency.version),
        text(&dependency.repository),
        text(&dependency.condition),
        texts(&dependency.tags),
        Value::Bool(dependency.enabled),
        if imports.is_empty() { Value::nil_list(&types::LIST_ANY) } else { Value::list(imports) },
        text(&dependency.alias),
    ];
    Value::Struct(Rc::new(Struct::new(&DEPENDENCY, fields).pointer()))
}

fn texts(texts: &[String]) -> Value {
    if texts.is_empty() {
        return Value::nil_list(&types::LIST_STRING);
    }
    Value::strings(texts.iter().map(|text| Str::from(text.as_str())))
}

static CHART: TypeInfo = TypeInfo::structure(
    "struct { chart.Metadata; IsRoot bool }",
    &[Field::new("Metadata", "").embedded(), Field::new("IsRoot", "IsRoot")],
);
static METADATA: TypeInfo = TypeInfo::structure(
    "chart.Metadata",
    &[
        Field::new("Name", "name").omit_empty(),
        Field::new("Home", "home").omit_empty(),
        Field::new("Sources", "sources").omit_empty(),
        Field::new("Version", "version").omit_empty(),
        Field::new("Description", "description").omit_empty(),
        Field::new("Keywords", "keywords").omit_empty(),
        Field::new("Maintainers", "maintainers").omit_empty(),
        Field::new("Icon", "icon").omit_empty(),
        Field::new("APIVersion", "apiVersion").omit_empty(),
        Field::new("Condition", "condition").omit_empty(),
        Field::new("Tags", "tags").omit_empty(),
        Field::new("AppVersion", "appVersion").omit_empty(),
        Field::new("Deprecated", "deprecated").omit_empty(),
        Field::new("Annotations", "annotations").omit_empty(),
        Field::new("KubeVersion", "kubeVersion").omit_empty(),
        Field::new("Dependencies", "dependencies").omit_empty(),
        Field::new("Type", "type").omit_empty(),
    ],
);
static MAINTAINER: TypeInfo = TypeInfo::structure(
    "chart.Maintainer",
    &[
        Field::new("Name", "name").omit_empty(),
        Field::new("Email", "email").omit_empty(),
        Field::new("URL", "url").omit_empty(),
    ],
);
static MAINTAINERS: TypeInfo = TypeInfo::container("[]*chart.Maintainer", Kind::Slice, &MAINTAINER);
static DEPENDENCY: TypeInfo = TypeInfo::structure(
    "chart.Dependency",
    &[
        Field::new("Name", "name"),
        Field::new("Version", "version").omit_empty(),
        Field::new("Repository", "repository"),
        Field::new("Condition", "condition").omit_empty(),
        Field::new("Tags", "tags").omit_empty(),
        Field::new("Enabled", "enabled").omit_empty(),
        Field::new("ImportValues", "import-values").omit_empty(),
        Field::new("Alias", "alias").omit_empty(),
    ],
);
static DEPENDENCIES: TypeInfo = TypeInfo::container("[]*chart.Dependency", Kind::Slice, &DEPENDENCY);

/// `.Release`.
pub(crate) fn release(name: &str, namespace: &str, is_upgrade: bool) -> Value {
    let entries = [
        ("Name", Value::str(name)),
        ("Namespace", Value::str(namespace)),
        ("IsUpgrade", Value::Bool(is_upgrade)),
        ("IsInstall", Value::Bool(!is_upgrade)),
        ("Revision", Value::int(1)),
        ("Service", Value::str("Helm")),
    ];
    Value::map(entries.map(|(key, value)| (Str::from(key), value)))
}

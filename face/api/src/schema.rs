//! The messages and methods that `proto/` defines, as tables.
//!
//! JSON is Kubernetes' own, which differs from protobuf's mapping: moments are text, raw JSON stands where `raw` bytes
//! travel, some messages stand inline in others. [`Form`] and [`Field::is_inline`] say where.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// Where Argo CD's own types stand.
const ARGO: &str = "github.com.argoproj.argo_cd.v3.pkg.apis.application.v1alpha1.";

/// Fields whose zero value says something else than their absence, in messages whose zero values are otherwise left out:
/// Go writes every field of such a message, except those that are pointers. Source: the pointers of Argo CD's types.
const KEEPS_ZERO: [(&str, &str); 17] = [
    ("ApplicationSetSpec", "templatePatch"),
    ("GitGenerator", "requeueAfterSeconds"),
    ("SCMProviderGenerator", "requeueAfterSeconds"),
    ("PluginGenerator", "requeueAfterSeconds"),
    ("DuckTypeGenerator", "requeueAfterSeconds"),
    ("PullRequestGenerator", "requeueAfterSeconds"),
    ("SCMProviderGeneratorGitlab", "includeSharedProjects"),
    ("ApplicationSpec", "revisionHistoryLimit"),
    ("ApplicationSourcePluginParameter", "string"),
    ("Backoff", "factor"),
    ("SyncPolicyAutomated", "prune"),
    ("SyncPolicyAutomated", "selfHeal"),
    ("SyncPolicyAutomated", "allowEmpty"),
    ("SyncPolicyAutomated", "enabled"),
    ("Cluster", "shard"),
    ("OrphanedResourcesMonitorSettings", "warn"),
    ("RetryStrategy", "limit"),
];

/// Messages that stand inline in another.
const INLINE: [(&str, &str); 4] = [
    ("ResourceNode", "resourceRef"),
    ("KustomizeSelector", "resId"),
    ("KustomizeResId", "gvk"),
    ("SyncStrategyHook", "syncStrategyApply"),
];

/// Names in JSON that are not the field's.
const RENAMED: [(&str, &str, &str); 1] = [("OverrideIgnoreDiff", "jSONPointers", "jsonPointers")];

/// How a message looks in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An object of its fields.
    Object,
    /// A moment as RFC 3339 text, in seconds.
    Time,
    /// A moment as RFC 3339 text, in microseconds.
    MicroTime,
    /// Any JSON; the only field holds its text.
    Any,
    /// A number or a text.
    IntOrString,
    /// The only field in the message's place.
    Only,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// Base64 in JSON.
    Bytes,
    /// `true` or `false`.
    Bool,
    /// 32 bits.
    Int32,
    /// 64 bits; a number in JSON.
    Int64,
    /// A message: its place in [`Schema::messages`].
    Message(usize),
}

/// One field.
#[derive(Debug, Clone)]
pub struct Field {
    /// The number on the wire.
    pub number: u32,
    /// The name in JSON.
    pub name: String,
    /// What it holds, or each entry or value of it.
    pub kind: Kind,
    /// Whether it is a list.
    pub is_repeated: bool,
    /// Whether it is a map from text.
    pub is_map: bool,
    /// Whether readers refuse the message without it.
    pub is_required: bool,
    /// Whether its zero value says something.
    pub keeps_zero: bool,
    /// Whether its fields stand among those of the message it is in.
    pub is_inline: bool,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The full name.
    pub name: String,
    /// How it looks in JSON.
    pub form: Form,
    /// The fields.
    pub fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    by_number: HashMap<u32, usize>,
    inlines: Vec<usize>,
}

impl Message {
    /// Finds a field by its name in JSON.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|at| &self.fields[*at])
    }

    /// Finds a field by its number.
    pub fn numbered(&self, number: u32) -> Option<&Field> {
        self.by_number.get(&number).map(|at| &self.fields[*at])
    }

    /// The fields that stand inline.
    pub fn inlines(&self) -> impl Iterator<Item = &Field> {
        self.inlines.iter().map(|at| &self.fields[*at])
    }
}

/// One way to reach a method over REST.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    /// `GET`, `POST`, ...
    pub verb: String,
    /// The path, fields in braces.
    pub path: String,
    /// The field that the body is; `*` is the whole message.
    pub body: Option<String>,
}

/// One method.
#[derive(Debug, Clone)]
pub struct Method {
    /// The service's full name, as `application.ApplicationService`.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The place of its request's message.
    pub takes: usize,
    /// The place of its answer's message.
    pub gives: usize,
    /// Whether it takes many messages.
    pub takes_stream: bool,
    /// Whether it gives many messages.
    pub gives_stream: bool,
    /// How it is reached over REST.
    pub rules: Vec<Rule>,
    /// What it does, in a sentence.
    pub says: String,
}

impl Method {
    /// The path over gRPC, without the first slash: `application.ApplicationService/List`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }
}

/// Everything that `proto/` defines.
#[derive(Debug)]
pub struct Schema {
    /// The messages.
    pub messages: Vec<Message>,
    /// The methods.
    pub methods: Vec<Method>,
    message_by_name: HashMap<String, usize>,
    method_by_path: HashMap<String, usize>,
}

impl Schema {
    /// Finds a message by its full name.
    pub fn message(&self, name: &str) -> Option<&Message> {
        self.message_by_name.get(name).map(|at| &self.messages[*at])
    }

    /// Finds a method by its path, as `version.VersionService/Version`.
    pub fn method(&self, path: &str) -> Option<&Method> {
        self.method_by_path.get(path).map(|at| &self.methods[*at])
    }

    /// Finds the place of one of Argo CD's own types, as `Application`.
    pub fn argo(&self, name: &str) -> Option<usize> {
        self.message_by_name.get(&format!("{ARGO}{name}")).copied()
    }
}

/// The tables, made once.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| read(include_str!(concat!(env!("OUT_DIR"), "/schema.json"))))
}

#[derive(Deserialize)]
struct Written {
    messages: Vec<WrittenMessage>,
    methods: Vec<WrittenMethod>,
}

#[derive(Deserialize)]
struct WrittenMessage {
    name: String,
    fields: Vec<WrittenField>,
}

#[derive(Deserialize)]
struct WrittenField {
    number: u32,
    name: String,
    kind: String,
    of: Option<String>,
    is_map: bool,
    is_repeated: bool,
    is_required: bool,
}

#[derive(Deserialize)]
struct WrittenMethod {
    service: String,
    name: String,
    takes: String,
    gives: String,
    takes_stream: bool,
    gives_stream: bool,
    rules: Vec<Rule>,
    says: String,
}

fn read(text: &str) -> Schema {
    let written: Written = serde_json::from_str(text).expect("the build wrote it");
    let message_by_name: HashMap<String, usize> =
        written.messages.iter().enumerate().map(|(at, message)| (message.name.clone(), at)).collect();
    let messages = written.messages.into_iter().map(|found| message(found, &message_by_name)).collect();
    let place = |name: &str| message_by_name[name];
    let methods: Vec<Method> = written
        .methods
        .into_iter()
        .map(|found| Method {
            takes: place(&found.takes),
            gives: place(&found.gives),
            service: found.service,
            name: found.name,
            takes_stream: found.takes_stream,
            gives_stream: found.gives_stream,
            rules: found.rules,
            says: found.says,
        })
        .collect();
    let method_by_path = methods.iter().enumerate().map(|(at, method)| (method.path(), at)).collect();
    Schema { messages, methods, message_by_name, method_by_path }
}

fn message(written: WrittenMessage, places: &HashMap<String, usize>) -> Message {
    let name = written.name;
    let short = name.rsplit('.').next().unwrap_or(&name).to_owned();
    let is_argo = name.starts_with(ARGO);
    let is_kubernetes = name.starts_with("k8s.io.");
    let form = match (is_argo, is_kubernetes, short.as_str()) {
        (_, true, "Time") => Form::Time,
        (_, true, "MicroTime") => Form::MicroTime,
        (_, true, "RawExtension" | "JSON" | "FieldsV1") => Form::Any,
        (_, true, "IntOrString") => Form::IntOrString,
        (true, _, "OptionalMap" | "OptionalArray") => Form::Only,
        _ => Form::Object,
    };
    let fields: Vec<Field> = written
        .fields
        .into_iter()
        .map(|field| {
            let kind = match field.kind.as_str() {
                "String" => Kind::String,
                "Bytes" => Kind::Bytes,
                "Bool" => Kind::Bool,
                "Int32" => Kind::Int32,
                "Int64" => Kind::Int64,
                _ => Kind::Message(places[field.of.as_deref().unwrap_or_default()]),
            };
            let here = |table: &[(&str, &str)]| is_argo && table.contains(&(short.as_str(), field.name.as_str()));
            let renamed = RENAMED.iter().find(|(of, from, _)| is_argo && *of == short && *from == field.name);
            Field {
                number: field.number,
                kind,
                is_repeated: field.is_repeated,
                is_map: field.is_map,
                is_required: field.is_required,
                keeps_zero: !(is_argo || is_kubernetes) || here(&KEEPS_ZERO) || field.name == "controller",
                is_inline: here(&INLINE),
                name: renamed.map_or(field.name, |(_, _, to)| (*to).to_owned()),
            }
        })
        .collect();
    let by_name = fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
    let by_number = fields.iter().enumerate().map(|(at, field)| (field.number, at)).collect();
    let inlines = (0..fields.len()).filter(|at| fields[*at].is_inline).collect();
    Message { name, form, fields, by_name, by_number, inlines }
}

//! Values of expressions, from and to JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use crate::json;
use crate::quantity::Quantity;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without sign.
    Uint(u64),
    /// A number.
    Double(f64),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map; keys are text, whole numbers or booleans.
    Map(Arc<BTreeMap<Key, Value>>),
    /// A length of time.
    Duration(SignedDuration),
    /// A moment.
    Timestamp(Timestamp),
    /// The name of a type.
    Type(Arc<str>),
    /// Maybe a value.
    Optional(Option<Box<Value>>),
    /// An amount such as `100Mi`.
    Quantity(Quantity),
    /// An address.
    Url(Arc<str>),
    /// An IP address.
    Ip(std::net::IpAddr),
    /// A network.
    Cidr(std::net::IpAddr, u8),
    /// A version.
    Semver(Arc<str>, [u64; 3]),
    /// A named format.
    Format(Arc<str>),
    /// A question to the authorizer, in the making.
    Authorizer(Arc<Question>),
}

/// A question to the authorizer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// What was set: `group`, `resource`, `namespace`, `name`, `subresource`, `path`, `account`.
    pub(crate) set: BTreeMap<String, String>,
    /// The answer, once asked.
    pub(crate) answer: Option<(bool, String)>,
}

/// The key of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Arc<str>),
}

impl Key {
    /// The key as a value.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(Arc::clone(text)),
        }
    }
}

impl Value {
    /// Text.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// A list.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items))
    }

    /// The value as a key.
    pub(crate) fn key(&self) -> Option<Key> {
        Some(match self {
            Self::Bool(flag) => Key::Bool(*flag),
            Self::Int(number) => Key::Int(*number),
            Self::Uint(number) => Key::Int(i64::try_from(*number).ok()?),
            #[expect(clippy::cast_possible_truncation, reason = "only whole numbers are taken")]
            Self::Double(number) if number.fract() == 0.0 => Key::Int(*number as i64),
            Self::Text(text) => Key::Text(Arc::clone(text)),
            _ => return None,
        })
    }

    /// The name of the value's type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Semver(..) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
        }
    }

    /// A value from JSON, without a schema.
    pub(crate) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::Uint(number),
                _ => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(map) => Self::Map(Arc::new(
                map.iter().map(|(key, value)| (Key::Text(key.as_str().into()), Self::from_json(value))).collect(),
            )),
        }
    }

    /// A value from JSON, with the types that a structural schema gives it. Fields that the schema does not know stay out.
    pub(crate) fn from_schema(schema: &Json, json: &Json) -> Self {
        match json {
            Json::String(text) => match json::text(schema, "/format") {
                "date-time" | "datetime" => text.parse().map_or_else(|_| Self::text(text), Self::Timestamp),
                "duration" => super::functions::duration(text).map_or_else(|| Self::text(text), Self::Duration),
                "byte" => {
                    use base64::Engine as _;
                    base64::engine::general_purpose::STANDARD
                        .decode(text)
                        .map_or_else(|_| Self::text(text), |bytes| Self::Bytes(bytes.into()))
                }
                _ => Self::text(text),
            },
            Json::Number(number) if json::text(schema, "/type") == "number" => {
                Self::Double(number.as_f64().unwrap_or(f64::NAN))
            }
            Json::Array(items) => {
                let inner = schema.get("items").unwrap_or(&Json::Null);
                Self::list(items.iter().map(|item| Self::from_schema(inner, item)).collect())
            }
            Json::Object(map) => {
                let fields = schema.get("properties");
                let additional = schema.get("additionalProperties");
                let is_free = json::flag(schema, "/x-kubernetes-preserve-unknown-fields");
                let is_embedded = json::flag(schema, "/x-kubernetes-embedded-resource");
                let mut entries = BTreeMap::new();
                for (key, value) in map {
                    let known = fields.and_then(|fields| fields.get(key)).or(additional);
                    let is_meta = matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
                    let converted = match known {
                        Some(inner) => Self::from_schema(inner, value),
                        None if is_free || is_embedded && is_meta || schema.is_null() || is_meta => {
                            Self::from_json(value)
                        }
                        None => continue,
                    };
                    // A null that the schema does not allow is as good as absent.
                    if value.is_null() && !known.is_some_and(|inner| json::flag(inner, "/nullable")) && known.is_some()
                    {
                        continue;
                    }
                    // Only declared fields are escaped; the keys of maps are what they are.
                    let is_field = fields.is_some_and(|fields| fields.get(key).is_some());
                    let name = if is_field { escaped(key) } else { key.clone() };
                    entries.insert(Key::Text(name.as_str().into()), converted);
                }
                Self::Map(Arc::new(entries))
            }
            other => Self::from_json(other),
        }
    }

    /// The value as JSON.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Bool(flag) => json!(flag),
            Self::Int(number) => json!(number),
            Self::Uint(number) => json!(number),
            Self::Double(number) => json!(number),
            Self::Text(text) | Self::Type(text) | Self::Url(text) | Self::Semver(text, _) | Self::Format(text) => {
                json!(&**text)
            }
            Self::Bytes(bytes) => {
                use base64::Engine as _;
                json!(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => {
                let mut object = Map::new();
                for (key, value) in map.iter() {
                    let key = match key {
                        Key::Bool(flag) => flag.to_string(),
                        Key::Int(number) => number.to_string(),
                        Key::Text(text) => unescaped(text),
                    };
                    object.insert(key, value.to_json());
                }
                Json::Object(object)
            }
            Self::Duration(duration) => json!(format!("{}s", duration.as_secs_f64())),
            Self::Timestamp(time) => json!(time.to_string()),
            Self::Optional(inner) => inner.as_ref().map_or(Json::Null, |inner| inner.to_json()),
            Self::Quantity(quantity) => json!(quantity.to_string()),
            Self::Ip(ip) => json!(ip.to_string()),
            Self::Cidr(ip, bits) => json!(format!("{ip}/{bits}")),
            Self::Null | Self::Authorizer(_) => Json::Null,
        }
    }
}

/// Names of fields that are no names in expressions are escaped. Source: `apiservercel.Escape`.
const WORDS: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A field's name as expressions write it.
pub(crate) fn escaped(name: &str) -> String {
    if WORDS.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains(['-', '.', '/']) && !name.contains("__") {
        return name.to_string();
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// A field's name as objects have it.
pub(crate) fn unescaped(name: &str) -> String {
    if let Some(word) = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"))
        && WORDS.contains(&word)
    {
        return word.to_string();
    }
    name.replace("__dot__", ".").replace("__dash__", "-").replace("__slash__", "/").replace("__underscores__", "__")
}

impl PartialEq for Value {
    #[expect(clippy::cast_precision_loss, reason = "numbers of different types are compared as CEL does")]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Uint(one), Self::Uint(other)) => one == other,
            (Self::Int(one), Self::Uint(other)) | (Self::Uint(other), Self::Int(one)) => {
                u64::try_from(*one).is_ok_and(|one| one == *other)
            }
            (Self::Double(one), Self::Double(other)) => one == other,
            (Self::Double(one), Self::Int(other)) | (Self::Int(other), Self::Double(one)) => *one == *other as f64,
            (Self::Double(one), Self::Uint(other)) | (Self::Uint(other), Self::Double(one)) => *one == *other as f64,
            (Self::Text(one), Self::Text(other)) | (Self::Type(one), Self::Type(other)) => one == other,
            (Self::Url(one), Self::Url(other)) | (Self::Format(one), Self::Format(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            (Self::Duration(one), Self::Duration(other)) => one == other,
            (Self::Timestamp(one), Self::Timestamp(other)) => one == other,
            (Self::Optional(one), Self::Optional(other)) => one == other,
            (Self::Quantity(one), Self::Quantity(other)) => one == other,
            (Self::Ip(one), Self::Ip(other)) => one == other,
            (Self::Cidr(one, bits), Self::Cidr(other, others)) => one == other && bits == others,
            (Self::Semver(_, one), Self::Semver(_, other)) => one == other,
            _ => false,
        }
    }
}

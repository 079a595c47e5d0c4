//! Compiles the definitions in proto/ to `schema.json` in the build's folder: the table of messages and methods that the
//! crate reads. It understands what our files use of the language (proto2, messages, maps, services, `google.api.http`)
//! and stops the build at anything else, with the place.

#[path = "build/proto.rs"]
mod proto;

use std::path::{Path, PathBuf};

use serde_json::json;

fn main() {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build");
    let mut paths = Vec::new();
    for folder in ["argocd", "k8s"] {
        let entries = std::fs::read_dir(Path::new("proto").join(folder)).expect("proto/ holds the definitions");
        paths.extend(entries.map(|entry| entry.expect("proto/ is readable").path()));
    }
    paths.sort();
    let mut all = proto::Definitions::default();
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a definition is readable");
        if let Err(problem) = all.read(&text) {
            panic!("{}:{problem}", path.display());
        }
    }
    all.messages.push(proto::Message { name: "google.protobuf.Empty".to_owned(), fields: Vec::new() });
    all.resolve().unwrap_or_else(|problem| panic!("proto: {problem}"));
    let messages: Vec<_> = all.messages.iter().map(message).collect();
    let methods: Vec<_> = all.methods.iter().map(method).collect();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let schema = json!({"messages": messages, "methods": methods});
    std::fs::write(out.join("schema.json"), schema.to_string()).expect("the build's folder is writable");
}

fn message(message: &proto::Message) -> serde_json::Value {
    let fields: Vec<_> = message
        .fields
        .iter()
        .map(|field| {
            let (kind, of) = match field.of.as_str() {
                "string" => ("String", None),
                "bytes" => ("Bytes", None),
                "bool" => ("Bool", None),
                "int32" => ("Int32", None),
                "int64" => ("Int64", None),
                other => ("Message", Some(other)),
            };
            json!({
                "number": field.number, "name": field.name, "kind": kind, "of": of, "is_map": field.is_map,
                "is_repeated": field.is_repeated, "is_required": field.is_required,
            })
        })
        .collect();
    json!({"name": message.name, "fields": fields})
}

fn method(method: &proto::Method) -> serde_json::Value {
    let rules: Vec<_> = method
        .rules
        .iter()
        .map(|rule| json!({"verb": rule.verb.to_uppercase(), "path": rule.path, "body": rule.body}))
        .collect();
    json!({
        "service": method.service, "name": method.name, "takes": method.takes, "gives": method.gives,
        "takes_stream": method.takes_stream, "gives_stream": method.gives_stream, "rules": rules, "says": method.says,
    })
}

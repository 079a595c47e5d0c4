//! What this crate answers to a request, and whether that is what the oracle answered.

use landfall_merge::builtin::schema_of;
use landfall_merge::crd::CustomSchema;
use landfall_merge::fields::set::FieldSet;
use landfall_merge::schema::Schema;
use landfall_merge::strategic::create::Overwrite;
use landfall_merge::structured::{self, Force, Kind, Storage, Writer};
use landfall_merge::value::equal;
use landfall_merge::{json_patch, strategic};
use serde_json::{Value, json};

fn text<'v>(request: &'v Value, field: &str) -> &'v str {
    request[field].as_str().expect("a string in the request")
}

/// The new live object after one step; `None` if it fails.
pub fn step(live: Option<&Value>, step: &Value, schema: Schema<'_>, api_version: &str) -> Option<Value> {
    run_step(live, step, schema, api_version).ok()
}

fn run_step(live: Option<&Value>, step: &Value, schema: Schema<'_>, api_version: &str) -> Result<Value, String> {
    let kind =
        Kind { api_version, schema, reset: FieldSet::default(), served_versions: Vec::new(), storage: Storage::Json };
    let writer = Writer { manager: text(step, "manager"), subresource: "", now: "2026-01-01T00:00:00Z" };
    let object = &step["object"];
    if text(step, "op") == "apply" {
        let force = if step["force"] == true { Force::Yes } else { Force::No };
        structured::apply(live, object, &kind, writer, force).map_err(|error| error.to_string())
    } else {
        let new = structured::update(live, object.clone(), &kind, writer);
        // The oracle reports what this crate passes over: an object that its schema cannot describe.
        let problems = |value| {
            use landfall_merge::typed::validate::{Duplicates, problems};
            problems(value, schema, Duplicates::Allowed)
        };
        match problems(object).first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok(new),
        }
    }
}

/// What this crate answers.
pub fn ours(request: &Value) -> Value {
    let answer = |result: Result<Value, String>| match result {
        Ok(object) => json!({"object": object}),
        Err(error) => json!({"error": error}),
    };
    match text(request, "op") {
        "history" => {
            let custom = (!request["schema"].is_null()).then(|| CustomSchema::new(Some(&request["schema"])));
            let (api_version, kind) = (text(request, "apiVersion"), text(request, "kind"));
            let schema = custom.as_ref().map_or_else(|| schema_of(api_version, kind), CustomSchema::schema);
            let mut live: Option<Value> = None;
            let mut steps = Vec::new();
            for step in request["steps"].as_array().expect("steps") {
                let result = run_step(live.as_ref(), step, schema, api_version);
                if let Ok(object) = &result {
                    live = Some(object.clone());
                }
                steps.push(answer(result));
            }
            json!({"steps": steps})
        }
        "jsonPatch" => answer(json_patch::apply(&request["original"], &request["patch"]).map_err(|e| e.to_string())),
        op => {
            let schema = schema_of(text(request, "apiVersion"), text(request, "kind"));
            let (original, modified) = (&request["original"], &request["modified"]);
            answer(
                match op {
                    "strategic" => strategic::apply::apply(original, &request["patch"], schema),
                    "strategicTwoWay" => strategic::create::two_way(original, modified, schema),
                    "strategicThreeWay" => {
                        strategic::create::three_way(original, modified, &request["current"], schema, Overwrite::Yes)
                    }
                    other => panic!("unknown op {other}"),
                }
                .map_err(|error| error.to_string()),
            )
        }
    }
}

/// Says where two answers differ in what counts; `None` if they do not.
pub fn disagreement(ours: &Value, theirs: &Value) -> Option<String> {
    if let (Some(ours), Some(theirs)) = (ours["steps"].as_array(), theirs["steps"].as_array()) {
        return ours
            .iter()
            .zip(theirs)
            .enumerate()
            .find_map(|(index, (ours, theirs))| Some(format!("step {index}: {}", disagreement(ours, theirs)?)));
    }
    match (ours.get("error").and_then(Value::as_str), theirs.get("error").and_then(Value::as_str)) {
        (None, None) => {
            let (ours, theirs) = (comparable(&ours["object"]), comparable(&theirs["object"]));
            (!equal(&ours, &theirs)).then(|| {
                let patch = landfall_merge::merge_patch::create(&theirs, &ours);
                format!("from theirs to ours: {patch}\n ours   {ours}\n theirs {theirs}")
            })
        }
        // Conflicts are told to users word by word; other errors only have to be errors.
        (Some(ours), Some(theirs)) if theirs.starts_with("Apply failed with") => {
            (ours != theirs).then(|| format!("\n ours   {ours}\n theirs {theirs}"))
        }
        (Some(_), Some(_)) => None,
        // Where the library itself falls over there is nothing to agree with.
        (None, Some(theirs)) if theirs.starts_with("panic: ") => None,
        (ours, theirs) => Some(format!("errors differ\n ours   {ours:?}\n theirs {theirs:?}")),
    }
}

/// The object with managedFields in a fixed order and times replaced by whether there is one.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Array(entries)) = object.pointer_mut("/metadata/managedFields") {
        for entry in entries.iter_mut() {
            if entry.get("time").is_some_and(|time| !time.is_null()) {
                entry["time"] = json!("some");
            } else if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
        entries.sort_by(landfall_merge::value::compare);
    }
    if let Some(Value::String(text)) =
        object.pointer_mut("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration")
    {
        *text = text.trim().to_owned();
    }
    object
}

//! What Helm adds to Sprig: templates as functions, failing, data formats.
//!
//! Source: Helm 3.21.4 and 4.2.4, pkg/engine.

use super::arguments::{Outcome, count, string, text};
use crate::context::{Context, ParseOrRun};
use crate::error::{Error, ErrorKind};
use crate::function::{Function, Functions};
use crate::quote;
use crate::text::{Str, replace_all};
use crate::types::{ANY, MAP_ANY, STRING};
use crate::value::Value;

/// How often a name may be included inside itself.
const INCLUDES_MAX: usize = 1000;

/// Marks the message of `fail` and `required` inside the chain of texts, as Helm does.
pub(crate) const MESSAGE_START: &str = "HELM_ERR_START";
/// Ends what [`MESSAGE_START`] begins.
pub(crate) const MESSAGE_END: &str = "HELM_ERR_END";

/// Adds Helm 3's functions.
pub(crate) fn register(functions: &mut Functions) {
    super::formats::register(functions);
    functions.add(Function::fixed("include", &[&STRING, &ANY], include));
    functions.add(Function::fixed("tpl", &[&STRING, &ANY], tpl));
    functions.add(Function::fixed("required", &[&STRING, &ANY], required).returning_any());
    functions.add(Function::fixed("fail", &[&STRING], fail));
    functions.add(Function::fixed("lookup", &[&STRING, &STRING, &STRING, &STRING], lookup));
    functions.add(Function::fixed("getHostByName", &[&STRING], |context, values| {
        let name = string(values, 0);
        let address = context.host().host_by_name(&name.text());
        if !address.is_empty() {
            context.mark_nondeterministic();
        }
        text(context, address)
    }));
}

/// Adds what Helm 4 has on top.
pub(crate) fn register_helm4(functions: &mut Functions) {
    super::formats::register_helm4(functions);
}

fn include(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let name = string(values, 0);
    let depth = context.included.entry(name.clone()).or_insert(0usize);
    if *depth > INCLUDES_MAX {
        return Err(Error::function(format!(
            "rendering template has a nested reference name: {name}: unable to execute template"
        ))
        .with_hint(format!(
            "the template {name:?} includes itself without end; give the recursion a condition that stops it"
        )));
    }
    *depth += 1;
    let result = context.execute_named(&name, &values[1]);
    if let Some(depth) = context.included.get_mut(&name) {
        *depth -= 1;
    }
    text(context, result?)
}

fn tpl(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let template = string(values, 0);
    match context.parse_and_execute(&template, &values[1]) {
        Ok(out) => {
            count(context, out.len())?;
            let out = if memchr::memmem::find(&out, b"<no value>").is_some() {
                replace_all(&out, b"<no value>", b"")
            } else {
                out
            };
            Ok(Value::str(out))
        }
        Err(ParseOrRun::Parse(error)) => {
            Err(Error::wrapping(format!("cannot parse template {}", quote::quote(&template)), error))
        }
        Err(ParseOrRun::Run(error)) => {
            Err(Error::wrapping(format!("error during tpl function execution for {}", quote::quote(&template)), error))
        }
    }
}

fn marked(message: &Str) -> Error {
    Error::function(format!("{MESSAGE_START}{message}{MESSAGE_END}"))
}

fn required(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let is_missing = match &values[1] {
        Value::Nil => true,
        Value::Str(text) => text.is_empty(),
        _ => false,
    };
    match (is_missing, context.options().is_lint) {
        (false, _) => Ok(values[1].clone()),
        (true, true) => Ok(Value::Str(Str::empty())),
        (true, false) => Err(marked(&string(values, 0))),
    }
}

fn fail(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    if context.options().is_lint {
        return Ok(Value::Str(Str::empty()));
    }
    Err(marked(&string(values, 0)))
}

fn lookup(context: &mut Context<'_>, values: &mut [Value]) -> Outcome {
    let [api_version, kind, namespace, name] = [0, 1, 2, 3].map(|index| string(values, index).text().into_owned());
    match context.host().lookup(&api_version, &kind, &namespace, &name) {
        Ok(None) => Ok(Value::map([])),
        Ok(Some(found)) => {
            context.mark_nondeterministic();
            match Value::from_json_with_integers(&found) {
                Value::Map(map) => Ok(Value::Map(map.seen_as(&MAP_ANY))),
                _ => Ok(Value::map([])),
            }
        }
        Err(reason) => Err(Error::function(reason)),
    }
}

/// Says what `helm template` prints for a failed parse, the first line of it.
pub fn parse_error_text(error: &Error) -> String {
    let text = error.to_string();
    let tokens: Vec<&str> = text.split(": ").collect();
    match tokens[..] {
        [_, location, .., last] => format!("parse error at ({location}): {last}"),
        [_, location] => format!("parse error at ({location}): {location}"),
        _ => text,
    }
}

/// Which Helm's wording an execution error gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// Helm 3: one line.
    Helm3,
    /// Helm 4: a line for each template of the chain, where the chain can be read.
    Helm4,
}

/// Says what `helm template` prints for a failed execution.
///
/// Source: Helm 3.21.4 `cleanupExecError`, 4.2.4 `reformatExecErrorMsg`.
pub fn execution_error_text(error: &Error, wording: Wording) -> String {
    let text = error.to_string();
    if !matches!(error.kind(), ErrorKind::Execution | ErrorKind::Limit) || error.position().is_none() {
        return text;
    }
    let tokens: Vec<&str> = text.splitn(3, ": ").collect();
    let [_, location, rest] = tokens[..] else {
        return text;
    };
    if let Some(start) = rest.find(MESSAGE_START)
        && let Some(end) = rest.rfind(MESSAGE_END)
        && start + MESSAGE_START.len() <= end
    {
        return format!("execution error at ({location}): {}", &rest[start + MESSAGE_START.len()..end]);
    }
    if wording == Wording::Helm3 {
        return text;
    }
    let mut traces: Vec<Trace> = Vec::new();
    for error in error.chain() {
        match Trace::read(&error.text_of_first(TRACE_DEPTH)) {
            Some(trace) if traces.last() == Some(&trace) => {}
            Some(trace) => traces.push(trace),
            None => return text,
        }
    }
    let lines: String = traces.iter().map(Trace::text).collect();
    lines.trim().to_string()
}

/// How many errors inside one decide what Helm 4 prints of it: of a deeper one no more than the beginning counts.
const TRACE_DEPTH: usize = 2;

/// One level of Helm 4's error report.
#[derive(PartialEq)]
struct Trace {
    location: String,
    message: String,
    executing: String,
}

impl Trace {
    fn read(text: &str) -> Option<Trace> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Trace { location: String::new(), message: text.to_string(), executing: String::new() });
        }
        let without_nested = |message: &str| message.split(" template:").next().unwrap_or(message).to_string();
        if let Some((location, after)) = rest.split_once(": executing ") {
            let body = after.strip_prefix('"')?;
            let (name, after) = body.split_once('"')?;
            let (expression, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
            return Some(Trace {
                location: location.to_string(),
                message: without_nested(message),
                executing: format!("executing \"{name}\" at <{expression}>:"),
            });
        }
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Trace { location: location.to_string(), message: without_nested(message), executing: String::new() })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.location.is_empty() {
            out.push_str(&format!("{}\n  ", self.location));
        }
        if !self.executing.is_empty() {
            out.push_str(&format!("{}\n    ", self.executing));
        }
        if !self.message.is_empty() {
            out.push_str(&format!("{}\n", self.message));
        }
        out
    }
}

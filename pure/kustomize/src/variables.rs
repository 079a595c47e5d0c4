//! `vars`: values of fields put in place of `$(NAME)` in the fields that the tables list.

use std::collections::{BTreeMap, HashMap};

use crate::build::Build;
use crate::error::{BuildError, ErrorClass, Result};
use crate::field_spec::{FieldTables, apply, split_dotted_path};
use crate::ids::{Gvk, ResId};
use crate::kustomization::Variable;
use crate::node::access::{Access, AccessError};
use crate::node::{Arena, Kind, NodeId, Style, Tag};
use crate::resource::{Resource, shape_error};
use crate::resources::place_of;
use crate::target::Accumulator;

/// One name defined twice.
pub(crate) fn conflict(name: &str) -> Box<BuildError> {
    BuildError::new(ErrorClass::ConflictingVars, format!("the variable {name:?} is defined twice"))
        .field("vars")
        .hint("variables of bases count too; rename one of them")
}

/// The value of a variable, with the type that the field has.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Int(String),
    Float(f64),
    Bool(bool),
    /// A list or mapping, which cannot be put into text.
    Other,
}

impl Build<'_> {
    /// Adds the variables of a kustomization and marks the resources that they read from.
    pub(crate) fn merge_variables(&mut self, onto: &mut Accumulator, variables: &[Variable], file: &str) -> Result<()> {
        for (at, variable) in variables.iter().enumerate() {
            let target = ResId {
                gvk: Gvk {
                    api_version: if variable.target.group.is_empty() {
                        variable.target.version.as_str().into()
                    } else {
                        format!("{}/{}", variable.target.group, variable.target.version).into()
                    },
                    kind: variable.target.kind.as_str().into(),
                    is_cluster_scoped: false,
                },
                name: variable.target_name.as_str().into(),
                namespace: variable.target_namespace.as_str().into(),
            };
            let matches = self.with_any_id(&onto.resources, |id| {
                if target.namespace.is_empty() { id.same_but_namespace(&target) } else { id.same(&target) }
            });
            match matches.as_slice() {
                [] => {}
                [one] => onto.resources[*one].variables.push(variable.name.clone()),
                several => {
                    return Err(BuildError::new(
                        ErrorClass::AmbiguousMatch,
                        format!(
                            "the variable {:?} reads from {target}, but {} resources have that name",
                            variable.name,
                            several.len()
                        ),
                    )
                    .field(format!("vars[{at}].objref"))
                    .hint("add the namespace to objref"));
                }
            }
        }
        for variable in variables {
            if onto.variables.contains_key(&variable.name) {
                return Err(conflict(&variable.name));
            }
            onto.variables.insert(variable.name.clone(), Variable { file: file.to_owned(), ..variable.clone() });
        }
        Ok(())
    }

    /// Puts the values in place.
    pub(crate) fn resolve_variables(
        &mut self,
        tables: &FieldTables,
        variables: &BTreeMap<String, Variable>,
        resources: &mut [Resource],
    ) -> Result<()> {
        let mut values = HashMap::new();
        for variable in variables.values() {
            values.insert(variable.name.clone(), self.value_of_variable(variable, resources)?);
        }
        if values.is_empty() {
            return Ok(());
        }
        let mut used: HashMap<String, usize> = HashMap::new();
        for resource in resources.iter() {
            let Some(root) = resource.root else { continue };
            let gvk = self.gvk(root);
            for spec in tables.var_reference.iter().filter(|spec| spec.gvk.fits(&gvk)) {
                apply(&mut self.arena, spec, root, &None, &mut |arena: &mut Arena, node: NodeId| {
                    set(arena, node, &values, &mut used)
                })
                .map_err(|error| resource.locate(shape_error(&error).field(spec.path.as_str())))?;
            }
        }
        let mut unused: Vec<&str> =
            values.keys().filter(|name| !used.contains_key(*name)).map(String::as_str).collect();
        unused.sort_unstable();
        if !unused.is_empty() {
            self.warnings.push(format!("well-defined vars that were never replaced: {}", unused.join(",")));
        }
        Ok(())
    }

    fn value_of_variable(&self, variable: &Variable, resources: &[Resource]) -> Result<Value> {
        let source = resources.iter().find(|resource| resource.variables.contains(&variable.name));
        let Some(source) = source else {
            return Err(BuildError::new(
                ErrorClass::NoMatch,
                format!(
                    "the variable {:?} reads from {} {:?}, which is not there",
                    variable.name, variable.target, variable.target_name
                ),
            )
            .file(&variable.file)
            .field(format!("{}.objref.name", variable.field))
            .hint("check objref; its name is the one before prefixes and suffixes"));
        };
        let absent = |reason: String| {
            let (name, path, id) =
                (&variable.name, &variable.field_path, source.root.map(|root| self.current_id(root)));
            let object = id.map(|id| format!(" of {id} from {}", place_of(&source.source))).unwrap_or_default();
            BuildError::new(
                ErrorClass::BadVar,
                format!("the variable {name:?} reads the field {path}{object}, which {reason}"),
            )
            .file(&variable.file)
            .field(format!("{}.fieldref.fieldPath", variable.field))
            .hint("check fieldref.fieldPath")
        };
        let Some(root) = source.root else { return Err(absent("is gone".to_owned())) };
        let path = split_indexes(split_dotted_path(&variable.field_path));
        let node = self.arena.lookup(root, &path).map_err(|error| absent(format!("cannot be reached: {error}")))?;
        let Some(node) = node else { return Err(absent("is not there".to_owned())) };
        let content = self.arena.get(node);
        if content.kind != Kind::Scalar {
            return Ok(Value::Other);
        }
        let text = content.value.to_string();
        let bad = |kind: &str| absent(format!("is no {kind}"));
        match content.tag {
            Tag::Int => {
                text.parse::<i64>().map(|value| Value::Int(value.to_string())).map_err(|_| bad("decimal integer"))
            }
            Tag::Float => text.parse().map(Value::Float).map_err(|_| bad("number")),
            Tag::Bool => match text.as_str() {
                "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
                "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
                _ => Err(bad("boolean")),
            },
            _ => Ok(Value::Text(text)),
        }
    }
}

/// `ports[0]` is two parts.
fn split_indexes(parts: Vec<String>) -> Vec<String> {
    let mut split = Vec::with_capacity(parts.len());
    for part in parts {
        let index = part
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['))
            .filter(|(_, index)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()));
        match index {
            Some((name, index)) => {
                if !name.is_empty() {
                    split.push(name.to_owned());
                }
                split.push(index.to_owned());
            }
            None => split.push(part),
        }
    }
    split
}

fn set(
    arena: &mut Arena,
    node: NodeId,
    values: &HashMap<String, Value>,
    used: &mut HashMap<String, usize>,
) -> Access<()> {
    if arena.is_null(node) {
        return Ok(());
    }
    match arena.kind(node) {
        Kind::Scalar => {
            if arena.is_string(node) {
                replace(arena, node, values, used);
            }
            Ok(())
        }
        Kind::Mapping => {
            for (key, value) in arena.pairs(node) {
                if !arena.is_string(key) {
                    return Err(AccessError::Path(format!("the key {:?} is not a string", arena.value(key))));
                }
                if arena.is_string(value) {
                    replace(arena, value, values, used);
                }
            }
            Ok(())
        }
        Kind::Sequence => {
            for element in arena.get(node).content.clone() {
                if !arena.is_string(element) {
                    return Err(AccessError::Path(
                        "a list in which variables are replaced must hold strings only".to_owned(),
                    ));
                }
                replace(arena, element, values, used);
            }
            Ok(())
        }
    }
}

fn replace(arena: &mut Arena, node: NodeId, values: &HashMap<String, Value>, used: &mut HashMap<String, usize>) {
    let text = arena.value(node).to_owned();
    let new = expand(&text, values, used);
    let (text, tag, style) = match new {
        Value::Int(text) => (text, Tag::Int, Style::Plain),
        Value::Bool(flag) => (flag.to_string(), Tag::Bool, Style::Plain),
        Value::Float(number) => (float_text(number), Tag::Float, Style::Plain),
        Value::Text(text) => (text, Tag::Str, Style::Plain),
        Value::Other => return,
    };
    let node = arena.get_mut(node);
    (node.value, node.tag, node.style, node.tagged) = (text.into(), tag, style, false);
}

/// Go's 'f' format without needless digits.
fn float_text(number: f64) -> String {
    format!("{number}")
}

/// Replaces `$(NAME)`; `$$` is a dollar sign. A text that is nothing but one variable takes over its type.
fn expand(text: &str, values: &HashMap<String, Value>, used: &mut HashMap<String, usize>) -> Value {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        if after.is_empty() {
            break;
        }
        out.push_str(&rest[..at]);
        if let Some(stripped) = after.strip_prefix('$') {
            out.push('$');
            rest = stripped;
            continue;
        }
        let Some(inner) = after.strip_prefix('(') else {
            let first = after.chars().next().expect("the text after the dollar sign is not empty");
            out.push('$');
            out.push(first);
            rest = &after[first.len_utf8()..];
            continue;
        };
        let Some(end) = inner.find(')') else {
            out.push_str("$(");
            rest = inner;
            continue;
        };
        let name = &inner[..end];
        let value = match values.get(name) {
            Some(Value::Other) | None => Value::Text(format!("$({name})")),
            Some(value) => {
                *used.entry(name.to_owned()).or_default() += 1;
                value.clone()
            }
        };
        if text.len() == name.len() + 3 {
            return value;
        }
        match value {
            Value::Text(text) | Value::Int(text) => out.push_str(&text),
            Value::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
            Value::Float(number) => out.push_str(&go_value_text(number)),
            Value::Other => {}
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Value::Text(out)
}

/// Go's `%v` of a float: exponents from 1e21 on.
fn go_value_text(number: f64) -> String {
    if number != 0.0 && !(1e-4..1e21).contains(&number.abs()) {
        landfall_yaml::go_number::format_g(number)
    } else {
        format!("{number}")
    }
}

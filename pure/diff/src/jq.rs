//! jq path expressions of ignore rules: which places of an object an expression selects.
//!
//! Expressions come from users, so the language is cut down to what always ends: no definitions of functions, no loops but over
//! data, no environment, clock or input; and a budget of steps per evaluation stops what multiplies.
//!
//! Source: the language is jq's, evaluated by jaq; Argo CD wraps the same expressions into `del(...)`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars};
use serde_json::Value;

mod functions;
mod value;

use value::Val;

/// Steps that one evaluation may take. A select over a thousand containers takes some ten thousand.
const STEPS_MAX: u64 = 1_000_000;
/// Bytes that an expression may have.
const LENGTH_MAX: usize = 4096;
/// Brackets that may be open at once; the parser recurses into each.
const DEPTH_MAX: usize = 64;

/// A compiled path expression.
pub struct Expression {
    text: String,
    filter: jaq_core::Filter<JustLut<Val>>,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Why an expression cannot be used, or not on this object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jq expression `{expression}`: {reason}")]
pub struct JqError {
    /// The expression as written.
    pub expression: String,
    /// What is wrong.
    pub reason: String,
}

/// One step of a concrete path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field of a map.
    Field(String),
    /// An element of a list, from 0.
    Index(usize),
}

impl Expression {
    /// Compiles an expression such as `.spec.template.spec.containers[] | select(.name == "proxy")`.
    ///
    /// # Errors
    /// It is not jq, too long, too deep, or uses what ignore rules may not use.
    pub fn compile(text: &str) -> Result<Self, JqError> {
        let error = |reason: String| JqError { expression: text.to_owned(), reason };
        admissible(text).map_err(error)?;
        // The line break ends a comment at the end of the expression.
        let code = format!("path({text}\n)");
        let arena = Arena::default();
        let modules = Loader::new(functions::definitions())
            .load(&arena, File { code: code.as_str(), path: () })
            .map_err(|_| error("this is not a jq expression".to_owned()))?;
        let filter = Compiler::default().with_funs(functions::natives()).compile(modules).map_err(|failures| {
            let names: Vec<String> = failures
                .into_iter()
                .flat_map(|(_, undefined)| undefined)
                .map(|(name, what)| format!("there is no {} `{name}` in ignore rules", what.as_str()))
                .collect();
            error(names.join(", "))
        })?;
        Ok(Self { text: text.to_owned(), filter })
    }

    /// The expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The places that the expression selects, existing or not; sorted, without repetition.
    ///
    /// # Errors
    /// The expression fails on this object (iterating over null, say), takes too many steps or selects something computed.
    pub fn paths(&self, object: &Value) -> Result<Vec<Vec<Step>>, JqError> {
        let error = |reason: String| JqError { expression: self.text.clone(), reason };
        let input = Val::from_json(object);
        let run = || {
            let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
            let mut paths = Vec::new();
            for output in self.filter.id.run((context, input)) {
                match output {
                    Ok(path) => paths.push(path),
                    Err(exception) => {
                        return Err(exception
                            .get_err()
                            .map_or_else(|_| "it stops the program".to_owned(), |failure| failure.to_string()));
                    }
                }
            }
            Ok(paths)
        };
        let outcome = with_budget(run).ok_or_else(|| error(format!("it takes more than {STEPS_MAX} steps")))?;
        let mut paths = Vec::new();
        for path in outcome.map_err(error)? {
            concrete(&path, object, &mut paths).map_err(error)?;
        }
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// The value with which an evaluation is unwound when its budget is spent.
struct Spent;

/// Takes one step; unwinds the evaluation when none is left. jaq has no way of its own to be stopped.
fn step() {
    STEPS_LEFT.with(|left| match left.get().checked_sub(1) {
        Some(rest) => left.set(rest),
        None => {
            // Whatever is dropped on the way out may step again.
            left.set(u64::MAX);
            std::panic::resume_unwind(Box::new(Spent));
        }
    });
}

/// Runs an evaluation within the budget; `None` if it is spent.
fn with_budget<T>(run: impl FnOnce() -> T) -> Option<T> {
    STEPS_LEFT.with(|left| left.set(STEPS_MAX));
    let outcome = catch_unwind(AssertUnwindSafe(run));
    STEPS_LEFT.with(|left| left.set(u64::MAX));
    match outcome {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Spent>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Refuses what could not be bounded: definitions, modules, excessive length and depth. Strings and comments are skipped.
fn admissible(text: &str) -> Result<(), String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("it is longer than {LENGTH_MAX} bytes"));
    }
    let mut depth = 0_usize;
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    loop {
        let character = characters.next();
        match character {
            Some(letter) if letter.is_alphanumeric() || letter == '_' => word.push(letter),
            other => {
                let is_keyword = !matches!(previous, '.' | '$');
                if is_keyword && matches!(word.as_str(), "def" | "import" | "include" | "reduce" | "foreach") {
                    return Err(format!("`{word}` is not allowed in ignore rules"));
                }
                if !word.is_empty() {
                    word.clear();
                }
                match other {
                    None => return Ok(()),
                    Some('"') => skip_string(&mut characters)?,
                    Some('#') => while characters.next_if(|c| *c != '\n').is_some() {},
                    Some('(' | '[' | '{') => depth += 1,
                    Some(')' | ']' | '}') => depth = depth.saturating_sub(1),
                    Some(_) => {}
                }
                previous = other.unwrap_or(' ');
            }
        }
        if depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} brackets are open at once"));
        }
    }
}

fn skip_string(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(), String> {
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(()),
            '\\' if characters.next() == Some('(') => {
                return Err("string interpolation is not allowed in ignore rules".to_owned());
            }
            _ => {}
        }
    }
    Err("a string does not end".to_owned())
}

/// Turns a jq path into steps; a slice selects each of its elements.
fn concrete(path: &Val, object: &Value, paths: &mut Vec<Vec<Step>>) -> Result<(), String> {
    let Val::List(parts) = path else {
        return Err("it does not select places".to_owned());
    };
    let mut found = vec![Vec::new()];
    for part in parts.iter() {
        let mut longer = Vec::new();
        for steps in found {
            for step in steps_of(part, value_at(object, &steps))? {
                let mut path: Vec<Step> = steps.clone();
                path.push(step);
                longer.push(path);
            }
        }
        found = longer;
    }
    paths.extend(found);
    Ok(())
}

fn steps_of(part: &Val, parent: Option<&Value>) -> Result<Vec<Step>, String> {
    let length = parent.and_then(Value::as_array).map_or(0, Vec::len);
    match part {
        Val::Text(name) => Ok(vec![Step::Field(name.to_string())]),
        Val::Number(index) => {
            let index = value::position(*index, length);
            Ok(index.into_iter().map(Step::Index).collect())
        }
        Val::Map(range) => {
            let (from, to) = value::bounds(range.get("start"), range.get("end"), length);
            Ok((from..to).map(Step::Index).collect())
        }
        other => Err(format!("{other} is no part of a path")),
    }
}

/// The value at a concrete path.
#[must_use]
pub fn value_at<'v>(object: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selected(expression: &str, object: &Value) -> Vec<String> {
        Expression::compile(expression)
            .expect("compiles")
            .paths(object)
            .expect("runs")
            .iter()
            .map(|path| {
                path.iter()
                    .map(|step| match step {
                        Step::Field(name) => format!("/{name}"),
                        Step::Index(index) => format!("/{index}"),
                    })
                    .collect()
            })
            .collect()
    }

    fn refused(expression: &str) -> String {
        Expression::compile(expression).expect_err("refused").to_string()
    }

    fn pod() -> Value {
        json!({"metadata": {"annotations": {"a.b/c": "1", "x": "2"}}, "spec": {"containers": [
            {"name": "app", "image": "app:1", "resources": {"limits": {"cpu": 1}}},
            {"name": "istio-proxy", "image": "proxy:1"}
        ], "list": [1, 2, 3]}})
    }

    #[test]
    fn the_expressions_that_people_write_select_what_they_mean() {
        let pod = pod();
        assert_eq!(
            selected(".spec.containers[].image", &pod),
            ["/spec/containers/0/image", "/spec/containers/1/image"]
        );
        assert_eq!(selected(".spec.containers[] | select(.name == \"istio-proxy\")", &pod), ["/spec/containers/1"]);
        assert_eq!(selected(".spec.containers[] | select(.name | test(\"^ist.o-\"))", &pod), ["/spec/containers/1"]);
        assert_eq!(selected(".metadata.annotations[\"a.b/c\"]", &pod), ["/metadata/annotations/a.b/c"]);
        assert_eq!(
            selected(".spec.containers[0]?.resources?.limits.cpu", &pod),
            ["/spec/containers/0/resources/limits/cpu"]
        );
        assert_eq!(selected(".spec.missing.below", &pod), ["/spec/missing/below"]);
        assert_eq!(selected(".spec.missing[]?", &pod), Vec::<String>::new());
        assert_eq!(selected(".spec.list[-1], .spec.list[:2]", &pod), ["/spec/list/0", "/spec/list/1", "/spec/list/2"]);
    }

    #[test]
    fn functions_work_in_conditions() {
        let pod = pod();
        for condition in [
            ".name | startswith(\"istio\")",
            ".name | endswith(\"proxy\")",
            ".name | contains(\"proxy\")",
            ".name | ascii_downcase | ltrimstr(\"istio-\") == \"proxy\"",
            "has(\"resources\") | not",
            "(.name | length) == 11",
            "(.image | split(\":\") | .[0]) == \"proxy\"",
            ".name as $n | [\"a\", \"istio-proxy\"] | any(. == $n)",
            ".name as $n | [\"istio-proxy\"] | index($n) != null",
            "if .name == \"app\" then false else true end",
            "(.resources.limits.cpu // \"none\") == \"none\"",
            "[.name, \"z\"] | join(\"-\") == \"istio-proxy-z\"",
            "(keys | length) == 2 and (type == \"object\")",
            "IN(.name; \"istio-proxy\", \"other\")",
        ] {
            let expression = format!(".spec.containers[] | select({condition})");
            assert_eq!(selected(&expression, &pod), ["/spec/containers/1"], "{condition}");
        }
    }

    #[test]
    fn the_environment_the_clock_and_definitions_are_out_of_reach() {
        for name in ["env", "$ENV", "now", "input", "inputs", "halt", "repeat(.)", "recurse(.)", "until(true; .)"] {
            assert!(refused(&format!(".a | select({name} == 1)")).contains("there is no"), "{name}");
        }
        assert!(refused("def f: f; f").contains("`def` is not allowed"));
        assert!(refused("reduce .[] as $x (0; 1)").contains("`reduce`"));
        assert!(refused(".a | select(. == \"\\(env)\")").contains("interpolation"));
        assert!(refused(&"(".repeat(1000)).contains("brackets"));
        assert!(refused(&".a".repeat(4000)).contains("longer"));
        assert!(refused(".a[").contains("not a jq expression"));
        assert_eq!(selected(".def", &json!({"def": 1})), ["/def"]);
    }

    #[test]
    fn what_multiplies_is_stopped() {
        let expression = format!(".a | select({})", vec!["(1, 1)"; 40].join(" | "));
        let error = Expression::compile(&expression).expect("compiles").paths(&json!({})).expect_err("stopped");
        assert!(error.reason.contains("steps"), "{error}");
        let nested = vec!["(..)"; 30].join(" | ");
        let deep = json!({"a": {"b": {"c": [1, 2, {"d": {}}]}}, "e": [[[[]]]]});
        assert!(Expression::compile(&nested).expect("compiles").paths(&deep).is_err());
        assert_eq!(selected("..", &json!({"a": [1]})), ["", "/a", "/a/0"]);
    }

    #[test]
    fn an_expression_that_fails_says_so() {
        let expression = Expression::compile(".spec.missing[].x").expect("compiles");
        assert!(expression.paths(&pod()).expect_err("null").to_string().contains("null"));
        let computed = Expression::compile(".a + 1").expect("compiles");
        assert!(computed.paths(&json!({"a": 1})).is_err());
    }
}

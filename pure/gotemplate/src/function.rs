//! The functions a template can call: their names, signatures and bodies.
//!
//! A [`Functions`] table is made once and shared by all threads; parsing resolves names against it, so an unknown function
//! is a parse error, as in Go. What differs per render (clock, randomness, cluster) comes through
//! [`crate::context::Host`].

use crate::context::Context;
use crate::error::Error;
use crate::types::{Signature, TypeInfo};
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What a function does with its checked arguments.
pub type Body = Arc<dyn Fn(&mut Context<'_>, &mut [Value]) -> Result<Value, Error> + Send + Sync>;

/// How the evaluator treats a function.
#[derive(Clone)]
pub(crate) enum Action {
    /// `and`: the first false argument, later ones unevaluated.
    And,
    /// `or`: the first true argument, later ones unevaluated.
    Or,
    /// `call`: applies a function value.
    Call,
    /// `len`: a nil in an interface is refused in other words than nothing at all.
    Length,
    /// `index`: its result keeps the container's element type.
    Index,
    /// Everything else.
    Plain(Body),
    /// Everything else, without captured state.
    Static(fn(&mut Context<'_>, &mut [Value]) -> Result<Value, Error>),
}

/// A function that templates can call.
#[derive(Clone)]
pub struct Function {
    /// Its name in templates.
    pub name: &'static str,
    parameters: Box<[&'static TypeInfo]>,
    is_variadic: bool,
    returns_any: bool,
    pub(crate) action: Action,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Function({})", self.name)
    }
}

impl Function {
    /// Makes a function of a fixed number of arguments whose result has a concrete type.
    ///
    /// ```
    /// use landfall_gotemplate::{function::{Function, Functions}, types, value::Value};
    /// let mut functions = Functions::builtins();
    /// functions.add(Function::new("shout", &[&types::STRING], |_, arguments| {
    ///     Ok(Value::str(format!("{}!", arguments[0].as_str().map(|text| text.to_string()).unwrap_or_default())))
    /// }));
    /// ```
    pub fn new(
        name: &'static str,
        parameters: &[&'static TypeInfo],
        body: impl Fn(&mut Context<'_>, &mut [Value]) -> Result<Value, Error> + Send + Sync + 'static,
    ) -> Function {
        Function::with_action(name, parameters, Action::Plain(Arc::new(body)))
    }

    pub(crate) fn fixed(
        name: &'static str,
        parameters: &[&'static TypeInfo],
        body: fn(&mut Context<'_>, &mut [Value]) -> Result<Value, Error>,
    ) -> Function {
        Function::with_action(name, parameters, Action::Static(body))
    }

    pub(crate) fn special(name: &'static str, parameters: &[&'static TypeInfo], action: Action) -> Function {
        Function::with_action(name, parameters, action)
    }

    fn with_action(name: &'static str, parameters: &[&'static TypeInfo], action: Action) -> Function {
        Function { name, parameters: parameters.into(), is_variadic: false, returns_any: false, action }
    }

    /// What it takes and gives.
    pub fn signature(&self) -> Signature<'_> {
        Signature { parameters: &self.parameters, is_variadic: self.is_variadic, returns_any: self.returns_any }
    }

    /// The same function, taking any number of arguments for its last parameter.
    pub fn variadic(mut self) -> Function {
        self.is_variadic = true;
        self
    }

    /// The same function, its result being an `interface {}`.
    pub fn returning_any(mut self) -> Function {
        self.returns_any = true;
        self
    }
}

/// A table of functions by name.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    by_name: HashMap<&'static str, Arc<Function>>,
}

impl Functions {
    /// The functions of the language itself: and, or, not, eq, len, index, printf ...
    pub fn builtins() -> Functions {
        let mut functions = Functions::default();
        crate::functions::language::register(&mut functions);
        functions
    }

    /// The language's and Sprig's 3.3.0, without `env` and `expandenv`.
    pub fn sprig() -> Functions {
        let mut functions = Functions::builtins();
        crate::functions::register_sprig(&mut functions);
        functions
    }

    /// All that a chart may call under Helm 3.21.
    pub fn helm3() -> Functions {
        let mut functions = Functions::sprig();
        crate::functions::helm::register(&mut functions);
        functions
    }

    /// All that a chart may call under Helm 4.2.
    pub fn helm4() -> Functions {
        let mut functions = Functions::helm3();
        crate::functions::helm::register_helm4(&mut functions);
        functions
    }

    /// Adds a function, replacing one of the same name.
    pub fn add(&mut self, function: Function) {
        self.by_name.insert(function.name, Arc::new(function));
    }

    /// Adds `alias` as another name of `name`.
    pub(crate) fn alias(&mut self, alias: &'static str, name: &'static str) {
        if let Some(function) = self.by_name.get(name) {
            let same = Function { name: alias, ..(**function).clone() };
            self.add(same);
        }
    }

    /// Takes a function out.
    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Looks a function up.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.by_name.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

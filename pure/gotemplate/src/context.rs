//! One render: the template set, the limits, what the host provides, and the state that functions may use.
//!
//! [`Context::execute`] runs a template; functions receive the context and may run further templates with it
//! ([`Context::execute_named`], [`Context::parse_and_execute`]), draw randomness, read the time, and must account for what
//! they produce ([`Context::charge_bytes`]).

use crate::error::Error;
use crate::function::Functions;
use crate::functions::random::Generator;
use crate::template::{File, Template, TemplateSet};
use crate::text::Str;
use crate::value::{Map, Value, WeakMap};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Bounds a render. Every bound is an error with template and line when exceeded.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Nodes visited plus work accounted by functions.
    pub steps_max: u64,
    /// Depth of `template` inside `template`; Go's own limit is 100000.
    pub depth_max: usize,
    /// Bytes of output of one [`Context::execute`], nested ones counted on their own.
    pub output_bytes_max: usize,
    /// Bytes of one value (a string, or a list counted at 16 bytes an item).
    pub value_bytes_max: usize,
    /// Bytes of all values made over the render, freed or not.
    pub allocated_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps_max: 30_000_000,
            depth_max: 100_000,
            output_bytes_max: 128 << 20,
            value_bytes_max: 64 << 20,
            allocated_bytes_max: 1 << 30,
        }
    }
}

/// What happens when a map has no entry for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// The result is no value at all (`<no value>`); Go's default.
    #[default]
    Invalid,
    /// The zero of the map's element type; Helm's choice.
    Zero,
    /// An error; Helm's `--strict`.
    Error,
}

/// What the outside gives a render. Everything that is not a pure function of the templates and values comes through here.
pub trait Host {
    /// The current time, with the local zone that dates are printed in. The default is the start of 1970, UTC.
    fn now(&self) -> jiff::Zoned {
        jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC)
    }

    /// Fills `bytes` with randomness. Asked once per render, for the seed of everything random in it: the same seed gives the
    /// same output. The default gives zeros, so that keys and passwords are predictable: fine for tests only.
    fn fill_random(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    /// Reads a live object (`lookup apiVersion kind namespace name`), or a list where the name is empty. `None` is Helm's answer
    /// without a cluster: an empty map.
    fn lookup(
        &mut self,
        _api_version: &str,
        _kind: &str,
        _namespace: &str,
        _name: &str,
    ) -> Result<Option<serde_json::Value>, String> {
        Ok(None)
    }

    /// Resolves a host name; Helm answers `""` unless told otherwise.
    fn host_by_name(&mut self, _name: &str) -> String {
        String::new()
    }

    /// Says whether the render took too long; asked every few thousand steps.
    fn is_past_deadline(&self) -> bool {
        false
    }
}

/// A host that provides nothing: epoch time, zeros for randomness, no cluster.
#[derive(Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}

/// How templates run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What a missing map key gives.
    pub missing_key: MissingKey,
    /// The bounds.
    pub limits: Limits,
    /// Helm's lint mode: `required` and `fail` do not fail.
    pub is_lint: bool,
}

/// One render over a template set: files executed one after another share its limits and see each other's changes to values.
pub struct Context<'host> {
    pub(crate) functions: Arc<Functions>,
    pub(crate) set: &'host TemplateSet,
    pub(crate) layers: Vec<HashMap<Str, Template>>,
    pub(crate) host: &'host mut dyn Host,
    pub(crate) options: Options,
    pub(crate) steps: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) included: HashMap<Str, usize>,
    pub(crate) texts: HashMap<Str, Result<Arc<File>, Error>>,
    pub(crate) regexes: HashMap<Str, Result<Rc<crate::functions::pattern::Pattern>, String>>,
    pub(crate) changed_maps: Vec<WeakMap>,
    pub(crate) is_nondeterministic: bool,
    pub(crate) nesting: usize,
    generator: Option<Generator>,
    looks_at_clock: i64,
}

/// What a parsed text is accounted for: its tree stays in memory until the render ends.
const TREE_BYTES_PER_TEXT_BYTE: usize = 4;

/// What an entry of a map is accounted for, beside its key.
const ENTRY_BYTES: usize = 192;

/// How many steps pass between two looks at the host's clock.
const STEPS_PER_DEADLINE_CHECK: u64 = 4096;

impl<'host> Context<'host> {
    /// Starts a render.
    pub fn new(
        set: &'host TemplateSet,
        functions: Arc<Functions>,
        host: &'host mut dyn Host,
        options: Options,
    ) -> Context<'host> {
        Context {
            functions,
            set,
            layers: Vec::new(),
            host,
            options,
            steps: 0,
            allocated_bytes: 0,
            included: HashMap::new(),
            texts: HashMap::new(),
            regexes: HashMap::new(),
            changed_maps: Vec::new(),
            is_nondeterministic: false,
            nesting: 0,
            generator: None,
            looks_at_clock: 0,
        }
    }

    /// Runs the template `name` on `dot` and gives its output.
    ///
    /// # Errors
    /// An unknown name; whatever the template runs into; an exceeded limit.
    pub fn execute(&mut self, name: &str, dot: &Value) -> Result<Vec<u8>, Error> {
        self.execute_named(name.as_bytes(), dot)
    }

    /// Runs a template of the set, or one defined by a text that is being run, as Go's `ExecuteTemplate`.
    pub fn execute_named(&mut self, name: &[u8], dot: &Value) -> Result<Vec<u8>, Error> {
        let Some(template) = self.template(name) else {
            let (name, set) = (crate::quote::quote(name), crate::quote::quote(self.set.name.as_bytes()));
            return Err(Error::function(format!("template: no template {name} associated with template {set}"))
                .with_hint("no file of the chart or its dependencies defines this name; check the spelling and that the library chart is vendored"));
        };
        self.run(&template, dot)
    }

    /// Parses a text under the set's name and runs it. Templates that it defines are seen by it and by what it runs, and by
    /// nothing else; they may shadow outer ones. Parsing is remembered by content.
    pub fn parse_and_execute(&mut self, text: &Str, dot: &Value) -> Result<Vec<u8>, ParseOrRun> {
        let file = match self.texts.get(text) {
            Some(known) => known.clone(),
            None => {
                self.charge_bytes(text.len().saturating_mul(TREE_BYTES_PER_TEXT_BYTE)).map_err(ParseOrRun::Run)?;
                let parsed = crate::template::parse(&self.set.name, text.clone(), &self.functions);
                self.texts.insert(text.clone(), parsed.clone());
                parsed
            }
        };
        let file = file.map_err(ParseOrRun::Parse)?;
        let main = Template { file: file.clone(), root: file.templates[0].1, name: Str::from(self.set.name.as_str()) };
        let mut layer = HashMap::new();
        for (name, root) in &file.templates {
            if crate::parse::ast::is_empty(&file, *root) && self.template(name).is_some() {
                continue;
            }
            layer.insert(name.clone(), Template { file: file.clone(), root: *root, name: name.clone() });
        }
        self.layers.push(layer);
        let result = self.run(&main, dot);
        self.layers.pop();
        result.map_err(ParseOrRun::Run)
    }

    pub(crate) fn template(&self, name: &[u8]) -> Option<Template> {
        self.layers.iter().rev().find_map(|layer| layer.get(name)).or_else(|| self.set.get(name)).cloned()
    }

    fn run(&mut self, template: &Template, dot: &Value) -> Result<Vec<u8>, Error> {
        crate::exec::execute(self, template, dot)
    }

    /// The host.
    pub fn host(&mut self) -> &mut dyn Host {
        self.host
    }

    /// The options of the render.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The functions templates can call.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Says whether anything random or dependent on the time has run: such a render may differ from the next one.
    pub fn is_nondeterministic(&self) -> bool {
        self.is_nondeterministic
    }

    /// Notes that the output depends on more than its inputs.
    pub fn mark_nondeterministic(&mut self) {
        self.is_nondeterministic = true;
    }

    /// The host's time; marks the render as non-deterministic.
    pub fn now(&mut self) -> jiff::Zoned {
        self.is_nondeterministic = true;
        // Time passes between two looks at a clock; templates that subtract them see that.
        self.looks_at_clock += 1;
        let now = self.host.now();
        now.checked_add(jiff::SignedDuration::from_nanos(self.looks_at_clock)).unwrap_or(now)
    }

    /// The host's time zone.
    pub fn local_zone(&self) -> jiff::tz::TimeZone {
        self.host.now().time_zone().clone()
    }

    /// Randomness: a stream that starts from the host's seed. Marks the render as non-deterministic.
    pub fn random(&mut self, bytes: &mut [u8]) {
        self.generator().fill(bytes);
    }

    pub(crate) fn generator(&mut self) -> &mut Generator {
        self.is_nondeterministic = true;
        let host = &mut *self.host;
        self.generator.get_or_insert_with(|| {
            let mut seed = [0; 32];
            host.fill_random(&mut seed);
            Generator::new(seed)
        })
    }

    /// The steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A value as JSON, as Go's encoder shapes it, accounted for.
    ///
    /// # Errors
    /// What JSON does not know (NaN, functions); a map that holds itself; an exceeded limit.
    pub fn json_of(&mut self, value: &Value) -> Result<serde_json::Value, Error> {
        crate::json::encode(self, value)
    }

    /// Accounts for `steps` steps of work.
    pub fn charge_steps(&mut self, steps: u64) -> Result<(), Error> {
        let before = self.steps / STEPS_PER_DEADLINE_CHECK;
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.options.limits.steps_max {
            return Err(Error::limit(format!("the templates take more than {} steps", self.options.limits.steps_max))
                .with_hint(
                    "a loop or recursion is too long for the renderer's limit; make it shorter or raise the limit",
                ));
        }
        if self.steps / STEPS_PER_DEADLINE_CHECK != before && self.host.is_past_deadline() {
            return Err(Error::limit("the templates take longer than the time allowed")
                .with_hint("make the templates cheaper or raise the time limit"));
        }
        Ok(())
    }

    /// The number of items of `bytes` bytes each that a list may have.
    pub(crate) fn items_max(&self, bytes: usize) -> usize {
        self.options.limits.value_bytes_max / bytes
    }

    /// Accounts for a value of `bytes` bytes about to be made.
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        let limits = &self.options.limits;
        if bytes > limits.value_bytes_max {
            return Err(Error::limit(format!(
                "a value of {bytes} bytes exceeds the limit of {} bytes",
                limits.value_bytes_max
            )));
        }
        self.allocated_bytes = self.allocated_bytes.saturating_add(bytes as u64);
        if self.allocated_bytes > limits.allocated_bytes_max {
            return Err(Error::limit(format!(
                "the templates make values of more than {} bytes in all",
                limits.allocated_bytes_max
            )));
        }
        self.charge_steps(bytes as u64 / 256)
    }

    /// Writes a map's entry as `set` does: seen through every alias; a cycle made this way is undone when the render ends.
    pub fn set_entry(&mut self, map: &Map, key: Str, value: Value) -> Result<(), Error> {
        self.charge_bytes(ENTRY_BYTES.saturating_add(key.len()))?;
        if matches!(value, Value::Map(_) | Value::List(_) | Value::Struct(_)) {
            self.changed_maps.push(map.downgrade());
        }
        map.set(key, value).map_err(Error::function)
    }
}

impl Drop for Context<'_> {
    // Maps that were written may hold themselves; a reference count would keep them for ever.
    fn drop(&mut self) {
        let changed: Vec<Map> = self.changed_maps.drain(..).filter_map(|map| map.upgrade()).collect();
        for map in closing_maps(&changed) {
            map.clear();
        }
    }
}

/// Finds maps that close a cycle among what `roots` reach: emptying them breaks every cycle. One walk in depth.
fn closing_maps(roots: &[Map]) -> Vec<Map> {
    enum Visit {
        Enter(Value),
        Leave(usize),
    }
    let mut is_open_by_address: HashMap<usize, bool> = HashMap::new();
    let mut closing = Vec::new();
    let mut waiting: Vec<Visit> = roots.iter().map(|map| Visit::Enter(Value::Map(map.clone()))).collect();
    while let Some(visit) = waiting.pop() {
        let value = match visit {
            Visit::Enter(value) => value,
            Visit::Leave(address) => {
                is_open_by_address.insert(address, false);
                continue;
            }
        };
        let address = match &value {
            Value::Map(map) => map.address(),
            Value::List(list) => Rc::as_ptr(list).addr(),
            Value::Struct(structure) => Rc::as_ptr(structure).addr(),
            _ => continue,
        };
        match (is_open_by_address.get(&address), &value) {
            (Some(true), Value::Map(map)) => closing.push(map.clone()),
            (Some(_), _) => {}
            (None, _) => {
                is_open_by_address.insert(address, true);
                waiting.push(Visit::Leave(address));
                match value {
                    Value::Map(map) => waiting.extend(map.borrow().values().cloned().map(Visit::Enter)),
                    Value::List(list) => waiting.extend(list.items.iter().cloned().map(Visit::Enter)),
                    Value::Struct(structure) => waiting.extend(structure.fields.iter().cloned().map(Visit::Enter)),
                    _ => {}
                }
            }
        }
    }
    closing
}

/// What went wrong in [`Context::parse_and_execute`].
#[derive(Debug)]
pub enum ParseOrRun {
    /// The text is no template.
    Parse(Error),
    /// Running it failed.
    Run(Error),
}

//! Parses and runs the templates of a family of charts in Helm's order.
//!
//! All charts share one set of named templates: files further down are parsed first, so that a chart's own definition of a
//! name wins over a dependency's. Source: Helm 3.21.4 `pkg/engine/engine.go`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use landfall_gotemplate::context::{Context, Host, MissingKey, Options};
use landfall_gotemplate::error::{Error as TemplateError, ErrorKind as TemplateErrorKind};
use landfall_gotemplate::function::Functions;
use landfall_gotemplate::template::{self, File as ParsedFile, TemplateSet};
use landfall_gotemplate::text::Str;
use landfall_gotemplate::value::{Map, Value};
use landfall_gotemplate::{Wording, execution_error_text, parse_error_text};

use crate::chart::File;
use crate::error::{Error, ErrorKind};
use crate::family::{Family, Member};
use crate::remembered::Remembered;
use crate::{Profile, go, objects};

/// How many differently put together template sets a chart keeps: with other charts enabled, the set is another.
const SETS_KEPT: usize = 4;

/// What `fail` and `required` put before their message inside the chain of an error.
const REFUSAL_MARK: &str = "HELM_ERR_START";

/// Parsed templates of a chart and everything below it, kept for the next render.
#[derive(Debug, Default)]
pub(crate) struct SetCache {
    sets: Mutex<Vec<Arc<PreparedSet>>>,
}

#[derive(Debug)]
struct PreparedSet {
    profile: Profile,
    /// Path and content (by address) of every file, in order of execution.
    key: Vec<(String, usize)>,
    set: TemplateSet,
}

/// What running the templates gave.
pub(crate) struct Output {
    /// The output of every file that is not only definitions, by path.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) is_deterministic: bool,
}

/// What all templates of a render see.
pub(crate) struct Scope<'a> {
    pub(crate) values: &'a Map,
    pub(crate) release: Value,
    pub(crate) capabilities: Value,
}

/// A template with the chart it belongs to.
struct Source<'a> {
    member: Member,
    file: &'a File,
}

/// Parses and runs everything.
///
/// Errors: [`ErrorKind::Template`], [`ErrorKind::Execution`], [`ErrorKind::Refused`], [`ErrorKind::Limit`].
pub(crate) fn run(
    family: &Family<'_>,
    scope: &Scope<'_>,
    mut options: Options,
    host: &mut dyn Host,
) -> Result<Output, Error> {
    let mut run = Collection { sources: BTreeMap::new(), scopes: HashMap::new() };
    let root = objects::values_type(family.profile());
    run.collect(family, family.root(), scope, Value::Map(scope.values.seen_as(root)));
    let mut order: Vec<(&String, &Source<'_>)> = run.sources.iter().collect();
    order.sort_by_key(|(path, _)| std::cmp::Reverse((path.matches('/').count(), path.as_bytes())));
    let prepared = prepare(family, &order)?;
    options.missing_key = MissingKey::Zero;
    let mut context = Context::new(&prepared.set, functions(family.profile()), host, options);
    let mut files = BTreeMap::new();
    for (path, source) in order {
        if go::base_name(path).starts_with('_') {
            continue;
        }
        let scope = &run.scopes[&source.member];
        let base = format!("{}/templates", family.path(source.member));
        let about = [("Name", Value::str(path.as_str())), ("BasePath", Value::str(base))];
        let about = Value::typed_map(root, about.map(|(key, value)| (Str::from(key), value)));
        scope.set(Str::from("Template"), about).expect("the scope is never Go's nil map");
        let output = context
            .execute(path, &Value::Map(scope.seen_as(root)))
            .map_err(|error| execution_error(&error, family, source.member))?;
        files.insert(path.clone(), without_marks(output));
    }
    Ok(Output { files, is_deterministic: !context.is_nondeterministic() })
}

/// What Go prints for what is not there.
const NO_VALUE: &[u8] = b"<no value>";

/// Go prints `<no value>` for what is not there; Helm takes that out again, wherever it comes from.
fn without_marks(output: Vec<u8>) -> Vec<u8> {
    let mut rest = &output[..];
    let mut kept = Vec::new();
    while let Some(at) = memchr::memmem::find(rest, NO_VALUE) {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + NO_VALUE.len()..];
    }
    if kept.is_empty() && rest.len() == output.len() {
        return output;
    }
    kept.extend_from_slice(rest);
    kept
}

struct Collection<'a> {
    sources: BTreeMap<String, Source<'a>>,
    scopes: HashMap<Member, Map>,
}

impl<'a> Collection<'a> {
    /// Makes a chart's scope, those of the charts below it first, and notes its templates.
    fn collect(&mut self, family: &Family<'a>, member: Member, scope: &Scope<'_>, values: Value) -> Map {
        let subcharts = crate::values::coalesce::new_map();
        let entries = [
            ("Chart", objects::chart(family, member)),
            ("Files", objects::files(family, member)),
            ("Release", scope.release.clone()),
            ("Capabilities", scope.capabilities.clone()),
            ("Values", values.clone()),
            ("Subcharts", Value::Map(subcharts.clone())),
        ];
        let own = match Value::map(entries.map(|(key, value)| (Str::from(key), value))) {
            Value::Map(own) => own,
            _ => crate::values::coalesce::new_map(),
        };
        let typed = objects::values_type(family.profile());
        for child in family.children(member) {
            let name = family.name(child);
            let inner = values.as_map().and_then(|values| crate::values::coalesce::table_at(values, name));
            let inner = match inner {
                Some(inner) => Value::Map(inner.seen_as(typed)),
                None => Value::typed_map(typed, []),
            };
            let below = self.collect(family, child, scope, inner);
            subcharts.set(Str::from(name), Value::Map(below)).expect("a fresh map is not Go's nil map");
        }
        let chart = family.chart(member);
        let path = family.path(member);
        for file in &chart.templates {
            if chart.metadata.is_library() && !go::base_name(&file.path).starts_with('_') {
                continue;
            }
            self.sources.insert(go::clean_path(&format!("{path}/{}", file.path)), Source { member, file });
        }
        self.scopes.insert(member, own.clone());
        own
    }
}

/// The functions that templates of a profile can call; made once.
pub(crate) fn functions(profile: Profile) -> Arc<Functions> {
    static HELM3: OnceLock<Arc<Functions>> = OnceLock::new();
    static HELM4: OnceLock<Arc<Functions>> = OnceLock::new();
    match profile {
        Profile::Helm3 => HELM3.get_or_init(|| Arc::new(Functions::helm3())).clone(),
        Profile::Helm4 => HELM4.get_or_init(|| Arc::new(Functions::helm4())).clone(),
    }
}

/// Parses the templates, or finds them parsed.
fn prepare(family: &Family<'_>, order: &[(&String, &Source<'_>)]) -> Result<Arc<PreparedSet>, Error> {
    let profile = family.profile();
    let key: Vec<(String, usize)> =
        order.iter().map(|(path, source)| ((*path).clone(), source.file.content.as_ptr().addr())).collect();
    let cache = &family.chart(family.root()).sets.sets;
    let mut kept = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = kept.iter().position(|kept| kept.profile == profile && kept.key == key) {
        let found = kept.remove(place);
        kept.push(found.clone());
        return Ok(found);
    }
    drop(kept);
    let functions = functions(profile);
    let mut set = TemplateSet::new("gotpl");
    for (path, source) in order {
        let parsed = parsed(profile, path, &source.file.content, &functions)
            .map_err(|error| parse_error(&error, path, family, source.member))?;
        set.add(&parsed);
    }
    let prepared = Arc::new(PreparedSet { profile, key, set });
    let mut kept = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= SETS_KEPT {
        kept.remove(0);
    }
    kept.push(prepared.clone());
    Ok(prepared)
}

/// A file's path and content for one profile.
type ParsedKey = (Profile, String, bytes::Bytes);

/// How much text of templates stays parsed.
const PARSED_BYTES_MAX: usize = 8 << 20;

static PARSED: Remembered<ParsedKey, Result<Arc<ParsedFile>, TemplateError>> = Remembered::of(PARSED_BYTES_MAX);

/// Parses a file, or finds it parsed: parsing depends on the name, the text and the functions only.
fn parsed(
    profile: Profile,
    path: &str,
    content: &bytes::Bytes,
    functions: &Functions,
) -> Result<Arc<ParsedFile>, TemplateError> {
    let key: ParsedKey = (profile, path.to_owned(), content.clone());
    let bytes = content.len() + path.len();
    PARSED.get_or_make(&key, || key.clone(), bytes, || template::parse(path, &content[..], functions))
}

fn parse_error(error: &TemplateError, path: &str, family: &Family<'_>, member: Member) -> Error {
    let mut failure = Error::new(ErrorKind::Template, parse_error_text(error)).in_chart(&family.path(member));
    let line = error.position().map_or(0, |position| position.line);
    failure = failure.at(path, line, None);
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn execution_error(error: &TemplateError, family: &Family<'_>, member: Member) -> Error {
    let words = match family.profile() {
        Profile::Helm3 => Wording::Helm3,
        Profile::Helm4 => Wording::Helm4,
    };
    let kind = match error.kind() {
        TemplateErrorKind::Limit => ErrorKind::Limit,
        _ if error.to_string().contains(REFUSAL_MARK) => ErrorKind::Refused,
        TemplateErrorKind::Parse | TemplateErrorKind::Execution | TemplateErrorKind::Function => ErrorKind::Execution,
    };
    let mut failure = Error::new(kind, execution_error_text(error, words)).in_chart(&family.path(member));
    // The innermost place is where the mistake is; the message names the outermost.
    if let Some(position) = error.chain().filter_map(TemplateError::position).last() {
        failure = failure.at(position.file.clone(), position.line, position.column);
    }
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

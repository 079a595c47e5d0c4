//! Renders one template for a test.

use landfall_gotemplate::context::{Context, Limits, MissingKey, NoHost, Options};
use landfall_gotemplate::error::Error;
use landfall_gotemplate::function::Functions;
use landfall_gotemplate::template::{self, TemplateSet};
use landfall_gotemplate::value::Value;
use std::sync::{Arc, LazyLock};

static FUNCTIONS: LazyLock<Arc<Functions>> = LazyLock::new(|| Arc::new(Functions::helm4()));

/// Renders a text named `t` with Helm's functions and small limits.
pub(crate) fn render(text: &str, dot: &Value) -> Result<String, Error> {
    let limits = Limits {
        steps_max: 2_000_000,
        output_bytes_max: 8 << 20,
        value_bytes_max: 8 << 20,
        allocated_bytes_max: 256 << 20,
        ..Limits::default()
    };
    render_with(text, dot, Options { missing_key: MissingKey::Zero, limits, is_lint: false })
}

/// Renders a text named `t` with Helm's functions.
pub(crate) fn render_with(text: &str, dot: &Value, options: Options) -> Result<String, Error> {
    let file = template::parse("t", text, &FUNCTIONS)?;
    let mut set = TemplateSet::new("gotpl");
    set.add(&file);
    let mut host = NoHost;
    let mut context = Context::new(&set, FUNCTIONS.clone(), &mut host, options);
    context.execute("t", dot).map(|out| String::from_utf8_lossy(&out).into_owned())
}

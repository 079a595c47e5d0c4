//! Go's text/template and Sprig: lexer, parser, evaluator and functions, with limits.
//!
//! ```
//! use landfall_gotemplate::{context::{Context, NoHost, Options}, function::Functions, template::{self, TemplateSet}, value::Value};
//! use std::sync::Arc;
//!
//! let functions = Arc::new(Functions::helm3());
//! let file = template::parse("hello.txt", "Hello {{ .name | printf `%s` }}!", &functions)?;
//! let mut set = TemplateSet::new("gotpl");
//! set.add(&file);
//! let mut host = NoHost;
//! let mut context = Context::new(&set, functions, &mut host, Options::default());
//! let dot = Value::from_json(&serde_json::json!({ "name": "Go" }));
//! assert_eq!(context.execute("hello.txt", &dot)?, b"Hello Go!");
//! # Ok::<(), landfall_gotemplate::error::Error>(())
//! ```
//!
//! Read in this order: [`template`] (parse, sets), [`context`] (one render: limits, host), [`value`], [`function`],
//! [`error`]. Nothing here reads a clock, a file or the network: [`context::Host`] is asked.

pub mod context;
pub mod error;
mod exec;
pub mod format;
pub mod function;
mod functions;
mod json;
mod json_syntax;
mod json_text;
mod parse;
pub mod quote;
pub mod strconv;
pub mod template;
pub mod text;
mod time;
pub mod types;
pub mod value;

/// The crate of the times in [`context::Host`], for hosts to name its types.
pub use jiff;

pub use functions::helm::{Wording, execution_error_text, parse_error_text};
pub use functions::yaml_words::yaml_error_text;

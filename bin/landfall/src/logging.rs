//! What the program says: logs on standard error, one complaint at the end if it fails.

use std::io::{IsTerminal, Write as _};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text each, for people.
    Text,
    /// One JSON object each, for machines.
    Json,
}

/// Starts logging. `LANDFALL_LOG` chooses what is logged, as `landfall=debug` does.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("LANDFALL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first: there is one log.
    let _started = match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
}

/// Prints an error with everything behind it, once.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut message = format!("landfall: {error}");
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !message.contains(&text) {
            message.push_str(&format!("\n  because {text}"));
        }
    }
    // Nobody is left to tell if standard error is closed.
    let _told = writeln!(std::io::stderr(), "{message}");
}

//! The command line: verbs, output formats, progress.

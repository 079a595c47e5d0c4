//! Chores: tidy, conformance, testbed, generated files.

fn main() {}

//! The recorded results of Helm 3.21.4 and 4.2.4 for templates and functions: every one must come out the same, errors with
//! their places included.

#![expect(clippy::disallowed_methods, reason = "the cases are read from the repository")]

use std::path::Path;

#[path = "cases/gotemplate.rs"]
mod cases;

#[test]
fn every_recorded_template_gives_the_recorded_output() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/gotemplate");
    let shell = cases::shell(&directory).expect("the shell chart is part of the repository");
    let text = std::fs::read_to_string(directory.join("cases.jsonl")).expect("the cases are part of the repository");
    let mut failures = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        for (profile, difference) in cases::run(&case, &shell) {
            count += 1;
            failures.extend(difference.map(|difference| format!("{} {profile}\n{difference}", case["id"])));
        }
    }
    assert_eq!(count, 2 * 1960, "the case file was cut");
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}

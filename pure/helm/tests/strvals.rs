//! The recorded results of Helm 3.21.4 and 4.2.4 for the `--set` family: every one must come out the same, number types
//! and messages included.

#![expect(clippy::disallowed_methods, reason = "the cases are read from the repository")]

use std::path::Path;

#[path = "cases/strvals.rs"]
mod cases;

#[test]
fn every_recorded_argument_gives_the_recorded_values() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/strvals/cases.jsonl");
    let text = std::fs::read_to_string(&file).expect("the cases are part of the repository");
    let mut failures = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let case = serde_json::from_str(line).unwrap();
        for (profile, difference) in cases::run(&case) {
            count += 1;
            failures.extend(difference.map(|difference| format!("{} {profile}\n{difference}", case["id"])));
        }
    }
    assert_eq!(count, 2 * 249, "the case file was cut");
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
}

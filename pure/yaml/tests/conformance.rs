//! Every golden case of `conformance/yaml` gives the stored answer on both sides.

mod cases;

use std::path::Path;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads its cases from the repository")]
fn every_golden_case_gives_the_answer_of_the_reference_tools() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/yaml/cases.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut failures = Vec::new();
    let mut run = 0;
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        for outcome in cases::run(&case) {
            run += 1;
            if let Some(difference) = outcome.difference {
                failures.push(format!("{} {} {:?}\n{difference}", case["id"], outcome.side, case["input"]));
            }
        }
    }
    assert!(run >= 1088, "only {run} sides of cases were run");
    assert!(failures.is_empty(), "{} of {run} differ:\n{}", failures.len(), failures.join("\n"));
}

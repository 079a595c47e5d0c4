//! Replays what Kubernetes' own libraries answered once (`conformance/structured-merge/recorded.jsonl`, written by the oracle test).

#![expect(clippy::disallowed_methods, reason = "a test that reads a file")]

#[expect(unreachable_pub, dead_code, reason = "modules shared with the other test")]
mod support;

use std::path::Path;

use serde_json::Value;
use support::answer;

#[test]
fn recorded_histories_and_patches_come_out_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/structured-merge/recorded.jsonl");
    let text = std::fs::read_to_string(&path).expect("the recorded cases are part of the repository");
    let mut count = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let difference = answer::disagreement(&answer::ours(&case["request"]), &case["answer"]);
        assert_eq!(difference, None, "case {count}: {}", case["request"]);
        count += 1;
    }
    assert!(count >= 200, "{count} cases");
}

//! The recorded answers of Masterminds/semver for pairs of constraint and version: every one must come out the same.

#![expect(clippy::disallowed_methods, reason = "the cases are read from the repository")]

use std::path::Path;

use landfall_semver::{Constraint, Version, highest_matching};
use serde_json::Value;

#[path = "cases/mod.rs"]
mod cases;

#[test]
fn every_recorded_pair_is_answered_as_recorded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/semver/cases.jsonl");
    let text = std::fs::read_to_string(&file).expect("the cases are part of the repository");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 305, "the case file was cut");
    let failures: Vec<String> = cases.iter().filter_map(cases::run).collect();
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn check_and_validate_agree_on_every_recorded_pair() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/semver/cases.jsonl");
    let text = std::fs::read_to_string(&file).expect("the cases are part of the repository");
    let mut compared = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let constraint = Constraint::parse(case["constraint"].as_str().unwrap());
        let version = Version::parse(case["version"].as_str().unwrap());
        if let (Ok(constraint), Ok(version)) = (constraint, version) {
            let again = Constraint::parse(&constraint.to_string()).expect("a printed constraint can be read again");
            assert_eq!(constraint.check(&version), constraint.validate(&version).is_ok(), "{case}");
            assert_eq!(constraint.check(&version), again.check(&version), "{case} printed as {constraint}");
            compared += 1;
        }
    }
    assert!(compared > 250);
}

#[test]
fn the_highest_matching_version_is_found_whatever_the_order() {
    let versions: Vec<Version> =
        ["1.2.0", "2.0.0-rc.1", "v1.10.3", "1.9.9", "3"].iter().map(|text| Version::parse(text).unwrap()).collect();
    let highest = |text: &str| {
        let constraint = Constraint::parse(text).unwrap();
        highest_matching(&constraint, &versions).map(|index| versions[index].original.as_str())
    };
    assert_eq!(highest("1.x"), Some("v1.10.3"));
    assert_eq!(highest("~2.0.0-0"), Some("2.0.0-rc.1"));
    assert_eq!(highest("*"), Some("3"));
    assert_eq!(highest(">4"), None);
}

#[test]
fn strict_parsing_names_what_is_wrong() {
    let error = |text: &str| Version::parse_strict(text).unwrap_err().to_string();
    assert_eq!(error(""), "version string empty");
    assert_eq!(error("1.2"), "invalid semantic version");
    assert_eq!(error("v1.2.3"), "invalid characters in version");
    assert_eq!(error("01.2.3"), "version segment starts with 0");
    assert_eq!(error("1.2.3-a..b"), "invalid prerelease string");
    assert_eq!(error("1.2.3+ä"), "invalid metadata string");
    let version = Version::parse_strict("1.2.3-rc.1+b.7").unwrap();
    assert_eq!((version.prerelease.as_str(), version.metadata.as_str()), ("rc.1", "b.7"));
}

#[test]
fn the_next_version_keeps_the_leading_v_and_drops_the_rest() {
    let version = Version::parse("v1.2.3-rc.1+b").unwrap();
    assert_eq!(version.next_patch().original, "v1.2.3");
    assert_eq!(version.next_minor().original, "v1.3.0");
    assert_eq!(version.next_major().to_string(), "2.0.0");
    assert_eq!(version.with_prerelease("beta").unwrap().original, "v1.2.3-beta+b");
    assert_eq!(version.with_metadata("").unwrap().to_string(), "1.2.3-rc.1");
}

//! Semantic versions and constraints exactly as Masterminds/semver 3.5.0 reads them, which is what Helm, Argo CD, Flux
//! and Sprig's `semver` and `semverCompare` use: loose versions (`v1.2`), wildcards, `~`, `^`, hyphen ranges and the rule
//! that a pre-release only matches where a pre-release is named.
//!
//! ```
//! use landfall_semver::{Constraint, Version};
//!
//! let constraint = Constraint::parse(">=1.25-0 <1.35 || ^2.1")?;
//! let cluster = Version::parse("v1.33.4-gke.1")?;
//! assert!(constraint.check(&cluster));
//!
//! let release_only = Constraint::parse(">=1.25")?;
//! let reasons = release_only.validate(&cluster).unwrap_err();
//! assert!(reasons[0].to_string().contains("is a prerelease version"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Entry: [`Version::parse`], [`Constraint::parse`], [`highest_matching`].

mod constraint;
mod version;

pub use constraint::{
    CONSTRAINT_LENGTH_MAX, Constraint, ConstraintError, GROUPS_MAX, Mismatch, Relation, highest_matching,
};
pub use version::{VERSION_LENGTH_MAX, Version, VersionError};

/// Quotes a text the way Go's `%q` does for the characters that occur in versions and constraints.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            control if control.is_control() && u32::from(control) < 0x80 => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(control)));
            }
            control if control.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

//! One version: parsing, precedence, printing, the next one up.

use std::cmp::Ordering;
use std::fmt;

use crate::quote;

/// Bounds the text of one version, in bytes, as Masterminds/semver 3.5.0 does.
pub const VERSION_LENGTH_MAX: usize = 256;

/// Says why a text is no version. The texts are those of Masterminds/semver, which templates show to their users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The shape is not `[v]MAJOR[.MINOR[.PATCH]][-PRERELEASE][+METADATA]`.
    #[error("invalid semantic version")]
    Invalid,
    /// The text is empty (strict parsing).
    #[error("version string empty")]
    Empty,
    /// One of the three numbers holds something else than digits (strict parsing).
    #[error("invalid characters in version")]
    Characters,
    /// A number that counts has a leading zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The part after `-` has an empty identifier or characters that are not allowed.
    #[error("invalid prerelease string")]
    Prerelease,
    /// The part after `+` has an empty identifier or characters that are not allowed.
    #[error("invalid metadata string")]
    Metadata,
    /// Longer than [`VERSION_LENGTH_MAX`].
    #[error("version string is too long (max 256 bytes)")]
    TooLong,
    /// A number does not fit 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing {}: value out of range", quote(segment))]
    Overflow {
        /// The digits.
        segment: String,
    },
}

/// Holds one version. Equality (`==`) compares every field; [`Version::precedence`] is the order that constraints use.
///
/// Shape: `prerelease` and `metadata` stand without their `-` and `+` and are empty when absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number; 0 when it was not written.
    pub minor: u64,
    /// The third number; 0 when it was not written.
    pub patch: u64,
    /// Dot-separated identifiers, without the leading `-`.
    pub prerelease: String,
    /// Dot-separated identifiers, without the leading `+`; never counts in comparisons.
    pub metadata: String,
    /// The text that was parsed, a leading `v` included.
    pub original: String,
}

impl Version {
    /// Parses the way most tools do: a leading `v`, missing minor and patch numbers and leading zeros are accepted.
    ///
    /// Errors: anything else. Source: Masterminds/semver 3.5.0, `NewVersion`.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > VERSION_LENGTH_MAX {
            return Err(VersionError::TooLong);
        }
        let parts = Parts::scan(text, |byte| byte.is_ascii_digit()).ok_or(VersionError::Invalid)?;
        if parts.end != text.len() {
            return Err(VersionError::Invalid);
        }
        let version = Self {
            major: number(parts.major)?,
            minor: parts.minor.map_or(Ok(0), number)?,
            patch: parts.patch.map_or(Ok(0), number)?,
            prerelease: parts.prerelease.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.prerelease.is_empty() {
            check_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// Parses exactly what semver.org's specification 2.0.0 allows: three numbers, no `v`, no leading zeros.
    ///
    /// Source: Masterminds/semver 3.5.0, `StrictNewVersion`.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > VERSION_LENGTH_MAX {
            return Err(VersionError::TooLong);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(mut patch)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VersionError::Invalid);
        };
        let (mut prerelease, mut metadata) = ("", "");
        if let Some((before, after)) = patch.split_once('+') {
            (patch, metadata) = (before, after);
            check_metadata(metadata)?;
        }
        if let Some((before, after)) = patch.split_once('-') {
            (patch, prerelease) = (before, after);
            check_prerelease(prerelease)?;
        }
        for segment in [major, minor, patch] {
            if !segment.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::Characters);
            }
            if segment.len() > 1 && segment.starts_with('0') {
                return Err(VersionError::LeadingZero);
            }
            if segment.is_empty() {
                return Err(VersionError::Invalid);
            }
        }
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// Orders two versions: numbers first, then a pre-release below its release, then identifier by identifier. Build
    /// metadata never counts, so two different versions can be `Equal` here.
    pub fn precedence(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.prerelease.as_str(), other.prerelease.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (left, right) => prerelease_order(left, right),
        })
    }

    /// Returns the next patch version; a pre-release becomes its release. The largest number stays as it is.
    pub fn next_patch(&self) -> Self {
        let patch = if self.prerelease.is_empty() { self.patch.saturating_add(1) } else { self.patch };
        self.with_numbers(self.major, self.minor, patch)
    }

    /// Returns the next minor version, patch 0.
    pub fn next_minor(&self) -> Self {
        self.with_numbers(self.major, self.minor.saturating_add(1), 0)
    }

    /// Returns the next major version, minor and patch 0.
    pub fn next_major(&self) -> Self {
        self.with_numbers(self.major.saturating_add(1), 0, 0)
    }

    /// Returns the same version with another pre-release part; the empty text removes it.
    ///
    /// Errors: [`VersionError::Prerelease`], [`VersionError::LeadingZero`].
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, VersionError> {
        if !prerelease.is_empty() {
            check_prerelease(prerelease)?;
        }
        let mut next = Self { prerelease: prerelease.to_owned(), ..self.clone() };
        next.original = format!("{}{next}", self.leading_v());
        Ok(next)
    }

    /// Returns the same version with other build metadata; the empty text removes it.
    ///
    /// Errors: [`VersionError::Metadata`].
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() {
            check_metadata(metadata)?;
        }
        let mut next = Self { metadata: metadata.to_owned(), ..self.clone() };
        next.original = format!("{}{next}", self.leading_v());
        Ok(next)
    }

    fn with_numbers(&self, major: u64, minor: u64, patch: u64) -> Self {
        let (prerelease, metadata, original) = (String::new(), String::new(), String::new());
        let mut next = Self { major, minor, patch, prerelease, metadata, original };
        next.original = format!("{}{next}", self.leading_v());
        next
    }

    fn leading_v(&self) -> &'static str {
        if self.original.starts_with('v') { "v" } else { "" }
    }
}

impl fmt::Display for Version {
    /// Prints all three numbers and no leading `v`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(out, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(out, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

/// The parts of a version-like text, found at its start. `end` is where the version ends; the rest was not looked at.
pub(crate) struct Parts<'a> {
    pub(crate) major: &'a str,
    pub(crate) minor: Option<&'a str>,
    pub(crate) patch: Option<&'a str>,
    pub(crate) prerelease: Option<&'a str>,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) end: usize,
}

impl<'a> Parts<'a> {
    /// Reads as much of `text` as makes a version whose numbers consist of bytes that `numeric` accepts.
    pub(crate) fn scan(text: &'a str, numeric: fn(u8) -> bool) -> Option<Self> {
        let bytes = text.as_bytes();
        let run = |from: usize, accepts: fn(u8) -> bool| {
            from + bytes[from..].iter().take_while(|byte| accepts(**byte)).count()
        };
        let start = usize::from(bytes.first() == Some(&b'v'));
        let mut end = run(start, numeric);
        if end == start {
            return None;
        }
        let major = &text[start..end];
        let mut numbers = [None, None];
        for slot in &mut numbers {
            if bytes.get(end) != Some(&b'.') {
                break;
            }
            let after = run(end + 1, numeric);
            if after == end + 1 {
                break;
            }
            *slot = Some(&text[end + 1..after]);
            end = after;
        }
        let mut extra = |mark: u8| {
            if bytes.get(end) != Some(&mark) {
                return None;
            }
            let from = end + 1;
            let mut to = run(from, is_identifier);
            if to == from {
                return None;
            }
            while bytes.get(to) == Some(&b'.') {
                let after = run(to + 1, is_identifier);
                if after == to + 1 {
                    break;
                }
                to = after;
            }
            end = to;
            Some(&text[from..to])
        };
        let prerelease = extra(b'-');
        let metadata = extra(b'+');
        Some(Self { major, minor: numbers[0], patch: numbers[1], prerelease, metadata, end })
    }
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn number(digits: &str) -> Result<u64, VersionError> {
    digits.parse().map_err(|_| VersionError::Overflow { segment: digits.to_owned() })
}

fn check_prerelease(text: &str) -> Result<(), VersionError> {
    for identifier in text.split('.') {
        if identifier.is_empty() || !identifier.bytes().all(is_identifier) {
            return Err(VersionError::Prerelease);
        }
        if identifier.len() > 1 && identifier.starts_with('0') && identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(VersionError::LeadingZero);
        }
    }
    Ok(())
}

fn check_metadata(text: &str) -> Result<(), VersionError> {
    let is_good = text.split('.').all(|identifier| !identifier.is_empty() && identifier.bytes().all(is_identifier));
    if is_good { Ok(()) } else { Err(VersionError::Metadata) }
}

/// Orders two pre-release texts identifier by identifier: absent below present, numbers (by value) below words (by byte).
pub(crate) fn prerelease_order(left: &str, right: &str) -> Ordering {
    let (mut lefts, mut rights) = (left.split('.'), right.split('.'));
    loop {
        let (left, right) = match (lefts.next(), rights.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => (left.unwrap_or_default(), right.unwrap_or_default()),
        };
        if left == right {
            continue;
        }
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        return match (digits(left), digits(right)) {
            (None, None) => left.cmp(right),
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) if left > right => Ordering::Greater,
            (Some(_), Some(_)) => Ordering::Less,
        };
    }
}

fn digits(identifier: &str) -> Option<u64> {
    identifier.bytes().all(|byte| byte.is_ascii_digit()).then(|| identifier.parse().ok()).flatten()
}

//! Constraints: `>=1.2 <2 || ^3.1`. Groups parted by `||` are alternatives; blanks and commas inside a group mean "and".

use std::cmp::Ordering;
use std::fmt;

use crate::quote;
use crate::version::{Parts, Version, prerelease_order};

/// Bounds the text of a constraint, in bytes, as Masterminds/semver 3.5.0 does.
pub const CONSTRAINT_LENGTH_MAX: usize = 512;
/// Bounds the number of alternatives (`||`), as Masterminds/semver 3.5.0 does.
pub const GROUPS_MAX: usize = 32;

/// Says why a text is no constraint. The texts are those of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// One alternative is empty or has another shape than `[OPERATOR]VERSION` parted by blanks or commas.
    #[error("improper constraint: {}", quote(text))]
    Improper {
        /// The alternative, as written.
        text: String,
    },
    /// The shape is right but a version in it is not (a leading zero in a pre-release number, a number over 64 bits).
    #[error("constraint parser error")]
    Parser,
    /// Longer than [`CONSTRAINT_LENGTH_MAX`].
    #[error("constraint string is too long (max 512 bytes)")]
    TooLong,
    /// More alternatives than [`GROUPS_MAX`].
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
}

/// Says why a version does not satisfy a constraint. The texts are those of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The version is a pre-release and no member of the group names one.
    #[error("{} is a prerelease version and the constraint is only looking for release versions", quote(version))]
    Prerelease {
        /// The version.
        version: String,
    },
    /// The version stands in the wrong relation to one member.
    #[error("{} {} {}{}", quote(version), relation.words().0, quote(wanted), relation.words().1)]
    Relation {
        /// The version.
        version: String,
        /// What it is, and should not be.
        relation: Relation,
        /// The version that the constraint names, as written.
        wanted: String,
    },
}

/// Names the relation that made a version fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `!=` met its version.
    Equal,
    /// `=` met another version.
    NotEqual,
    /// `>=`, `~` or `^` met a lower version.
    Less,
    /// `>` met a lower version or the same.
    LessOrEqual,
    /// `<=` met a higher version.
    Greater,
    /// `<` met a higher version or the same.
    GreaterOrEqual,
    /// `~` or `^` met another major version.
    OtherMajor,
    /// `~` met another minor version.
    OtherMajorOrMinor,
    /// `^0.N` met another minor version.
    OtherMinorBelowOne,
    /// `^0.0.N` met another minor version.
    OtherMinor,
    /// `^0.0.N` met another patch version.
    OtherPatchBelowOne,
}

impl Relation {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Equal => ("is equal to", ""),
            Self::NotEqual => ("is not equal to", ""),
            Self::Less => ("is less than", ""),
            Self::LessOrEqual => ("is less than or equal to", ""),
            Self::Greater => ("is greater than", ""),
            Self::GreaterOrEqual => ("is greater than or equal to", ""),
            Self::OtherMajor => ("does not have same major version as", ""),
            Self::OtherMajorOrMinor => ("does not have same major and minor version as", ""),
            Self::OtherMinorBelowOne => (
                "does not have same minor version as",
                ". Expected minor versions to match when constraint major version is 0",
            ),
            Self::OtherMinor => ("does not have same minor version as", ""),
            Self::OtherPatchBelowOne => {
                ("does not equal", ". Expect version and constraint to equal when major and minor versions are 0")
            }
        }
    }
}

/// Holds a parsed constraint.
///
/// A pre-release satisfies a group only if one of the group's members names a pre-release (`>=1.2-0`).
/// Source: Masterminds/semver 3.5.0, `Constraints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    members: Vec<Member>,
    names_prerelease: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    operator: Operator,
    version: Version,
    /// The operator and the version as written, for messages.
    sign: String,
    written: String,
    /// From which number on the version was left out or a wildcard.
    open: Open,
}

/// Which numbers of a member's version are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    Patch,
    Minor,
    /// Everything: `*`. Not the same as `Minor`: the tools tell them apart.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Constraint {
    /// Parses a constraint.
    ///
    /// Errors: [`ConstraintError`]; an empty text and an empty side of `||` among them.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > CONSTRAINT_LENGTH_MAX {
            return Err(ConstraintError::TooLong);
        }
        let rewritten = rewrite_hyphen_ranges(text);
        let alternatives: Vec<&str> = rewritten.split("||").collect();
        if alternatives.len() > GROUPS_MAX {
            return Err(ConstraintError::TooManyGroups);
        }
        let groups = alternatives.into_iter().map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Says whether a version satisfies the constraint.
    pub fn check(&self, version: &Version) -> bool {
        self.groups
            .iter()
            .any(|group| group.members.iter().all(|member| member.check(version, group.names_prerelease).is_ok()))
    }

    /// Checks like [`Constraint::check`] and says why not: every failed member of every alternative.
    pub fn validate(&self, version: &Version) -> Result<(), Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        let mut prerelease_reported = false;
        for group in &self.groups {
            let mut fits = true;
            for member in &group.members {
                match member.check(version, group.names_prerelease) {
                    Ok(()) => {}
                    Err(mismatch) => {
                        fits = false;
                        if let Mismatch::Prerelease { .. } = mismatch {
                            if prerelease_reported {
                                continue;
                            }
                            prerelease_reported = true;
                        }
                        mismatches.push(mismatch);
                    }
                }
            }
            if fits {
                return Ok(());
            }
        }
        Err(mismatches)
    }

    /// Says whether any alternative names a pre-release, so that pre-releases may match at all.
    pub fn names_prerelease(&self) -> bool {
        self.groups.iter().any(|group| group.names_prerelease)
    }
}

impl std::str::FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        Self::parse(text)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.groups.iter().enumerate() {
            out.write_str(if index == 0 { "" } else { " || " })?;
            for (index, member) in group.members.iter().enumerate() {
                let gap = if index == 0 { "" } else { " " };
                write!(out, "{gap}{}{}", member.sign, member.written)?;
            }
        }
        Ok(())
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let improper = || ConstraintError::Improper { text: text.to_owned() };
        let mut found = Vec::new();
        let mut rest = text.trim_start_matches(is_blank);
        loop {
            let (sign, parts, end) = scan_member(rest).ok_or_else(improper)?;
            found.push((sign, parts, &rest[sign.len()..end]));
            rest = &rest[end..];
            let after_blanks = rest.trim_start_matches(is_blank);
            if after_blanks.is_empty() {
                break;
            }
            match after_blanks.strip_prefix(',') {
                Some(after_comma) => rest = after_comma.trim_start_matches(is_blank),
                None if after_blanks.len() < rest.len() => rest = after_blanks,
                None => return Err(improper()),
            }
        }
        let members = found
            .into_iter()
            .map(|(sign, parts, written)| Member::new(sign, &parts, written.trim_start_matches(is_blank)))
            .collect::<Result<Vec<_>, _>>()?;
        let names_prerelease = members.iter().any(|member| !member.version.prerelease.is_empty());
        Ok(Self { members, names_prerelease })
    }
}

impl Member {
    fn new(sign: &str, parts: &Parts<'_>, written: &str) -> Result<Self, ConstraintError> {
        let operator = match sign {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<=" | "=<" => Operator::LessOrEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return Err(ConstraintError::Parser),
        };
        let tail = parts.prerelease.map(|text| format!("-{text}")).unwrap_or_default();
        let is_open = |part: Option<&str>| matches!(part, None | Some("x" | "X" | "*"));
        let major = parts.major;
        let (open, normal) = match (parts.minor, parts.patch) {
            _ if is_open(Some(major)) => (Open::All, format!("0.0.0{tail}")),
            (minor, _) if is_open(minor) => (Open::Minor, format!("{major}.0.0{tail}")),
            (Some(minor), patch) if is_open(patch) => (Open::Patch, format!("{major}.{minor}.0{tail}")),
            _ => (Open::None, written.to_owned()),
        };
        let version = Version::parse(&normal).map_err(|_| ConstraintError::Parser)?;
        Ok(Self { operator, version, sign: sign.to_owned(), written: written.to_owned(), open })
    }

    fn check(&self, version: &Version, prerelease_allowed: bool) -> Result<(), Mismatch> {
        if !version.prerelease.is_empty() && !prerelease_allowed {
            return Err(Mismatch::Prerelease { version: version.to_string() });
        }
        let failed = match self.operator {
            Operator::Equal if self.open == Open::None => {
                (version.precedence(&self.version) != Ordering::Equal).then_some(Relation::NotEqual)
            }
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.above(version),
            Operator::Less => (version.precedence(&self.version) != Ordering::Less).then_some(Relation::GreaterOrEqual),
            Operator::GreaterOrEqual => (version.precedence(&self.version) == Ordering::Less).then_some(Relation::Less),
            Operator::LessOrEqual => self.not_above(version),
            Operator::Caret => self.caret(version),
        };
        match failed {
            None => Ok(()),
            Some(relation) => {
                Err(Mismatch::Relation { version: version.to_string(), relation, wanted: self.written.clone() })
            }
        }
    }

    fn differs(&self, version: &Version) -> Option<Relation> {
        let same_major = version.major == self.version.major;
        let same_minor = version.minor == self.version.minor;
        let is_equal = match self.open {
            Open::None => version.precedence(&self.version) == Ordering::Equal,
            Open::Minor => same_major,
            Open::Patch if version.prerelease.is_empty() && self.version.prerelease.is_empty() => {
                same_major && same_minor
            }
            Open::Patch => {
                same_major
                    && same_minor
                    && prerelease_order(&version.prerelease, &self.version.prerelease) == Ordering::Equal
            }
            // `!=*` is not "nothing": it only excludes 0.0.0 itself.
            Open::All => version.precedence(&self.version) == Ordering::Equal,
        };
        is_equal.then_some(Relation::Equal)
    }

    fn above(&self, version: &Version) -> Option<Relation> {
        let is_above = match (self.open, version.major.cmp(&self.version.major)) {
            (Open::None, _) => version.precedence(&self.version) == Ordering::Greater,
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) => false,
            (Open::Minor, Ordering::Equal) => false,
            (Open::Patch, Ordering::Equal) => version.minor > self.version.minor,
            (Open::All, Ordering::Equal) => version.precedence(&self.version) == Ordering::Greater,
        };
        (!is_above).then_some(Relation::LessOrEqual)
    }

    fn not_above(&self, version: &Version) -> Option<Relation> {
        let is_above = match self.open {
            Open::None => version.precedence(&self.version) == Ordering::Greater,
            Open::Minor => version.major > self.version.major,
            Open::Patch | Open::All => (version.major, version.minor) > (self.version.major, self.version.minor),
        };
        is_above.then_some(Relation::Greater)
    }

    fn tilde(&self, version: &Version) -> Option<Relation> {
        if version.precedence(&self.version) == Ordering::Less {
            return Some(Relation::Less);
        }
        let wanted = &self.version;
        // `~0.0.0` is read as `~*`.
        let is_zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        if is_zero && !matches!(self.open, Open::Minor | Open::Patch) {
            return None;
        }
        if version.major != wanted.major {
            return Some(Relation::OtherMajor);
        }
        (version.minor != wanted.minor && self.open != Open::Minor).then_some(Relation::OtherMajorOrMinor)
    }

    fn caret(&self, version: &Version) -> Option<Relation> {
        let wanted = &self.version;
        if version.precedence(wanted) == Ordering::Less {
            return Some(Relation::Less);
        }
        if version.major != wanted.major {
            return Some(Relation::OtherMajor);
        }
        if wanted.major > 0 || self.open == Open::Minor {
            return None;
        }
        if wanted.minor > 0 || self.open == Open::Patch {
            return (version.minor != wanted.minor).then_some(Relation::OtherMinorBelowOne);
        }
        if version.minor > 0 {
            return Some(Relation::OtherMinor);
        }
        (version.patch != wanted.patch).then_some(Relation::OtherPatchBelowOne)
    }
}

/// Returns the index of the highest version that satisfies the constraint; the first of several equal ones.
pub fn highest_matching<'a>(constraint: &Constraint, versions: impl IntoIterator<Item = &'a Version>) -> Option<usize> {
    let mut best: Option<(usize, &Version)> = None;
    for (index, version) in versions.into_iter().enumerate() {
        let is_higher = best.is_none_or(|(_, highest)| version.precedence(highest) == Ordering::Greater);
        if is_higher && constraint.check(version) {
            best = Some((index, version));
        }
    }
    best.map(|(index, _)| index)
}

/// The white space of RE2's `\s`.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

/// What may stand for a number in a constraint. The bar is there because the tools accept it (and then fail later).
fn is_numeric(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'|' | b'x' | b'X' | b'*')
}

/// Reads `[OPERATOR] VERSION` at the start of a text: the operator, the parts, and where the member ends.
fn scan_member(text: &str) -> Option<(&str, Parts<'_>, usize)> {
    let sign_length = text.bytes().take_while(|byte| matches!(byte, b'=' | b'!' | b'<' | b'>' | b'~' | b'^')).count();
    let sign = &text[..sign_length];
    if !matches!(sign, "" | "=" | "!=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^") {
        return None;
    }
    let after = text[sign_length..].trim_start_matches(is_blank);
    let skipped = text.len() - after.len();
    let parts = Parts::scan(after, is_numeric)?;
    let end = skipped + parts.end;
    Some((sign, parts, end))
}

/// Replaces every `A - B` (blanks on both sides) by `>= A, <= B `, wherever in the text it stands.
fn rewrite_hyphen_ranges(text: &str) -> String {
    let mut rewritten = String::new();
    let mut position = 0;
    while let Some(character) = text[position..].chars().next() {
        if let Some((range, end)) = scan_hyphen_range(&text[position..]) {
            rewritten.push_str(&range);
            position += end;
        } else {
            rewritten.push(character);
            position += character.len_utf8();
        }
    }
    rewritten
}

fn scan_hyphen_range(text: &str) -> Option<(String, usize)> {
    let low = text.trim_start_matches(is_blank);
    let low_end = Parts::scan(low, is_numeric)?.end;
    let dash = low[low_end..].trim_start_matches(is_blank);
    let high_blanks = dash.strip_prefix('-')?;
    let high = high_blanks.trim_start_matches(is_blank);
    if dash.len() == low.len() - low_end || high.len() == high_blanks.len() {
        return None;
    }
    let high_end = Parts::scan(high, is_numeric)?.end;
    let rest = high[high_end..].trim_start_matches(is_blank);
    let range = format!(">= {}, <= {} ", &low[..low_end], &high[..high_end]);
    Some((range, text.len() - rest.len()))
}

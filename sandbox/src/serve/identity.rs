//! The user in a client certificate: its subject's common name is the user, its organizations are the groups.
//!
//! The chain was verified by the TLS library before this looks at it; only the few DER structures on the way to the
//! subject are read here.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

/// The parts of a subject that matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Subject {
    /// The common name.
    pub(super) common_name: String,
    /// The organizations.
    pub(super) organizations: Vec<String>,
    /// SHA-256 of the whole certificate, in hexadecimal digits.
    pub(super) fingerprint: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x0A];

/// Reads the subject; `None` when the certificate is not of the expected form or names nobody.
pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Subject> {
    let (_, whole, _) = element(certificate)?;
    let (_, signed, _) = element(whole)?;
    let mut rest = signed;
    let (tag, _, after) = element(rest)?;
    if tag == VERSION {
        rest = after;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (tag, mut names, _) = element(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let mut subject = Subject::default();
    while !names.is_empty() {
        let (tag, mut set, after) = element(names)?;
        names = after;
        while tag == SET && !set.is_empty() {
            let (_, pair, next) = element(set)?;
            set = next;
            let text = |key: &[u8]| {
                let value = pair.strip_prefix(key)?;
                String::from_utf8(element(value)?.1.to_vec()).ok()
            };
            if let Some(name) = text(COMMON_NAME) {
                subject.common_name = name;
            } else if let Some(organization) = text(ORGANIZATION) {
                subject.organizations.push(organization);
            }
        }
    }
    subject.fingerprint = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    (!subject.common_name.is_empty()).then_some(subject)
}

/// Splits one DER element off: tag, content, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        let (digits, rest) = rest.split_at(count);
        (digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)), rest)
    };
    (rest.len() >= length).then(|| (tag, &rest[..length], &rest[length..]))
}

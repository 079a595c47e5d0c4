//! Passwords: checked against what is kept, and hashed. bcrypt is Argo CD's; argon2id is stronger against stolen Secrets
//! and stands in the PHC form. Which one is written: [`crate::settings::HashForm`], docs/adr/0009.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use landfall_api::error::{ApiError, Code};
use regex::Regex;
use subtle::ConstantTimeEq as _;

use crate::settings::HashForm;
use crate::tokens::random_bytes;

/// The cost of new bcrypt hashes. Source: Argo CD uses Go's default, which is 10 too.
const BCRYPT_COST: u32 = 10;
/// argon2id with 19 MiB, two passes and one lane. Source: OWASP Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The most that a stored hash may ask of us; a Secret is not to exhaust the server.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
/// The longest password that is looked at.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// bcrypt looks at this many bytes only: longer passwords would be cut silently.
const BCRYPT_BYTES_MAX: usize = 72;
/// The letters of a made password: none that look alike.
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-";
/// The length of a made password. Source: Argo CD `util/settings` (initialPasswordLength).
const MADE_LENGTH: usize = 16;

/// Says whether a password is the one of a hash. Slow on purpose: not for the threads that serve.
pub fn matches(password: &str, hash: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    match hash.strip_prefix("$argon2id$") {
        Some(rest) => matches_argon2id(password, rest).unwrap_or(false),
        None => bcrypt::verify(password, hash).unwrap_or(false),
    }
}

fn matches_argon2id(password: &str, rest: &str) -> Option<bool> {
    let mut parts = rest.split('$');
    let (version, settings, salt, hash) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "v=19" || parts.next().is_some() {
        return None;
    }
    let number = |name: &str| {
        let settings = settings.split(',').find_map(|setting| setting.strip_prefix(name)?.strip_prefix('='));
        settings?.parse::<u32>().ok()
    };
    let (memory, passes, lanes) = (number("m")?, number("t")?, number("p")?);
    if memory > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > 16 {
        return None;
    }
    let (salt, hash) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(hash).ok()?);
    if !(16..=64).contains(&hash.len()) {
        return None;
    }
    let mut computed = vec![0; hash.len()];
    let params = Params::new(memory, passes, lanes, Some(hash.len())).ok()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), &salt, &mut computed)
        .ok()?;
    Some(computed.ct_eq(&hash).into())
}

/// Hashes a password. Slow on purpose: not for the threads that serve. Errors: bcrypt cannot take one this long.
pub fn hash(password: &str, form: HashForm) -> Result<String, ApiError> {
    let failed = |reason: String| ApiError::of(Code::Internal, format!("the password cannot be hashed: {reason}"));
    match form {
        HashForm::Bcrypt if password.len() > BCRYPT_BYTES_MAX => Err(ApiError::invalid(format!(
            "the password is longer than the {BCRYPT_BYTES_MAX} bytes that bcrypt looks at"
        ))),
        HashForm::Bcrypt => {
            // `2a` is what Go's bcrypt writes.
            let parts = bcrypt::hash_with_salt(password, BCRYPT_COST, random_bytes::<16>());
            Ok(parts.map_err(|error| failed(error.to_string()))?.format_for_version(bcrypt::Version::TwoA))
        }
        HashForm::Argon2id => {
            let salt = random_bytes::<16>();
            let mut computed = [0; 32];
            let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(computed.len()))
                .map_err(|error| failed(error.to_string()))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt, &mut computed)
                .map_err(|error| failed(error.to_string()))?;
            let (salt, computed) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(computed));
            Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${computed}"))
        }
    }
}

/// Checks a new password against the installation's pattern.
pub fn check_new(password: &str, pattern: &str) -> Result<(), ApiError> {
    let fits = Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(password));
    match fits && password.len() <= PASSWORD_BYTES_MAX {
        true => Ok(()),
        false => {
            let error = ApiError::invalid(format!("new password does not match the following expression: {pattern}."));
            Err(error.hint("passwordPattern in argocd-cm says what a password must look like"))
        }
    }
}

/// Makes a password that nobody can guess.
pub fn made() -> String {
    let mut password = String::new();
    // A byte that would favour the first letters is drawn again.
    let limit = 256 - 256 % LETTERS.len();
    while password.len() < MADE_LENGTH {
        for byte in random_bytes::<32>() {
            if usize::from(byte) < limit && password.len() < MADE_LENGTH {
                password.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
            }
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_hashed_matches_and_nothing_else_does() {
        for form in [HashForm::Argon2id, HashForm::Bcrypt] {
            let kept = hash("correct horse", form).unwrap();
            assert!(matches("correct horse", &kept), "{kept}");
            assert!(!matches("correct horsf", &kept) && !matches("", &kept), "{kept}");
            assert_ne!(kept, hash("correct horse", form).unwrap(), "salted");
        }
        assert!(hash("x", HashForm::Bcrypt).unwrap().starts_with("$2a$10$"));
    }

    #[test]
    fn go_s_bcrypt_is_read() {
        // Made by golang.org/x/crypto/bcrypt with its default cost.
        let kept = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga";
        assert!(matches("allmine", kept));
        assert!(!matches("notmine", kept));
    }

    #[test]
    fn hashes_that_are_none_or_ask_too_much_match_nothing() {
        for kept in [
            "",
            "plain",
            "$2a$10$short",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA",
        ] {
            assert!(!matches("plain", kept), "{kept}");
        }
    }

    #[test]
    fn made_passwords_are_long_and_differ() {
        let (one, two) = (made(), made());
        assert_eq!(one.len(), MADE_LENGTH);
        assert_ne!(one, two);
    }

    #[test]
    fn new_passwords_have_to_fit_the_pattern() {
        assert!(check_new("long enough", "^.{8,32}$").is_ok());
        assert!(check_new("short", "^.{8,32}$").is_err());
        assert!(hash(&"x".repeat(73), HashForm::Bcrypt).is_err(), "bcrypt would cut it silently");
    }
}

//! Private keys: making them from a seeded stream, reading and writing PEM, signing.
//!
//! RSA, ECDSA on P-256, Ed25519, and DSA (made and written only).

use super::der::{self, Reader, tag};
use super::random::Generator;
use num_bigint::BigUint;
use p256::ecdsa::signature::Signer as _;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use sha2::{Digest as _, Sha256};

const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const RSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];
/// The DER that names SHA-256 in front of a digest.
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// A private key.
pub(crate) enum PrivateKey {
    Rsa(Box<rsa::RsaPrivateKey>),
    Ecdsa(Box<p256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Dsa(Box<Dsa>),
}

/// A DSA key: group, public and private value.
pub(crate) struct Dsa {
    p: BigUint,
    q: BigUint,
    g: BigUint,
    y: BigUint,
    x: BigUint,
}

impl PrivateKey {
    /// Makes an RSA key.
    pub(crate) fn rsa(generator: &mut Generator, bits: usize) -> Result<PrivateKey, String> {
        rsa::RsaPrivateKey::new(generator, bits)
            .map(|key| PrivateKey::Rsa(Box::new(key)))
            .map_err(|error| error.to_string())
    }

    /// Makes a key on P-256.
    pub(crate) fn ecdsa(generator: &mut Generator) -> PrivateKey {
        loop {
            let mut secret = [0; 32];
            generator.fill(&mut secret);
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&secret) {
                return PrivateKey::Ecdsa(Box::new(key));
            }
        }
    }

    /// Makes an Ed25519 key.
    pub(crate) fn ed25519(generator: &mut Generator) -> PrivateKey {
        let mut secret = [0; 32];
        generator.fill(&mut secret);
        PrivateKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&secret)))
    }

    /// Makes a DSA key of 2048 and 256 bits.
    pub(crate) fn dsa(generator: &mut Generator) -> PrivateKey {
        let one = BigUint::from(1u8);
        let q = loop {
            let candidate = random_odd(generator, 256);
            if is_prime(&candidate, generator) {
                break candidate;
            }
        };
        let p = loop {
            let candidate = random_odd(generator, 2048);
            let shifted = &candidate - (&candidate % (&q * 2u8)) + &one;
            if shifted.bits() == 2048 && is_prime(&shifted, generator) {
                break shifted;
            }
        };
        let exponent = (&p - &one) / &q;
        let mut base = BigUint::from(2u8);
        let g = loop {
            let candidate = base.modpow(&exponent, &p);
            if candidate != one {
                break candidate;
            }
            base += 1u8;
        };
        let x = random_odd(generator, 320) % (&q - &one) + &one;
        let y = g.modpow(&x, &p);
        PrivateKey::Dsa(Box::new(Dsa { p, q, g, y, x }))
    }

    /// Writes the key as PEM, in the form that its kind has by tradition.
    pub(crate) fn to_pem(&self) -> Result<String, String> {
        Ok(match self {
            PrivateKey::Rsa(key) => {
                der::to_pem("RSA PRIVATE KEY", key.to_pkcs1_der().map_err(|error| error.to_string())?.as_bytes())
            }
            PrivateKey::Ecdsa(key) => {
                let curve = der::element(0xA0, &der::object(P256));
                let public = der::element(0xA1, &der::bit_string(&point(key)));
                let secret = der::element(tag::OCTET_STRING, &key.to_bytes());
                der::to_pem("EC PRIVATE KEY", &der::sequence(&[der::integer(&[1]), secret, curve, public]))
            }
            PrivateKey::Ed25519(key) => {
                let algorithm = der::sequence(&[der::object(ED25519)]);
                let secret = der::element(tag::OCTET_STRING, &der::element(tag::OCTET_STRING, &key.to_bytes()));
                der::to_pem("PRIVATE KEY", &der::sequence(&[der::integer(&[0]), algorithm, secret]))
            }
            PrivateKey::Dsa(key) => {
                let numbers =
                    [&key.p, &key.q, &key.g, &key.y, &key.x].map(|number| der::integer(&number.to_bytes_be()));
                der::to_pem("DSA PRIVATE KEY", &der::sequence(&[&[der::integer(&[0])], &numbers[..]].concat()))
            }
        })
    }

    /// Reads a key from PEM.
    pub(crate) fn from_pem(text: &[u8]) -> Result<PrivateKey, String> {
        let block = der::from_pem(text).ok_or("no PEM data in input")?;
        if block.label == "PRIVATE KEY" {
            return from_pkcs8(&block.bytes).map_err(|reason| format!("decoding PEM as PKCS#8: {reason}"));
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {}", block.label));
        };
        match kind {
            "RSA" => from_pkcs1(&block.bytes).map_err(|reason| format!("parsing RSA private key from PEM: {reason}")),
            "EC" => from_sec1(&block.bytes).map_err(|reason| format!("parsing EC private key from PEM: {reason}")),
            "DSA" => {
                from_dsa(&block.bytes).ok_or_else(|| "parsing DSA private key from PEM: asn1: structure error".into())
            }
            other => Err(format!("invalid private key type {other}")),
        }
    }

    /// The public key as certificates carry it.
    pub(crate) fn public_info(&self) -> Result<Vec<u8>, String> {
        let (algorithm, key) = match self {
            PrivateKey::Rsa(key) => {
                let public = key.to_public_key().to_pkcs1_der().map_err(|error| error.to_string())?;
                (vec![der::object(RSA), der::element(tag::NULL, &[])], public.as_bytes().to_vec())
            }
            PrivateKey::Ecdsa(key) => (vec![der::object(EC), der::object(P256)], point(key)),
            PrivateKey::Ed25519(key) => (vec![der::object(ED25519)], key.verifying_key().to_bytes().to_vec()),
            PrivateKey::Dsa(_) => return Err("x509: unsupported public key type: *dsa.PublicKey".into()),
        };
        Ok(der::sequence(&[der::sequence(&algorithm), der::bit_string(&key)]))
    }

    /// Names the signature algorithm.
    pub(crate) fn signature_algorithm(&self) -> Result<Vec<u8>, String> {
        Ok(der::sequence(&match self {
            PrivateKey::Rsa(_) => vec![der::object(RSA_WITH_SHA256), der::element(tag::NULL, &[])],
            PrivateKey::Ecdsa(_) => vec![der::object(ECDSA_WITH_SHA256)],
            PrivateKey::Ed25519(_) => vec![der::object(ED25519)],
            PrivateKey::Dsa(_) => return Err("x509: certificate private key does not implement crypto.Signer".into()),
        }))
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            PrivateKey::Rsa(key) => {
                let digest = [&SHA256_PREFIX[..], &Sha256::digest(message)[..]].concat();
                key.sign(rsa::Pkcs1v15Sign::new_unprefixed(), &digest).map_err(|error| error.to_string())
            }
            PrivateKey::Ecdsa(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            PrivateKey::Ed25519(key) => Ok(ed25519_dalek::Signer::sign(&**key, message).to_bytes().to_vec()),
            PrivateKey::Dsa(_) => Err("x509: certificate private key does not implement crypto.Signer".into()),
        }
    }
}

fn point(key: &p256::ecdsa::SigningKey) -> Vec<u8> {
    key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

fn from_pkcs1(bytes: &[u8]) -> Result<PrivateKey, String> {
    rsa::RsaPrivateKey::from_pkcs1_der(bytes)
        .map(|key| PrivateKey::Rsa(Box::new(key)))
        .map_err(|error| error.to_string())
}

fn from_sec1(bytes: &[u8]) -> Result<PrivateKey, String> {
    let malformed = || "x509: failed to parse EC private key".to_string();
    let mut body = Reader::new(bytes).expect(tag::SEQUENCE).ok_or_else(malformed)?.reader();
    body.expect(tag::INTEGER).ok_or_else(malformed)?;
    let secret = body.expect(tag::OCTET_STRING).ok_or_else(malformed)?.content;
    if let Some(curve) = body.optional(0xA0)
        && curve.content != der::object(P256)
    {
        return Err("x509: only the curve P-256 is supported here".into());
    }
    scalar(secret).ok_or_else(|| "x509: invalid elliptic curve private key value".into())
}

fn scalar(secret: &[u8]) -> Option<PrivateKey> {
    let start = secret.len().saturating_sub(32);
    if secret[..start].iter().any(|byte| *byte != 0) {
        return None;
    }
    let mut padded = [0; 32];
    padded[32 - (secret.len() - start)..].copy_from_slice(&secret[start..]);
    p256::ecdsa::SigningKey::from_slice(&padded).ok().map(|key| PrivateKey::Ecdsa(Box::new(key)))
}

fn from_pkcs8(bytes: &[u8]) -> Result<PrivateKey, String> {
    let malformed = || "asn1: structure error: tags don't match".to_string();
    let mut body = Reader::new(bytes).expect(tag::SEQUENCE).ok_or_else(malformed)?.reader();
    body.expect(tag::INTEGER).ok_or_else(malformed)?;
    let mut algorithm = body.expect(tag::SEQUENCE).ok_or_else(malformed)?.reader();
    let name = algorithm.expect(tag::OBJECT).ok_or_else(malformed)?.content;
    let secret = body.expect(tag::OCTET_STRING).ok_or_else(malformed)?.content;
    match name {
        RSA => from_pkcs1(secret),
        EC => from_sec1(secret),
        ED25519 => {
            let seed = Reader::new(secret).expect(tag::OCTET_STRING).ok_or_else(malformed)?.content;
            let seed: [u8; 32] =
                seed.try_into().map_err(|_| format!("x509: invalid Ed25519 private key length: {}", seed.len()))?;
            Ok(PrivateKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))))
        }
        _ => Err("x509: PKCS#8 wrapping contained private key with unknown algorithm".into()),
    }
}

fn from_dsa(bytes: &[u8]) -> Option<PrivateKey> {
    let mut body = Reader::new(bytes).expect(tag::SEQUENCE)?.reader();
    body.expect(tag::INTEGER)?;
    let mut number = || body.expect(tag::INTEGER).map(|element| BigUint::from_bytes_be(element.unsigned()));
    Some(PrivateKey::Dsa(Box::new(Dsa { p: number()?, q: number()?, g: number()?, y: number()?, x: number()? })))
}

fn random_odd(generator: &mut Generator, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits / 8];
    generator.fill(&mut bytes);
    bytes[0] |= 0x80;
    if let Some(last) = bytes.last_mut() {
        *last |= 1;
    }
    BigUint::from_bytes_be(&bytes)
}

/// Small primes that sort most candidates out cheaply.
const SMALL_PRIMES: [u32; 30] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127,
];
/// Rounds of the Miller-Rabin test for random candidates of these sizes.
const PRIME_ROUNDS: usize = 8;

fn is_prime(candidate: &BigUint, generator: &mut Generator) -> bool {
    let zero = BigUint::from(0u8);
    if SMALL_PRIMES.iter().any(|prime| candidate % *prime == zero) {
        return false;
    }
    let one = BigUint::from(1u8);
    let less = candidate - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    (0..PRIME_ROUNDS).all(|_| {
        let base = random_odd(generator, 256) % &less + &one;
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == less {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % candidate;
            power == less
        })
    })
}

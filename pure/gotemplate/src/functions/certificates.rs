//! Certificates: authorities, self-signed and signed ones, as Sprig makes them.
//!
//! Source: Sprig 3.3.0 crypto.go, Go's crypto/x509.

use super::arguments::{Outcome, int, string};
use super::der::{self, Reader, tag};
use super::encoding::base64_decode;
use super::keys::PrivateKey;
use crate::context::Context;
use crate::error::Error;
use crate::format;
use crate::function::{Function, Functions};
use crate::text::Str;
use crate::types::{Field, INT, LIST_ANY, STRING, TypeInfo};
use crate::value::{Struct, Value};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

static FIELDS: [Field; 2] = [Field::new("Cert", "Cert"), Field::new("Key", "Key")];
/// `sprig.certificate`.
static CERTIFICATE: TypeInfo = TypeInfo::structure("sprig.certificate", &FIELDS);

/// Bits of the RSA keys of certificates.
const CERTIFICATE_KEY_BITS: usize = 2048;
/// Bits of the RSA keys of `genPrivateKey`.
const PRIVATE_KEY_BITS: usize = 4096;
/// Steps that a new RSA key is accounted for: it takes as long as a large chart.
const KEY_STEPS: u64 = 200_000;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("genPrivateKey", &[&STRING], private_key));
    add(Function::fixed("genCA", &[&STRING, &INT], |context, v| {
        let key = new_key(context)?;
        authority(context, v, &key)
    }));
    add(Function::fixed("genCAWithKey", &[&STRING, &INT, &STRING], |context, v| {
        let key = given_key(v, 2)?;
        authority(context, v, &key)
    }));
    add(Function::fixed("genSelfSignedCert", &[&STRING, &LIST_ANY, &LIST_ANY, &INT], |context, v| {
        let key = new_key(context)?;
        self_signed(context, v, &key)
    }));
    add(Function::fixed("genSelfSignedCertWithKey", &[&STRING, &LIST_ANY, &LIST_ANY, &INT, &STRING], |context, v| {
        let key = given_key(v, 4)?;
        self_signed(context, v, &key)
    }));
    add(Function::fixed("genSignedCert", &[&STRING, &LIST_ANY, &LIST_ANY, &INT, &CERTIFICATE], |context, v| {
        let key = new_key(context)?;
        signed(context, v, &key)
    }));
    add(Function::fixed(
        "genSignedCertWithKey",
        &[&STRING, &LIST_ANY, &LIST_ANY, &INT, &CERTIFICATE, &STRING],
        |context, v| {
            let key = given_key(v, 5)?;
            signed(context, v, &key)
        },
    ));
    add(Function::fixed("buildCustomCert", &[&STRING, &STRING], |_, v| {
        let cert = base64_decode(&string(v, 0)).map_err(|_| Error::function("unable to decode base64 certificate"))?;
        let key = base64_decode(&string(v, 1)).map_err(|_| Error::function("unable to decode base64 private key"))?;
        let block = der::from_pem(&cert).ok_or_else(|| Error::function("unable to decode certificate"))?;
        if Parent::read(&block.bytes).is_none() {
            return Err(Error::function("error parsing certificate: decodedCert.Bytes: x509: malformed certificate"));
        }
        PrivateKey::from_pem(&key).map_err(|reason| Error::function(format!("error parsing private key: {reason}")))?;
        Ok(made(Str::from(cert), Str::from(key)))
    }));
}

fn made(cert: Str, key: Str) -> Value {
    Value::Struct(Rc::new(Struct::new(&CERTIFICATE, vec![Value::Str(cert), Value::Str(key)])))
}

fn private_key(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let kind = string(v, 0);
    context.charge_steps(KEY_STEPS)?;
    let generator = context.generator();
    let key = match &*kind.text() {
        "" | "rsa" => match PrivateKey::rsa(generator, PRIVATE_KEY_BITS) {
            Ok(key) => key,
            Err(reason) => return Ok(Value::str(format!("failed to generate private key: {reason}"))),
        },
        "dsa" => PrivateKey::dsa(generator),
        "ecdsa" => PrivateKey::ecdsa(generator),
        "ed25519" => PrivateKey::ed25519(generator),
        other => return Ok(Value::str(format!("Unknown type {other}"))),
    };
    Ok(Value::str(key.to_pem().unwrap_or_else(|reason| format!("failed to generate private key: {reason}"))))
}

fn new_key(context: &mut Context<'_>) -> Result<PrivateKey, Error> {
    context.charge_steps(KEY_STEPS)?;
    PrivateKey::rsa(context.generator(), CERTIFICATE_KEY_BITS)
        .map_err(|reason| Error::function(format!("error generating rsa key: {reason}")))
}

fn given_key(v: &[Value], index: usize) -> Result<PrivateKey, Error> {
    PrivateKey::from_pem(&string(v, index)).map_err(|reason| Error::function(format!("parsing private key: {reason}")))
}

/// What a certificate says about its holder.
struct Template {
    common_name: Str,
    addresses: Vec<IpAddr>,
    names: Vec<Str>,
    days: i64,
    is_authority: bool,
}

/// Who signs: the name, the key identifier, the public key.
struct Parent {
    subject: Vec<u8>,
    key_id: Vec<u8>,
    public_info: Vec<u8>,
}

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
const SERVER_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 0x0E];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 0x23];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1D, 0x11];

impl Parent {
    /// Reads what is needed from a certificate.
    fn read(bytes: &[u8]) -> Option<Parent> {
        let certificate = Reader::new(bytes).expect(tag::SEQUENCE)?;
        let mut body = certificate.reader().expect(tag::SEQUENCE)?.reader();
        body.optional(0xA0);
        body.expect(tag::INTEGER)?;
        body.expect(tag::SEQUENCE)?;
        body.expect(tag::SEQUENCE)?;
        body.expect(tag::SEQUENCE)?;
        let subject = body.expect(tag::SEQUENCE)?.whole.to_vec();
        let public_info = body.expect(tag::SEQUENCE)?.whole.to_vec();
        body.optional(0x81);
        body.optional(0x82);
        let mut key_id = Vec::new();
        if let Some(extensions) = body.optional(0xA3) {
            let mut all = extensions.reader().expect(tag::SEQUENCE)?.reader();
            while !all.is_empty() {
                let mut extension = all.expect(tag::SEQUENCE)?.reader();
                let name = extension.expect(tag::OBJECT)?.content;
                extension.optional(tag::BOOLEAN);
                let content = extension.expect(tag::OCTET_STRING)?.content;
                if name == SUBJECT_KEY_ID {
                    key_id = Reader::new(content).expect(tag::OCTET_STRING)?.content.to_vec();
                }
            }
        }
        Some(Parent { subject, key_id, public_info })
    }
}

fn template(v: &[Value]) -> Result<Template, Error> {
    let items = |index: usize| match v.get(index) {
        Some(Value::List(list)) => list.items.clone(),
        _ => Vec::new(),
    };
    let shown = |value: &Value| String::from_utf8_lossy(&format::sprint_value(value)).into_owned();
    let mut addresses = Vec::new();
    for item in items(1) {
        let Value::Str(text) = &item else {
            return Err(Error::function(format!("error parsing ip: {} is not a string", shown(&item))));
        };
        let address = text.text().parse().map_err(|_| Error::function(format!("error parsing ip: {text}")))?;
        addresses.push(address);
    }
    let mut names = Vec::new();
    for item in items(2) {
        match item {
            Value::Str(name) => names.push(name),
            other => {
                return Err(Error::function(format!(
                    "error processing alternate dns name: {} is not a string",
                    shown(&other)
                )));
            }
        }
    }
    Ok(Template { common_name: string(v, 0), addresses, names, days: int(v, 3), is_authority: false })
}

fn authority(context: &mut Context<'_>, v: &[Value], key: &PrivateKey) -> Outcome {
    let template = Template {
        common_name: string(v, 0),
        addresses: Vec::new(),
        names: Vec::new(),
        days: int(v, 1),
        is_authority: true,
    };
    issue(context, &template, key, None)
}

fn self_signed(context: &mut Context<'_>, v: &[Value], key: &PrivateKey) -> Outcome {
    issue(context, &template(v)?, key, None)
}

fn signed(context: &mut Context<'_>, v: &[Value], key: &PrivateKey) -> Outcome {
    let part = |index: usize| match v.get(4) {
        Some(Value::Struct(structure)) => {
            structure.fields.get(index).and_then(Value::as_str).cloned().unwrap_or_else(Str::empty)
        }
        _ => Str::empty(),
    };
    let block = der::from_pem(&part(0)).ok_or_else(|| Error::function("unable to decode certificate"))?;
    let parent = Parent::read(&block.bytes).ok_or_else(|| {
        Error::function("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate")
    })?;
    let signer = PrivateKey::from_pem(&part(1))
        .map_err(|reason| Error::function(format!("error parsing private key: {reason}")))?;
    issue(context, &template(v)?, key, Some((&parent, &signer)))
}

fn issue(
    context: &mut Context<'_>,
    template: &Template,
    key: &PrivateKey,
    parent: Option<(&Parent, &PrivateKey)>,
) -> Outcome {
    let cert = certificate(context, template, key, parent)
        .map_err(|reason| Error::function(format!("error creating certificate: {reason}")))?;
    let key = key.to_pem().map_err(|reason| Error::function(format!("error pem-encoding key: {reason}")))?;
    Ok(made(Str::from(der::to_pem("CERTIFICATE", &cert)), Str::from(key)))
}

fn name_of(common_name: &[u8]) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let is_printable = common_name.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte));
    let kind = if is_printable { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
    let attribute = der::sequence(&[der::object(COMMON_NAME), der::element(kind, common_name)]);
    der::sequence(&[der::element(tag::SET, &attribute)])
}

fn moment(timestamp: Timestamp) -> Vec<u8> {
    let utc = timestamp.to_zoned(jiff::tz::TimeZone::UTC);
    let rest = crate::time::format(&utc, "0102150405Z");
    if (1950..2050).contains(&utc.year()) {
        der::element(tag::UTC_TIME, format!("{:02}{rest}", utc.year() % 100).as_bytes())
    } else {
        der::element(tag::GENERALIZED_TIME, format!("{:04}{rest}", utc.year()).as_bytes())
    }
}

fn extension(name: &[u8], is_critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::object(name)];
    if is_critical {
        parts.push(der::element(tag::BOOLEAN, &[0xFF]));
    }
    parts.push(der::element(tag::OCTET_STRING, content));
    der::sequence(&parts)
}

fn address_bytes(address: &IpAddr) -> Vec<u8> {
    let four: Option<Ipv4Addr> = match address {
        IpAddr::V4(four) => Some(*four),
        IpAddr::V6(six) => Ipv6Addr::to_ipv4_mapped(six),
    };
    match (four, address) {
        (Some(four), _) => four.octets().to_vec(),
        (None, IpAddr::V6(six)) => six.octets().to_vec(),
        (None, IpAddr::V4(four)) => four.octets().to_vec(),
    }
}

fn certificate(
    context: &mut Context<'_>,
    template: &Template,
    key: &PrivateKey,
    parent: Option<(&Parent, &PrivateKey)>,
) -> Result<Vec<u8>, String> {
    let mut serial = [0; 16];
    context.random(&mut serial);
    let start = context.now().timestamp();
    let lifetime = SignedDuration::from_hours(template.days.clamp(-3_000_000, 3_000_000) * 24);
    let end = start.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    let public_info = key.public_info()?;
    let subject = name_of(&template.common_name);
    let signer = parent.map_or(key, |(_, signer)| signer);
    if let Some((parent, signer)) = parent
        && signer.public_info()? != parent.public_info
    {
        return Err("x509: provided PrivateKey doesn't match parent's PublicKey".into());
    }
    let issuer = parent.map_or_else(|| subject.clone(), |(parent, _)| parent.subject.clone());
    let usage: &[u8] =
        if template.is_authority { &[tag::BIT_STRING, 2, 2, 0xA4] } else { &[tag::BIT_STRING, 2, 5, 0xA0] };
    let mut extensions = vec![
        extension(KEY_USAGE, true, usage),
        extension(EXTENDED_KEY_USAGE, false, &der::sequence(&[der::object(SERVER_AUTH), der::object(CLIENT_AUTH)])),
    ];
    let constraints =
        if template.is_authority { der::sequence(&[der::element(tag::BOOLEAN, &[0xFF])]) } else { der::sequence(&[]) };
    extensions.push(extension(BASIC_CONSTRAINTS, true, &constraints));
    if template.is_authority {
        let key_id = &Sha256::digest(key_bits(&public_info))[..20];
        extensions.push(extension(SUBJECT_KEY_ID, false, &der::element(tag::OCTET_STRING, key_id)));
    }
    if let Some((parent, _)) = parent
        && parent.subject != subject
        && !parent.key_id.is_empty()
    {
        extensions.push(extension(AUTHORITY_KEY_ID, false, &der::sequence(&[der::element(0x80, &parent.key_id)])));
    }
    if !template.names.is_empty() || !template.addresses.is_empty() {
        let names = template.names.iter().map(|name| der::element(0x82, name));
        let addresses = template.addresses.iter().map(|address| der::element(0x87, &address_bytes(address)));
        let all: Vec<Vec<u8>> = names.chain(addresses).collect();
        extensions.push(extension(ALTERNATIVE_NAME, template.common_name.is_empty(), &der::sequence(&all)));
    }
    let algorithm = signer.signature_algorithm()?;
    let body = der::sequence(&[
        der::element(0xA0, &der::integer(&[2])),
        der::integer(&serial),
        algorithm.clone(),
        issuer,
        der::sequence(&[moment(start), moment(end)]),
        subject,
        public_info,
        der::element(0xA3, &der::sequence(&extensions)),
    ]);
    let signature = signer.sign(&body)?;
    Ok(der::sequence(&[body, algorithm, der::bit_string(&signature)]))
}

/// The key's own bits inside its description.
fn key_bits(public_info: &[u8]) -> &[u8] {
    let bits = Reader::new(public_info).expect(tag::SEQUENCE).and_then(|info| {
        let mut parts = info.reader();
        parts.next();
        parts.expect(tag::BIT_STRING)
    });
    bits.and_then(|bits| bits.content.get(1..)).unwrap_or_default()
}

//! Public keys that commits may be signed with. Source: Argo CD 3.5 `server/gpgkey`, `util/db/gpgkeys.go`; RFC 9580.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_api::error::ApiError;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::api::call::{Call, Outcome, flag, text};
use crate::api::dispatch::unknown;

const CONFIG_MAP: &str = "argocd-gpg-keys-cm";
/// The largest text that is read as keys.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Carries out a method about keys.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" => {
            call.enforce("gpgkeys", "get", "")?;
            let mut items = Vec::new();
            for (_, armoured) in call.config_map(CONFIG_MAP).await? {
                items.extend(read(&armoured).unwrap_or_default().iter().map(|key| key.shown(None)));
            }
            Ok(json!({"metadata": {}, "items": items}).into())
        }
        "Get" => {
            let id = short(text(&request, "keyID"))?;
            call.enforce("gpgkeys", "get", &id)?;
            let config = call.config_map(CONFIG_MAP).await?;
            let found = config.get(&id).and_then(|armoured| {
                let keys = read(armoured).ok()?;
                Some(keys.first()?.shown(Some(armoured)))
            });
            Ok(found.ok_or_else(|| ApiError::not_found(format!("No such key: {id}")))?.into())
        }
        "Create" => create(call, &request).await,
        "Delete" => {
            let id = short(text(&request, "keyID"))?;
            call.enforce("gpgkeys", "delete", &id)?;
            if !call.config_map(CONFIG_MAP).await?.contains_key(&id) {
                return Err(ApiError::not_found(format!("No such key: {id}")));
            }
            call.write_config_map(CONFIG_MAP, json!({id: null})).await?;
            Ok(json!({}).into())
        }
        _ => Err(unknown(name)),
    }
}

/// The last sixteen digits of an id or fingerprint.
fn short(id: &str) -> Result<String, ApiError> {
    let is_valid = id.len() >= 16 && id.chars().all(|c| c.is_ascii_hexdigit());
    if !is_valid {
        return Err(ApiError::invalid(format!("KeyID is malformed or empty: {id:?}"))
            .hint("a key's id has sixteen hexadecimal digits"));
    }
    Ok(id[id.len() - 16..].to_uppercase())
}

async fn create(call: &Call, request: &Value) -> Outcome {
    let given = text(&request["publickey"], "keyData");
    call.enforce("gpgkeys", "create", "")?;
    if given.trim().is_empty() {
        return Err(ApiError::invalid("Submitted key data is empty"));
    }
    let keys = read(given).map_err(|reason| ApiError::invalid(format!("the key cannot be read: {reason}")))?;
    let known = call.config_map(CONFIG_MAP).await?;
    let (mut created, mut skipped, mut data) = (Vec::new(), Vec::new(), serde_json::Map::new());
    for key in &keys {
        if known.contains_key(&key.id) && !flag(request, "upsert") {
            skipped.push(key.id.clone());
            continue;
        }
        data.insert(key.id.clone(), json!(armour(&key.bytes)));
        created.push(key.shown(None));
    }
    if !data.is_empty() {
        call.write_config_map(CONFIG_MAP, Value::Object(data)).await?;
    }
    Ok(json!({"created": {"metadata": {}, "items": created}, "skipped": skipped}).into())
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: String,
    fingerprint: String,
    owner: String,
    kind: String,
    bytes: Vec<u8>,
}

impl Key {
    fn shown(&self, armoured: Option<&str>) -> Value {
        let mut shown = json!({
            "keyID": self.id, "fingerprint": self.fingerprint, "owner": self.owner, "trust": "unknown", "subType": self.kind,
        });
        if let Some(armoured) = armoured {
            shown["keyData"] = json!(armoured);
        }
        shown
    }
}

/// Reads the public keys of an armoured text.
fn read(armoured: &str) -> Result<Vec<Key>, String> {
    if armoured.len() > TEXT_BYTES_MAX {
        return Err(format!("it is larger than {TEXT_BYTES_MAX} bytes"));
    }
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let start = armoured.find(BEGIN).ok_or("there is no PGP PUBLIC KEY BLOCK")?;
    let body: String = armoured[start + BEGIN.len()..]
        .lines()
        .skip_while(|line| line.contains(':') || line.trim().is_empty())
        .take_while(|line| !line.starts_with("-----") && !line.starts_with('='))
        .map(str::trim)
        .collect();
    let bytes = STANDARD.decode(body).map_err(|_| "it is no base64")?;
    let mut keys: Vec<Key> = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (tag, content, whole, after) = packet(rest)?;
        match (tag, keys.last_mut()) {
            (6, _) => {
                let fingerprint = fingerprint(content)?;
                keys.push(Key {
                    id: fingerprint[fingerprint.len() - 16..].to_owned(),
                    fingerprint,
                    owner: String::new(),
                    kind: kind(content),
                    bytes: whole.to_vec(),
                });
            }
            (13, Some(key)) => {
                if key.owner.is_empty() {
                    key.owner = String::from_utf8_lossy(content).into_owned();
                }
                key.bytes.extend_from_slice(whole);
            }
            (_, Some(key)) => key.bytes.extend_from_slice(whole),
            (_, None) => return Err("it does not begin with a public key".to_owned()),
        }
        rest = after;
    }
    if keys.is_empty() { Err("there is no key in it".to_owned()) } else { Ok(keys) }
}

/// One packet: its tag, its content, all of it, and what follows. Both forms of lengths; none of unknown length.
fn packet(bytes: &[u8]) -> Result<(u8, &[u8], &[u8], &[u8]), String> {
    let short = || "it ends within a packet".to_owned();
    let head = *bytes.first().ok_or_else(short)?;
    let byte = |at: usize| bytes.get(at).copied().map(usize::from).ok_or_else(short);
    let (tag, start, length) = if head & 0x40 != 0 {
        let first = byte(1)?;
        match first {
            0..=191 => (head & 0x3f, 2, first),
            192..=223 => (head & 0x3f, 3, ((first - 192) << 8) + byte(2)? + 192),
            255 => (head & 0x3f, 6, byte(2)? << 24 | byte(3)? << 16 | byte(4)? << 8 | byte(5)?),
            _ => return Err("a packet comes in parts".to_owned()),
        }
    } else {
        let tag = head >> 2 & 0x0f;
        match head & 3 {
            0 => (tag, 2, byte(1)?),
            1 => (tag, 3, byte(1)? << 8 | byte(2)?),
            2 => (tag, 5, byte(1)? << 24 | byte(2)? << 16 | byte(3)? << 8 | byte(4)?),
            _ => return Err("a packet has no length".to_owned()),
        }
    };
    let end = start + length;
    let content = bytes.get(start..end).ok_or_else(short)?;
    Ok((tag, content, &bytes[..end], &bytes[end..]))
}

fn fingerprint(content: &[u8]) -> Result<String, String> {
    match content.first() {
        Some(4) => {
            let length = u16::try_from(content.len()).map_err(|_| "a key is too long")?;
            let mut hasher = Sha1::new();
            hasher.update([0x99]);
            hasher.update(length.to_be_bytes());
            hasher.update(content);
            Ok(hasher.finalize().iter().map(|byte| format!("{byte:02X}")).collect())
        }
        Some(version) => Err(format!("keys of version {version} are not understood")),
        None => Err("a key is empty".to_owned()),
    }
}

/// The algorithm, and for RSA the length.
fn kind(content: &[u8]) -> String {
    let bits = content.get(6..8).map_or(0, |bits| u16::from_be_bytes([bits[0], bits[1]]));
    match content.get(5) {
        Some(1..=3) => format!("rsa{bits}"),
        Some(17) => "dsa".to_owned(),
        Some(18) => "ecdh".to_owned(),
        Some(19) => "ecdsa".to_owned(),
        Some(22 | 27) => "ed25519".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn armour(bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    // CRC-24 of RFC 9580, which older readers insist on.
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    let sum = STANDARD.encode(&crc.to_be_bytes()[1..]);
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        lines.join("\n")
    )
}

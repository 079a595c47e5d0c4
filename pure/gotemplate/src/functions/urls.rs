//! URLs taken apart and put together, by the rules of Go's net/url.
//!
//! Source: Sprig 3.3.0 url.go.

use super::arguments::{Outcome, map, string, text};
use crate::context::Context;
use crate::error::Error;
use crate::function::{Function, Functions};
use crate::quote::quote;
use crate::text::Str;
use crate::types::{MAP_ANY, STRING};
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    functions.add(Function::fixed("urlParse", &[&STRING], |context, v| {
        let source = string(v, 0);
        context.charge_bytes(source.len() * 4)?;
        let url = Url::parse(&source).map_err(|reason| Error::function(format!("unable to parse url: {reason}")))?;
        let userinfo = url.user.as_ref().map_or_else(Vec::new, User::shown);
        let hostname = url.hostname();
        let entries = [
            ("scheme", url.scheme),
            ("host", url.host),
            ("hostname", hostname),
            ("path", url.path),
            ("query", url.query),
            ("opaque", url.opaque),
            ("fragment", url.fragment),
            ("userinfo", userinfo),
        ];
        Ok(Value::map(entries.map(|(key, value)| (Str::from(key), Value::str(value)))))
    }));
    functions.add(Function::fixed("urlJoin", &[&MAP_ANY], join));
}

fn join(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let parts = map(v, 0);
    let part = |key: &str| match parts.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.bytes().to_vec()),
        Some(Value::Nil) => Err(Error::function(super::arguments::NIL_DEREFERENCE)),
        Some(other) => Err(Error::function(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind().name()
        ))),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        ..Url::default()
    };
    url.opaque = part("opaque")?;
    url.fragment = part("fragment")?;
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let whole = [b"proto://", &userinfo[..], b"@host"].concat();
        let parsed = Url::parse(&whole)
            .map_err(|reason| Error::function(format!("unable to parse userinfo in dict: {reason}")))?;
        url.user = parsed.user;
    }
    text(context, url.shown())
}

/// Who is named before the host.
struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl User {
    fn shown(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Place::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Place::User));
        }
        out
    }
}

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    raw_path: Vec<u8>,
    query: Vec<u8>,
    has_empty_query: bool,
    fragment: Vec<u8>,
    omits_host: bool,
}

/// Which part of a URL is escaped: what may stand unescaped differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

fn may_stand(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return true;
    }
    match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Place::Path => b"$&+,/:;=@".contains(&byte),
        Place::User => b"$&+,;=".contains(&byte),
        Place::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn escape(source: &[u8], place: Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len());
    for byte in source {
        if may_stand(*byte, place) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn unescape(source: &[u8], place: Place) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(source.len());
    let mut at = 0;
    while let Some(&byte) = source.get(at) {
        if byte == b'%' {
            let digits = source.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let value = digits
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let shown = &source[at..source.len().min(at + 3)];
            let invalid = || format!("invalid URL escape {}", quote(shown));
            let value = value.ok_or_else(invalid)?;
            let is_percent = shown == b"%25";
            let is_refused = match place {
                Place::Host => value < 0x80 && !is_percent,
                Place::Zone => !is_percent && value != b' ' && !may_stand(value, Place::Host),
                _ => false,
            };
            if is_refused {
                return Err(invalid());
            }
            out.push(value);
            at += 3;
            continue;
        }
        if matches!(place, Place::Host | Place::Zone) && byte < 0x80 && !may_stand(byte, place) {
            return Err(format!("invalid character {} in host name", quote(&[byte])));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

fn cut(source: &[u8], mark: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(mark, source) {
        Some(at) => (&source[..at], Some(&source[at + 1..])),
        None => (source, None),
    }
}

impl Url {
    fn parse(source: &[u8]) -> Result<Url, String> {
        let (body, fragment) = cut(source, b'#');
        let failed = |whole: &[u8], reason: String| format!("parse {}: {reason}", quote(whole));
        let mut url = Url::parse_body(body).map_err(|reason| failed(body, reason))?;
        if let Some(fragment) = fragment {
            url.fragment = unescape(fragment, Place::Fragment).map_err(|reason| failed(source, reason))?;
        }
        Ok(url)
    }

    fn parse_body(source: &[u8]) -> Result<Url, String> {
        if source.iter().any(|byte| *byte < b' ' || *byte == 0x7F) {
            return Err("net/url: invalid control character in URL".into());
        }
        let mut url = Url::default();
        if source == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = scheme(source)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with(b"?") && memchr::memchr_iter(b'?', rest).count() == 1 {
            url.has_empty_query = true;
            rest = &rest[..rest.len() - 1];
        } else {
            let (before, query) = cut(rest, b'?');
            rest = before;
            url.query = query.unwrap_or_default().to_vec();
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        let has_authority = rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///"));
        if has_authority {
            let body = &rest[2..];
            let end = memchr::memchr(b'/', body).unwrap_or(body.len());
            rest = &body[end..];
            url.set_authority(&body[..end])?;
        } else if !url.scheme.is_empty() && rest.starts_with(b"/") {
            url.omits_host = true;
        }
        url.path = unescape(rest, Place::Path)?;
        if escape(&url.path, Place::Path) != rest {
            url.raw_path = rest.to_vec();
        }
        Ok(url)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let split = memchr::memrchr(b'@', authority);
        let host = split.map_or(authority, |at| &authority[at + 1..]);
        self.host = host_of(&self.scheme, host)?;
        let Some(at) = split else {
            return Ok(());
        };
        let userinfo = &authority[..at];
        let is_valid = userinfo.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte));
        if !is_valid {
            return Err("net/url: invalid userinfo".into());
        }
        let (name, password) = cut(userinfo, b':');
        let password = password.map(|password| unescape(password, Place::User)).transpose()?;
        self.user = Some(User { name: unescape(name, Place::User)?, password });
        Ok(())
    }

    fn hostname(&self) -> Vec<u8> {
        let host = &self.host;
        let without_port = match memchr::memrchr(b':', host) {
            Some(colon) if is_port(&host[colon..]) => &host[..colon],
            _ => &host[..],
        };
        without_port.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(without_port).to_vec()
    }

    fn escaped_path(&self) -> Vec<u8> {
        let is_valid =
            |raw: &[u8]| raw.iter().all(|byte| b"!$&'()*+,;=:@[]%".contains(byte) || may_stand(*byte, Place::Path));
        if !self.raw_path.is_empty()
            && is_valid(&self.raw_path)
            && unescape(&self.raw_path, Place::Path).as_deref() == Ok(&self.path)
        {
            return self.raw_path.clone();
        }
        if self.path == b"*" { b"*".to_vec() } else { escape(&self.path, Place::Path) }
    }

    fn shown(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            let has_user = self.user.is_some();
            let shows_authority = !self.scheme.is_empty() || !self.host.is_empty() || has_user;
            let omits = self.omits_host && self.host.is_empty() && !has_user;
            if shows_authority && !omits {
                if !self.host.is_empty() || !self.path.is_empty() || has_user {
                    out.extend_from_slice(b"//");
                }
                if let Some(user) = &self.user {
                    out.extend(user.shown());
                    out.push(b'@');
                }
                out.extend(escape(&self.host, Place::Host));
            }
            let path = self.escaped_path();
            if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
                out.extend_from_slice(b"./");
            }
            out.extend(path);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.has_empty_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Place::Fragment));
        }
        out
    }
}

fn scheme(source: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, byte) in source.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&source[..at], &source[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", source))
}

/// Says whether text is `:` with digits, or nothing.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

fn host_of(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    let bad_port = |port: &[u8]| format!("invalid port {} after host", quote(port));
    match memchr::memrchr(b'[', host) {
        Some(at) if at > 0 => return Err("invalid IP-literal".into()),
        Some(_) => {
            let close = memchr::memrchr(b']', host).ok_or("missing ']' in host")?;
            let port = &host[close + 1..];
            if !is_port(port) {
                return Err(bad_port(port));
            }
            let inside = &host[1..close];
            let name = match memchr::memmem::find(inside, b"%25") {
                Some(zone) => {
                    [unescape(&inside[..zone], Place::Host)?, unescape(&inside[zone..], Place::Zone)?].concat()
                }
                None => unescape(inside, Place::Host)?,
            };
            let shown = String::from_utf8_lossy(&name).into_owned();
            let address = shown.split('%').next().unwrap_or_default();
            if address.parse::<std::net::Ipv4Addr>().is_ok() {
                return Err("invalid IP-literal".into());
            }
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("invalid host: ParseAddr({}): unable to parse IP", quote(&name)));
            }
            return Ok([b"[", &name[..], b"]", &unescape(port, Place::Host)?[..]].concat());
        }
        None => {}
    }
    if let Some(first) = memchr::memchr(b':', host) {
        let last = memchr::memrchr(b':', host).unwrap_or(first);
        let is_strict = matches!(scheme, b"http" | b"https");
        let port = &host[if is_strict { first } else { last }..];
        if !is_port(port) {
            return Err(bad_port(port));
        }
    }
    unescape(host, Place::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_out_as_they_went_in() {
        for url in ["https://u:p@h:1/p?a=b#f", "mailto:a@b.c", "//h/p", "/just/path?x=1", "http://[::1]:80/", "x:y"] {
            assert_eq!(String::from_utf8(Url::parse(url.as_bytes()).unwrap_or_default().shown()).unwrap(), url);
        }
    }

    #[test]
    fn broken_urls_are_explained_in_gos_words() {
        for (url, wanted) in [
            (":x", "parse \":x\": missing protocol scheme"),
            ("http://h:x/", "parse \"http://h:x/\": invalid port \":x\" after host"),
            ("http://h/%zz", "parse \"http://h/%zz\": invalid URL escape \"%zz\""),
            ("http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"),
        ] {
            assert_eq!(Url::parse(url.as_bytes()).err(), Some(wanted.to_string()));
        }
    }
}

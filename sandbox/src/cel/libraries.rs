//! The functions that are called on values: strings, lists, sets, and Kubernetes' own types.

use std::net::IpAddr;
use std::sync::Arc;

use regex::Regex;

use super::functions::{key_text, order, part_of_time};
use super::value::{Key, Value};
use crate::quantity::Quantity;

type Outcome = Result<Value, String>;

fn none() -> Outcome {
    Err("no such overload".into())
}

fn flag(flag: bool) -> Outcome {
    Ok(Value::Bool(flag))
}

fn whole(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn maybe(value: Option<Value>) -> Value {
    Value::Optional(value.map(Box::new))
}

/// Calls a function that is no operator.
pub(super) fn call(name: &str, held: Option<&Value>, arguments: &[Value]) -> Outcome {
    let Some(held) = held else { return global(name, arguments) };
    if let Some(part) = part_of_time(name, held, arguments) {
        return part;
    }
    match held {
        Value::Text(text) => on_text(name, text, arguments),
        Value::List(items) => on_list(name, items, arguments),
        Value::Optional(inner) => on_optional(name, inner.as_deref(), arguments),
        Value::Quantity(quantity) => on_quantity(name, *quantity, arguments),
        Value::Url(url) => on_url(name, url),
        Value::Ip(ip) => on_ip(name, *ip),
        Value::Cidr(ip, bits) => on_cidr(name, *ip, *bits, arguments),
        Value::Semver(_, parts) => on_semver(name, parts, arguments),
        Value::Format(format) => match (name, arguments) {
            ("validate", [Value::Text(text)]) => {
                Ok(maybe(format_problem(format, text).map(|why| Value::list(vec![Value::text(&why)]))))
            }
            _ => none(),
        },
        _ => none(),
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("error parsing regexp: {error}"))
}

fn global(name: &str, arguments: &[Value]) -> Outcome {
    match (name, arguments) {
        ("matches", [Value::Text(text), Value::Text(wanted)]) => flag(pattern(wanted)?.is_match(text)),
        ("quantity", [Value::Text(text)]) => Quantity::parse(text).map(Value::Quantity).ok_or_else(|| {
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'".into()
        }),
        ("isQuantity", [Value::Text(text)]) => flag(Quantity::parse(text).is_some()),
        ("url", [Value::Text(text)]) if is_url(text) => Ok(Value::Url(Arc::clone(text))),
        ("url", [Value::Text(text)]) => {
            Err(format!("URL parse error during conversion from string: parse {text:?}: invalid URI for request"))
        }
        ("isURL", [Value::Text(text)]) => flag(is_url(text)),
        ("ip", [Value::Text(text)]) => text.parse().map(Value::Ip).map_err(|_| {
            format!(
                "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): unable to parse IP"
            )
        }),
        ("isIP", [Value::Text(text)]) => flag(text.parse::<IpAddr>().is_ok()),
        ("ip.isCanonical", [Value::Text(text)]) => {
            flag(text.parse::<IpAddr>().is_ok_and(|ip| ip.to_string() == **text))
        }
        ("cidr", [Value::Text(text)]) => network(text)
            .map(|(ip, bits)| Value::Cidr(ip, bits))
            .ok_or_else(|| format!("network address parse error during conversion from string: {text:?}")),
        ("isCIDR", [Value::Text(text)]) => flag(network(text).is_some()),
        ("semver", [Value::Text(text)]) => version(text)
            .map(|parts| Value::Semver(Arc::clone(text), parts))
            .ok_or_else(|| "No Major.Minor.Patch elements found".into()),
        ("isSemver", [Value::Text(text)]) => flag(version(text).is_some()),
        ("optional.of", [value]) => Ok(maybe(Some(value.clone()))),
        ("optional.none", []) => Ok(maybe(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(maybe((!is_zero(value)).then(|| value.clone()))),
        ("sets.contains", [Value::List(one), Value::List(other)]) => flag(other.iter().all(|item| one.contains(item))),
        ("sets.equivalent", [Value::List(one), Value::List(other)]) => {
            flag(other.iter().all(|item| one.contains(item)) && one.iter().all(|item| other.contains(item)))
        }
        ("sets.intersects", [Value::List(one), Value::List(other)]) => {
            flag(one.iter().any(|item| other.contains(item)))
        }
        ("strings.quote", [Value::Text(text)]) => Ok(Value::text(&format!("{text:?}"))),
        ("base64.encode", [Value::Bytes(_)]) => Ok(Value::text(arguments[0].to_json().as_str().unwrap_or_default())),
        ("base64.decode", [Value::Text(text)]) => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .decode(text.as_bytes())
                .map(|bytes| Value::Bytes(bytes.into()))
                .map_err(|_| "illegal base64 data".into())
        }
        ("jsonpatch.escapeKey", [Value::Text(text)]) => Ok(Value::text(&text.replace('~', "~0").replace('/', "~1"))),
        ("format.named", [Value::Text(text)]) => {
            Ok(maybe(FORMATS.contains(&&**text).then(|| Value::Format(Arc::clone(text)))))
        }
        ("math.greatest" | "math.least", [Value::List(items)]) => extreme(name == "math.greatest", items),
        ("math.greatest" | "math.least", items) if !items.is_empty() => extreme(name == "math.greatest", items),
        ("math.abs", [Value::Int(number)]) => {
            number.checked_abs().map(Value::Int).ok_or_else(|| "integer overflow".into())
        }
        ("math.abs", [Value::Double(number)]) => Ok(Value::Double(number.abs())),
        ("math.ceil", [Value::Double(number)]) => Ok(Value::Double(number.ceil())),
        ("math.floor", [Value::Double(number)]) => Ok(Value::Double(number.floor())),
        ("math.round", [Value::Double(number)]) => Ok(Value::Double(number.round())),
        _ if arguments.len() == 1 && !name.contains('.') => Err(format!("undeclared reference to '{name}'")),
        _ => none(),
    }
}

fn extreme(greatest: bool, items: &[Value]) -> Outcome {
    let mut best: Option<&Value> = None;
    for item in items {
        let better = match best {
            None => true,
            Some(best) => (order(item, best)? == std::cmp::Ordering::Greater) == greatest && item != best,
        };
        if better {
            best = Some(item);
        }
    }
    best.cloned().ok_or_else(|| "no such overload".into())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Optional(None) | Value::Bool(false) => true,
        Value::Int(number) => *number == 0,
        Value::Uint(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn on_text(name: &str, text: &Arc<str>, arguments: &[Value]) -> Outcome {
    let chars = || text.chars().collect::<Vec<char>>();
    let index = |number: i64, last: usize| -> Result<usize, String> {
        usize::try_from(number)
            .ok()
            .filter(|number| *number <= last)
            .ok_or_else(|| format!("index out of range: {number}"))
    };
    let found = |place: Option<usize>| Value::Int(place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1));
    match (name, arguments) {
        ("contains", [Value::Text(part)]) => flag(text.contains(&**part)),
        ("startsWith", [Value::Text(part)]) => flag(text.starts_with(&**part)),
        ("endsWith", [Value::Text(part)]) => flag(text.ends_with(&**part)),
        ("matches", [Value::Text(wanted)]) => flag(pattern(wanted)?.is_match(text)),
        ("find", [Value::Text(wanted)]) => {
            Ok(Value::text(pattern(wanted)?.find(text).map_or("", |found| found.as_str())))
        }
        ("findAll", [Value::Text(wanted), limit @ ..]) => {
            let most = match limit {
                [Value::Int(most)] if *most >= 0 => usize::try_from(*most).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            let found = pattern(wanted)?.find_iter(text).take(most).map(|found| Value::text(found.as_str())).collect();
            Ok(Value::list(found))
        }
        ("lowerAscii", []) => Ok(Value::text(&text.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Value::text(&text.to_ascii_uppercase())),
        ("trim", []) => Ok(Value::text(text.trim())),
        ("reverse", []) => Ok(Value::text(&text.chars().rev().collect::<String>())),
        ("charAt", [Value::Int(place)]) => {
            let chars = chars();
            let place = index(*place, chars.len())?;
            Ok(Value::text(&chars.get(place).map(char::to_string).unwrap_or_default()))
        }
        ("indexOf" | "lastIndexOf", [Value::Text(part), rest @ ..]) => {
            let (chars, part) = (chars(), part.chars().collect::<Vec<char>>());
            let fits = |place: &usize| chars[*place..].starts_with(&part);
            let last = chars.len();
            Ok(match (name, rest) {
                ("indexOf", []) => found((0..=last).find(fits)),
                ("indexOf", [Value::Int(from)]) => found((index(*from, last)?..=last).find(fits)),
                (_, []) => found((0..=last).rev().find(fits)),
                (_, [Value::Int(from)]) => found((0..=index(*from, last)?).rev().find(fits)),
                _ => return none(),
            })
        }
        ("replace", [Value::Text(old), Value::Text(new)]) => Ok(Value::text(&text.replace(&**old, new))),
        ("replace", [Value::Text(old), Value::Text(new), Value::Int(count)]) => Ok(Value::text(&if *count < 0 {
            text.replace(&**old, new)
        } else {
            text.replacen(&**old, new, usize::try_from(*count).unwrap_or(usize::MAX))
        })),
        ("split", [Value::Text(mark), rest @ ..]) => {
            let parts: Vec<&str> = match rest {
                [] => text.split(&**mark).collect(),
                [Value::Int(0)] => Vec::new(),
                [Value::Int(count)] if *count > 0 => {
                    text.splitn(usize::try_from(*count).unwrap_or(usize::MAX), &**mark).collect()
                }
                [Value::Int(_)] => text.split(&**mark).collect(),
                _ => return none(),
            };
            // Between all characters, there is nothing before the first and after the last.
            let parts =
                if mark.is_empty() { parts.into_iter().filter(|part| !part.is_empty()).collect() } else { parts };
            Ok(Value::list(parts.into_iter().map(Value::text).collect()))
        }
        ("substring", [Value::Int(from), rest @ ..]) => {
            let chars = chars();
            let end = match rest {
                [] => chars.len(),
                [Value::Int(end)] => index(*end, chars.len())?,
                _ => return none(),
            };
            let start = index(*from, chars.len())?;
            if start > end {
                return Err(format!("invalid substring range. start: {start}, end: {end}"));
            }
            Ok(Value::text(&chars[start..end].iter().collect::<String>()))
        }
        ("format", [Value::List(items)]) => formatted(text, items),
        _ => none(),
    }
}

/// `"%d of %s".format([..])`.
fn formatted(text: &str, items: &[Value]) -> Outcome {
    let mut made = String::new();
    let mut chars = text.chars();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            made.push(c);
            continue;
        }
        let mut clause = String::new();
        let verb = loop {
            match chars.next() {
                Some(c) if c == '.' || c.is_ascii_digit() => clause.push(c),
                Some(c) => break c,
                None => return Err("unexpected end of string".into()),
            }
        };
        if verb == '%' {
            made.push('%');
            continue;
        }
        let item = items.get(next).ok_or_else(|| format!("index {next} out of range"))?;
        next += 1;
        let digits = clause.strip_prefix('.').and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(6);
        match (verb, item) {
            ('s', item) => made.push_str(&shown(item)),
            ('d', Value::Int(_) | Value::Uint(_)) => made.push_str(&shown(item)),
            ('f', Value::Double(number)) => made.push_str(&format!("{number:.digits$}")),
            ('e', Value::Double(number)) => made.push_str(&format!("{number:.digits$e}")),
            ('b', Value::Int(number)) => made.push_str(&format!("{number:b}")),
            ('b', Value::Bool(flag)) => made.push(if *flag { '1' } else { '0' }),
            ('x', Value::Int(number)) => made.push_str(&format!("{number:x}")),
            ('X', Value::Int(number)) => made.push_str(&format!("{number:X}")),
            ('o', Value::Int(number)) => made.push_str(&format!("{number:o}")),
            _ => return Err(format!("error during formatting: unrecognized formatting clause \"{verb}\"")),
        }
    }
    Ok(Value::text(&made))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", key_text(key), shown(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => match other.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
    }
}

fn on_list(name: &str, items: &Arc<Vec<Value>>, arguments: &[Value]) -> Outcome {
    match (name, arguments) {
        ("isSorted", []) => {
            for pair in items.windows(2) {
                if order(&pair[0], &pair[1])? == std::cmp::Ordering::Greater {
                    return flag(false);
                }
            }
            flag(true)
        }
        ("sum", []) => {
            let mut total: Option<Value> = None;
            for item in items.iter() {
                total = Some(match total {
                    None => item.clone(),
                    Some(total) => super::functions::call("+", None, &[total, item.clone()])?,
                });
            }
            Ok(total.unwrap_or(Value::Int(0)))
        }
        ("min" | "max", []) if items.is_empty() => Err(format!("{name} called on empty list")),
        ("min" | "max", []) => extreme(name == "max", items),
        ("indexOf", [wanted]) => Ok(items.iter().position(|item| item == wanted).map_or(Value::Int(-1), whole)),
        ("lastIndexOf", [wanted]) => Ok(items.iter().rposition(|item| item == wanted).map_or(Value::Int(-1), whole)),
        ("join", rest) => {
            let mark = match rest {
                [] => "",
                [Value::Text(mark)] => mark,
                _ => return none(),
            };
            let texts: Result<Vec<&str>, String> = items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Ok(&**text),
                    _ => Err("no such overload".to_string()),
                })
                .collect();
            Ok(Value::text(&texts?.join(mark)))
        }
        ("first", []) => Ok(maybe(items.first().cloned())),
        ("last", []) => Ok(maybe(items.last().cloned())),
        ("reverse", []) => Ok(Value::list(items.iter().rev().cloned().collect())),
        ("distinct", []) => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items.iter() {
                if !kept.contains(item) {
                    kept.push(item.clone());
                }
            }
            Ok(Value::list(kept))
        }
        ("sort", []) => {
            let mut sorted = Vec::clone(items);
            let mut failed = None;
            sorted.sort_by(|one, other| {
                order(one, other).unwrap_or_else(|error| {
                    failed = Some(error);
                    std::cmp::Ordering::Equal
                })
            });
            failed.map_or(Ok(Value::list(sorted)), Err)
        }
        ("slice", [Value::Int(from), Value::Int(to)]) => {
            let range = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
            range
                .and_then(|(from, to)| items.get(from..to))
                .map(|part| Value::list(part.to_vec()))
                .ok_or_else(|| format!("cannot slice({from}, {to}), list is length {}", items.len()))
        }
        ("flatten", []) => {
            let flat = items.iter().flat_map(|item| match item {
                Value::List(inner) => inner.to_vec(),
                other => vec![other.clone()],
            });
            Ok(Value::list(flat.collect()))
        }
        _ => none(),
    }
}

fn on_optional(name: &str, inner: Option<&Value>, arguments: &[Value]) -> Outcome {
    match (name, arguments) {
        ("hasValue", []) => flag(inner.is_some()),
        ("value", []) => inner.cloned().ok_or_else(|| "optional.none() dereference".into()),
        ("orValue", [other]) => Ok(inner.unwrap_or(other).clone()),
        ("or", [other]) => Ok(inner.map_or_else(|| other.clone(), |inner| maybe(Some(inner.clone())))),
        _ => none(),
    }
}

fn on_quantity(name: &str, held: Quantity, arguments: &[Value]) -> Outcome {
    let amount = held.as_f64();
    match (name, arguments) {
        ("sign", []) => Ok(Value::Int(if held.is_negative() { -1 } else { i64::from(amount > 0.0) })),
        ("isInteger", []) => flag(amount.fract() == 0.0),
        #[expect(clippy::cast_possible_truncation, reason = "only whole numbers get here")]
        ("asInteger", []) if amount.fract() == 0.0 => Ok(Value::Int(amount as i64)),
        ("asInteger", []) => Err("cannot convert value to integer".into()),
        ("asApproximateFloat", []) => Ok(Value::Double(amount)),
        ("isGreaterThan", [Value::Quantity(other)]) => flag(held > *other),
        ("isLessThan", [Value::Quantity(other)]) => flag(held < *other),
        ("compareTo", [Value::Quantity(other)]) => Ok(Value::Int(held.cmp(other) as i64)),
        ("add", [other]) => other_amount(other).map(|other| Value::Quantity(held.plus(other))),
        ("sub", [other]) => other_amount(other).map(|other| Value::Quantity(held.minus(other))),
        _ => none(),
    }
}

fn other_amount(value: &Value) -> Result<Quantity, String> {
    match value {
        Value::Quantity(quantity) => Ok(*quantity),
        Value::Int(number) => Quantity::parse(&number.to_string()).ok_or_else(|| "no such overload".into()),
        _ => Err("no such overload".into()),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with('/')
        || text.split_once("://").is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
                && !rest.contains(' ')
        })
}

fn on_url(name: &str, url: &str) -> Outcome {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host_end = if scheme.is_empty() { 0 } else { rest.find(['/', '?', '#']).unwrap_or(rest.len()) };
    let (authority, path) = rest.split_at(host_end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (hostname, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    match name {
        "getScheme" => Ok(Value::text(scheme)),
        "getHost" => Ok(Value::text(host)),
        "getHostname" => Ok(Value::text(hostname.trim_matches(['[', ']']))),
        "getPort" => Ok(Value::text(port)),
        "getEscapedPath" => Ok(Value::text(path)),
        "getQuery" => {
            let mut found: std::collections::BTreeMap<Key, Vec<Value>> = std::collections::BTreeMap::new();
            for pair in query.split('#').next().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let decoded = |text: &str| crate::http::path::percent_decoded(&text.replace('+', " "));
                found.entry(Key::Text(decoded(key).into())).or_default().push(Value::text(&decoded(value)));
            }
            let map = found.into_iter().map(|(key, values)| (key, Value::list(values))).collect();
            Ok(Value::Map(Arc::new(map)))
        }
        _ => none(),
    }
}

fn on_ip(name: &str, ip: IpAddr) -> Outcome {
    match name {
        "family" => Ok(Value::Int(if ip.is_ipv4() { 4 } else { 6 })),
        "isUnspecified" => flag(ip.is_unspecified()),
        "isLoopback" => flag(ip.is_loopback()),
        "isLinkLocalMulticast" => flag(match ip {
            IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
            IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
        }),
        "isLinkLocalUnicast" => flag(match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
        }),
        "isGlobalUnicast" => flag(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast()),
        _ => none(),
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits: u8 = bits.parse().ok()?;
    (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
}

fn bits_of(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    }
}

fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    let (number, width) = bits_of(ip);
    let low = u32::from(width - bits);
    let kept = if low >= 128 { 0 } else { number >> low << low };
    match ip {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(kept).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(kept.into()),
    }
}

fn on_cidr(name: &str, ip: IpAddr, bits: u8, arguments: &[Value]) -> Outcome {
    let contains = |other: IpAddr| other.is_ipv4() == ip.is_ipv4() && masked(other, bits) == masked(ip, bits);
    match (name, arguments) {
        ("containsIP", [Value::Ip(other)]) => flag(contains(*other)),
        ("containsIP", [Value::Text(text)]) => {
            text.parse().map_or_else(|_| Err("unable to parse IP".into()), |ip| flag(contains(ip)))
        }
        ("containsCIDR", [Value::Cidr(other, more)]) => flag(*more >= bits && contains(*other)),
        ("containsCIDR", [Value::Text(text)]) => match network(text) {
            Some((other, more)) => flag(more >= bits && contains(other)),
            None => Err("unable to parse network".into()),
        },
        ("ip", []) => Ok(Value::Ip(ip)),
        ("prefixLength", []) => Ok(Value::Int(i64::from(bits))),
        ("masked", []) => Ok(Value::Cidr(masked(ip, bits), bits)),
        _ => none(),
    }
}

fn version(text: &str) -> Option<[u64; 3]> {
    let core = text.split(['-', '+']).next()?;
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn on_semver(name: &str, parts: &[u64; 3], arguments: &[Value]) -> Outcome {
    let number = |number: u64| Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    match (name, arguments) {
        ("major", []) => number(parts[0]),
        ("minor", []) => number(parts[1]),
        ("patch", []) => number(parts[2]),
        ("isGreaterThan", [Value::Semver(_, other)]) => flag(parts > other),
        ("isLessThan", [Value::Semver(_, other)]) => flag(parts < other),
        ("compareTo", [Value::Semver(_, other)]) => Ok(Value::Int(parts.cmp(other) as i64)),
        _ => none(),
    }
}

const FORMATS: &[&str] = &[
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

/// Says why a text is not of a named format.
fn format_problem(format: &str, text: &str) -> Option<String> {
    use crate::operations::{is_dns_label, is_qualified_name, is_subdomain};
    let fits = match format {
        "dns1123Label" => is_dns_label(text),
        "dns1123Subdomain" => is_subdomain(text),
        "dns1035Label" => is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase()),
        "dns1123LabelPrefix" => is_dns_label(text.trim_end_matches('-')),
        "dns1123SubdomainPrefix" => is_subdomain(text.trim_end_matches(['-', '.'])),
        "dns1035LabelPrefix" => {
            is_dns_label(text.trim_end_matches('-')) && text.starts_with(|c: char| c.is_ascii_lowercase())
        }
        "qualifiedName" => is_qualified_name(text),
        "labelValue" => text.is_empty() || (text.len() <= 63 && is_qualified_name(text) && !text.contains('/')),
        "uri" => is_url(text),
        "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "uuid" => text.len() == 36 && text.replace('-', "").chars().all(|c| c.is_ascii_hexdigit()),
        "byte" => {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        _ => true,
    };
    (!fits).then(|| format!("{text:?} is not of the format {format}"))
}

//! What browsers must not do for other people's pages, and what they are told to be careful about.
//!
//! A browser adds cookies to a request whoever made the page that sends it. So a request that changes something and
//! carries its token in a cookie must come from our own pages: by `Sec-Fetch-Site`, or by `Origin`, and it must be JSON,
//! which a form cannot send. Requests with a token in a header need none of that: only who has the token can send them.
//! Source: Argo CD 3.5 `server/server.go` (enforceContentTypes); OWASP CSRF Prevention Cheat Sheet.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};
use landfall_api::error::{ApiError, Code};

use crate::access::Snapshot;
use crate::caller::Carrier;
use crate::extract;

/// What every answer says, unless its route says something else.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "sameorigin"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    (
        "content-security-policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; \
         form-action 'self'; frame-ancestors 'self'",
    ),
];
/// For how long browsers are to ask over TLS only: a year.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Refuses a request of another site's page. Errors: `PermissionDenied`, or `InvalidArgument` for the kind of body.
pub fn check(method: &Method, headers: &HeaderMap, snapshot: &Snapshot) -> Result<(), ApiError> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let Some((_, Carrier::Cookie)) = extract::token(headers) else { return Ok(()) };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let foreign = || {
        let error = ApiError::of(Code::PermissionDenied, "the request comes from another site's page");
        Err(error.hint("programs send their token in the header Authorization, not in a cookie"))
    };
    match text("sec-fetch-site") {
        "same-origin" | "none" => {}
        "" => {
            // An old browser, or a program: then the origin has to be ours if it is named.
            let origin = text(ORIGIN.as_str());
            if !origin.is_empty() && !is_ours(origin, text(HOST.as_str()), snapshot) {
                return foreign();
            }
        }
        _ => return foreign(),
    }
    let kind = text(CONTENT_TYPE.as_str()).split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let is_json = kind == "application/json" || kind.starts_with("application/grpc");
    // What has no body says nothing; a form always says a kind, and other pages' scripts were found out above.
    let is_empty = kind.is_empty() && (*method == Method::DELETE || text(CONTENT_LENGTH.as_str()) == "0");
    match is_json || is_empty {
        true => Ok(()),
        false => Err(ApiError::invalid(format!("a body of type {kind:?} is not taken with a cookie"))
            .hint("send Content-Type: application/json")),
    }
}

fn is_ours(origin: &str, host: &str, snapshot: &Snapshot) -> bool {
    let authority = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let settings = &snapshot.settings;
    let mut urls = std::iter::once(&settings.url).chain(&settings.additional_urls).filter(|url| !url.is_empty());
    (!host.is_empty() && authority.eq_ignore_ascii_case(host))
        || urls.any(|url| origin_of(url).eq_ignore_ascii_case(origin))
}

fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Adds what browsers are told.
pub fn add_headers(headers: &mut HeaderMap, snapshot: &Snapshot) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Only where people are known to come over TLS: a browser that was told this comes back no other way for a year.
    if snapshot.settings.url.starts_with("https://") {
        headers.entry("strict-transport-security").or_insert(HeaderValue::from_static(STRICT_TRANSPORT));
    }
}

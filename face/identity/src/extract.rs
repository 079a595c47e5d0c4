//! Where the token of a request stands: `Authorization: Bearer`, gRPC's `token`, or the cookie `argocd.token`, which
//! large tokens are split over. Source: Argo CD 3.5 `util/http/http.go` (MakeCookieMetadata, JoinCookies),
//! `server/server.go` (getToken).

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};

use crate::caller::Carrier;
use crate::tokens::TOKEN_BYTES_MAX;

/// The cookie.
pub const COOKIE_NAME: &str = "argocd.token";
/// The largest cookie that browsers keep, its name and attributes included.
const COOKIE_BYTES_MAX: usize = 4093;
/// Over how many cookies a token is split at most.
const COOKIES_MAX: usize = 20;

/// Finds the token of a request.
pub fn token(headers: &HeaderMap) -> Option<(String, Carrier)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let is_grpc = text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc"));
    let metadata = if is_grpc { text("token") } else { None };
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if let Some(token) = metadata.filter(|token| !token.is_empty()).or(bearer.filter(|token| !token.is_empty())) {
        return Some((token.to_owned(), Carrier::Header));
    }
    joined_cookies(headers, COOKIE_NAME).map(|token| (token, Carrier::Cookie))
}

/// Reads one cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn joined_cookies(headers: &HeaderMap, name: &str) -> Option<String> {
    let first = cookie(headers, name).filter(|value| !value.is_empty())?;
    let (count, mut token) = match first.split_once(':') {
        Some((count, rest)) => (count.parse::<usize>().ok()?, rest.to_owned()),
        None => (1, first.to_owned()),
    };
    if count > COOKIES_MAX {
        return None;
    }
    for index in 1..count {
        token.push_str(cookie(headers, &format!("{name}-{index}"))?);
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
    }
    Some(token)
}

/// Writes the cookies that carry a token, each as a `Set-Cookie` value. `None` if it is too large to be carried.
pub fn cookies(name: &str, token: &str, attributes: &str) -> Option<Vec<String>> {
    // Room for the name with its number, `=`, the count, and `; ` before the attributes.
    let room = COOKIE_BYTES_MAX.checked_sub(name.len() + attributes.len() + 10)?;
    let chunks: Vec<&str> = match token.is_ascii() {
        true => token.as_bytes().chunks(room).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect(),
        false => return None,
    };
    let count = chunks.len();
    if count > COOKIES_MAX {
        return None;
    }
    let write = |(index, chunk): (usize, &&str)| match (index, count) {
        (0, 1) => format!("{name}={chunk}; {attributes}"),
        (0, _) => format!("{name}={count}:{chunk}; {attributes}"),
        (index, _) => format!("{name}-{index}={chunk}; {attributes}"),
    };
    match count {
        0 => Some(vec![format!("{name}=; {attributes}")]),
        _ => Some(chunks.iter().enumerate().map(write).collect()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_token_is_found_where_clients_put_it() {
        let ask = |pairs: &[(&'static str, &str)]| token(&headers(pairs)).map(|(token, _)| token);
        assert_eq!(ask(&[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(ask(&[("authorization", "bearer  abc ")]).as_deref(), Some("abc"));
        assert_eq!(ask(&[("authorization", "Basic abc")]), None);
        assert_eq!(ask(&[("content-type", "application/grpc+proto"), ("token", "abc")]).as_deref(), Some("abc"));
        assert_eq!(ask(&[("content-type", "application/grpc-web"), ("token", "abc")]).as_deref(), Some("abc"));
        assert_eq!(ask(&[("content-type", "application/json"), ("token", "abc")]), None);
        assert_eq!(ask(&[("cookie", "x=1; argocd.token=abc")]).as_deref(), Some("abc"));
        assert_eq!(ask(&[("cookie", "argocd.token=abc"), ("authorization", "Bearer d")]).as_deref(), Some("d"));
        assert_eq!(ask(&[("cookie", "argocd.token=")]), None);
    }

    #[test]
    fn large_tokens_survive_being_split_over_cookies() {
        for size in [0, 1, 3000, 4092, 9000, 40_000] {
            let token_text = "x".repeat(size);
            let written = cookies(COOKIE_NAME, &token_text, "Path=/; HttpOnly").unwrap();
            assert!(written.iter().all(|cookie| cookie.len() <= COOKIE_BYTES_MAX), "{size}");
            let sent: Vec<&str> = written.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
            let found = token(&headers(&[("cookie", &sent.join("; "))])).map(|(token, _)| token);
            assert_eq!(found.unwrap_or_default(), token_text, "{size}");
        }
        assert_eq!(cookies(COOKIE_NAME, &"x".repeat(100_000), ""), None);
    }

    #[test]
    fn cookies_with_a_part_missing_or_a_wild_count_carry_nothing() {
        let ask = |cookie: &str| token(&headers(&[("cookie", cookie)]));
        assert_eq!(ask("argocd.token=2:abc"), None);
        assert_eq!(ask("argocd.token=999999999:abc"), None);
        assert_eq!(ask("argocd.token=x:abc"), None);
        assert_eq!(ask("argocd.token=2:abc; argocd.token-1=def").map(|(token, _)| token).as_deref(), Some("abcdef"));
    }
}

//! Tokens, cookies and policies: whatever strangers send is read or refused, and nobody is let in by nonsense.

use std::sync::OnceLock;

use landfall_access::policy::{MatchMode, Policy, Request};
use landfall_identity::access::Snapshot;
use landfall_identity::audit::masked;
use landfall_identity::caller::check_scope;
use landfall_identity::settings::{Settings, Sources};
use landfall_identity::{extract, tokens};

use super::{Target, kind_of_error};

pub(super) const TARGET: Target = Target {
    name: "access",
    words: &[
        "p, ",
        "g, ",
        "role:admin",
        "applications",
        "*",
        "*/*",
        "allow",
        "deny",
        ", ",
        "\n",
        "\"",
        "[a-z]",
        "{a,b}",
        "(?:",
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJpc3MiOiJhcmdvY2QifQ",
        ".",
        "argocd.token=",
        "2:",
        ";",
        "proj:a:b",
        "\"kind\":\"Secret\"",
        "{\"data\":{\"a\":\"b\"}}",
    ],
    run,
};

fn run(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let mut ways = Vec::new();
    for mode in [MatchMode::Glob, MatchMode::Regex] {
        let (policy, problems) = Policy::read(&text, "", mode);
        ways.push(format!("{} problems", problems.len().min(3)));
        let ask = |subject, groups: &[String]| {
            policy.allows(&Request { subject, groups, resource: "applications", action: "delete", object: "team/shop" })
        };
        assert!(!ask("", &[]), "somebody without a name was let in");
        ways.push(format!("{} {}", ask("ann", &[]), ask("bob", &["role:dev".to_owned()])));
    }
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    let snapshot = SNAPSHOT.get_or_init(|| {
        let secret = [("server.secretkey".to_owned(), "a key that nobody guesses".to_owned())].into();
        Snapshot::of(Settings::read(&Sources { secret, ..Sources::default() }))
    });
    let now = jiff::Timestamp::from_second(1_800_000_000).expect("a moment of this century");
    match tokens::verify(snapshot, &text, now) {
        Ok(caller) => panic!("a token that nobody signed was accepted: {caller:?}"),
        Err(error) => ways.push(kind_of_error(&error.message)),
    }
    ways.push(format!("{}", tokens::unverified_claims(&text).is_some()));
    if let Ok(value) = http::HeaderValue::from_bytes(input) {
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, value)]);
        ways.push(format!("{}", extract::token(&headers).is_some()));
    }
    ways.push(format!("{}", check_scope(&text).is_ok()));
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(input) {
        let once = masked(&value);
        assert_eq!(masked(&once), once, "masking twice is masking once");
        ways.push("masked".to_owned());
    }
    ways.join("; ")
}

//! Which tokens are accepted, and which are refused.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use landfall_api::error::Code;
use landfall_flow::home::HomeKind;
use landfall_identity::accounts::Capability;
use landfall_identity::caller::{Caller, Via};
use landfall_identity::layer::authenticate;
use serde_json::{Value, json};

use support::{Installation, KEY, NOW, config_map, secret};

const ACCOUNTS: &[(&str, &str)] = &[("accounts.ci", "apiKey"), ("accounts.ann", "login")];
const TOKENS: &[(&str, &str)] = &[("accounts.ci.tokens", r#"[{"id":"key-1","iat":1799999000}]"#)];

fn installation() -> Installation {
    Installation::of(ACCOUNTS, &[], TOKENS)
}

fn signed_with(key: &[u8], algorithm: Algorithm, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).unwrap()
}

fn signed(claims: &Value) -> String {
    signed_with(KEY.as_bytes(), Algorithm::HS256, claims)
}

/// Claims as Argo CD writes them for a login.
fn login() -> Value {
    json!({"iss": "argocd", "sub": "ann:login", "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 3600, "jti": "session-1"})
}

fn with(change: Value) -> Value {
    let mut claims = login();
    for (key, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
            value => claims[key] = value.clone(),
        }
    }
    claims
}

fn ask(installation: &Installation, token: &str) -> Result<Caller, String> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    authenticate(&installation.access, &headers, "10.0.0.1").map_err(|error| {
        assert_eq!(error.code, Code::Unauthenticated, "{error:?}");
        error.message
    })
}

fn refusal(installation: &Installation, token: &str) -> String {
    ask(installation, token).expect_err("the token is refused")
}

#[test]
fn argo_cd_s_own_logins_and_keys_are_accepted() {
    let installation = installation();
    let caller = ask(&installation, &signed(&login())).unwrap();
    assert_eq!((caller.subject.as_str(), caller.issuer.as_str()), ("ann", "argocd"));
    assert_eq!(caller.via, Via::Account(Capability::Login));
    assert_eq!(caller.address, "10.0.0.1");
    let key = json!({"iss": "argocd", "sub": "ci:apiKey", "iat": NOW - 1000, "nbf": NOW - 1000, "jti": "key-1"});
    assert_eq!(ask(&installation, &signed(&key)).unwrap().via, Via::Account(Capability::ApiKey));
    let oldest = json!({"iss": "argocd", "sub": "ci", "iat": NOW - 1000, "jti": "key-1"});
    assert_eq!(ask(&installation, &signed(&oldest)).unwrap().subject, "ci");
}

#[test]
fn an_expired_token_is_refused() {
    let installation = installation();
    assert!(refusal(&installation, &signed(&with(json!({"exp": NOW})))).contains("expired"));
    assert!(refusal(&installation, &signed(&with(json!({"exp": "tomorrow"})))).contains("cannot be read"));
    assert!(refusal(&installation, &signed(&with(json!({"nbf": NOW + 120})))).contains("not valid yet"));
}

#[test]
fn a_token_of_another_installation_is_refused() {
    let other = signed_with(b"the key of another installation, as long", Algorithm::HS256, &login());
    assert!(refusal(&installation(), &other).contains("not signed by this installation"));
    assert!(
        refusal(&installation(), &signed(&with(json!({"iss": "https://issuer.example"})))).contains("another issuer")
    );
    assert!(refusal(&installation(), &signed(&with(json!({"iss": null})))).contains("another issuer"));
}

#[test]
fn a_tampered_token_is_refused() {
    let installation = installation();
    let token = signed(&login());
    let parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(with(json!({"sub": "admin:login"})).to_string());
    assert!(refusal(&installation, &format!("{}.{forged}.{}", parts[0], parts[2])).contains("not signed"));
    assert!(refusal(&installation, &format!("{}.{}.", parts[0], parts[1])).contains("not signed"));
    for index in 0..token.len() {
        // One letter different, anywhere: never somebody else, and never accepted unless it decodes to the same bytes.
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        if let Ok(caller) = ask(&installation, &changed) {
            assert_eq!(caller.subject, "ann", "{changed}");
            assert_eq!(index, token.len() - 1, "only unused bits of the last letter may differ");
        }
    }
}

#[test]
fn a_token_that_names_no_algorithm_or_another_is_refused() {
    let installation = installation();
    let payload = URL_SAFE_NO_PAD.encode(login().to_string());
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "typ": "JWT"}).to_string());
        for signature in ["", "x", &URL_SAFE_NO_PAD.encode("signature")] {
            assert!(refusal(&installation, &format!("{header}.{payload}.{signature}")).contains("not signed"));
        }
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert!(refusal(&installation, &signed_with(KEY.as_bytes(), algorithm, &login())).contains("not signed"));
    }
    // A token whose header asks for a public-key algorithm, signed with the shared secret, and the other way round.
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "typ": "JWT"}).to_string());
        let good = signed(&login());
        let signature = good.rsplit('.').next().unwrap();
        assert!(refusal(&installation, &format!("{header}.{payload}.{signature}")).contains("not signed"));
    }
}

#[test]
fn a_token_of_an_account_that_is_deleted_disabled_or_not_meant_for_it_is_refused() {
    let installation = installation();
    assert!(refusal(&installation, &signed(&with(json!({"sub": "gone:login"})))).contains("no such account"));
    assert!(
        refusal(&installation, &signed(&with(json!({"sub": "ci:login"})))).contains("does not have login capability")
    );
    assert!(refusal(&installation, &signed(&with(json!({"sub": "ann:apiKey"})))).contains("does not have apiKey"));
    let token = signed(&login());
    assert!(ask(&installation, &token).is_ok());
    let config = config_map("argocd-cm", &[("accounts.ann", "login"), ("accounts.ann.enabled", "false")]);
    installation.change(HomeKind::ConfigMap, config);
    assert!(refusal(&installation, &token).contains("disabled"));
    installation.change(HomeKind::ConfigMap, config_map("argocd-cm", &[]));
    assert!(refusal(&installation, &token).contains("no such account"));
}

#[test]
fn a_key_that_was_deleted_or_has_no_id_is_refused() {
    let installation = installation();
    let key = |id: &str| signed(&json!({"iss": "argocd", "sub": "ci:apiKey", "iat": NOW - 1000, "jti": id}));
    assert!(refusal(&installation, &key("key-2")).contains("does not have this token"));
    assert!(refusal(&installation, &key("")).contains("no id"));
    assert!(ask(&installation, &key("key-1")).is_ok());
    installation.change(HomeKind::Secret, secret("argocd-secret", &[("server.secretkey", KEY)]));
    assert!(refusal(&installation, &key("key-1")).contains("does not have this token"));
}

#[test]
fn a_token_from_before_the_password_changed_is_refused() {
    let installation = Installation::of(ACCOUNTS, &[], &[("accounts.ann.passwordMtime", "2027-01-15T08:00:00Z")]);
    // 2027-01-15T08:00:00Z is NOW.
    assert!(refusal(&installation, &signed(&login())).contains("password has changed"));
    assert!(ask(&installation, &signed(&with(json!({"iat": NOW})))).is_ok());
}

#[test]
fn a_revoked_token_is_refused() {
    let installation = installation();
    let token = signed(&login());
    assert!(ask(&installation, &token).is_ok());
    installation.change(HomeKind::Secret, secret("landfall-sessions", &[("revoked", r#"{"session-1": 1900000000}"#)]));
    assert!(refusal(&installation, &token).contains("revoked"));
}

#[test]
fn a_project_s_role_has_the_tokens_that_its_project_lists() {
    let project = |spec: Value, status: Value| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "team", "namespace": "argocd"},
               "spec": {"roles": [{"name": "deploy", "policies": ["p, proj:team:deploy, applications, sync, team/*, allow"], "jwtTokens": spec}]},
               "status": {"jwtTokensByRole": {"deploy": {"items": status}}}})
    };
    let projects = [project(json!([{"iat": NOW - 10}]), json!([{"iat": NOW - 20, "id": "two"}]))];
    let installation = Installation::with_projects(&[], &[], &[], &projects);
    let token = |subject: &str, iat: i64, id: &str| {
        signed(&json!({"iss": "argocd", "sub": subject, "iat": iat, "nbf": iat, "jti": id}))
    };
    assert_eq!(ask(&installation, &token("proj:team:deploy", NOW - 10, "")).unwrap().via, Via::ProjectRole);
    let caller = ask(&installation, &token("proj:team:deploy", NOW - 20, "two")).unwrap();
    assert!(installation.access.snapshot().permits(&caller, "applications", "sync", "team/shop"));
    assert!(installation.access.snapshot().permits(&caller, "projects", "get", "team"));
    assert!(!installation.access.snapshot().permits(&caller, "applications", "sync", "other/shop"));
    assert!(!installation.access.snapshot().permits(&caller, "applications", "delete", "team/shop"));
    for (subject, iat, id) in [
        ("proj:team:deploy", NOW - 11, ""),
        ("proj:team:deploy", NOW - 20, "three"),
        ("proj:team:other", NOW - 10, ""),
        ("proj:gone:deploy", NOW - 10, ""),
    ] {
        assert!(refusal(&installation, &token(subject, iat, id)).contains("does not have this token"), "{subject}");
    }
    installation.change(HomeKind::Project, project(json!([]), json!([])));
    assert!(refusal(&installation, &token("proj:team:deploy", NOW - 20, "two")).contains("does not have this token"));
}

#[test]
fn nobody_is_let_in_without_a_token_unless_the_installation_says_so() {
    let closed = installation();
    assert!(authenticate(&closed.access, &HeaderMap::new(), "").is_err());
    let open = Installation::of(&[("users.anonymous.enabled", "true")], &[("policy.default", "role:readonly")], &[]);
    let caller = authenticate(&open.access, &HeaderMap::new(), "").unwrap();
    assert_eq!(caller.via, Via::Anonymous);
    assert!(open.access.snapshot().permits(&caller, "applications", "get", "team/shop"));
    assert!(!open.access.snapshot().permits(&caller, "applications", "sync", "team/shop"));
    // A bad token is not the same as none.
    assert!(ask(&open, "x.y.z").is_err());
}

#[test]
fn before_anything_is_known_nobody_is_let_in() {
    let installation = installation();
    let cluster = installation.cluster.clone();
    let nothing = landfall_identity::access::Access::of(cluster, installation.clock.clone(), "argocd");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {}", signed(&login()))).unwrap());
    assert!(!nothing.is_ready());
    assert!(authenticate(&nothing, &headers, "").is_err());
}

#[test]
fn what_is_no_token_at_all_is_refused_without_a_panic() {
    let installation = installation();
    for text in
        ["x", "..", "a.b.c", "....", "eyJ.eyJ.eyJ", &"A".repeat(100_000), &format!("{}.{}.{}", "e30", "e30", "e30")]
    {
        ask(&installation, text).unwrap_err();
    }
}

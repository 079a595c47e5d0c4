//! What a request's path asks for.

/// A place in the API's tree of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/api`: the versions of the core group.
    CoreVersions,
    /// `/apis`: all groups.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`: the resources of a version.
    Resources {
        /// The group, "" for the core group.
        group: String,
        /// The version.
        version: String,
    },
    /// Objects.
    Objects(ObjectPath),
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz` and their parts.
    Health,
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApiV3,
    /// `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`: the document's key.
    OpenApiV3Of(String),
    /// `/.well-known/openid-configuration`: who gives out tokens.
    OpenIdConfiguration,
    /// `/openid/v1/jwks`: the keys that tokens are signed with.
    OpenIdKeys,
    /// `/`: a list of paths.
    Root,
    /// Nothing that is served.
    Unknown,
}

/// The address of objects: a collection, one object, or a part of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ObjectPath {
    /// The group, "" for the core group.
    pub(crate) group: String,
    /// The version.
    pub(crate) version: String,
    /// The namespace, if the path names one.
    pub(crate) namespace: Option<String>,
    /// The plural name of the resource.
    pub(crate) plural: String,
    /// The object's name, if the path names one.
    pub(crate) name: Option<String>,
    /// The subresource, e.g. `status`.
    pub(crate) subresource: Option<String>,
    /// What follows the subresource (proxy paths).
    pub(crate) rest: Vec<String>,
    /// The old `/watch/` form: always a watch.
    pub(crate) is_watch: bool,
}

/// Reads a path; segments are percent-decoded.
pub(crate) fn route(path: &str) -> Route {
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(percent_decoded).collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Route::Root,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_string()),
        ["api", version] => Route::Resources { group: String::new(), version: (*version).to_string() },
        ["apis", group, version] => Route::Resources { group: (*group).to_string(), version: (*version).to_string() },
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        ["version"] => Route::Version,
        [".well-known", "openid-configuration"] => Route::OpenIdConfiguration,
        ["openid", "v1", "jwks"] => Route::OpenIdKeys,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApiV3,
        ["openapi", "v3", rest @ ..] => Route::OpenApiV3Of(rest.join("/")),
        _ => Route::Unknown,
    }
}

fn objects(group: &str, version: &str, parts: &[&str]) -> Route {
    let mut path = ObjectPath { group: group.to_string(), version: version.to_string(), ..ObjectPath::default() };
    let parts = match parts {
        ["watch", rest @ ..] if !rest.is_empty() => {
            path.is_watch = true;
            rest
        }
        other => other,
    };
    let rest = match parts {
        // `/namespaces/NAME/status` and `/finalize` are parts of the Namespace itself, not collections in it.
        ["namespaces", name, subresource @ ("status" | "finalize")] => {
            path.plural = "namespaces".to_string();
            path.name = Some((*name).to_string());
            path.subresource = Some((*subresource).to_string());
            return Route::Objects(path);
        }
        ["namespaces", namespace, plural, rest @ ..] => {
            path.namespace = Some((*namespace).to_string());
            path.plural = (*plural).to_string();
            rest
        }
        [plural, rest @ ..] => {
            path.plural = (*plural).to_string();
            rest
        }
        [] => return Route::Unknown,
    };
    match rest {
        [] => {}
        [name] => path.name = Some((*name).to_string()),
        [name, subresource, rest @ ..] => {
            path.name = Some((*name).to_string());
            path.subresource = Some((*subresource).to_string());
            path.rest = rest.iter().map(|part| (*part).to_string()).collect();
        }
    }
    Route::Objects(path)
}

/// Undoes percent-encoding; a broken escape stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = (bytes[index] == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

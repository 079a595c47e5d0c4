//! Who asks: by what the connection proved, by bearer token, or nobody in particular; on whose behalf; and may they.

use std::collections::BTreeMap;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};

use super::Handler;
use super::params::Params;
use super::path::{ObjectPath, Route, percent_decoded};
use crate::access::{self, Attributes};
use crate::error::ApiError;
use crate::json;
use crate::tokens::{AUTHENTICATED, Identity, Issued};

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Handler {
    /// Finds out who asks. `proved` is what the connection itself proved, by a certificate for example.
    pub(super) fn authenticate(
        &self,
        parts: &Parts,
        proved: Option<Identity>,
        wanted: &Attributes,
    ) -> Result<Identity, ApiError> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim);
        let who = match (proved, token) {
            (Some(proved), _) => proved,
            (None, Some(token)) => self.valid_token(token).ok_or_else(ApiError::unauthorized)?.user,
            (None, None) => Identity::anonymous(),
        };
        self.impersonated(&parts.headers, who, wanted)
    }

    /// What a token stands for, if it is still good: not over, its account and bound object exist.
    pub(super) fn valid_token(&self, token: &str) -> Option<Issued> {
        let issued = self.tokens.find(token)?;
        let now = self.core.clock.now();
        let (namespace, name) = &issued.account;
        let account = self.core.store.get(&"serviceaccounts".into(), namespace, name)?;
        let bound_exists = issued.bound.as_ref().is_none_or(|(kind, name, uid)| {
            let resource = match kind.as_str() {
                "Pod" => "pods",
                "Secret" => "secrets",
                "Node" => return self.core.store.get(&"nodes".into(), "", name).is_some(),
                _ => return false,
            };
            let held = self.core.store.get(&resource.into(), namespace, name);
            held.is_some_and(|held| json::uid(&held.value) == uid)
        });
        (issued.expires > now && json::uid(&account.value) == issued.user.uid && bound_exists).then_some(issued)
    }

    /// Takes on another user, if the one who asks may do that.
    fn impersonated(&self, headers: &HeaderMap, who: Identity, act: &Attributes) -> Result<Identity, ApiError> {
        let user = header(headers, "impersonate-user").unwrap_or_default().to_string();
        let groups: Vec<String> = headers
            .get_all("impersonate-group")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::to_string)
            .collect();
        let uid = header(headers, "impersonate-uid").unwrap_or_default().to_string();
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix("impersonate-extra-") {
                let value = value.to_str().unwrap_or_default().to_string();
                extra.entry(percent_decoded(key)).or_default().push(value);
            }
        }
        if user.is_empty() {
            if groups.is_empty() && uid.is_empty() && extra.is_empty() {
                return Ok(who);
            }
            let groups: Vec<String> = groups.iter().map(|group| format!("{group:?}")).collect();
            return Err(ApiError::bad_request(format!(
                "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:[]string{{{}}}, Extra:map[string][]string(nil)}} \
                 without impersonating a user name",
                groups.join(", ")
            )));
        }
        let may = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
            let wanted = Attributes {
                verb: "impersonate".to_string(),
                group: group.to_string(),
                resource: resource.to_string(),
                subresource: subresource.to_string(),
                namespace: namespace.to_string(),
                name: name.to_string(),
                path: None,
            };
            // The refusal is about what was to be done in the other's name.
            access::require(&self.core, &who, &wanted).map_err(|_| {
                let verb = format!("impersonate-on:user-info:{}", act.verb);
                access::refusal(&who, &Attributes { verb, ..act.clone() })
            })
        };
        let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        let mut taken = Identity { name: user.clone(), groups: groups.clone(), uid: uid.clone(), extra };
        match account {
            Some((namespace, name)) => {
                may("", "serviceaccounts", "", namespace, name)?;
                if groups.is_empty() {
                    taken.groups =
                        vec!["system:serviceaccounts".to_string(), format!("system:serviceaccounts:{namespace}")];
                }
            }
            None => may("", "users", "", "", &user)?,
        }
        for group in &groups {
            may("", "groups", "", "", group)?;
        }
        if !uid.is_empty() {
            may("authentication.k8s.io", "uids", "", "", &uid)?;
        }
        for (key, values) in &taken.extra {
            for value in values {
                may("authentication.k8s.io", "userextras", key, "", value)?;
            }
        }
        if taken.name != "system:anonymous" && !taken.is_in("system:unauthenticated") && !taken.is_in(AUTHENTICATED) {
            taken.groups.push(AUTHENTICATED.to_string());
        }
        Ok(taken)
    }
}

/// What a request wants to do, in the terms of roles.
pub(super) fn attributes(method: &Method, url_path: &str, route: &Route, params: &Params) -> Attributes {
    let Route::Objects(path) = route else {
        return Attributes::of_path(&method.as_str().to_lowercase(), url_path);
    };
    let name = match &path.name {
        Some(name) => name.clone(),
        None => named_by_selector(params),
    };
    Attributes {
        verb: verb(method, path, params).to_string(),
        group: path.group.clone(),
        resource: path.plural.clone(),
        subresource: path.subresource.clone().unwrap_or_default(),
        namespace: match &path.namespace {
            Some(namespace) => namespace.clone(),
            None if path.plural == "namespaces" && path.group.is_empty() => path.name.clone().unwrap_or_default(),
            None => String::new(),
        },
        name: if method == Method::POST && path.name.is_none() { String::new() } else { name },
        path: None,
    }
}

fn named_by_selector(params: &Params) -> String {
    let selector = params.text("fieldSelector");
    selector.strip_prefix("metadata.name=").filter(|rest| !rest.contains(',')).unwrap_or_default().to_string()
}

fn verb(method: &Method, path: &ObjectPath, params: &Params) -> &'static str {
    let is_watch = path.is_watch || params.flag("watch");
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if path.name.is_none() => "deletecollection",
        Method::DELETE => "delete",
        _ if is_watch => "watch",
        _ if path.name.is_none() => "list",
        _ => "get",
    }
}

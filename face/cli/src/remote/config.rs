//! The config file that `argocd` and `landfall` share: contexts, servers, users. What is not known is kept.
//! Source: Argo CD 3.5 `util/localconfig/localconfig.go`.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LocalConfig {
    #[serde(rename = "current-context")]
    pub(crate) current_context: String,
    pub(crate) contexts: Vec<Context>,
    pub(crate) servers: Vec<Server>,
    pub(crate) users: Vec<User>,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// A server and a user, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) user: String,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Server {
    pub(crate) server: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) insecure: bool,
    #[serde(rename = "grpc-web", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) grpc_web: bool,
    #[serde(rename = "grpc-web-root-path")]
    pub(crate) root_path: String,
    #[serde(rename = "plain-text", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) plain_text: bool,
    #[serde(rename = "core", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_core: bool,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct User {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) auth_token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) refresh_token: String,
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

impl LocalConfig {
    /// Reads the file's text.
    pub(crate) fn read(text: &[u8]) -> anyhow::Result<Self> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let mut value = landfall_yaml::read_one(text, landfall_yaml::Resolver::Kubernetes)?;
        without_nulls(&mut value);
        serde_json::from_value(value).context("that is no config of argocd")
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        landfall_yaml::write(&serde_json::to_value(self).expect("texts and flags can be written"))
    }

    /// The server and user of a context.
    pub(crate) fn resolve(&self, context: &str) -> Option<(Server, User)> {
        let context = self.contexts.iter().find(|known| known.name == context)?;
        let server = self.servers.iter().find(|known| known.server == context.server)?;
        let user = self.users.iter().find(|known| known.name == context.user);
        Some((server.clone(), user.cloned().unwrap_or_default()))
    }

    /// The server of an address, with the user of the first context that is about it.
    pub(crate) fn of_server(&self, server: &str) -> Option<(Server, User)> {
        let context = self.contexts.iter().find(|known| known.server == server)?;
        self.resolve(&context.name)
    }

    /// Puts a login in, and makes it the current one.
    pub(crate) fn put(&mut self, name: &str, server: Server, user: User) {
        let context = Context { name: name.to_owned(), server: server.server.clone(), user: user.name.clone() };
        upsert(&mut self.contexts, context, |known| known.name.clone());
        upsert(&mut self.servers, server, |known| known.server.clone());
        upsert(&mut self.users, user, |known| known.name.clone());
        name.clone_into(&mut self.current_context);
    }

    /// Forgets a user's tokens; `false` if there are none.
    pub(crate) fn forget_tokens(&mut self, user: &str) -> bool {
        match self.users.iter_mut().find(|known| known.name == user) {
            Some(known) => {
                let had = !known.auth_token.is_empty() || !known.refresh_token.is_empty();
                known.auth_token.clear();
                known.refresh_token.clear();
                had
            }
            None => false,
        }
    }

    /// Keeps new tokens of a user.
    pub(crate) fn keep_tokens(&mut self, user: &str, token: &str, refresh_token: &str) {
        if let Some(known) = self.users.iter_mut().find(|known| known.name == user) {
            token.clone_into(&mut known.auth_token);
            refresh_token.clone_into(&mut known.refresh_token);
        }
    }

    /// Takes a context out, with its server and user unless another context has them; `false` if it is not there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let Some(at) = self.contexts.iter().position(|known| known.name == name) else { return false };
        let context = self.contexts.remove(at);
        if !self.contexts.iter().any(|known| known.server == context.server) {
            self.servers.retain(|known| known.server != context.server);
        }
        if !self.contexts.iter().any(|known| known.user == context.user) {
            self.users.retain(|known| known.name != context.user);
        }
        if self.current_context == name {
            self.current_context = self.contexts.first().map(|known| known.name.clone()).unwrap_or_default();
        }
        true
    }
}

/// Takes out what is written but empty, as Go reads it.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

fn upsert<T>(entries: &mut Vec<T>, entry: T, key: impl Fn(&T) -> String) {
    match entries.iter_mut().find(|known| key(known) == key(&entry)) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "contexts:\n- name: localhost:8080\n  server: localhost:8080\n  user: localhost:8080\n\
        current-context: localhost:8080\nprompts-enabled: false\nservers:\n- grpc-web-root-path: \"\"\n  insecure: true\n\
        \x20 server: localhost:8080\nusers:\n- auth-token: abc\n  name: localhost:8080\n";

    #[test]
    fn argocd_s_file_is_read_and_written_back_as_it_was() {
        let config = LocalConfig::read(FILE.as_bytes()).unwrap();
        let (server, user) = config.resolve("localhost:8080").unwrap();
        assert!(server.insecure && user.auth_token == "abc");
        assert_eq!(config.text(), FILE);
    }

    #[test]
    fn contexts_come_and_go_with_what_only_they_have() {
        let mut config = LocalConfig::read(FILE.as_bytes()).unwrap();
        let server = Server { server: "cd.example.com".into(), ..Server::default() };
        config.put("prod", server, User { name: "prod".into(), auth_token: "x".into(), ..User::default() });
        assert_eq!((config.current_context.as_str(), config.contexts.len()), ("prod", 2));
        assert!(config.forget_tokens("prod") && !config.forget_tokens("prod"));
        assert!(config.remove("prod") && !config.remove("prod"));
        assert_eq!(config.text(), FILE);
        assert!(LocalConfig::read(b"").unwrap().resolve("x").is_none());
        assert!(LocalConfig::read(b"- a list").is_err());
    }
}

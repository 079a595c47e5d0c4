//! The stock `argocd` 3.5 program, unchanged: every verb, each judged by what it brings about and not by its exit code
//! alone. What follows [`over_both_tongues`] runs over gRPC with TLS, and over gRPC-web without.

use landfall_e2e::argocd::{Argocd, Program};
use landfall_e2e::plane::Kind;
use landfall_e2e::repository::Repository;
use landfall_e2e::serve::{Serving, Wire};
use landfall_e2e::world::World;
use serde_json::{Value, json};

macro_rules! over_both_tongues {
    ($($name:ident),+ $(,)?) => {
        mod over_grpc { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(crate::stock::Tongue::Grpc).await.unwrap();
        })+ }
        mod with_our_own_program { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(crate::stock::Tongue::Own).await.unwrap();
        })+ }
        mod over_grpc_web { $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
            super::$name(crate::stock::Tongue::Web).await.unwrap();
        })+ }
    };
}

mod accounts;
mod applications;
mod clusters;
mod others;
mod projects;
mod repositories;
mod resources;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    Grpc,
    Web,
    /// REST, by our own program in the place of the stock one: a script goes on working after a rename.
    Own,
}

/// A world with an API that asks who calls, and `admin` signed in.
pub(crate) struct Desk {
    // Programs end before what they talk to.
    pub(crate) argocd: Argocd,
    pub(crate) serving: Serving,
    pub(crate) world: World,
    pub(crate) tongue: Tongue,
}

impl Desk {
    pub(crate) async fn start(tongue: Tongue) -> anyhow::Result<Self> {
        Self::start_on(Kind::Sandbox, tongue).await
    }

    pub(crate) async fn start_on(kind: Kind, tongue: Tongue) -> anyhow::Result<Self> {
        let mut world = World::start(kind).await?;
        // Nothing here may come about because a repository happens to be polled.
        world.stop_controller().await;
        world.poll_interval = std::time::Duration::from_secs(3600);
        world.start_controller().await?;
        world.apply(config_map("argocd-cm", json!({"accounts.ci": "apiKey, login"}))).await?;
        let policy = "p, ci, applications, get, */*, allow\ng, ci, role:nothing\n";
        world.apply(config_map("argocd-rbac-cm", json!({"policy.csv": policy}))).await?;
        let wire = match tongue {
            Tongue::Grpc | Tongue::Own => Wire::Tls,
            Tongue::Web => Wire::Plain,
        };
        let serving = Serving::guarded(&world, wire).await?;
        let argocd = Argocd::of(&world, &serving, tongue.program(), tongue.flags()).await?;
        argocd.login("admin", &serving.password).await?;
        Ok(Self { argocd, serving, world, tongue })
    }

    /// Another client, whom nobody knows yet.
    pub(crate) async fn stranger(&self) -> anyhow::Result<Argocd> {
        Argocd::of(&self.world, &self.serving, self.tongue.program(), self.tongue.flags()).await
    }

    /// Writes a file that verbs can be given.
    pub(crate) fn file(&self, name: &str, content: &str) -> anyhow::Result<String> {
        let path = self.world.directory.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// A program that changes one text for another in a file, as an editor.
    pub(crate) fn editor(&self, from: &str, to: &str) -> anyhow::Result<String> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.file("editor", &format!("#!/bin/sh\nexec sed -i 's|{from}|{to}|' \"$1\"\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// The repository `shop`, with a Deployment, a ConfigMap and a Secret in `app`; and its first commit.
    pub(crate) fn shop(&self) -> anyhow::Result<(Repository, String)> {
        let repository = self.world.repository("shop")?;
        let first = repository.commit(&[
            ("app/web.yaml", Some(WEB)),
            ("app/settings.yaml", Some(SETTINGS)),
            ("app/secret.yaml", Some(SECRET)),
        ])?;
        Ok((repository, first))
    }

    /// Makes the Application `shop` of it, which goes to a namespace of its own.
    pub(crate) async fn create_shop(&self, repository: &Repository) -> anyhow::Result<()> {
        let url = repository.url();
        let place = ["--repo", &url, "--path", "app", "--dest-server", "https://kubernetes.default.svc"];
        let further = ["--dest-namespace", "shop", "--sync-option", "CreateNamespace=true", "--label", "team=a"];
        let arguments: Vec<&str> = ["app", "create", "shop"].into_iter().chain(place).chain(further).collect();
        self.argocd.ok(&arguments).await?;
        Ok(())
    }

    /// Makes it, and synchronises it.
    pub(crate) async fn synced_shop(&self) -> anyhow::Result<(Repository, String)> {
        let (repository, first) = self.shop()?;
        self.create_shop(&repository).await?;
        self.argocd.ok(&["app", "sync", "shop", "--timeout", "60"]).await?;
        self.argocd.ok(&["app", "wait", "shop", "--timeout", "60"]).await?;
        Ok((repository, first))
    }

    /// An object of the control namespace or of the shop's.
    pub(crate) async fn object(&self, kind: (&str, &str), namespace: &str, name: &str) -> anyhow::Result<Value> {
        let found = self.world.get(kind.0, kind.1, namespace, name).await?;
        found.ok_or_else(|| anyhow::anyhow!("there is no {} {namespace}/{name}", kind.1))
    }

    /// The color of the shop's settings.
    pub(crate) async fn until_color(&self, color: &str) -> anyhow::Result<()> {
        let settings = ("v1", "ConfigMap", "shop", "settings");
        let is_it = |found: Option<&Value>| found.is_some_and(|value| value["data"]["color"] == color);
        self.world.until_object(settings, color, is_it).await
    }
}

impl Tongue {
    fn program(self) -> Program {
        match self {
            Self::Grpc | Self::Web => Program::Stock,
            Self::Own => Program::Own,
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Grpc | Self::Own => &[],
            Self::Web => &["--grpc-web"],
        }
    }
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd"}, "data": data})
}

pub(crate) const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'registry.example.test/web:1.0.0', ports: [{containerPort: 8080}]}]
";
pub(crate) const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue}
";
pub(crate) const SECRET: &str = "apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {password: correct-horse-battery}
";

//! One source of an Application, rendered from files of this machine, as the controller renders it from Git.

use anyhow::bail;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use landfall_gotemplate::context::Host;
use landfall_helm::Profile;
use landfall_kustomize::{Answers, BuildFlags, Session};
use landfall_model::application::Source;
use landfall_render::{Failure, Trees};
use landfall_tree::Tree;
use serde_json::Value;

/// What is rendered, and for whom.
pub(crate) struct Request {
    /// The application's name.
    pub(crate) application: String,
    /// The destination namespace.
    pub(crate) namespace: String,
    /// The project.
    pub(crate) project: String,
    /// The source; its path is one of the tree.
    pub(crate) source: Source,
    /// The commit, as far as it is known.
    pub(crate) revision: String,
    /// The cluster's version; `""` is the renderer's default.
    pub(crate) kube_version: String,
    /// What the cluster serves.
    pub(crate) api_versions: Vec<String>,
    /// Which Helm renders charts, unless the source says it.
    pub(crate) profile: Profile,
    /// The moment, for templates that ask.
    pub(crate) now: Timestamp,
    /// Where templates' randomness comes from.
    pub(crate) random: [u8; 32],
    /// The flags that kustomize is given.
    pub(crate) flags: BuildFlags,
}

/// What came out.
pub(crate) struct Rendered {
    /// The objects in order.
    pub(crate) objects: Vec<Value>,
    /// What should be known.
    pub(crate) warnings: Vec<String>,
}

/// Renders. Errors: those of the tools, which say what, where, why and what to do.
///
/// `answers` holds what was fetched for kustomizations and notes what has to be; `session` keeps what was parsed between
/// attempts.
pub(crate) fn render(
    tree: &dyn Tree,
    request: &Request,
    answers: &Answers,
    session: &Session,
) -> anyhow::Result<Rendered> {
    let asked = landfall_render::Request {
        application: &request.application,
        namespace: &request.namespace,
        project: &request.project,
        source: &request.source,
        revision: &request.revision,
        is_chart: false,
        kube_version: &request.kube_version,
        api_versions: &request.api_versions,
        profile: request.profile,
        disabled: &[],
        kustomize: Some(&request.flags),
        answers: Some(answers),
    };
    let mut host = TemplateHost::of(request.now, request.random);
    match landfall_render::render(&asked, &Trees::of(tree), &mut host, session) {
        Ok(rendered) => Ok(Rendered { objects: rendered.objects, warnings: rendered.warnings }),
        Err(Failure::Refused(reason)) => bail!("{reason}"),
        Err(Failure::Missing(missing)) => bail!(
            "{missing}\nhint: `landfall chart dependency build` fetches the charts that a chart needs; values files at addresses are fetched by the controller only"
        ),
    }
}

/// Answers templates that ask for the time and for randomness; never for a cluster.
pub(crate) struct TemplateHost {
    now: Timestamp,
    random: [u8; 32],
    resolves_names: bool,
}

impl TemplateHost {
    /// Makes one. `random` is the seed of everything random in the render.
    pub(crate) fn of(now: Timestamp, random: [u8; 32]) -> Self {
        Self { now, random, resolves_names: false }
    }

    /// The same host, resolving names for `getHostByName` or not.
    pub(crate) fn resolving(self, resolves_names: bool) -> Self {
        Self { resolves_names, ..self }
    }
}

impl Host for TemplateHost {
    fn now(&self) -> jiff::Zoned {
        self.now.to_zoned(TimeZone::UTC)
    }

    fn host_by_name(&mut self, name: &str) -> String {
        use std::net::ToSocketAddrs as _;
        let addresses = self.resolves_names.then(|| (name, 0).to_socket_addrs().ok()).flatten();
        addresses.and_then(|mut found| found.next()).map(|found| found.ip().to_string()).unwrap_or_default()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        // Asked once per render, for a seed of this size or less.
        for (byte, random) in bytes.iter_mut().zip(self.random.iter().cycle()) {
            *byte = *random;
        }
    }
}

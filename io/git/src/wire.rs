//! The Git protocol: one listing of references, and packs of exactly what is wanted.

use std::sync::atomic::AtomicBool;

use gix::ObjectId;
use gix::bstr::BString;
use gix::odb::pack;
use gix::progress::Discard;
use gix::protocol::fetch::refmap::{Mapping, Source, SpecIndex};
use gix::protocol::fetch::{Arguments, Context, Options, RefMap, Response, Shallow, Tags, negotiate};
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::{Handshake, LsRefsCommand, SendFlushOnDrop};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::{CommitId, Reference, Refs};

use crate::mirror::Mirror;
use crate::work::Work;

/// How Landfall introduces itself inside the protocol.
fn agent() -> (&'static str, Option<String>) {
    ("agent", Some(gix::protocol::agent(landfall_http::USER_AGENT)))
}

fn greet<T: Transport>(transport: &mut T, work: &Work) -> Result<Handshake, SourceError> {
    // Credentials are sent by the transport from the start: whoever asks for others gets none.
    let no_credentials = |_| Ok(None);
    gix::protocol::handshake(transport, gix_transport::Service::UploadPack, no_credentials, Vec::new(), &mut Discard)
        .map_err(|error| work.explain("the server did not greet as a Git server does", &error))
}

fn advertised<T: Transport>(
    transport: &mut T,
    handshake: &mut Handshake,
    prefixes: Option<RefPrefixes>,
    work: &Work,
) -> Result<Vec<Ref>, SourceError> {
    if let Some(refs) = handshake.refs.take() {
        return Ok(refs);
    }
    LsRefsCommand::new(prefixes, &handshake.capabilities, agent())
        .invoke_blocking(transport, &mut Discard, false)
        .map_err(|error| work.explain("the server did not list its references", &error))
}

/// Lists HEAD, branches, tags, and what stands below `extra_prefixes`.
pub(crate) fn list_refs<T: Transport>(
    transport: T,
    extra_prefixes: &[String],
    work: &Work,
) -> Result<Refs, SourceError> {
    let mut transport = SendFlushOnDrop::new(transport, false);
    let mut handshake = greet(&mut transport.inner, work)?;
    let mut prefixes = RefPrefixes::new();
    let extra = extra_prefixes.iter().map(String::as_str);
    prefixes.extend(["HEAD", "refs/heads/", "refs/tags/"].into_iter().chain(extra).map(BString::from));
    Ok(understood(advertised(&mut transport.inner, &mut handshake, Some(prefixes), work)?))
}

fn understood(advertised: Vec<Ref>) -> Refs {
    let mut refs = Refs::default();
    let id = |id: &gix::oid| CommitId::parse(&id.to_string()).expect("an object id has 40 or 64 hexadecimal digits");
    for advertised in advertised {
        let (name, commit, tag_object) = match &advertised {
            Ref::Peeled { full_ref_name, tag, object } => (full_ref_name, object, Some(tag)),
            Ref::Direct { full_ref_name, object } => (full_ref_name, object, None),
            Ref::Symbolic { full_ref_name, target, tag, object } => {
                if full_ref_name == "HEAD" {
                    refs.head_branch = Some(target.to_string());
                }
                (full_ref_name, object, tag.as_ref())
            }
            Ref::Unborn { full_ref_name, target } => {
                if full_ref_name == "HEAD" {
                    refs.head_branch = Some(target.to_string());
                }
                continue;
            }
        };
        if name == "HEAD" {
            refs.head = Some(id(commit));
        } else {
            let tag_object = tag_object.map(|tag| id(tag));
            refs.references.push(Reference { name: name.to_string(), commit: id(commit), tag_object });
        }
    }
    refs.references.sort_by(|a, b| a.name.cmp(&b.name));
    refs
}

/// Says what to fetch.
pub(crate) enum Wanted<'a> {
    /// These commits.
    Commits(&'a [CommitId]),
    /// Every branch and tag, to find a shortened commit among them.
    Everything,
}

/// Receives what is wanted and not yet here. `depth` bounds the history.
///
/// Errors: `UnknownRevision` if the server does not have a commit.
pub(crate) fn fetch<T: Transport>(
    transport: T,
    mirror: &Mirror,
    wanted: &Wanted<'_>,
    depth: Option<u32>,
    work: &Work,
) -> Result<(), SourceError> {
    let mut transport = SendFlushOnDrop::new(transport, false);
    let mut handshake = greet(&mut transport.inner, work)?;
    let commits = match wanted {
        // Servers before protocol version 2 give only what they advertise: ask for all of it, and look afterwards.
        Wanted::Commits(commits) if handshake.refs.is_none() => commits.to_vec(),
        Wanted::Commits(_) | Wanted::Everything => {
            let mut prefixes = RefPrefixes::new();
            prefixes.extend(["HEAD", "refs/heads/", "refs/tags/"].map(BString::from));
            let refs = understood(advertised(&mut transport.inner, &mut handshake, Some(prefixes), work)?);
            let tips = refs.head.iter().chain(refs.references.iter().map(|reference| &reference.commit));
            tips.cloned().collect()
        }
    };
    let mut ids: Vec<ObjectId> = Vec::new();
    for commit in &commits {
        ids.push(crate::history::object_id(&work.url, commit)?);
    }
    ids.sort();
    ids.dedup();
    receive(&mut transport.inner, &mut handshake, mirror, &ids, depth, work)?;
    mirror.pin(&commits).map_err(|error| work.error(SourceProblem::Broken, format!("cannot write the mirror: {error}")))
}

fn receive<T: Transport>(
    transport: &mut T,
    handshake: &mut Handshake,
    mirror: &Mirror,
    ids: &[ObjectId],
    depth: Option<u32>,
    work: &Work,
) -> Result<(), SourceError> {
    let repository = mirror.handle();
    let shallow = match depth.and_then(std::num::NonZeroU32::new) {
        Some(depth) => Shallow::DepthAtRemote(depth),
        None => Shallow::NoChange,
    };
    let mappings = ids.iter().map(|id| Mapping {
        remote: Source::ObjectId(*id),
        local: None,
        spec_index: SpecIndex::ExplicitInRemote(0),
    });
    let ref_map = RefMap { mappings: mappings.collect(), object_hash: gix::hash::Kind::Sha1, ..RefMap::default() };
    let explain = |what: &str, error: gix::Error| work.explain(what, &error);
    let cache = repository.commit_graph_if_enabled().ok().flatten();
    let mut asking = {
        let mut asking = repository.clone();
        // Most look-ups of the negotiation find nothing: they must not read the directory of packs each time.
        asking.objects.refresh_never();
        asking
    };
    asking.objects.unset_object_cache();
    let mut graph = asking.revision_graph(cache.as_ref());
    let mut negotiation = Negotiation {
        objects: &asking.objects,
        refs: &asking.refs,
        graph: &mut graph,
        ref_map: &ref_map,
        shallow: &shallow,
        negotiator: gix::negotiate::Algorithm::Consecutive.into_negotiator(),
    };
    let packs = repository.objects.store_ref().path().join("pack");
    let mut keep = None;
    let options = Options {
        shallow_file: repository.shallow_file().map_err(|error| explain("cannot read the mirror", error))?,
        shallow: &shallow,
        tags: Tags::None,
        reject_shallow_remote: false,
    };
    let context = Context { handshake, transport, user_agent: agent(), trace_packetlines: false };
    let is_stopped: &AtomicBool = &work.is_stopped;
    let thin_bases = repository.objects.clone();
    gix::protocol::fetch(
        &mut negotiation,
        |reader, progress, is_stopped| {
            let written = pack::Bundle::write_to_directory(
                reader,
                Some(&packs),
                progress,
                is_stopped,
                Some(Box::new(thin_bases)),
                gix::hash::Kind::Sha1,
                pack::bundle::write::Options::default(),
            )?;
            keep = written.keep_path;
            Ok(true)
        },
        Discard,
        is_stopped,
        context,
        options,
    )
    .map_err(|error| explain("the fetch failed", error))?;
    if let Some(keep) = keep {
        // It protects the pack until something refers to it, which nobody but us would ever clean up.
        std::fs::remove_file(&keep).ok();
    }
    Ok(())
}

struct Negotiation<'a, 'b, 'c> {
    objects: &'a gix::OdbHandle,
    refs: &'a gix::refs::file::Store,
    graph: &'a mut gix::negotiate::Graph<'b, 'c>,
    ref_map: &'a RefMap,
    shallow: &'a Shallow,
    negotiator: Box<dyn gix::negotiate::Negotiator>,
}

type NoAlternates = std::iter::Empty<(gix::refs::file::Store, gix::OdbHandle)>;

impl gix::protocol::fetch::Negotiate for Negotiation<'_, '_, '_> {
    fn mark_complete_and_common_ref(&mut self) -> gix::Result<negotiate::Action> {
        let nothing_ignored = |_: &Mapping| false;
        negotiate::mark_complete_and_common_ref(
            self.objects,
            self.refs,
            || Ok(NoAlternates::default()),
            &mut *self.negotiator,
            self.graph,
            self.ref_map,
            self.shallow,
            nothing_ignored,
        )
    }

    fn add_wants(&mut self, arguments: &mut Arguments, known: &[bool]) -> bool {
        negotiate::add_wants(self.objects, arguments, self.ref_map, known, self.shallow, |_: &Mapping| false)
    }

    fn one_round(
        &mut self,
        state: &mut negotiate::one_round::State,
        arguments: &mut Arguments,
        previous: Option<&Response>,
    ) -> gix::Result<(negotiate::Round, bool)> {
        negotiate::one_round(&mut *self.negotiator, self.graph, state, arguments, previous)
    }
}

//! The GitRemote port: bare mirrors fetched in process, files read from the object database, never checked out.
//!
//! ```text
//! client   one entry per repository, one network operation at a time for each, blocking work off the async threads
//! settings where mirrors live, how long and how much is allowed
//! mirror   opening a local repository as it is, or a bare mirror under the cache directory
//! wire     the Git protocol: references and packs (over http, or the pipes of a process: ssh)
//! tree     files of a commit            history  commits, ancestry, differences
//! large    files in Git LFS, where a repository Secret wants them
//! submodules repositories inside a repository, mounted where they belong
//! write    a commit made without a working copy, pushed by the `git` program
//! work     deadline and cancellation of one operation
//! ```
//!
//! What needs programs: `ssh://` needs `ssh`, pushing needs `git`. Reading over http(s) and from local folders needs none.
//! Entry: [`client::GitClient`].

pub mod client;
mod history;
mod http;
mod large;
mod mirror;
pub mod settings;
mod ssh;
mod submodules;
mod tree;
mod wire;
mod work;
mod write;

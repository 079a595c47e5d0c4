//! `landfall chart index`: as `helm repo index`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use landfall_helm::index;
use landfall_tree::join;
use landfall_yaml::Resolver;

use crate::Outside;

/// Arguments of `landfall chart index`.
#[derive(Debug, Args)]
pub struct IndexArguments {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Put before every file's name.
    #[arg(long, default_value = "", hide_default_value = true)]
    url: String,
    /// An index whose other entries are kept.
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,
    /// Write JSON, into the same file.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: IndexArguments, outside: &dyn Outside) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    let (tree, inside) = outside.tree_around(folder)?;
    let mut archives = BTreeMap::new();
    let prefix = join(&inside, "");
    for path in landfall_tree::files_below(&*tree, &inside)? {
        let relative = path.strip_prefix(prefix.as_str()).unwrap_or(&path).trim_start_matches('/').to_owned();
        // As the reference: archives here and one folder below.
        if relative.ends_with(".tgz")
            && relative.matches('/').count() <= 1
            && let Some(content) = tree.file(&path)?
        {
            archives.insert(relative, content.to_vec());
        }
    }
    // As the reference: an index to merge that is not there yet is an empty one.
    let merge = arguments.merge.and_then(|file| outside.read(&file).ok());
    let generated = outside.now().to_string();
    let (text, left_out) = index::index(&archives, &index::Options { base_url: arguments.url, generated, merge })
        .with_context(|| format!("{} cannot be indexed", folder.display()))?;
    for reason in left_out {
        outside.tell(&format!("left out {reason}"));
    }
    if archives.is_empty() {
        outside
            .tell(&format!("note: {} holds no chart archive; `landfall chart package` makes them", folder.display()));
    }
    let text = match arguments.json {
        true => {
            let value = landfall_yaml::read_one(text.as_bytes(), Resolver::Kubernetes)?;
            format!("{}\n", landfall_yaml::json::encode_pretty(&value, "  "))
        }
        false => text,
    };
    outside.write(&folder.join("index.yaml"), text.as_bytes())
}

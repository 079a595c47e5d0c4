//! `landfall set image`: images of a kustomization or of Helm values, changed in place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use landfall_edit::{ImageChange, choose_file, set_images};

use super::SUCCESS;
use crate::Outside;

/// What can be set.
#[derive(Debug, Subcommand)]
pub enum SetVerb {
    /// Set container images in a kustomization or in Helm values.
    Image {
        /// NAME=IMAGE[:TAG|@DIGEST], NAME:TAG or NAME@DIGEST, one or more; then the file or folder, this one if left out.
        #[arg(required = true, value_name = "CHANGE|FILE|DIR")]
        arguments: Vec<String>,
        /// Print the changed file and leave the one on disk alone.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Does it.
pub(super) fn run(verb: SetVerb, outside: &dyn Outside) -> anyhow::Result<u8> {
    let SetVerb::Image { arguments, dry_run } = verb;
    let (requests, place) = split(&arguments, outside)?;
    let changes = requests.iter().map(|request| ImageChange::parse(request)).collect::<Result<Vec<_>, _>>()?;
    let file = match outside.names(&place)? {
        None => place,
        Some(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let Some(name) = choose_file(&names) else {
                bail!(
                    "{} holds neither a kustomization nor a values file\nhint: name the file to change",
                    place.display()
                );
            };
            place.join(name)
        }
    };
    let content = outside.read(&file)?;
    let text = String::from_utf8(content).with_context(|| format!("{} is no UTF-8 text", file.display()))?;
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let edited =
        set_images(&file_name, &text, &changes).with_context(|| format!("{} is not changed", file.display()))?;
    if dry_run {
        outside.print(&edited.text)?;
        return Ok(SUCCESS);
    }
    if edited.notes.is_empty() {
        outside.tell(&format!("{}: every image already is as asked", file.display()));
        return Ok(SUCCESS);
    }
    outside.write(&file, edited.text.as_bytes())?;
    for note in &edited.notes {
        outside.print(&format!("{}: {note}\n", file.display()))?;
    }
    Ok(SUCCESS)
}

/// Tells the place from the changes: it is the last argument, if there is such a file or folder or it can be no change.
fn split<'a>(arguments: &'a [String], outside: &dyn Outside) -> anyhow::Result<(&'a [String], PathBuf)> {
    let here = PathBuf::from(".");
    let Some((last, before)) = arguments.split_last() else { return Ok((arguments, here)) };
    let looks_like_a_change = last.contains(['=', '@']) || last.contains(':');
    if before.is_empty() || (looks_like_a_change && outside.names(Path::new(last))?.is_none()) {
        return Ok((arguments, here));
    }
    Ok((before, PathBuf::from(last)))
}

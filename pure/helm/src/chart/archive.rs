//! Chart archives (`.tgz`): unpacking with every check that Helm makes, and bounds on what an archive may unpack to.
//!
//! Source: Helm 3.21.4, `pkg/chart/loader/archive.go`.

use std::io::Read;

use bytes::Bytes;

use super::load::LoadedFile;
use crate::error::{Error, ErrorKind};
use crate::go;

/// Bounds the unpacked size of one archive, in bytes; nested archives count into it. Source: Helm's default.
pub const ARCHIVE_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Bounds the size of one file of a chart, in bytes. Source: Helm's default.
pub const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// Bounds the number of entries of one archive: Helm has no bound, but headers of empty files pack a thousandfold.
pub const ENTRIES_MAX: usize = 100_000;

/// What may still be unpacked: shared by an archive and the archives inside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) bytes_left: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes_left: ARCHIVE_BYTES_MAX }
    }
}

/// Unpacks an archive into its files, by path below the chart's directory, in the archive's order.
pub(crate) fn unpack(archive: &[u8], budget: &mut Budget) -> Result<Vec<LoadedFile>, Error> {
    if archive.get(..2) != Some(&[0x1f, 0x8b]) {
        let looks_like = if archive.starts_with(b"<") { "; it looks like a web page" } else { "" };
        return Err(wrong(format!("the chart does not appear to be a gzipped archive{looks_like}"))
            .with_hint("a chart archive is what `helm package` makes; check the address it was fetched from"));
    }
    // Headers and padding come on top of the content: allow as much again before the stream itself is cut off.
    let stream = flate2::read::MultiGzDecoder::new(archive).take(ARCHIVE_BYTES_MAX * 2);
    let mut tar = tar::Archive::new(stream);
    let mut files = Vec::new();
    let entries = tar.entries().map_err(|error| wrong(format!("cannot read the chart archive: {error}")))?;
    for (index, entry) in entries.enumerate() {
        if index >= ENTRIES_MAX {
            return Err(wrong(format!("the chart archive has more than {ENTRIES_MAX} entries")));
        }
        let mut entry = entry.map_err(|error| wrong(format!("cannot read the chart archive: {error}")))?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_dir() || name.ends_with('/') || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = path_below_chart(&name)?;
        let size = entry.size();
        if size > budget.bytes_left {
            return Err(too_large());
        }
        if size > FILE_BYTES_MAX {
            return Err(wrong(format!(
                "decompressed chart file {} is larger than the maximum file size {FILE_BYTES_MAX}",
                go::quote(&name)
            )));
        }
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let read = entry
            .by_ref()
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut content)
            .map_err(|error| wrong(format!("cannot unpack {}: {error}", go::quote(&name))))?;
        budget.bytes_left = budget.bytes_left.saturating_sub(read as u64);
        if (read as u64) < size || budget.bytes_left == 0 {
            return Err(too_large());
        }
        files.push(LoadedFile::new(path, Bytes::from(content)));
    }
    if files.is_empty() {
        return Err(wrong("no files in chart archive"));
    }
    Ok(files)
}

/// Takes the archive's own directory off an entry's path, and refuses paths that would leave the chart.
fn path_below_chart(name: &str) -> Result<String, Error> {
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (first, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(wrong("chart illegally contains absolute paths"));
    }
    let path = go::clean_path(&rest);
    if path == "." {
        return Err(wrong(format!("chart illegally contains content outside the base directory: {}", go::quote(name))));
    }
    if path.starts_with("..") {
        return Err(wrong("chart illegally references parent directory"));
    }
    let bytes = path.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && bytes[2] == b'/' {
        return Err(wrong("chart contains illegally named files"));
    }
    if first == "Chart.yaml" {
        return Err(wrong("chart yaml not in base directory"));
    }
    Ok(path)
}

fn too_large() -> Error {
    wrong(format!("decompressed chart is larger than the maximum file size {ARCHIVE_BYTES_MAX}"))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Load, message)
}

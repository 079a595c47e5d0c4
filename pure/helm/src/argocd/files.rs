//! Where values files and file parameters are found: the chart's repository, other sources (`$ref/…`), addresses.

use std::collections::{BTreeMap, BTreeSet};

use landfall_tree::Tree;

use super::environment::{Environment, substitute};
use crate::error::{Error, ErrorKind};
use crate::go;
use crate::values::ValuesFile;

/// Answers for the address of a values file with what was fetched, or why it could not be.
pub type RemoteFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// The trees that an Application's sources are read from.
pub struct Files<'a> {
    /// The repository of the chart (or the unpacked chart of a Helm repository).
    pub tree: &'a dyn Tree,
    /// The chart's directory in it.
    pub chart_path: &'a str,
    /// The other sources' repositories, by `ref` without the `$`.
    pub references: BTreeMap<String, &'a dyn Tree>,
    /// What was fetched for [`super::Settings::remote_files`].
    pub remote: &'a RemoteFile<'a>,
}

/// Says whether a values file is an address rather than a path.
pub(super) fn is_remote(file: &str) -> bool {
    file.split_once("://").is_some_and(|(scheme, _)| matches!(scheme, "http" | "https"))
}

/// A file or pattern, found to be in one of the trees.
struct Place<'a> {
    tree: &'a dyn Tree,
    /// The path from the tree's root, or a pattern of such.
    path: String,
}

impl<'a> Files<'a> {
    /// Reads values files in order. Patterns stand for the files they match, in lexical order, that are not named elsewhere.
    pub(super) fn value_files(
        &self,
        files: &[String],
        environment: &Environment,
        ignore_missing: bool,
    ) -> Result<Vec<ValuesFile>, Error> {
        let mut read = Vec::new();
        let mut taken = BTreeSet::new();
        let explicit = self.explicit(files, environment);
        for written in files {
            let file = substitute(written, environment);
            if !written.starts_with('$') && is_remote(&file) {
                let content = (self.remote)(&file)
                    .map_err(|reason| wrong(format!("cannot fetch the values file {file}: {reason}")))?;
                read.push(ValuesFile { name: file, content });
                continue;
            }
            let place = self.place(written, environment)?;
            if !is_pattern(&place.path) {
                let key = (tree_address(place.tree), place.path.clone());
                if !taken.insert(key) {
                    continue;
                }
                match self.read(&place, written)? {
                    Some(content) => read.push(ValuesFile { name: place.path, content }),
                    None if ignore_missing => {}
                    None => return Err(missing("values file", written, &place.path)),
                }
                continue;
            }
            let matches = expand(&place)?;
            if matches.is_empty() && !ignore_missing {
                return Err(missing("values file", written, &place.path));
            }
            for path in matches {
                let key = (tree_address(place.tree), path.clone());
                if explicit.contains(&key) || !taken.insert(key) {
                    continue;
                }
                let place = Place { tree: place.tree, path };
                if let Some(content) = self.read(&place, written)? {
                    read.push(ValuesFile { name: place.path, content });
                }
            }
        }
        Ok(read)
    }

    /// Reads the file of a file parameter.
    pub(super) fn file_parameter(&self, written: &str, environment: &Environment) -> Result<String, Error> {
        let place = self.place(written, environment)?;
        let content = self.read(&place, written)?.ok_or_else(|| missing("file parameter", written, &place.path))?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    fn explicit(&self, files: &[String], environment: &Environment) -> BTreeSet<(usize, String)> {
        let places = files.iter().filter_map(|file| self.place(file, environment).ok());
        places.filter(|place| !is_pattern(&place.path)).map(|place| (tree_address(place.tree), place.path)).collect()
    }

    fn place(&self, written: &str, environment: &Environment) -> Result<Place<'a>, Error> {
        let (name, rest) = written.split_once('/').unwrap_or((written, ""));
        if let Some(tree) = name.strip_prefix('$').and_then(|name| self.references.get(name)) {
            let path = substitute(rest, environment);
            let path = landfall_tree::clean(path.trim_start_matches('/')).map_err(|_| outside(written))?;
            return Ok(Place { tree: *tree, path });
        }
        let file = substitute(written, environment);
        let path = match file.strip_prefix('/') {
            Some(from_root) => from_root.trim_start_matches('/').to_owned(),
            None => landfall_tree::join(self.chart_path, &file),
        };
        let path = landfall_tree::clean(&path).map_err(|_| outside(written))?;
        if written.starts_with('$') && path == self.chart_path {
            return Err(wrong(format!("the source {} is not known", go::quote(name)))
                .with_hint("give the other source of the Application the same `ref`, without the `$`"));
        }
        Ok(Place { tree: self.tree, path })
    }

    fn read(&self, place: &Place<'_>, written: &str) -> Result<Option<Vec<u8>>, Error> {
        let content = landfall_tree::read(place.tree, &place.path).map_err(|error| {
            wrong(format!("cannot read {}: {error}", go::quote(written)))
                .with_hint("values files must stay inside their repository, links included")
        })?;
        Ok(content.map(|content| content.to_vec()))
    }
}

fn tree_address(tree: &dyn Tree) -> usize {
    std::ptr::from_ref(tree).cast::<()>().addr()
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Finds the files that a pattern matches, sorted.
fn expand(place: &Place<'_>) -> Result<Vec<String>, Error> {
    let patterns = expand_braces(&place.path);
    let fixed = patterns.first().map_or("", |pattern| {
        let end = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
        landfall_tree::parent(&pattern[..end])
    });
    let start = if patterns.len() == 1 { fixed } else { "" };
    let files = landfall_tree::files_below(place.tree, start).map_err(|error| wrong(error.to_string()))?;
    let mut found = Vec::new();
    for file in files {
        let names: Vec<&str> = file.split('/').collect();
        for pattern in &patterns {
            let parts: Vec<&str> = pattern.split('/').collect();
            if segments_match(&parts, &names).map_err(|error| wrong(format!("{}: {error}", go::quote(&place.path))))? {
                found.push(file.clone());
                break;
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Matches a path part by part; `**` stands for any number of directories.
fn segments_match(pattern: &[&str], names: &[&str]) -> Result<bool, go::BadPattern> {
    // One pass over the names, keeping every place in the pattern that may be reached.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    let close = |reached: &mut Vec<bool>| {
        for index in 0..pattern.len() {
            if reached[index] && pattern[index] == "**" {
                reached[index + 1] = true;
            }
        }
    };
    close(&mut reached);
    for name in names {
        let mut next = vec![false; pattern.len() + 1];
        for index in (0..pattern.len()).filter(|index| reached[*index]) {
            if pattern[index] == "**" {
                next[index] = true;
            } else if go::path_match(pattern[index], name)? {
                next[index + 1] = true;
            }
        }
        close(&mut next);
        reached = next;
    }
    Ok(reached[pattern.len()])
}

/// How many patterns braces may multiply to.
const ALTERNATIVES_MAX: usize = 256;

/// Writes out the alternatives of `{a,b}`, innermost first.
fn expand_braces(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        let inner = pattern.find('}').and_then(|end| Some((pattern[..end].rfind('{')?, end)));
        match inner {
            Some((start, end)) if open.len() + done.len() < ALTERNATIVES_MAX => {
                for choice in pattern[start + 1..end].split(',') {
                    open.push(format!("{}{choice}{}", &pattern[..start], &pattern[end + 1..]));
                }
            }
            _ => done.push(pattern),
        }
    }
    done.sort();
    done.dedup();
    done
}

fn missing(what: &str, written: &str, path: &str) -> Error {
    wrong(format!("the {what} {} does not exist: there is no file {}", go::quote(written), go::quote(path))).with_hint(
        "paths are relative to the chart's directory, or start with `/` at the repository's root; set ignoreMissingValueFiles to leave missing ones out",
    )
}

fn outside(written: &str) -> Error {
    wrong(format!("{} leads outside the repository", go::quote(written)))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Values, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_part_by_part() {
        let matches = |pattern: &str, path: &str| {
            let (parts, names): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
            segments_match(&parts, &names).unwrap()
        };
        assert!(matches("envs/**/values.yaml", "envs/values.yaml"));
        assert!(matches("envs/**/values.yaml", "envs/a/b/values.yaml"));
        assert!(matches("*.y?ml", "a.yaml"));
        assert!(!matches("*.yaml", "a/b.yaml"));
        assert!(!matches("a/**", "b/c"));
        let alternatives = expand_braces("{a,b}/{c,d{e,f}}.yaml");
        assert_eq!(alternatives, ["a/c.yaml", "a/de.yaml", "a/df.yaml", "b/c.yaml", "b/de.yaml", "b/df.yaml"]);
    }
}

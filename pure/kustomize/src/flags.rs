//! The flags of `kustomize build` as words: from a command line, or from Argo CD's `kustomize.buildOptions`.

use crate::{LoadRestrictor, Options, Reorder};

/// What flags ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BuildFlags {
    /// The options of the build.
    pub options: Options,
    /// Flags that change nothing here, each with the reason.
    pub warnings: Vec<String>,
}

/// Flags with a value that only matter to programs which are started, and no program is.
const VALUES_WITHOUT_EFFECT: [&str; 5] = ["--env", "-e", "--mount", "--network-name", "--helm-command"];
/// Flags without a value that only matter to programs which are started.
const SWITCHES_WITHOUT_EFFECT: [&str; 4] = ["--as-current-user", "--network", "--helm-debug", "--stack-trace"];

impl BuildFlags {
    /// Reads flags: `--flag value` and `--flag=value` alike.
    ///
    /// `--enable-alpha-plugins` and `--enable-exec` only allow what is never done: they are warned about, and a
    /// kustomization that names such a plugin is refused when it is built.
    ///
    /// Errors: a flag that `kustomize build` does not have, a value that it does not take.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, inline) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let mut value = || {
                let value = inline.or_else(|| words.next());
                value.map(str::to_owned).ok_or_else(|| format!("the flag {name} needs a value"))
            };
            let switch = || match inline {
                None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
                Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
                Some(other) => Err(format!("the flag {name} takes true or false, not {other:?}")),
            };
            let options = &mut flags.options;
            match name {
                "--load-restrictor" | "--load_restrictor" => options.load_restrictor = load_restrictor(&value()?)?,
                "--reorder" => options.reorder = reorder(&value()?)?,
                "--enable-helm" => options.enable_helm = switch()?,
                "--enable-managedby-label" => options.managed_by_label = switch()?,
                "--helm-kube-version" => options.helm_kube_version = value()?,
                "--helm-api-versions" => options.helm_api_versions.push(value()?),
                "--enable-alpha-plugins" | "--enable_alpha_plugins" | "--enable-exec" => {
                    if switch()? {
                        flags.warnings.push(format!(
                            "{name} has no effect: programs are not run, and built-in plugins need no flag"
                        ));
                    }
                }
                _ if SWITCHES_WITHOUT_EFFECT.contains(&name) => drop(switch()?),
                _ if VALUES_WITHOUT_EFFECT.contains(&name) => drop(value()?),
                _ => return Err(format!("kustomize build has no flag {word:?}; correct it or take it out")),
            }
        }
        Ok(flags)
    }
}

fn load_restrictor(value: &str) -> Result<LoadRestrictor, String> {
    match value {
        "LoadRestrictionsRootOnly" => Ok(LoadRestrictor::RootOnly),
        "LoadRestrictionsNone" => Ok(LoadRestrictor::None),
        other => {
            Err(format!("--load-restrictor takes LoadRestrictionsRootOnly or LoadRestrictionsNone, not {other:?}"))
        }
    }
}

fn reorder(value: &str) -> Result<Reorder, String> {
    match value {
        "legacy" => Ok(Reorder::Legacy),
        "none" => Ok(Reorder::None),
        other => Err(format!("--reorder takes legacy or none, not {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_words() {
        let text = "--enable-helm --load-restrictor LoadRestrictionsNone --reorder=none --helm-command helm3 -e A=b --enable-alpha-plugins";
        let flags = BuildFlags::parse(text.split_whitespace()).unwrap();
        assert!(flags.options.enable_helm);
        assert_eq!(flags.options.load_restrictor, LoadRestrictor::None);
        assert_eq!(flags.options.reorder, Reorder::None);
        assert_eq!(flags.warnings.len(), 1, "{:?}", flags.warnings);
        assert!(!BuildFlags::parse(["--enable-helm=false"]).unwrap().options.enable_helm);
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        for text in
            ["--bogus", "--reorder=up", "--load-restrictor", "--load-restrictor nothing", "--enable-helm=maybe", "dir"]
        {
            assert!(BuildFlags::parse(text.split_whitespace()).is_err(), "{text}");
        }
    }
}

//! `.helmignore`: which files of a chart's directory are not part of the chart.
//!
//! Helm's rules look like Git's but are not: the first rule that matches decides, and a negated rule ignores everything
//! that it does *not* match. Source: Helm 3.21.4, `pkg/ignore`.

use crate::go;

/// The rules of one chart, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: String,
    scope: Scope,
    is_negated: bool,
    is_for_directories: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The pattern is held against the whole path.
    WholePath,
    /// The pattern is held against the last part of the path.
    BaseName,
}

impl Rules {
    /// Reads a `.helmignore` and adds Helm's own rule, which leaves out hidden files below `templates/`.
    ///
    /// Errors: a rule with `**` or a malformed pattern; the line is named.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            rules.add(line).map_err(|reason| format!(".helmignore:{}: {reason}", index + 1))?;
        }
        rules.add("templates/.?*").expect("Helm's own rule is well formed");
        Ok(rules)
    }

    /// Says whether a path below the chart is left out. A directory that is left out takes everything below it along.
    pub(crate) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        for rule in &self.rules {
            if rule.is_negated {
                if (rule.is_for_directories && !is_directory) || !rule.matches(path) {
                    return true;
                }
            } else if (!rule.is_for_directories || is_directory) && rule.matches(path) {
                return true;
            }
        }
        false
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        go::path_match(line, "abc").map_err(|error| error.to_string())?;
        let (is_negated, rule) = line.strip_prefix('!').map_or((false, line), |rule| (true, rule));
        let (is_for_directories, rule) = rule.strip_suffix('/').map_or((false, rule), |rule| (true, rule));
        let (scope, pattern) = match rule.strip_prefix('/') {
            Some(anchored) => (Scope::WholePath, anchored),
            None if rule.contains('/') => (Scope::WholePath, rule),
            None => (Scope::BaseName, rule),
        };
        self.rules.push(Rule { pattern: pattern.to_owned(), scope, is_negated, is_for_directories });
        Ok(())
    }
}

impl Rule {
    fn matches(&self, path: &str) -> bool {
        let name = match self.scope {
            Scope::WholePath => path,
            Scope::BaseName => go::base_name(path),
        };
        go::path_match(&self.pattern, name).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_rule_decides() {
        let rules = Rules::parse("\u{feff}# comment\n*.txt\n/top.yaml\nsub/\na/b\n").unwrap();
        for (path, is_directory) in [("x/y.txt", false), ("top.yaml", false), ("x/sub", true), ("a/b", false)] {
            assert!(rules.ignores(path, is_directory), "{path}");
        }
        for (path, is_directory) in [("x/top.yaml", false), ("sub", false), ("x/a/b", false), ("templates/a", false)] {
            assert!(!rules.ignores(path, is_directory), "{path}");
        }
        assert!(rules.ignores("templates/.hidden", false));
    }

    #[test]
    fn a_negated_rule_ignores_everything_that_it_does_not_match() {
        let rules = Rules::parse("!*.yaml\n").unwrap();
        assert!(rules.ignores("README.md", false));
        assert!(!rules.ignores("values.yaml", false));
    }

    #[test]
    fn rules_that_helm_refuses_are_refused_with_their_line() {
        assert_eq!(Rules::parse("a\n**/x").unwrap_err(), ".helmignore:2: double-star (**) syntax is not supported");
        assert_eq!(Rules::parse("[").unwrap_err(), ".helmignore:1: syntax error in pattern");
    }
}

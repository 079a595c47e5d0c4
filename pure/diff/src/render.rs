//! Differences for people: unified YAML, with secrets masked.

use landfall_merge::fields::{Element, Path};
use serde_json::Value;

use crate::compare::{Difference, FieldDifference};

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Pairs of lines beyond which two texts are shown as replaced rather than compared line by line.
const PAIRS_MAX: usize = 16_000_000;

/// The difference as unified YAML from live (`-`) to desired (`+`); empty if there is none.
#[must_use]
pub fn unified(difference: &Difference, title: &str) -> String {
    let yaml = |object: &Option<Value>| object.as_ref().map(landfall_yaml::write).unwrap_or_default();
    let (live, desired) = (yaml(&difference.live), yaml(&difference.predicted));
    if difference.is_in_sync() || live == desired {
        return String::new();
    }
    unified_texts(&live, &desired, &format!("live/{title}"), &format!("desired/{title}"))
}

/// A unified diff of two texts; empty if they are equal.
#[must_use]
pub fn unified_texts(before: &str, after: &str, before_name: &str, after_name: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let lines = edit_script(&old, &new);
    let is_change: Vec<bool> = lines.iter().map(|(mark, _)| *mark != ' ').collect();
    if !is_change.contains(&true) {
        return String::new();
    }
    let mut text = format!("--- {before_name}\n+++ {after_name}\n");
    let near = |index: usize| {
        let (from, to) = (index.saturating_sub(CONTEXT), (index + CONTEXT + 1).min(lines.len()));
        is_change[from..to].contains(&true)
    };
    let (mut old_line, mut new_line) = (1, 1);
    let mut index = 0;
    while index < lines.len() {
        if !near(index) {
            old_line += 1;
            new_line += 1;
            index += 1;
            continue;
        }
        let end = (index..lines.len()).find(|other| !near(*other)).unwrap_or(lines.len());
        let hunk = &lines[index..end];
        let old_count = hunk.iter().filter(|(mark, _)| *mark != '+').count();
        let new_count = hunk.iter().filter(|(mark, _)| *mark != '-').count();
        let place = |line: usize, count: usize| if count == 0 { line - 1 } else { line };
        text.push_str(&format!(
            "@@ -{},{old_count} +{},{new_count} @@\n",
            place(old_line, old_count),
            place(new_line, new_count)
        ));
        for (mark, line) in hunk {
            text.push_str(&format!("{mark}{line}\n"));
        }
        old_line += old_count;
        new_line += new_count;
        index = end;
    }
    text
}

/// Every line with a mark: kept, removed or added. The longest common subsequence stays.
fn edit_script<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<(char, &'t str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (middle_old, middle_new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut script: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    if middle_old.len().saturating_mul(middle_new.len()) > PAIRS_MAX {
        script.extend(middle_old.iter().map(|line| ('-', *line)));
        script.extend(middle_new.iter().map(|line| ('+', *line)));
    } else {
        align(middle_old, middle_new, &mut script);
    }
    script.extend(old[old.len() - tail..].iter().map(|line| (' ', *line)));
    script
}

fn align<'t>(old: &[&'t str], new: &[&'t str], script: &mut Vec<(char, &'t str)>) {
    let width = new.len() + 1;
    // common[i * width + j]: how many lines old[i..] and new[j..] have in common, in order.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            script.push((' ', old[i]));
            i += 1;
            j += 1;
        } else if j >= new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            script.push(('-', old[i]));
            i += 1;
        } else {
            script.push(('+', new[j]));
            j += 1;
        }
    }
}

/// Whether an object's data must never be shown.
pub(crate) fn is_secret(object: &Value) -> bool {
    let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "Secret" && text("apiVersion") == "v1"
}

/// Replaces the values of a Secret by runs of `+`, the same value by the same run.
pub(crate) fn mask(desired: Option<&mut Value>, live: Option<&mut Value>, fields: &mut [FieldDifference]) {
    let mut masks = Masks { seen: Vec::new() };
    for object in desired.into_iter().chain(live) {
        for field in ["data", "stringData"] {
            if let Some(Value::Object(map)) = object.get_mut(field) {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort_unstable();
                for key in keys {
                    let masked = masks.of(&map[&key]);
                    map.insert(key, masked);
                }
            }
        }
    }
    for field in fields {
        let is_data =
            matches!(field.place.first(), Some(Element::Field(name)) if name == "data" || name == "stringData");
        if is_data {
            for value in [&mut field.desired, &mut field.live].into_iter().flatten() {
                *value = masks.of_tree(value);
            }
        }
    }
}

/// The shortest run.
const MASK_LENGTH: usize = 8;

struct Masks {
    seen: Vec<Value>,
}

impl Masks {
    fn of(&mut self, value: &Value) -> Value {
        let index = self.seen.iter().position(|seen| seen == value).unwrap_or_else(|| {
            self.seen.push(value.clone());
            self.seen.len() - 1
        });
        Value::String("+".repeat(MASK_LENGTH + index))
    }

    fn of_tree(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), self.of(value))).collect(),
            other => self.of(other),
        }
    }
}

/// Replaces the values of annotations that hold secrets (`resource.sensitive.mask.annotations`) in a difference.
pub fn mask_annotations(difference: &mut Difference, names: &[String]) {
    let mut masks = Masks { seen: Vec::new() };
    for object in [&mut difference.predicted, &mut difference.live].into_iter().flatten() {
        if let Some(Value::Object(map)) = object.pointer_mut("/metadata/annotations") {
            for name in names {
                if let Some(value) = map.get_mut(name) {
                    *value = masks.of(value);
                }
            }
        }
    }
    let is_masked = |place: &Path| {
        matches!(place.as_slice(), [Element::Field(a), Element::Field(b), Element::Field(name), ..]
            if a == "metadata" && b == "annotations" && names.contains(name))
    };
    for field in difference.fields.iter_mut().filter(|field| is_masked(&field.place)) {
        for value in [&mut field.desired, &mut field.live].into_iter().flatten() {
            *value = masks.of(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unified_diff_shows_changes_with_three_lines_around() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 10\n", "line ten\n").replace("line 20\n", "line 20\nline 21\n");
        assert_eq!(
            unified_texts(&before, &after, "a", "b"),
            "--- a\n+++ b\n@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n line 11\n line 12\n line 13\n\
             @@ -18,3 +18,4 @@\n line 18\n line 19\n line 20\n+line 21\n"
        );
        assert_eq!(unified_texts(&before, &before, "a", "b"), "");
        assert_eq!(unified_texts("", "x\n", "a", "b"), "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
    }
}

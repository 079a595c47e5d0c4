//! Guesses what a misspelt function name was meant to be.

use crate::function::Functions;

/// Finds the function whose name is nearest to a misspelt one: equal without case, or at most two edits away.
pub(crate) fn nearest(name: &str, functions: &Functions) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let candidates = functions.names().into_iter().map(|known| {
        let distance = if known.eq_ignore_ascii_case(name) { 0 } else { edits(known.as_bytes(), name.as_bytes()) };
        (distance, known)
    });
    candidates.min().filter(|(distance, known)| *distance <= 2 && *distance * 2 < known.len()).map(|(_, known)| known)
}

fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, left) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

//! The order in which go-yaml prints the keys of a map: like a person would sort, numbers by their value.
//!
//! Source: go.yaml.in/yaml v2.4.3 and v3.0.4 `keyList.Less`.

use std::cmp::Ordering;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Chooses between the two generations, which differ where a letter meets another character after a digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// go-yaml v2: a letter always comes after another character.
    Old,
    /// go-yaml v3: after a digit, a letter comes first (`1a` before `1-`).
    New,
}

/// Sorts entries by key. Entries that come sorted by bytes leave in one fixed order.
///
/// The order of the reference is no order in the mathematical sense: `9999` < `10000` < `1e5` < `9999`. The library's own
/// sorting may panic on that, so this is a plain merge sort, which does not care. What the reference prints for such
/// keys depends on chance.
pub(crate) fn sort<V: Copy>(entries: &mut Vec<(&String, V)>, generation: Generation) {
    let mut width = 1;
    while width < entries.len() {
        let mut merged = Vec::with_capacity(entries.len());
        for run in entries.chunks(2 * width) {
            let (left, right) = run.split_at(width.min(run.len()));
            let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
            while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
                let takes_right = compare(second.0, first.0, generation) == Ordering::Less;
                merged.extend(if takes_right { right.next() } else { left.next() });
            }
            merged.extend(left.chain(right));
        }
        *entries = merged;
        width *= 2;
    }
}

/// Compares two keys.
fn compare(left: &str, right: &str, generation: Generation) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    // The last of the equal characters decides, so back up from the first difference to a character boundary.
    let equal = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    let start = (0..=equal).rev().find(|&at| left.is_char_boundary(at) && right.is_char_boundary(at)).unwrap_or(0);
    let (common, left, right) = (&left[..start], &left[start..], &right[start..]);
    let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
        return left.len().cmp(&right.len());
    };
    match (is_letter(a), is_letter(b)) {
        (true, true) => return a.cmp(&b),
        (false, false) => {}
        (a_is_letter, _) => {
            let letter_first = generation == Generation::New && common.chars().next_back().is_some_and(is_digit);
            return if a_is_letter == letter_first { Ordering::Less } else { Ordering::Greater };
        }
    }
    // A zero inside a number is a digit like any other; before it, it makes the number shorter.
    let continues_number = (a == '0' || b == '0')
        && common.chars().rev().take_while(|&character| is_digit(character)).any(|character| character != '0');
    let (left_number, left_digits) = number(left, continues_number);
    let (right_number, right_digits) = number(right, continues_number);
    left_number.cmp(&right_number).then(left_digits.cmp(&right_digits)).then(a.cmp(&b))
}

/// Reads the digits at the front: their value, with a leading 1 if the number began before, and how many they are.
fn number(text: &str, continues_number: bool) -> (i64, usize) {
    let mut value = i64::from(continues_number);
    let mut digits = 0;
    for character in text.chars().take_while(|&character| is_digit(character)) {
        let digit = i64::from(u32::from(character)) - i64::from(b'0');
        // The reference overflows silently as well.
        value = value.wrapping_mul(10).wrapping_add(digit);
        digits += 1;
    }
    (value, digits)
}

/// Says whether a character is a letter of any script (Unicode category L, as Go's `unicode.IsLetter`).
fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    character.general_category_group() == GeneralCategoryGroup::Letter
}

/// Says whether a character is a decimal digit of any script (Unicode category Nd, as Go's `unicode.IsDigit`).
fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    character.general_category() == GeneralCategory::DecimalNumber
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value_and_letters_after_other_characters() {
        let sorted = [
            "", "9", "10", "Item1", "a b", "a-b", "a.b", "a/b", "a_b", "a~b", "ab", "item1", "item2", "item10", "true",
            "z", "É", "é", "日",
        ];
        let keys: Vec<String> = sorted.iter().rev().map(|key| (*key).to_owned()).collect();
        let mut entries: Vec<(&String, ())> = keys.iter().map(|key| (key, ())).collect();
        sort(&mut entries, Generation::Old);
        assert_eq!(entries.into_iter().map(|entry| entry.0).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn keys_that_go_in_circles_are_sorted_without_panic() {
        let keys: Vec<String> =
            (0..200).flat_map(|number| [format!("{number}e5"), format!("{}", number * 7919)]).collect();
        let mut entries: Vec<(&String, ())> = keys.iter().map(|key| (key, ())).collect();
        sort(&mut entries, Generation::Old);
        assert_eq!(entries.len(), 400);
    }

    #[test]
    fn generations_differ_after_a_digit() {
        assert_eq!(compare("1a", "1-", Generation::Old), Ordering::Greater);
        assert_eq!(compare("1a", "1-", Generation::New), Ordering::Less);
    }

    #[test]
    fn zeros_inside_a_number_count() {
        assert_eq!(compare("a100", "a11", Generation::Old), Ordering::Greater);
        assert_eq!(compare("a01", "a1", Generation::Old), Ordering::Greater);
    }
}

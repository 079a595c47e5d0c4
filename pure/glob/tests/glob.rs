//! Promises of the globs, as a table.

use landfall_glob::{Glob, matches_path, matches_plainly};

#[test]
fn patterns_match_whole_texts() {
    let cases = [
        ("*", "a/b", false),
        ("**", "a/b", true),
        ("a/*", "a/b", true),
        ("a/*", "a/b/c", false),
        ("a/**", "a/b/c", true),
        ("**/c", "a/b/c", true),
        ("*.{yaml,yml}", "x.yml", true),
        ("*.{yaml,yml}", "x.json", false),
        ("{a,b{c,d}}e", "bde", true),
        ("[a-c]x", "bx", true),
        ("[!a-c]x", "bx", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        (r"\*", "*", true),
        (r"\*", "a", false),
        ("", "", true),
        ("", "a", false),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxbyy", false),
    ];
    for (pattern, text, expected) in cases {
        let glob = Glob::compile(pattern, Some('/')).unwrap();
        assert_eq!(glob.matches(text), expected, "{pattern:?} on {text:?}");
    }
}

#[test]
fn without_a_separator_a_star_crosses_everything() {
    assert!(matches_plainly("https://*.example.test/*", "https://git.example.test/a/b.git"));
    assert!(!matches_path("https://*", "https://git.example.test/a"));
}

#[test]
fn a_pattern_that_is_not_valid_says_why() {
    for pattern in ["[a", "{a,b", "[]", "a}", "\\"] {
        let error = Glob::compile(pattern, None).unwrap_err();
        assert!(error.to_string().contains("is not valid"), "{error}");
    }
    assert!(Glob::compile(&"{a,b}".repeat(11), None).is_err());
}

#[test]
fn many_stars_take_no_exponential_time() {
    let glob = Glob::compile(&"*a".repeat(60), None).unwrap();
    assert!(!glob.matches(&"a".repeat(59)));
}

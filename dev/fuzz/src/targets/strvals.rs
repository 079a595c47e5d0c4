//! `--set` and its relatives: any argument is understood or refused.

use super::{Target, kind_of_error};
use landfall_helm::Profile;
use landfall_helm::strvals::{Flavour, parse_into};

pub(super) const TARGET: Target = Target {
    name: "strvals",
    words: &[
        "a",
        "b.c",
        "=",
        ",",
        "[",
        "]",
        "[0]",
        "[1]",
        "[65536]",
        "[-1]",
        "{",
        "}",
        "{a,b}",
        "\\",
        "\\,",
        "\\.",
        ".",
        "..",
        "null",
        "true",
        "1",
        "01",
        "1.5",
        "=1,",
        "={",
        "=[1]",
        "={\"x\":1}",
        "\"",
        " ",
        "\n",
        "é",
    ],
    run,
};

fn run(input: &[u8]) -> String {
    let argument = String::from_utf8_lossy(input);
    let mut outcome = String::new();
    for profile in [Profile::Helm3, Profile::Helm4] {
        for flavour in [Flavour::Typed, Flavour::Text, Flavour::Json, Flavour::File, Flavour::Literal] {
            let mut values = serde_json::Map::new();
            values.insert("a".to_owned(), serde_json::json!([{"b": 1}]));
            match parse_into(flavour, &argument, &mut values, profile, &|path| Err(format!("no file {path}"))) {
                Ok(()) => outcome.push_str(&format!("{} ", values.len())),
                Err(error) => outcome.push_str(&kind_of_error(&error)),
            }
        }
    }
    outcome
}

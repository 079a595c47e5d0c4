//! Requests to the API: any bytes are a message or are refused, and what was read can be written, read again and is the
//! same then. The first byte picks the method; the rest is its protobuf message, and its JSON body.

use landfall_api::schema::schema;
use landfall_api::{rest, shape, wire};

use super::{Target, kind_of_error};

pub(super) const TARGET: Target = Target {
    name: "api",
    words: &[
        "\x0a",
        "\x12",
        "\x1a",
        "\x22",
        "\x08",
        "\x10",
        "\x0a\x00",
        "\x0a\x04name",
        "\u{ff}\u{ff}",
        "{\"raw\":",
        "{\"metadata\":{\"name\":\"a\"}}",
        "{\"spec\":{\"source\":{\"helm\":{\"valuesObject\":{}}}}}",
        "null",
        "true",
        "[]",
        "2026-01-31T12:00:00Z",
        "%2F",
        "&",
        "=",
    ],
    run,
};

fn run(input: &[u8]) -> String {
    let Some((first, rest)) = input.split_first() else { return "nothing".to_owned() };
    let schema = schema();
    let method = &schema.methods[usize::from(*first) % schema.methods.len()];
    let mut outcome = match wire::decode(method.takes, rest) {
        Ok(value) => {
            // Zero values and unknown fields go the first time; after that nothing may change any more.
            let written = wire::encode(method.takes, &value);
            let again = wire::decode(method.takes, &written).expect("what we wrote is a message");
            let settled =
                wire::decode(method.takes, &wire::encode(method.takes, &again)).expect("what we wrote is a message");
            assert_eq!(again, settled, "{}: a message changes each time it is sent", method.path());
            "message".to_owned()
        }
        Err(error) => kind_of_error(&error.message),
    };
    for rule in &method.rules {
        let path = rule.path.replace(['{', '}'], "").replace("=**", "");
        if let Some(Ok(found)) = rest::find(&rule.verb, &path) {
            let query = String::from_utf8_lossy(rest);
            if let Err(error) = found.request(&query, rest) {
                outcome.push_str(&kind_of_error(&error.message));
            }
        }
    }
    if let Ok(value) = serde_json::from_slice(rest) {
        match shape::conform(method.takes, value) {
            Ok(kept) => {
                wire::encode(method.takes, &kept);
                outcome.push_str(" shaped");
            }
            Err(error) => outcome.push_str(&kind_of_error(&error.message)),
        }
    }
    outcome
}

//! What is never closed is an error, quickly.

#[test]
fn collections_that_are_never_closed_are_errors_and_not_endless() {
    for text in ["{a", "{{ a", "[a", "a: {b", "a: [b, {c: d", "{", "[", "? {a", "- [a: b"] {
        for resolver in [landfall_yaml::Resolver::Kubernetes, landfall_yaml::Resolver::Kustomize] {
            assert!(landfall_yaml::read(text.as_bytes(), resolver).is_err(), "{text}");
        }
    }
}

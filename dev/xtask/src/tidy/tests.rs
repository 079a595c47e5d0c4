//! Every rule is broken once by a small repository, and each violation is found with its place.

use super::*;

const RULES: &str = "
edges: {pure: [pure], io: [landfall-model], dev: ['*']}
banned_in_pure: {everywhere: [tokio], direct: [rand]}
published: [pure]
banned_items: [std::fs, Instant::now]
own_lines_max: 3
ratchet: {pure/good/src/long.rs: 4, pure/good/src/short.rs: 5, pure/good/src/gone.rs: 9, pure/good/src/grown.rs: 4}
";

fn package(name: &str, folder: &str, dependencies: &[&str], all: &[&str]) -> Package {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        dependencies: owned(dependencies),
        dependencies_of_all: owned(all),
    }
}

fn violations(files: &[(&str, &str)], packages: Vec<Package>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let workspace = Workspace { root: directory.path().to_owned(), packages };
    let found = check(&workspace, &rules::parse(RULES.as_bytes()).unwrap()).unwrap();
    found.iter().map(|violation| format!("{}:{}: {}", violation.file, violation.line, violation.rule)).collect()
}

#[test]
fn every_rule_is_reported_with_file_and_line() {
    let files = [
        (
            "pure/good/Cargo.toml",
            "[package]\nname = \"good\"\n[dependencies]\nlandfall-io.workspace = true\ntokio = \"1\"\nrand = \"1\"\n",
        ),
        ("pure/good/src/lib.rs", "fn a() {}\n"),
        (
            "pure/good/src/io.rs",
            "//! Reads.\n// std::fs in a comment\nfn a() { std::fs::read(\"a\"); }\nfn std_fs() {}\nfn b() { my_std::fs_of(); }\n#[cfg(test)]\nmod tests { use std::fs; }\n",
        ),
        ("pure/good/src/big.rs", "//! Big.\na\nb\n\n// c\nd\ne\n"),
        ("pure/good/src/explained.rs", "//! Big.\n//! size: it is a table\na\nb\nc\nd\n"),
        ("pure/good/src/long.rs", "//! Long.\na\nb\nc\nd\n"),
        ("pure/good/src/grown.rs", "//! Long.\na\nb\nc\nd\ne\n"),
        ("pure/good/src/short.rs", "//! Long.\na\n"),
        ("io/net/Cargo.toml", "[package]\n"),
        ("io/net/src/lib.rs", "//! Net.\nuse std::fs;\n"),
        ("odd/thing/Cargo.toml", "[package]\nname = \"thing\"\n"),
    ];
    let packages = vec![
        package("good", "pure/good", &["landfall-io", "tokio", "rand"], &["tokio", "rand", "landfall-io"]),
        package("indirect", "pure/good", &[], &["tokio"]),
        package("landfall-io", "io/net", &[], &[]),
        package("thing", "odd/thing", &[], &[]),
    ];
    let found = violations(&files, packages);
    let expected = [
        "pure/good/Cargo.toml:4: pure may not depend on landfall-io (io/net)",
        "pure/good/Cargo.toml:5: a pure crate may not depend on tokio",
        "pure/good/Cargo.toml:6: a pure crate may not depend on rand",
        "pure/good/Cargo.toml:3: a dependency of this pure crate brings tokio in",
        "pure/good/README.md:1: good has no README.md",
        "pure/good/src/lib.rs:1: the file does not say what it is for",
        "pure/good/src/io.rs:3: a pure crate may not name std::fs",
        "pure/good/src/big.rs:1: the file has 4 own lines, more than 3",
        "pure/good/src/grown.rs:1: the file grew from 4 to 5 own lines",
        "pure/good/src/short.rs:1: the file is down to 1 own lines and still in the ratchet",
        "dev/xtask/tidy.yaml:1: the ratchet lists pure/good/src/gone.rs, which does not exist",
        "odd/thing/Cargo.toml:2: the folder odd is no layer",
    ];
    for line in expected {
        assert!(found.iter().any(|violation| violation == line), "missing {line:?} in {found:#?}");
    }
    let unexpected = ["explained.rs", "long.rs", "io/net/src", "io.rs:2", "io.rs:5", "io.rs:7"];
    for part in unexpected {
        assert!(!found.iter().any(|violation| violation.contains(part)), "unexpected {part:?} in {found:#?}");
    }
}

#[test]
fn a_tidy_repository_has_no_violations() {
    let files = [
        ("pure/model/Cargo.toml", "[package]\n"),
        ("pure/model/README.md", "# Model\n"),
        ("pure/model/src/lib.rs", "//! Nouns.\npub struct A;\n"),
    ];
    let rules = RULES.lines().filter(|line| !line.starts_with("ratchet")).chain(["ratchet: {}"]);
    let rules = rules::parse(rules.collect::<Vec<_>>().join("\n").as_bytes()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let packages = vec![package("landfall-model", "pure/model", &["serde"], &["serde"])];
    let workspace = Workspace { root: directory.path().to_owned(), packages };
    assert_eq!(check(&workspace, &rules).unwrap(), []);
}

#[test]
fn metadata_of_cargo_becomes_packages_without_their_test_dependencies() {
    let metadata = serde_json::json!({
        "packages": [
            {"id": "a", "name": "a", "manifest_path": "/r/pure/a/Cargo.toml",
             "dependencies": [{"name": "b", "kind": null}, {"name": "t", "kind": "dev"}]},
            {"id": "b", "name": "b", "manifest_path": "/x/b/Cargo.toml", "dependencies": []},
            {"id": "c", "name": "c", "manifest_path": "/x/c/Cargo.toml", "dependencies": []},
            {"id": "t", "name": "t", "manifest_path": "/x/t/Cargo.toml", "dependencies": []},
        ],
        "workspace_members": ["a"],
        "resolve": {"nodes": [
            {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}]}, {"pkg": "t", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "b", "deps": [{"pkg": "c", "dep_kinds": [{"kind": "build"}]}]},
        ]},
    });
    let workspace = workspace(Path::new("/r"), &metadata).unwrap();
    let [package] = workspace.packages.as_slice() else { panic!("expected one package: {workspace:?}") };
    assert_eq!((package.name.as_str(), package.folder.as_str()), ("a", "pure/a"));
    assert_eq!(package.dependencies, ["b"]);
    assert_eq!(package.dependencies_of_all, ["b", "c"]);
}

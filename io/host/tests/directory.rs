//! A folder answers as any tree does, and nothing outside it can be read.

use std::fs;
use std::os::unix::fs::symlink;

use landfall_host::directory::DirectoryTree;
use landfall_tree::{EntryKind, ResolveError, Tree};

fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    fs::create_dir_all(root.join("app/sub")).expect("made");
    fs::create_dir_all(root.join(".git/objects")).expect("made");
    fs::write(root.join(".git/config"), "secret").expect("written");
    fs::write(root.join("app/a.yaml"), "a: 1\n").expect("written");
    fs::write(root.join("app.md"), "text").expect("written");
    symlink("app/a.yaml", root.join("link")).expect("linked");
    symlink("app", root.join("folder")).expect("linked");
    symlink("/etc/passwd", root.join("outside")).expect("linked");
    folder
}

#[test]
fn kinds_files_links_and_listings_are_those_of_the_folder_without_git() {
    let folder = example();
    let tree = DirectoryTree::open(folder.path()).unwrap();
    let names: Vec<_> =
        tree.directory("").unwrap().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let expected = [
        ("app", EntryKind::Directory),
        ("app.md", EntryKind::File),
        ("folder", EntryKind::Link),
        ("link", EntryKind::Link),
        ("outside", EntryKind::Link),
    ];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(tree.file("app/a.yaml").unwrap().as_deref(), Some(b"a: 1\n".as_slice()));
    assert_eq!(tree.link("link").unwrap().as_deref(), Some("app/a.yaml"));
    for absent in ["absent", "app/absent", "app.md/below", ".git", ".git/config", "../x", "app/", "/etc/passwd"] {
        assert_eq!(tree.kind(absent).unwrap(), None, "{absent}");
        assert_eq!((tree.file(absent).unwrap(), tree.identity(absent).unwrap()), (None, None), "{absent}");
    }
}

#[test]
fn links_are_followed_only_by_resolve_and_only_inside() {
    let folder = example();
    let tree = DirectoryTree::open(folder.path()).unwrap();
    assert_eq!(tree.kind("folder/a.yaml").unwrap(), None);
    assert_eq!(landfall_tree::read(&tree, "folder/a.yaml").unwrap().as_deref(), Some(b"a: 1\n".as_slice()));
    assert!(matches!(landfall_tree::read(&tree, "outside"), Err(ResolveError::Outside { .. })));
}

#[test]
fn identities_are_equal_exactly_when_the_content_is() {
    let (one, two) = (example(), example());
    let identity =
        |folder: &tempfile::TempDir, path| DirectoryTree::open(folder.path()).unwrap().identity(path).unwrap();
    assert_eq!(identity(&one, ""), identity(&two, ""));
    let before = (identity(&one, "app"), identity(&one, "app.md"));
    fs::write(one.path().join("app/a.yaml"), "a: 2\n").unwrap();
    fs::write(one.path().join(".git/config"), "changed").unwrap();
    assert_ne!(identity(&one, "app"), before.0);
    assert_eq!(identity(&one, "app.md"), before.1);
}

#[test]
fn one_tree_sees_one_state_and_a_new_one_sees_the_change() {
    let folder = example();
    let tree = DirectoryTree::open(folder.path()).unwrap();
    let before = tree.identity("app").unwrap();
    fs::write(folder.path().join("app/a.yaml"), "a: 2\n").unwrap();
    assert_eq!(tree.file("app/a.yaml").unwrap().unwrap(), "a: 1\n");
    assert_eq!(tree.identity("app").unwrap(), before);
    assert_ne!(DirectoryTree::open(folder.path()).unwrap().identity("app").unwrap(), before);
    assert!(DirectoryTree::open(&folder.path().join("absent")).is_err());
}

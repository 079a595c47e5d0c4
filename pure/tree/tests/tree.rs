//! Promises of the file tree: links stay inside, paths stay inside, every question is recorded.

use landfall_tree::{EntryKind, MemoryTree, Recording, ResolveError, Tree, clean, files_below, read, resolve};

fn tree() -> MemoryTree {
    let mut tree = MemoryTree::of([("a/b/c.yaml", "c"), ("a/d.yaml", "d"), ("e.yaml", "e")]);
    for (path, target) in
        [("a/up", "../e.yaml"), ("a/dir", "b"), ("out", "../x"), ("abs", "/etc/passwd"), ("l1", "l2"), ("l2", "l1")]
    {
        tree.links.insert(path.to_owned(), target.to_owned());
    }
    tree
}

#[test]
fn a_path_is_cleaned_and_may_not_climb_above_the_root() {
    assert_eq!(clean("./a//b/../c/").as_deref(), Ok("a/c"));
    assert_eq!(clean(".").as_deref(), Ok(""));
    assert!(clean("a/../..").is_err());
    assert!(clean("/a").is_err());
}

#[test]
fn links_are_followed_inside_the_tree_only() {
    let tree = tree();
    assert_eq!(read(&tree, "a/up").unwrap().unwrap(), "e");
    assert_eq!(read(&tree, "a/dir/c.yaml").unwrap().unwrap(), "c");
    assert_eq!(resolve(&tree, "a/dir").unwrap(), Some(("a/b".to_owned(), EntryKind::Directory)));
    assert!(matches!(resolve(&tree, "out"), Err(ResolveError::Outside { .. })));
    assert!(matches!(resolve(&tree, "abs"), Err(ResolveError::Outside { .. })));
    assert!(matches!(resolve(&tree, "l1"), Err(ResolveError::Loop { .. })));
    assert_eq!(resolve(&tree, "nowhere").unwrap(), None);
}

#[test]
fn a_directory_lists_its_entries_sorted() {
    let names: Vec<_> =
        tree().directory("a").unwrap().unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let expected =
        [("b", EntryKind::Directory), ("d.yaml", EntryKind::File), ("dir", EntryKind::Link), ("up", EntryKind::Link)];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(tree().directory("a/d.yaml").unwrap(), None);
    assert_eq!(files_below(&tree(), "a").unwrap(), ["a/b/c.yaml", "a/d.yaml"]);
}

#[test]
fn every_question_is_recorded_also_one_that_found_nothing() {
    let tree = tree();
    let recording = Recording::of(&tree);
    assert!(recording.file("missing").unwrap().is_none());
    recording.file("e.yaml").unwrap();
    recording.directory("a/b").unwrap();
    let trace = recording.into_trace();
    assert_eq!(trace.keys().collect::<Vec<_>>(), ["a/b", "e.yaml", "missing"]);
    assert_eq!(trace["missing"], None);
    let mut changed = tree.clone();
    changed.files.insert("a/b/new".into(), "n".into());
    assert_ne!(changed.identity("a/b").unwrap(), trace["a/b"]);
    assert_eq!(changed.identity("e.yaml").unwrap(), trace["e.yaml"]);
}

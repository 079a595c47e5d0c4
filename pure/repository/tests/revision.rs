//! What a `targetRevision` leads to: the table of Argo CD's tracking strategies.

use landfall_repository::refs::{CommitId, Reference, Refs};
use landfall_repository::revision::{FoundBy, Resolved, UnknownRevision, resolve};

fn id(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("forty digits")
}

fn refs() -> Refs {
    let reference = |name: &str, digit| Reference { name: name.into(), commit: id(digit), tag_object: None };
    Refs {
        head_branch: Some("refs/heads/main".into()),
        head: Some(id('1')),
        references: vec![
            reference("refs/heads/deadbeef", '7'),
            reference("refs/heads/feature/x", '2'),
            reference("refs/heads/main", '1'),
            reference("refs/heads/twice", '3'),
            reference("refs/pull/7/head", '9'),
            reference("refs/tags/chart-1.0.0", 'a'),
            reference("refs/tags/chart-1.2.0", 'b'),
            reference("refs/tags/not-a-version", '0'),
            reference("refs/tags/twice", '4'),
            reference("refs/tags/v1.0.0", '5'),
            reference("refs/tags/v1.10.0", 'c'),
            reference("refs/tags/v1.2.0", '6'),
            reference("refs/tags/v2.0.0-rc.1", '8'),
        ],
    }
}

#[test]
fn every_form_leads_to_its_commit() {
    let hash = "ABCDEF0123456789abcdef0123456789abcdef01";
    let table = [
        ("", "", '1'),
        ("HEAD", "", '1'),
        ("main", "", '1'),
        ("refs/heads/main", "", '1'),
        ("heads/main", "", '1'),
        ("feature/x", "", '2'),
        ("refs/pull/7/head", "", '9'),
        ("v1.0.0", "", '5'),
        ("refs/tags/v1.0.0", "", '5'),
        // A name of both a branch and a tag: the first of the listing, and the full name to say which.
        ("twice", "", '3'),
        ("refs/tags/twice", "", '4'),
        // A branch that looks like a shortened commit is a branch.
        ("deadbeef", "", '7'),
        // Constraints: numeric order, no pre-release unless named.
        ("1.*", "", 'c'),
        ("*", "", 'c'),
        (">=1.0 <1.5", "", '6'),
        ("~1.2", "", '6'),
        ("^1.0.0", "", 'c'),
        (">=1.0.0-0", "", '8'),
        ("1.x", "chart-", 'b'),
        ("~1.0", "chart-", 'a'),
    ];
    for (revision, prefix, digit) in table {
        match resolve(&refs(), revision, prefix) {
            Ok(Resolved::Commit { commit, .. }) => assert_eq!(commit, id(digit), "{revision:?}"),
            other => panic!("{revision:?}: {other:?}"),
        }
    }
    let Ok(Resolved::Commit { commit, by }) = resolve(&refs(), hash, "") else { panic!("a full id is itself") };
    assert_eq!((commit.as_str(), by), (hash.to_lowercase().as_str(), FoundBy::Id));
}

#[test]
fn the_answer_says_how_it_was_found() {
    let by = |revision| match resolve(&refs(), revision, "") {
        Ok(Resolved::Commit { by, .. }) => by,
        other => panic!("{other:?}"),
    };
    assert_eq!(by(""), FoundBy::Head { branch: Some("refs/heads/main".into()) });
    assert_eq!(by("main"), FoundBy::Reference { name: "refs/heads/main".into() });
    assert_eq!(by("1.*"), FoundBy::Constraint { tag: "v1.10.0".into() });
}

#[test]
fn a_shortened_commit_is_a_question_for_the_objects() {
    assert_eq!(resolve(&refs(), "ABCDEF0", ""), Ok(Resolved::ShortId("abcdef0".into())));
    assert!(matches!(resolve(&refs(), "abcdef", ""), Err(UnknownRevision::NoSuchName { .. })));
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let message = |revision| resolve(&refs(), revision, "").unwrap_err().to_string();
    assert_eq!(message("Main"), "no branch, tag or commit \"Main\"; similar names: main");
    assert_eq!(message("1.0.0"), "no branch, tag or commit \"1.0.0\"; similar names: v1.0.0");
    assert_eq!(
        message(">=3"),
        "no tag satisfies the version constraint \">=3\"; versions there are: v2.0.0-rc.1, v1.10.0, v1.2.0, v1.0.0"
    );
    let empty = resolve(&Refs::default(), "", "").unwrap_err();
    assert_eq!(empty, UnknownRevision::Empty);
}

//! Packaged charts load again as they were, reproducibly, and hostile archives are refused.

use std::collections::BTreeMap;
use std::io::Write as _;

use landfall_gotemplate::context::NoHost;
use landfall_helm::Profile;
use landfall_helm::chart::Chart;
use landfall_helm::error::ErrorKind;
use landfall_helm::index::{self, index};
use landfall_helm::package::{Options, package};
use landfall_helm::render::{Request, render};
use landfall_tree::MemoryTree;

fn chart(version: &str) -> Chart {
    let tree = MemoryTree::of([
        (
            "Chart.yaml",
            format!("apiVersion: v2\nname: app\nversion: {version}\ndependencies:\n- name: sub\n  version: 1.x\n"),
        ),
        ("values.yaml", "a: 1 # kept\n".to_owned()),
        ("templates/x.yaml", "kind: ConfigMap\ndata: {a: {{ .Values.a }}}\n".to_owned()),
        ("charts/sub/Chart.yaml", "{apiVersion: v1, name: sub, version: 1.2.0}".to_owned()),
        ("charts/sub/templates/y.yaml", "kind: Secret\n".to_owned()),
        ("README.md", "read me".to_owned()),
    ]);
    Chart::from_tree(&tree, "").expect("the chart is well formed")
}

#[test]
fn a_packaged_chart_renders_as_before_and_the_same_bytes_come_out_twice() {
    let original = chart("1.0.0");
    let options = Options { modified_s: 1_700_000_000, ..Options::default() };
    let packaged = package(&original, &options).unwrap();
    assert_eq!(packaged.file_name, "app-1.0.0.tgz");
    assert_eq!(packaged, package(&original, &options).unwrap());
    let again = Chart::from_archive(&packaged.content).unwrap();
    assert_eq!(again.values_file, original.values_file);
    assert_eq!(package(&again, &options).unwrap(), packaged);
    let text =
        |chart: &Chart| render(chart, &Request::new("demo", "default", Profile::Helm3), &mut NoHost).unwrap().text();
    assert_eq!(text(&again), text(&original));
    assert!(text(&again).contains("# Source: app/charts/sub/templates/y.yaml"));
}

#[test]
fn versions_can_be_replaced_while_packaging() {
    let options = Options { version: Some("2.0.0-rc.1".into()), app_version: Some("9".into()), modified_s: 0 };
    let packaged = package(&chart("1.0.0"), &options).unwrap();
    assert_eq!(packaged.file_name, "app-2.0.0-rc.1.tgz");
    let again = Chart::from_archive(&packaged.content).unwrap();
    assert_eq!((again.metadata.version.as_str(), again.metadata.app_version.as_str()), ("2.0.0-rc.1", "9"));
    let wrong = Options { version: Some("x".into()), ..Options::default() };
    assert_eq!(package(&chart("1.0.0"), &wrong).unwrap_err().kind, ErrorKind::Chart);
}

#[test]
fn an_index_lists_the_newest_first_and_keeps_what_it_is_merged_with() {
    let archives: BTreeMap<String, Vec<u8>> = ["1.9.0", "1.10.0"]
        .into_iter()
        .map(|version| {
            let packaged = package(&chart(version), &Options::default()).unwrap();
            (format!("charts/{}", packaged.file_name), packaged.content)
        })
        .chain([("notes.tgz".to_owned(), b"no archive".to_vec())])
        .collect();
    let older = "apiVersion: v1\nentries:\n  app:\n  - {name: app, version: 1.9.0, urls: [old]}\n  - {name: app, version: 1.11.0, urls: [kept]}\n";
    let options = index::Options {
        base_url: "https://example.com/".into(),
        generated: "2026-01-02T03:04:05Z".into(),
        merge: Some(older.into()),
    };
    let (text, left_out) = index(&archives, &options).unwrap();
    assert_eq!(left_out.len(), 1);
    let read = landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap();
    let versions: Vec<&str> =
        read["entries"]["app"].as_array().unwrap().iter().map(|entry| entry["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.11.0", "1.10.0", "1.9.0"]);
    assert_eq!(read["entries"]["app"][2]["urls"][0], "https://example.com/charts/app-1.9.0.tgz");
    assert_eq!(read["entries"]["app"][2]["digest"].as_str().unwrap().len(), 64);
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        // Paths as hostile as can be: written into the header unchecked.
        header.as_gnu_mut().expect("it was made as one").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).expect("memory takes everything");
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes everything")
}

#[test]
fn hostile_archives_are_refused_and_not_obeyed() {
    let chart_yaml: (&str, &[u8]) = ("app/Chart.yaml", b"{apiVersion: v2, name: app, version: 1.0.0}");
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Files<'_>, &str); 7] = [
        (&[chart_yaml, ("app/../../etc/passwd", b"x")], "parent directory"),
        (&[chart_yaml, ("app//etc/passwd", b"x")], "absolute paths"),
        (&[chart_yaml, ("app\\c:/x", b"x")], "illegally named"),
        (&[("Chart.yaml", b"x")], "outside the base directory"),
        (&[("Chart.yaml/x", b"x")], "not in base directory"),
        (&[("app/values.yaml", b"a: 1")], "Chart.yaml file is missing"),
        (&[], "no files in chart archive"),
    ];
    for (files, words) in cases {
        let error = Chart::from_archive(&archive(files)).unwrap_err();
        assert!(error.message.contains(words), "{files:?}: {error}");
    }
    let mut cut = archive(&[chart_yaml]);
    cut.truncate(cut.len() / 2);
    assert_eq!(Chart::from_archive(&cut).unwrap_err().kind, ErrorKind::Load);
    assert_eq!(Chart::from_archive(b"apiVersion: v2").unwrap_err().kind, ErrorKind::Load);
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let large = vec![0_u8; 6 * 1024 * 1024];
    let error = Chart::from_archive(&archive(&[("app/big", &large)])).unwrap_err();
    assert!(error.message.contains("larger than the maximum file size"), "{error}");
    let files: Vec<(String, &[u8])> =
        (0..25).map(|index| (format!("app/{index}"), &large[..5 * 1024 * 1024])).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    let error = Chart::from_archive(&archive(&files)).unwrap_err();
    assert!(error.message.contains("larger than the maximum"), "{error}");
    let mut header = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    header.write_all(&vec![0_u8; 1024]).unwrap();
    assert!(Chart::from_archive(&header.finish().unwrap()).is_err());
}

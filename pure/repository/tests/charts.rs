//! Chart repositories: indexes, versions and dependencies.

use landfall_repository::chart_index::{self, Index, IndexError};
use landfall_repository::chart_versions::{NoVersion, in_index, in_tags, is_exact};
use landfall_repository::dependencies::{ChartFiles, Dependency, DependencyError, Origin, needed};

const INDEX: &str = r#"apiVersion: v1
entries:
  app:
  - apiVersion: v2
    appVersion: "2.0"
    created: "2026-01-02T03:04:05.678Z"
    dependencies:
    - name: redis
      repository: https://charts.example.org
      version: 9.9.9
    description: |-
      A chart
      - with lines
      urls: not here
    digest: AABBCC
    icon: https://example.org/icon.png
    name: app
    urls:
    - https://example.org/app-1.10.0.tgz
    - app-1.10.0.tgz
    version: 1.10.0
  - name: app
    version: 1.9.0
    deprecated: true
    urls:
      - app-1.9.0.tgz
    maintainers:
    - email: x@example.org
      name: X
  - name: app
    version: not-a-version
    urls: [x.tgz]
  - name: app
    version: 2.0.0-rc.1
    urls: [app-2.0.0-rc.1.tgz]
  "quoted":
    - urls:
        - quoted-1.0.tgz
      version: 1.0
generated: "2026-01-02T03:04:05Z"
"#;

fn index() -> Index {
    chart_index::read(INDEX.as_bytes()).expect("an index")
}

#[test]
fn an_index_as_helm_writes_it_is_read_highest_version_first() {
    let index = index();
    let versions: Vec<_> = index.versions_by_chart["app"].iter().map(|version| version.version.as_str()).collect();
    assert_eq!((versions.as_slice(), index.left_out_count), (["2.0.0-rc.1", "1.10.0", "1.9.0"].as_slice(), 1));
    let version = &index.versions_by_chart["app"][1];
    assert_eq!(version.urls, ["https://example.org/app-1.10.0.tgz", "app-1.10.0.tgz"]);
    assert_eq!(version.description.as_deref(), Some("A chart\n- with lines\nurls: not here"));
    assert_eq!((version.digest.as_deref(), version.app_version.as_deref()), (Some("aabbcc"), Some("2.0")));
    assert!(index.versions_by_chart["app"][2].deprecated);
    assert_eq!(index.versions_by_chart["quoted"][0].urls, ["quoted-1.0.tgz"]);
}

#[test]
fn every_other_shape_gives_the_same() {
    let value = landfall_yaml::read_one(INDEX.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap();
    let json = serde_json::to_vec(&value).unwrap();
    assert_eq!(chart_index::read(&json).unwrap(), index());
    let flow = "{apiVersion: v1, entries: {app: [{version: 1.0.0, urls: [a.tgz]}]}}";
    assert_eq!(chart_index::read(flow.as_bytes()).unwrap().versions_by_chart["app"][0].urls, ["a.tgz"]);
    let crlf = INDEX.replace('\n', "\r\n");
    assert_eq!(chart_index::read(crlf.as_bytes()).unwrap().versions_by_chart.len(), 2);
    assert_eq!(chart_index::read(b"apiVersion: v1\nentries: {}\n").unwrap(), Index::default());
}

#[test]
fn what_is_no_index_is_named() {
    assert_eq!(chart_index::read(b"<html><body>Not here</body></html>"), Err(IndexError::NoEntries));
    assert_eq!(chart_index::read(b"name: chart\nversion: 1.0.0\n"), Err(IndexError::NoEntries));
    assert!(matches!(chart_index::read(b"entries: {a: [\n"), Err(IndexError::Malformed(_))));
    assert!(matches!(
        chart_index::read(&vec![b' '; chart_index::INDEX_BYTES_MAX + 1]),
        Err(IndexError::TooLarge { .. })
    ));
}

#[test]
fn twenty_megabytes_are_read_line_by_line() {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    let mut count = 0;
    while text.len() < 20 << 20 {
        text.push_str(&format!("  chart-{count}:\n"));
        for version in 0..50 {
            text.push_str(&format!(
                "  - annotations:\n      noise: |\n        {}\n    name: chart-{count}\n    urls:\n    - https://example.org/{count}-1.{version}.0.tgz\n    version: 1.{version}.0\n",
                "lorem ipsum ".repeat(10)
            ));
        }
        count += 1;
    }
    let index = chart_index::read(text.as_bytes()).unwrap();
    assert_eq!(index.versions_by_chart.len(), count);
    assert!(index.versions_by_chart.values().all(|versions| versions.len() == 50 && versions[0].version == "1.49.0"));
}

#[test]
fn versions_are_found_as_helm_finds_them() {
    let index = index();
    let table = [
        ("", "1.10.0"),
        ("*", "1.10.0"),
        ("1.9.0", "1.9.0"),
        ("v1.9.0", "1.9.0"),
        ("1.x", "1.10.0"),
        ("~1.9", "1.9.0"),
        (">=1.0.0-0", "2.0.0-rc.1"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ];
    for (wanted, expected) in table {
        assert_eq!(in_index(&index, "app", wanted).unwrap().version, expected, "{wanted:?}");
    }
    assert_eq!(
        in_index(&index, "app", "3.x").unwrap_err().to_string(),
        "no version of app satisfies \"3.x\"; the highest there are: 2.0.0-rc.1, 1.10.0, 1.9.0"
    );
    assert_eq!(in_index(&index, "ap", "").unwrap_err().to_string(), "there is no chart \"ap\"; similar charts: app");
    assert!(matches!(in_index(&index, "app", "latest"), Err(NoVersion::Malformed { .. })));
    let tags = ["1.0.0", "1.2.0_build.1", "latest", "sha256-abc.sig"].map(str::to_owned);
    assert_eq!(in_tags("app", &tags, "^1"), Ok("1.2.0_build.1".into()));
    assert_eq!(in_tags("app", &tags, "1.2.0+build.1"), Ok("1.2.0_build.1".into()));
    assert_eq!(in_tags("app", &tags, "latest"), Ok("latest".into()));
    assert!(
        is_exact("1.2.3") && is_exact("v1.2.3-rc.1+x") && !is_exact("1.2") && !is_exact(">=1.2.3") && !is_exact("")
    );
}

const CHART: &str = r#"
apiVersion: v2
name: app
version: 1.0.0
dependencies:
  - {name: redis, version: ^17.0.0, repository: https://charts.example.org, condition: redis.enabled}
  - {name: common, version: 2.x, repository: "oci://registry.example.org/charts", alias: base}
  - {name: sibling, version: 0.1.0, repository: file://../sibling}
  - {name: stable, version: "*", repository: "@stable"}
  - {name: vendored, version: 1.x, repository: https://charts.example.org}
  - {name: unpacked, version: 1.x}
"#;

#[test]
fn what_is_not_in_the_charts_folder_is_needed_from_its_origin() {
    let vendored = ["vendored-1.4.0.tgz", "unpacked", "redis-ha-1.0.0.tgz"].map(str::to_owned);
    let files = ChartFiles { chart: CHART.as_bytes(), vendored: &vendored, ..ChartFiles::default() };
    let dependency = |name: &str, version: &str, origin| Dependency {
        name: name.into(),
        version: version.into(),
        is_locked: false,
        origin,
    };
    let expected = [
        dependency("redis", "^17.0.0", Origin::Http { url: "https://charts.example.org".into() }),
        dependency("common", "2.x", Origin::Oci { url: "oci://registry.example.org/charts".into() }),
        dependency("sibling", "0.1.0", Origin::Local { path: "../sibling".into() }),
        dependency("stable", "*", Origin::Named { name: "stable".into() }),
    ];
    assert_eq!(needed(files).unwrap(), expected);
}

#[test]
fn the_lock_file_decides_and_must_fit() {
    let vendored = ["vendored", "unpacked", "common", "sibling", "stable"].map(str::to_owned);
    let with_lock = |lock: &'static str| {
        needed(ChartFiles {
            chart: CHART.as_bytes(),
            lock: Some(lock.as_bytes()),
            vendored: &vendored,
            ..ChartFiles::default()
        })
    };
    let needed =
        with_lock("dependencies:\n- name: redis\n  repository: x\n  version: 17.3.1\ndigest: sha256:x\n").unwrap();
    assert_eq!((needed[0].version.as_str(), needed[0].is_locked), ("17.3.1", true));
    let error = with_lock("dependencies:\n- name: redis\n  version: 16.0.0\n").unwrap_err();
    assert!(error.to_string().contains("redis is locked at 16.0.0, but \"^17.0.0\" is wanted"), "{error}");
    assert!(matches!(with_lock("dependencies: []\n"), Err(DependencyError::Outdated { .. })));
}

#[test]
fn dependencies_that_cannot_be_fetched_are_named() {
    let of = |chart: &'static str| needed(ChartFiles { chart: chart.as_bytes(), ..ChartFiles::default() });
    assert_eq!(of("dependencies:\n- name: a\n"), Err(DependencyError::Missing { name: "a".into() }));
    assert!(matches!(of("dependencies: x\n"), Err(DependencyError::Malformed { .. })));
    assert!(matches!(of("dependencies:\n- name: ../a\n  repository: x\n"), Err(DependencyError::Malformed { .. })));
    assert_eq!(of("name: a\n"), Ok(Vec::new()));
}

#[test]
fn an_index_written_by_hand_in_any_yaml_style_is_read_the_same() {
    let index = |text: &str| chart_index::read(text.as_bytes()).unwrap();
    let block =
        index("apiVersion: v1\nentries:\n  web:\n  - name: web\n    version: 1.0.0\n    urls: [web-1.0.0.tgz]\n");
    assert_eq!(block.versions_by_chart["web"][0].urls, ["web-1.0.0.tgz"]);
    for other in [
        "apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 1.0.0, urls: [web-1.0.0.tgz]}\n",
        "apiVersion: v1\nentries: {web: [{name: web, version: 1.0.0, urls: [web-1.0.0.tgz]}]}\n",
        "entries:\n  web: [{name: web, version: 1.0.0, urls: [web-1.0.0.tgz]}]\n",
        "base: &base {urls: [web-1.0.0.tgz]}\nentries:\n  web:\n  - <<: *base\n    name: web\n    version: 1.0.0\n",
        "entries:\n  web:\n  - !!map\n    name: web\n    version: 1.0.0\n    urls: [web-1.0.0.tgz]\n",
        "entries:\n  web:\n  - &v\n    name: web\n    version: 1.0.0\n    urls:\n      - web-1.0.0.tgz\n",
    ] {
        assert_eq!(index(other), block, "{other}");
    }
}

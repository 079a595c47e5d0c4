//! Bad input and faults: each is told in words that a person understands, changes nothing that was not asked for, and never
//! disturbs another application.

use landfall_e2e::plane::Kind;
use landfall_e2e::world::{World, automated, operation_text};
use landfall_model::status::{ConditionType, OperationPhase, ResultCode, SyncStatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::main_job::SETTINGS;

on_both_planes!(
    sources_and_destinations_that_cannot_be_had_are_told_and_disturb_nobody,
    objects_that_are_denied_or_too_large_fail_alone,
    an_object_that_two_applications_claim_is_told_to_both,
    a_history_that_was_forced_away_is_no_obstacle,
);

/// An HTTP server that asks everybody who they are. It ends with the test's runtime.
async fn asks_for_credentials() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _sent = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Ok(format!("http://{address}/team/app.git"))
}

/// An address at which nothing listens.
fn nobody() -> anyhow::Result<std::net::SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn sources_and_destinations_that_cannot_be_had_are_told_and_disturb_nobody(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("good")?;
    let revision = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    world.apply(automated("good", &repository, "app")).await?;
    world.settled("good", &revision).await?;
    let before = world.application("good").await?.metadata.resource_version;

    let nobody = nobody()?;
    let encoded = |text: &str| json!(landfall_e2e::world::base64(text));
    world
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "far", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "data": {"name": encoded("far"), "server": encoded(&format!("https://{nobody}")), "config": encoded("{\"bearerToken\": \"t\"}")},
        }))
        .await?;
    let with = |name: &str, pointer: &str, value: Value| {
        let mut application = automated(name, &repository, "app");
        if let Some(place) = application.pointer_mut(pointer) {
            *place = value;
        }
        application
    };
    world.apply(with("revision", "/spec/source/targetRevision", json!("v9.9.9"))).await?;
    world.apply(with("down", "/spec/source/repoURL", json!(format!("http://{nobody}/team/app.git")))).await?;
    world.apply(with("locked", "/spec/source/repoURL", json!(asks_for_credentials().await?))).await?;
    world.apply(with("far", "/spec/destination", json!({"name": "far", "namespace": "far"}))).await?;
    world.apply(with("unknown", "/spec/destination", json!({"name": "nowhere", "namespace": "far"}))).await?;
    world
        .apply(with("both", "/spec/destination", json!({"name": "a", "server": "https://b", "namespace": "far"})))
        .await?;
    let mut nosource = automated("nosource", &repository, "app");
    nosource["spec"].as_object_mut().unwrap().remove("source");
    world.apply(nosource).await?;

    use ConditionType::{ComparisonError, InvalidSpecError};
    for (name, of, words) in [
        ("revision", ComparisonError, "v9.9.9"),
        ("down", ComparisonError, "cannot reach"),
        ("locked", ComparisonError, "authentication required"),
        ("far", ComparisonError, "cluster far"),
        ("unknown", InvalidSpecError, "there are no clusters with this name: nowhere"),
        ("both", InvalidSpecError, "can't have both name and server defined"),
        ("nosource", InvalidSpecError, "spec.source"),
    ] {
        let application = world.until_told(name, of, words).await?;
        assert_eq!(application.status.sync.status, SyncStatusCode::Unknown, "{name}");
        assert!(application.status.operation_state.is_none(), "{name} did something");
    }
    // What was missing comes to life without anybody touching the Application.
    repository.git(&["tag", "v9.9.9"])?;
    world.settled("revision", &revision).await?;
    let after = world.application("good").await?;
    assert_eq!(after.metadata.resource_version, before, "nothing was written on the one that is well");
    Ok(())
}

async fn objects_that_are_denied_or_too_large_fail_alone(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let large =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata:\n  text: {}\n", "x".repeat(2 << 20));
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: e2e-denied}\nrules: []\n";
    let repository = world.repository("objects")?;
    repository.commit(&[
        ("large/large.yaml", Some(&large)),
        ("large/settings.yaml", Some(SETTINGS)),
        ("denied/role.yaml", Some(role)),
        ("denied/settings.yaml", Some(SETTINGS)),
        ("immutable/settings.yaml", Some(&format!("{SETTINGS}immutable: true\n"))),
    ])?;
    world
        .apply(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "team", "namespace": "argocd"},
            "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
                     "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}]},
        }))
        .await?;
    world.apply(automated("large", &repository, "large")).await?;
    world.apply(automated("immutable", &repository, "immutable")).await?;
    let mut denied = automated("denied", &repository, "denied");
    denied["spec"]["project"] = json!("team");
    world.apply(denied).await?;

    let application = world.until_operation_says("large", "ConfigMap large:").await?;
    let results = application.status.operation_state.and_then(|state| state.sync_result).unwrap().resources;
    let of = |name: &str| {
        results.iter().find(|result| result.kind == "ConfigMap" && result.name == name).map(|result| result.status)
    };
    assert_eq!(of("large"), Some(Some(ResultCode::SyncFailed)), "{results:?}");
    assert_eq!(of("settings"), Some(Some(ResultCode::Synced)), "the others are applied all the same: {results:?}");
    world.until_object(("v1", "ConfigMap", "large", "settings"), "there", |found| found.is_some()).await?;

    let application = world.until_operation_says("denied", "is not permitted in project team").await?;
    assert!(application.status.conditions.iter().any(|condition| condition.message.contains("ClusterRole")));
    let role = world.get("rbac.authorization.k8s.io/v1", "ClusterRole", "", "e2e-denied").await?;
    assert_eq!(role, None, "what the project denies is not made");

    world.until("immutable", "Synced", |application| application.status.sync.status == SyncStatusCode::Synced).await?;
    let changed = format!("{}immutable: true\n", SETTINGS.replace("blue", "green"));
    repository.commit(&[("immutable/settings.yaml", Some(&changed))])?;
    let application = world.until_operation_says("immutable", "immutable").await?;
    assert!(operation_text(&application).contains("ConfigMap settings"), "{}", operation_text(&application));
    Ok(())
}

async fn an_object_that_two_applications_claim_is_told_to_both(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("shared")?;
    let first = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    let of = |name: &str| {
        let mut application = automated(name, &repository, "app");
        application["spec"]["destination"]["namespace"] = json!("shared");
        application
    };
    world.apply(of("first")).await?;
    world.settled("first", &first).await?;
    let mut strict = of("strict");
    strict["spec"]["syncPolicy"]["syncOptions"] = json!(["CreateNamespace=true", "FailOnSharedResource=true"]);
    world.apply(strict).await?;
    let application = world.until_operation_says("strict", "Shared resource found").await?;
    assert_ne!(application.status.operation_state.map(|state| state.phase), Some(OperationPhase::Succeeded));
    let owner = |found: Option<&Value>| -> Option<String> {
        let text = found?.pointer("/metadata/annotations/argocd.argoproj.io~1tracking-id")?.as_str()?;
        Some(text.split(':').next()?.to_owned())
    };
    let settings = ("v1", "ConfigMap", "shared", "settings");
    let found = world.get("v1", "ConfigMap", "shared", "settings").await?;
    assert_eq!(owner(found.as_ref()).as_deref(), Some("first"), "FailOnSharedResource takes nothing");
    world.until_told("strict", ConditionType::SharedResourceWarning, "first").await?;
    world.delete("argoproj.io/v1alpha1", "Application", "argocd", "strict").await?;
    let gone = ("argoproj.io/v1alpha1", "Application", "argocd", "strict");
    world.until_object(gone, "gone", |found| found.is_none()).await?;
    let found = world.get("v1", "ConfigMap", "shared", "settings").await?;
    assert!(found.is_some(), "deleting the one that did not get it leaves it to the other");

    // Without the option the newcomer takes it; the other is told, and neither takes it back for ever.
    world.apply(of("second")).await?;
    world.until_object(settings, "the second's", |found| owner(found).as_deref() == Some("second")).await?;
    world.until_told("first", ConditionType::SharedResourceWarning, "second").await?;
    Ok(())
}

async fn a_history_that_was_forced_away_is_no_obstacle(kind: Kind) -> anyhow::Result<()> {
    let mut world = World::start(kind).await?;
    let repository = world.repository("forced")?;
    repository.commit(&[("README.md", Some("first"))])?;
    let first = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    let mut application = automated("forced", &repository, "app");
    application["spec"]["syncPolicy"]["automated"] = json!({"prune": true});
    world.apply(application).await?;
    world.settled("forced", &first).await?;
    std::fs::write(repository.folder.join("app/settings.yaml"), SETTINGS.replace("blue", "green"))?;
    repository.git(&["commit", "--quiet", "--all", "--amend", "--message", "another history"])?;
    let second = repository.git(&["rev-parse", "HEAD"])?.trim().to_owned();
    assert_ne!(first, second);
    world.settled("forced", &second).await?;
    let settings = ("v1", "ConfigMap", "forced", "settings");
    world.until_object(settings, "green", |found| crate::main_job::color(found) == Some("green")).await?;

    // The commit that is gone cannot be gone back to, and that is told; what runs is left as it is.
    world.lose_controller().await?;
    repository.git(&["reflog", "expire", "--expire=now", "--all"])?;
    repository.git(&["gc", "--quiet", "--prune=now"])?;
    world.start_controller().await?;
    world.operate("forced", json!({"revision": first})).await?;
    let application = world.operated("forced").await?;
    let state = application.status.operation_state.clone().unwrap();
    assert_eq!(state.phase, OperationPhase::Error, "{}", state.message);
    assert!(state.message.contains(&first[..7]), "{}", state.message);
    let found = world.get("v1", "ConfigMap", "forced", "settings").await?;
    assert_eq!(crate::main_job::color(found.as_ref()), Some("green"));
    Ok(())
}

/// What a cluster converts by asking a service that is not there cannot be read, and applications without it go on.
/// The embedded control plane has no conversion webhooks, so this runs on the real one only.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_conversion_webhook_stops_only_who_needs_it() -> anyhow::Result<()> {
    let world = World::start(Kind::Testbed).await?;
    let version = |name: &str, is_stored: bool| {
        json!({"name": name, "served": true, "storage": is_stored,
               "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
    };
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.e2e.test"},
        "spec": {"group": "e2e.test", "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
                 "versions": [version("v1", true), version("v2", false)]},
    });
    world.apply(definition.clone()).await?;
    let thing = "apiVersion: e2e.test/v1\nkind: Thing\nmetadata: {name: one}\nspec: {color: blue}\n";
    let repository = world.repository("things")?;
    let revision = repository.commit(&[
        ("things/thing.yaml", Some(thing)),
        ("things/settings.yaml", Some(SETTINGS)),
        ("other/settings.yaml", Some(SETTINGS)),
    ])?;
    world.kind("e2e.test/v1", "Thing").await?;
    world.apply(automated("other", &repository, "other")).await?;
    world.settled("other", &revision).await?;
    world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "things"}})).await?;
    world
        .apply(
            json!({"apiVersion": "e2e.test/v1", "kind": "Thing", "metadata": {"name": "zero", "namespace": "things"}}),
        )
        .await?;
    definition["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "nowhere", "name": "nobody", "path": "/convert"}}}});
    world.apply(definition).await?;
    world.apply(automated("things", &repository, "things")).await?;
    let application = world.until_told("things", ConditionType::ComparisonError, "Thing.e2e.test").await?;
    assert!(application.status.conditions.iter().any(|condition| condition.message.contains("conversion webhook")));
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("other/settings.yaml", Some(&green))])?;
    world.settled("other", &second).await.map(|_| ())
}

/// On the embedded control plane only: it is the controller that is tried here, and there it costs seconds.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_objects_are_one_application_whose_status_fits() -> anyhow::Result<()> {
    let mut world = World::start(Kind::Sandbox).await?;
    world.wait_max = std::time::Duration::from_secs(300);
    let object = |index: usize| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: object-{index:05}}}\ndata: {{a: b}}\n")
    };
    let all: String = (0..10_000).map(object).collect();
    let repository = world.repository("many")?;
    let first = repository.commit(&[("app/all.yaml", Some(&all))])?;
    world.apply(automated("many", &repository, "app")).await?;
    let application = world.settled("many", &first).await?;
    let value = world.get("argoproj.io/v1alpha1", "Application", "argocd", "many").await?.unwrap();
    let size = serde_json::to_vec(&value)?.len();
    assert!(size < 1_400_000, "{size} bytes");
    let told = application.status.conditions.iter().find(|condition| condition.message.contains("10000 objects"));
    assert!(told.is_some(), "{:?}", application.status.conditions);
    let second = repository.commit(&[("app/all.yaml", Some(&all.replacen("a: b", "a: c", 1)))])?;
    world.settled("many", &second).await?;
    let found = world.get("v1", "ConfigMap", "many", "object-00000").await?.unwrap();
    assert_eq!(found["data"]["a"], "c");
    Ok(())
}

//! The verbs against a cluster in memory: what they write, print and answer.

mod support;

use serde_json::{Value, json};
use support::World;

fn application() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd", "resourceVersion": "5", "uid": "u"},
        "spec": {
            "project": "default", "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "source": {"repoURL": "/repo", "path": "shop", "targetRevision": "main"},
        },
        "status": {
            "sync": {"status": "OutOfSync", "revision": "2222222222222222222222222222222222222222"},
            "health": {"status": "Healthy"},
            "resources": [{"version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "settings", "status": "OutOfSync"}],
            "history": [
                {"id": 0, "revision": "1111111111111111111111111111111111111111", "deployedAt": "2026-01-01T00:00:00Z",
                 "source": {"repoURL": "/repo", "path": "shop", "targetRevision": "main"}},
                {"id": 1, "revision": "2222222222222222222222222222222222222222", "deployedAt": "2026-01-02T00:00:00Z",
                 "source": {"repoURL": "/repo", "path": "shop", "targetRevision": "main"}},
            ],
        },
    })
}

fn end(value: &mut Value, phase: &str) {
    let operation = value.as_object_mut().unwrap().remove("operation").unwrap();
    value["status"]["operationState"] = json!({
        "operation": operation, "phase": phase, "message": "as the test wants",
        "startedAt": "2026-01-03T00:00:00Z", "finishedAt": "2026-01-03T00:00:01Z",
    });
}

fn succeeds(value: &mut Value) {
    end(value, "Succeeded");
}

fn fails(value: &mut Value) {
    end(value, "Failed");
}

fn operation(world: &World) -> Value {
    world.cluster.object("argocd/shop").unwrap()["status"]["operationState"]["operation"].clone()
}

#[tokio::test]
async fn list_prints_the_columns_of_argo_cd() {
    let answer = World::of(&[application()], succeeds).run("app list").await;
    let head: Vec<&str> = answer.output.lines().next().unwrap().split_whitespace().collect();
    let wanted = "NAME CLUSTER NAMESPACE PROJECT STATUS HEALTH SYNCPOLICY CONDITIONS REPO PATH TARGET";
    assert_eq!(head, wanted.split(' ').collect::<Vec<_>>());
    let row: Vec<&str> = answer.output.lines().nth(1).unwrap().split_whitespace().collect();
    let wanted =
        "argocd/shop https://kubernetes.default.svc shop default OutOfSync Healthy Manual <none> /repo shop main";
    assert_eq!(row, wanted.split(' ').collect::<Vec<_>>());
    let answer = World::of(&[application()], succeeds).run("app list -o name --project other").await;
    assert_eq!((answer.code, answer.output.as_str()), (0, ""));
}

#[tokio::test]
async fn sync_asks_for_an_operation_and_its_exit_code_says_how_it_ended() {
    let world = World::of(&[application()], succeeds);
    let answer = world.run("app sync shop --prune --revision v2 --retry-limit 2").await;
    assert_eq!(answer.code, 0, "{}", answer.told);
    let operation = operation(&world);
    assert_eq!(operation["sync"], json!({"revision": "v2", "prune": true}));
    assert_eq!(operation["initiatedBy"], json!({"username": "ada"}));
    assert_eq!(operation["retry"]["limit"], 2);

    let answer = World::of(&[application()], fails).run("app sync shop").await;
    assert_eq!(answer.code, 1);
    assert!(answer.told.contains("has ended as Failed: as the test wants"), "{}", answer.told);
}

#[tokio::test]
async fn what_still_needs_pruning_fails_a_sync() {
    let mut shop = application();
    shop["status"]["resources"][0]["requiresPruning"] = json!(true);
    let answer = World::of(&[shop], succeeds).run("app sync shop").await;
    assert_eq!(answer.code, 1);
    assert!(answer.told.contains("1 resources require pruning"), "{}", answer.told);
}

#[tokio::test]
async fn a_second_operation_is_refused_while_one_runs() {
    let mut shop = application();
    shop["status"]["operationState"] =
        json!({"operation": {}, "phase": "Running", "startedAt": "2026-01-03T00:00:00Z"});
    let world = World::of(&[shop], succeeds);
    let answer = world.run("app sync shop").await;
    assert_eq!(answer.code, 20);
    assert!(answer.told.contains("already in progress"), "{}", answer.told);
    assert_eq!(world.run("app terminate-op shop").await.code, 0);
    let phase = world.cluster.object("argocd/shop").unwrap()["status"]["operationState"]["phase"].clone();
    assert_eq!(phase, "Terminating");
}

#[tokio::test]
async fn rollback_goes_to_the_sync_before_the_last() {
    let world = World::of(&[application()], succeeds);
    let answer = world.run("app rollback shop").await;
    assert_eq!(answer.code, 0, "{}", answer.told);
    assert_eq!(operation(&world)["sync"]["revision"], "1111111111111111111111111111111111111111");
    let answer = world.run("app rollback shop 7").await;
    assert_eq!(answer.code, 20);
    assert!(answer.told.contains("app history shop"), "{}", answer.told);
    assert_eq!(world.run("app history shop -o id").await.output, "0\n1\n");
}

#[tokio::test]
async fn wait_ends_when_it_holds_and_fails_when_the_time_is_up() {
    assert_eq!(World::of(&[application()], succeeds).run("app wait shop --health").await.code, 0);
    let answer = World::of(&[application()], succeeds).run("app wait shop --sync --timeout 1").await;
    assert_eq!(answer.code, 1);
    assert!(answer.told.contains("after 1 s"), "{}", answer.told);
    assert_eq!(World::of(&[], succeeds).run("app wait shop --delete").await.code, 0);
}

#[tokio::test]
async fn an_application_is_made_changed_and_deleted() {
    let world = World::of(&[], succeeds);
    let create = "app create shop --repo https://git/x --path shop --dest-namespace shop";
    assert_eq!(world.run(create).await.output, "application 'shop' created\n");
    let made = world.cluster.object("argocd/shop").unwrap();
    assert_eq!(made["spec"]["destination"]["server"], "https://kubernetes.default.svc");
    assert_eq!(world.run(create).await.output, "application 'shop' unchanged\n");
    let other = create.replace("--path shop", "--path other");
    let answer = world.run(&other).await;
    assert!(answer.code == 20 && answer.told.contains("--upsert"), "{}", answer.told);
    assert_eq!(world.run(&format!("{other} --upsert")).await.output, "application 'shop' updated\n");
    assert_eq!(world.run("app set shop --revision v3 -p image.tag=2").await.code, 0);
    let spec = world.cluster.object("argocd/shop").unwrap()["spec"].clone();
    assert_eq!((&spec["source"]["path"], &spec["source"]["targetRevision"]), (&json!("other"), &json!("v3")));
    // Nobody is there to say yes.
    assert_eq!(world.run("app delete shop").await.code, 1);
    assert!(world.cluster.object("argocd/shop").is_some());
    assert_eq!(world.run("app delete shop -y").await.code, 0);
    assert!(world.cluster.object("argocd/shop").is_none());
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {a: new}\n";

#[tokio::test]
async fn diff_shows_what_differs_and_answers_one() {
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop",
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/settings"}}, "data": {"a": "old"}});
    let world = World::of(&[application(), live], succeeds).with_file("repo/shop/settings.yaml", SETTINGS);
    let answer = world.run("app diff shop").await;
    assert_eq!(answer.code, 1, "{}", answer.told);
    assert!(answer.output.contains("===== /ConfigMap shop/settings ======"), "{}", answer.output);
    assert!(answer.output.contains("-  a: old\n+  a: new\n"), "{}", answer.output);
    assert_eq!(world.run("app diff shop --exit-code=false").await.code, 0);
    assert!(world.run("app manifests shop --source live").await.output.contains("a: old"));
    assert!(world.run("app manifests shop").await.output.contains("a: new"));
    world.files.lock().unwrap().insert("repo/shop/settings.yaml".to_owned(), SETTINGS.replace("new", "old").into());
    let answer = world.run("app diff shop").await;
    assert_eq!((answer.code, answer.output.as_str()), (0, ""), "{}", answer.told);
}

#[tokio::test]
async fn manifests_of_a_repository_elsewhere_are_refused_with_a_way_out() {
    let mut shop = application();
    shop["spec"]["source"]["repoURL"] = json!("https://git.example.com/x");
    let answer = World::of(&[shop], succeeds).run("app manifests shop").await;
    assert_eq!(answer.code, 20);
    assert!(answer.told.contains("--local DIR"), "{}", answer.told);
}

#[tokio::test]
async fn a_missing_application_says_where_it_was_looked_for() {
    let answer = World::of(&[], succeeds).run("app get -n teams shop").await;
    assert_eq!(answer.code, 20);
    assert!(answer.told.contains("\"teams\"") && answer.told.contains("app list"), "{}", answer.told);
}

#[tokio::test]
async fn folders_are_rendered_by_their_kind() {
    let world = World::of(&[], succeeds)
        .with_file("plain/a.yaml", SETTINGS)
        .with_file("chart/Chart.yaml", "{apiVersion: v2, name: c, version: 1.0.0}")
        .with_file(
            "chart/templates/a.yaml",
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: '{{ .Release.Name }}'}\n",
        )
        .with_file("over/kustomization.yaml", "resources: [../plain/a.yaml]\nnamePrefix: x-\n");
    assert!(world.run("render plain").await.output.contains("name: settings"));
    assert!(world.run("render chart --name r").await.output.contains("name: r"));
    let helm = world.run("render helm chart demo").await;
    let wanted = "---\n# Source: c/templates/a.yaml\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: 'demo'}\n";
    assert_eq!(helm.output, wanted, "{}", helm.told);
    let answer = world.run("render kustomize over --load-restrictor LoadRestrictionsNone").await;
    assert!(answer.output.contains("name: x-settings"), "{}", answer.told);
}

#[tokio::test]
async fn kustomize_takes_the_flags_of_its_namesake() {
    let world = World::of(&[], succeeds)
        .with_file("app/kustomization.yaml", "resources: [a.yaml]\n")
        .with_file("app/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n")
        .with_file("out/keep", "");
    let printed = world.run("render kustomize app --as-current-user -e A=b --mount x --network --helm-command h").await;
    assert_eq!(printed.code, 0, "{}", printed.told);
    assert_eq!(world.run("render kustomize app -o whole.yaml").await.output, "");
    assert_eq!(world.file("whole.yaml"), printed.output);
    assert_eq!(world.run("render kustomize app --output out").await.code, 0);
    for name in ["n_v1_configmap_a.yaml", "default_apps_v1_deployment_b.yaml", "v1_namespace_n.yaml"] {
        assert!(printed.output.contains(&world.file(&format!("out/{name}"))), "{name}");
    }
    for flag in ["--enable-alpha-plugins", "--enable-exec"] {
        let refused = world.run(&format!("render kustomize app {flag}")).await;
        assert_eq!(refused.code, 20);
        assert!(refused.told.contains(flag) && refused.told.contains("hint:"), "{}", refused.told);
    }
}

#[tokio::test]
async fn remote_resources_are_fetched_only_where_allowed() {
    let world = World::of(&[], succeeds)
        .with_file(
            "app/kustomization.yaml",
            "resources:\n- https://git.example/team/r.git//base?ref=v1\n- https://files.example/x/service.yaml\n",
        )
        .with_file("base/kustomization.yaml", "resources: [a.yaml]\n")
        .with_file("base/a.yaml", SETTINGS)
        .with_file("remote/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n");
    for command in ["render kustomize app", "render app"] {
        let refused = world.run(command).await;
        assert_eq!(refused.code, 20, "{command}");
        assert!(
            refused.told.contains("--allow-remote") && refused.told.contains("app/kustomization.yaml:2"),
            "{}",
            refused.told
        );
        let half = world.run(&format!("{command} --allow-remote git.example/team")).await;
        assert!(half.code == 20 && half.told.contains("files.example"), "{}", half.told);
        let built = world.run(&format!("{command} --allow-remote git.example/team,files.example")).await;
        assert_eq!(built.code, 0, "{}", built.told);
        assert!(built.output.contains("name: settings") && built.output.contains("kind: Service"), "{}", built.output);
        assert!(built.told.contains("is taken at 1234567"), "{}", built.told);
    }
}

#[tokio::test]
async fn images_are_set_in_the_file_that_holds_them() {
    let world = World::of(&[], succeeds)
        .with_file("app/kustomization.yaml", "images: # all of them\n- name: web\n  newTag: v1\n");
    let answer = world.run("set image web:v2 app").await;
    assert_eq!(answer.code, 0, "{}", answer.told);
    assert_eq!(world.file("app/kustomization.yaml"), "images: # all of them\n- name: web\n  newTag: v2\n");
}

#[tokio::test]
async fn definitions_versions_and_completions_are_printed() {
    let world = World::of(&[], succeeds);
    assert_eq!(world.run("crds").await.output.matches("kind: CustomResourceDefinition").count(), 3);
    assert!(world.run("version").await.output.starts_with("landfall: v"));
    assert!(world.run("version -o json").await.output.contains("\"kustomize\": \"v5.8.1\""));
    assert!(world.run("completion bash").await.output.contains("landfall"));
}

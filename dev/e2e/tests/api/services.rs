//! Every service over REST, with what it says about a running application: trees, events, links, windows, revisions, logs,
//! differences, settings, catalogues, the badge.

use std::time::Duration;

use landfall_e2e::plane::Kind;
use landfall_e2e::serve::Serving;
use landfall_e2e::world::{World, automated};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::others::{curl, program, until};
use crate::stock::{SECRET, SETTINGS, WEB, config_map};

async fn get(serving: &Serving, path: &str) -> Value {
    let (status, answer) = curl(serving, "GET", path, None).await.unwrap();
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

struct Shop {
    serving: Serving,
    world: World,
    commit: String,
}

async fn shop() -> Shop {
    let world = World::start(Kind::Sandbox).await.unwrap();
    let links = "- title: logs\n  url: https://logs.example.test/{{.app.metadata.name}}\n";
    let data = json!({"application.links": links, "resource.links": links, "statusbadge.enabled": "true",
                      "users.anonymous.enabled": "false", "help.chatText": "ask us"});
    world.apply(config_map("argocd-cm", data)).await.unwrap();
    let catalogue = json!({"trigger.on-sync": "- when: app.status.sync.status == 'Synced'\n  send: [synced]\n",
                           "template.synced": "message: done\n", "service.webhook.hook": "url: https://hook.example.test\n"});
    world.apply(config_map("argocd-notifications-cm", catalogue)).await.unwrap();
    let repository = world.repository("shop").unwrap();
    let files = [("app/web.yaml", Some(WEB)), ("app/settings.yaml", Some(SETTINGS)), ("app/secret.yaml", Some(SECRET))];
    let commit = repository.commit(&files).unwrap();
    world.apply(automated("shop", &repository, "app")).await.unwrap();
    world.settled("shop", &commit).await.unwrap();
    let serving = Serving::open(&world).await.unwrap();
    Shop { serving, world, commit }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_tells_of_pods_their_nodes_and_what_is_asked_of_them() {
    let shop = shop().await;
    let tree = get(&shop.serving, "/api/v1/applications/shop/resource-tree").await;
    let nodes = tree["nodes"].as_array().unwrap();
    let of = |kind: &str| nodes.iter().filter(|node| node["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of("Deployment").len(), of("ReplicaSet").len(), of("Pod").len()), (1, 1, 2), "{tree}");
    let info = |node: &Value, name: &str| -> Option<String> {
        let found = node["info"].as_array()?.iter().find(|item| item["name"] == name)?;
        found["value"].as_str().map(str::to_owned)
    };
    let pod = of("Pod")[0];
    assert_eq!(info(pod, "Status Reason").as_deref(), Some("Running"), "{pod}");
    assert_eq!(info(pod, "Containers").as_deref(), Some("1/1"), "{pod}");
    assert_eq!(info(of("ReplicaSet")[0], "Revision").as_deref(), Some("Rev:1"));
    assert_eq!(pod["parentRefs"][0]["uid"], of("ReplicaSet")[0]["uid"]);
    assert!(nodes.iter().all(|node| node["createdAt"].is_string()), "{tree}");
    let node = info(pod, "Node").unwrap();
    let hosts = tree["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|host| host["name"] == node.as_str()).unwrap();
    assert!(host["systemInfo"].is_object() && host["resourcesInfo"][0]["capacity"].as_i64().unwrap() > 0, "{host}");

    // The tree again, when something changes.
    let mut stream = TcpStream::connect(shop.serving.address).await.unwrap();
    let ask = "GET /api/v1/stream/applications/shop/resource-tree HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    until(&mut stream, "\"kind\":\"Deployment\"").await;
    shop.world.delete("v1", "ConfigMap", "shop", "settings").await.unwrap();
    until(&mut stream, "{\"result\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_and_tools_look_up_about_an_application_is_there() {
    let shop = shop().await;
    let (serving, commit) = (&shop.serving, &shop.commit);
    let meta = get(serving, &format!("/api/v1/applications/shop/revisions/{commit}/metadata")).await;
    assert_eq!((&meta["author"], &meta["message"]), (&json!("e2e <e2e@example.test>"), &json!("a change")), "{meta}");
    let links = get(serving, "/api/v1/applications/shop/links").await;
    assert_eq!(links["items"][0]["url"], "https://logs.example.test/shop", "{links}");
    let object = "namespace=shop&resourceName=web&version=v1&group=apps&kind=Deployment";
    let links = get(serving, &format!("/api/v1/applications/shop/resource/links?{object}")).await;
    assert_eq!(
        (&links["items"][0]["title"], &links["items"][0]["url"]),
        (&json!("logs"), &json!("https://logs.example.test/shop"))
    );
    let actions = get(serving, &format!("/api/v1/applications/shop/resource/actions?{object}")).await;
    assert!(actions["actions"].as_array().unwrap().iter().any(|action| action["name"] == "scale"), "{actions}");
    let scale = json!({"name": "shop", "namespace": "shop", "resourceName": "web", "version": "v1", "group": "apps", "kind": "Deployment",
                       "action": "scale", "resourceActionParameters": [{"name": "replicas", "value": "3"}]});
    let (status, answer) =
        curl(serving, "POST", "/api/v1/applications/shop/resource/actions/v2", Some(&scale.to_string())).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let windows = get(serving, "/api/v1/applications/shop/syncwindows").await;
    assert_eq!(windows["canSync"], true, "{windows}");
    let events = get(serving, "/api/v1/applications/shop/events").await;
    assert!(
        events["items"].as_array().unwrap().iter().any(|event| event["reason"] == "OperationCompleted"),
        "{events}"
    );
    let managed = get(serving, "/api/v1/applications/shop/managed-resources").await;
    let secret = managed["items"].as_array().unwrap().iter().find(|item| item["kind"] == "Secret").unwrap();
    let text = secret.to_string();
    assert!(text.contains("+++") && !text.contains("Y29ycmVjd") && !text.contains("correct-horse"), "{text}");
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": {"color": "red"}});
    let diff = format!("/api/v1/applications/shop/server-side-diff?targetManifests={}", percent(&wanted.to_string()));
    let diff = get(serving, &diff).await;
    assert_eq!(diff["modified"], true, "{diff}");
    assert!(diff["items"][0]["predictedLiveState"].as_str().unwrap().contains("red"), "{diff}");
    assert_eq!(shop.world.get("v1", "ConfigMap", "shop", "settings").await.unwrap().unwrap()["data"]["color"], "blue");
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_several_pods_follow_and_end() {
    let shop = shop().await;
    let url =
        shop.serving.url("/api/v1/applications/shop/logs?group=apps&kind=Deployment&resourceName=web&tailLines=2");
    let (code, out, complaints) = program("curl", &["-sS", "-m", "20", &url]).await.unwrap();
    assert_eq!(code, 0, "{complaints}");
    let entries: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pods: std::collections::BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| entry["result"]["podName"].as_str())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(pods.len(), 2, "{out}");
    assert_eq!(entries.last().unwrap()["result"]["last"], true, "{out}");
    let mut stream = TcpStream::connect(shop.serving.address).await.unwrap();
    let ask = "GET /api/v1/applications/shop/logs?group=apps&kind=Deployment&resourceName=web&follow=true&tailLines=1 HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    until(&mut stream, "podName").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_catalogues_and_the_badge_tell_what_config_maps_say() {
    let shop = shop().await;
    let serving = &shop.serving;
    let settings = get(serving, "/api/v1/settings").await;
    assert_eq!(
        (&settings["help"]["chatText"], &settings["statusBadgeEnabled"]),
        (&json!("ask us"), &json!(true)),
        "{settings}"
    );
    for (list, name) in [("triggers", "on-sync"), ("templates", "synced"), ("services", "hook")] {
        let answer = get(serving, &format!("/api/v1/notifications/{list}")).await;
        assert!(answer.to_string().contains(name), "{list}: {answer}");
    }
    let badge =
        async |query: &str| program("curl", &["-sS", "-D", "-", &serving.url(&format!("/api/badge{query}"))]).await;
    let (_, badge_shop, _) = badge("?name=shop").await.unwrap();
    assert!(
        badge_shop.contains("image/svg+xml") && badge_shop.contains("Healthy") && badge_shop.contains("Synced"),
        "{badge_shop}"
    );
    let (_, unknown, _) = badge("?name=nothing").await.unwrap();
    assert!(unknown.contains("Not Found"), "{unknown}");
    shop.world.apply(config_map("argocd-cm", json!({"statusbadge.enabled": "false"}))).await.unwrap();
    let off = async {
        loop {
            let (_, off, _) = badge("?name=shop").await.unwrap();
            if !off.contains("Healthy") {
                return off;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let off = tokio::time::timeout(Duration::from_secs(20), off).await.expect("the badge can be switched off");
    assert!(!off.contains("Synced"), "what is switched off tells nothing: {off}");
}

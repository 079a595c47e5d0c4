//! Known sources of alarms about objects that are as they should be: none of them may report a difference, and the real change
//! beside each must.

use std::collections::BTreeMap;

use landfall_diff::compare::{Difference, compare};
use landfall_diff::rules::{IgnoreStatus, Options, Rules};
use landfall_diff::schemas::{BuiltIn, Schemas, WithCustom};
use landfall_diff::settings;
use landfall_merge::fields::set::FieldSet;
use landfall_merge::schema::Schema;
use landfall_merge::structured::{self, Force, Kind, LAST_APPLIED, Storage, Writer};
use landfall_model::application::IgnoreDifference;
use serde_json::{Value, json};

/// The live object after our apply, the server having made of it what `server` does.
fn live_of(desired: &Value, schemas: &dyn Schemas, server: impl Fn(&mut Value)) -> Value {
    let (api_version, kind) = (desired["apiVersion"].as_str().expect("text"), desired["kind"].as_str().expect("text"));
    let schema = schemas.schema(api_version, kind).unwrap_or_else(Schema::deduced);
    let kind =
        Kind { api_version, schema, reset: FieldSet::default(), served_versions: Vec::new(), storage: Storage::Struct };
    let writer = Writer { manager: "landfall", subresource: "", now: "2026-01-01T00:00:00Z" };
    let mut live = structured::apply(None, desired, &kind, writer, Force::Yes).expect("applies");
    live["metadata"]["uid"] = json!("1");
    server(&mut live);
    live
}

fn with(rules: &Rules, desired: &Value, live: &Value) -> Difference {
    compare(Some(desired), Some(live), rules, &BuiltIn)
}

fn paths(difference: &Difference) -> Vec<&str> {
    difference.fields.iter().map(|field| field.path.as_str()).collect()
}

/// In sync after the server did its part, both when we own the object and when nobody is known to have applied it.
#[track_caller]
fn quiet(desired: &Value, server: impl Fn(&mut Value)) {
    let live = live_of(desired, &BuiltIn, &server);
    assert_eq!(paths(&with(&Rules::default(), desired, &live)), Vec::<&str>::new(), "owned by us");
    let mut adopted = live.clone();
    adopted["metadata"].as_object_mut().expect("map").remove("managedFields");
    assert_eq!(paths(&with(&Rules::default(), desired, &adopted)), Vec::<&str>::new(), "to be adopted");
    adopted["metadata"]["annotations"][LAST_APPLIED] = json!(desired.to_string());
    assert_eq!(paths(&with(&Rules::default(), desired, &adopted)), Vec::<&str>::new(), "applied by kubectl");
}

fn nothing(_: &mut Value) {}

fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "thing", "namespace": "shop"}});
    for (name, value) in rest.as_object().expect("map") {
        object[name] = value.clone();
    }
    object
}

fn deployment(pod: Value) -> Value {
    object(
        "apps/v1",
        "Deployment",
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": pod}}}),
    )
}

#[test]
fn misspelt_fields_are_noted_and_make_no_difference() {
    let right = deployment(json!({"containers": [{"name": "a", "image": "a:1"}]}));
    let live = live_of(&right, &BuiltIn, nothing);
    let mut wrong = right.clone();
    wrong["spec"]["replica"] = json!(3);
    let difference = with(&Rules::default(), &wrong, &live);
    assert_eq!(paths(&difference), Vec::<&str>::new());
    assert!(difference.notes[0].starts_with(".spec.replica is not a field"), "{:?}", difference.notes);
}

#[test]
fn quantities_are_compared_by_amount() {
    let desired = deployment(
        json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": "1000m", "memory": "3072Mi"}, "requests": {"cpu": 0.5}}}]}),
    );
    quiet(&desired, |live| {
        live["spec"]["template"]["spec"]["containers"][0]["resources"] =
            json!({"limits": {"cpu": "1", "memory": "3Gi"}, "requests": {"cpu": "500m"}});
    });
    let live = live_of(&desired, &BuiltIn, |live| {
        live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("2");
    });
    assert_eq!(
        paths(&with(&Rules::default(), &desired, &live)),
        [".spec.template.spec.containers[name=\"a\"].resources.limits.cpu"]
    );
}

#[test]
fn durations_and_quantities_of_custom_resources_are_compared_by_what_their_fields_are_known_to_hold() {
    let certificate =
        |duration: &str| object("cert-manager.io/v1", "Certificate", json!({"spec": {"duration": duration}}));
    let settings = settings::read(&BTreeMap::from([(
        "resource.customizations.knownTypeFields.example.com_Thing".to_owned(),
        "- field: spec.parts.cpu\n  type: core/Quantity\n- field: spec.pod\n  type: core/v1/PodSpec\n".to_owned(),
    )]));
    let (rules, _) = Rules::new(&[], settings.options);
    let difference = with(&rules, &certificate("8760h"), &certificate("8760h0m0s"));
    assert_eq!(paths(&difference), Vec::<&str>::new());
    assert_eq!(paths(&with(&rules, &certificate("8760h"), &certificate("8761h"))), [".spec.duration"]);
    let thing = |cpu: &str, memory: &str| {
        object(
            "example.com/v1",
            "Thing",
            json!({"spec": {"parts": [{"cpu": cpu}], "pod": {"containers": [{"name": "a", "resources": {"limits": {"memory": memory}}}]}}}),
        )
    };
    assert_eq!(paths(&with(&rules, &thing("1000m", "1024Mi"), &thing("1", "1Gi"))), Vec::<&str>::new());
    assert_eq!(paths(&with(&rules, &thing("1000m", "1024Mi"), &thing("2", "1Gi"))), [".spec.parts[0].cpu"]);
}

#[test]
fn sidecars_and_volumes_of_injectors_are_theirs() {
    let desired = deployment(json!({"containers": [{"name": "a", "image": "a:1"}]}));
    quiet(&desired, |live| {
        let pod = &mut live["spec"]["template"]["spec"];
        pod["containers"].as_array_mut().expect("list").push(json!({"name": "istio-proxy", "image": "proxy"}));
        pod["containers"][0]["volumeMounts"] = json!([{"name": "certs", "mountPath": "/certs"}]);
        pod["volumes"] = json!([{"name": "certs", "emptyDir": {"medium": "Memory"}}]);
        live["spec"]["template"]["metadata"] = json!({"annotations": {"sidecar.istio.io/status": "injected"}});
    });
}

#[test]
fn replicas_that_git_does_not_name_are_the_autoscalers() {
    quiet(&deployment(json!({"containers": [{"name": "a"}]})), |live| live["spec"]["replicas"] = json!(17));
}

#[test]
fn metrics_of_an_autoscaler_may_come_back_in_another_order() {
    let metric = |name: &str| json!({"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": 80}}});
    let desired = object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        json!({"spec": {"maxReplicas": 3, "metrics": [metric("memory"), metric("cpu")]}}),
    );
    quiet(&desired, |live| live["spec"]["metrics"] = json!([metric("cpu"), metric("memory")]));
}

#[test]
fn a_certificate_injected_into_webhooks_is_the_injectors() {
    let webhook = |bundle: Option<&str>| {
        let mut client = json!({"service": {"name": "s", "namespace": "n"}});
        if let Some(bundle) = bundle {
            client["caBundle"] = json!(bundle);
        }
        json!({"name": "a.b.c", "clientConfig": client, "admissionReviewVersions": ["v1"], "sideEffects": "None",
               "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]})
    };
    let configuration = |bundle| {
        object(
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
            json!({"webhooks": [webhook(bundle)]}),
        )
    };
    quiet(&configuration(None), |live| {
        live["webhooks"][0]["clientConfig"]["caBundle"] = json!("LS0t");
        live["webhooks"][0]["clientConfig"]["service"]["port"] = json!(443);
        live["webhooks"][0]["rules"][0]["scope"] = json!("*");
        live["webhooks"][0]["failurePolicy"] = json!("Fail");
        live["webhooks"][0]["namespaceSelector"] = json!({});
    });
    // A placeholder in Git needs a rule.
    let live =
        live_of(&configuration(None), &BuiltIn, |live| live["webhooks"][0]["clientConfig"]["caBundle"] = json!("LS0t"));
    let rule = IgnoreDifference {
        group: "admissionregistration.k8s.io".to_owned(),
        kind: "*WebhookConfiguration".to_owned(),
        jq_path_expressions: vec![".webhooks[]?.clientConfig.caBundle".to_owned()],
        ..IgnoreDifference::default()
    };
    let (rules, problems) = Rules::new(&[rule], Options::default());
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(paths(&with(&rules, &configuration(Some("Cg==")), &live)), Vec::<&str>::new());
    assert_eq!(with(&Rules::default(), &configuration(Some("Cg==")), &live).fields.len(), 1);
}

#[test]
fn rules_of_an_aggregated_role_are_the_controllers_if_the_settings_say_so() {
    let desired = object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": []}),
    );
    let live = live_of(&desired, &BuiltIn, |live| {
        live["rules"] = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    });
    let (rules, _) = Rules::new(&[], Options { ignore_aggregated_roles: true, ..Options::default() });
    assert_eq!(paths(&with(&rules, &desired, &live)), Vec::<&str>::new());
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), [".rules"]);
}

#[test]
fn empty_rules_of_a_role_are_no_rules() {
    quiet(&object("rbac.authorization.k8s.io/v1", "Role", json!({"rules": []})), |live| live["rules"] = json!(null));
}

#[test]
fn null_and_empty_lists_and_maps_in_git_mean_nothing() {
    let mut desired = deployment(json!({
        "containers": [{"name": "a", "image": "a:1", "env": [], "resources": {}, "args": null, "securityContext": null}],
        "volumes": [], "nodeSelector": {}, "initContainers": null, "imagePullSecrets": []
    }));
    desired["metadata"]["annotations"] = json!({});
    desired["metadata"]["labels"] = json!(null);
    desired["metadata"]["creationTimestamp"] = json!(null);
    desired["spec"]["template"]["metadata"] = json!({"creationTimestamp": null});
    quiet(&desired, |live| {
        let pod = live["spec"]["template"]["spec"].as_object_mut().expect("map");
        for name in ["volumes", "nodeSelector", "initContainers", "imagePullSecrets"] {
            pod.remove(name);
        }
        let container = pod["containers"][0].as_object_mut().expect("map");
        for name in ["env", "args", "securityContext"] {
            container.remove(name);
        }
        live["metadata"].as_object_mut().expect("map").remove("annotations");
    });
}

#[test]
fn an_empty_selector_is_not_no_selector() {
    let policy = |peer: Value| {
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "ingress": [{"from": [peer]}]}}),
        )
    };
    let all = policy(json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}));
    let live = live_of(&all, &BuiltIn, |live| {
        live["spec"]["ingress"] = json!([{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}]);
    });
    assert_eq!(paths(&with(&Rules::default(), &all, &live)), [".spec.ingress[0].from[0].namespaceSelector"]);
}

#[test]
fn a_status_in_git_is_left_out_unless_the_settings_say_otherwise() {
    let mut desired = deployment(json!({"containers": [{"name": "a"}]}));
    let live = live_of(&desired, &BuiltIn, |live| live["status"] = json!({"replicas": 1}));
    desired["status"] = json!({"replicas": 7});
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), Vec::<&str>::new());
    let (rules, _) = Rules::new(&[], Options { ignore_status: IgnoreStatus::None, ..Options::default() });
    assert!(!with(&rules, &desired, &live).is_in_sync());
}

#[test]
fn elements_that_occur_twice_do_not_keep_an_object_out_of_sync() {
    let desired = deployment(
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}]}),
    );
    let mut live = desired.clone();
    live["metadata"]["uid"] = json!("1");
    let difference = with(&Rules::default(), &desired, &live);
    assert!(
        difference.notes.iter().any(|note| note.contains("duplicate entries for key [name=\"X\"]")),
        "{:?}",
        difference.notes
    );
    live["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "X", "value": "2"}]);
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), Vec::<&str>::new(), "{:?}", difference.fields);
}

#[test]
fn another_api_version_or_group_of_the_same_kind_is_no_difference() {
    let spec = json!({"spec": {"rules": [{"host": "a.example.com"}]}});
    let desired = object("extensions/v1beta1", "Ingress", spec.clone());
    let live = object("networking.k8s.io/v1", "Ingress", spec);
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), Vec::<&str>::new());
}

#[test]
fn labels_that_others_put_on_a_namespace_are_theirs() {
    let mut desired =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}});
    quiet(&desired, |live| {
        live["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!("shop");
        live["metadata"]["annotations"] = json!({"openshift.io/sa.scc.mcs": "s0"});
        live["spec"] = json!({"finalizers": ["kubernetes"]});
    });
    let live = live_of(&desired, &BuiltIn, nothing);
    desired["metadata"]["labels"]["team"] = json!("b");
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), [".metadata.labels.team"]);
}

#[test]
fn an_object_that_another_application_tracks_differs_in_its_tracking_annotation() {
    let tracked = |by: &str| {
        let mut object = object("v1", "ConfigMap", json!({"data": {}}));
        object["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": by});
        object
    };
    let live = live_of(&tracked("other:/ConfigMap:shop/thing"), &BuiltIn, nothing);
    let difference = with(&Rules::default(), &tracked("mine:/ConfigMap:shop/thing"), &live);
    assert_eq!(paths(&difference), [".metadata.annotations.argocd.argoproj.io/tracking-id"]);
}

#[test]
fn string_data_of_a_secret_is_its_data() {
    let desired = object("v1", "Secret", json!({"stringData": {"a": "text"}, "data": {"b": "Yg==\n"}}));
    let live = object("v1", "Secret", json!({"data": {"a": "dGV4dA==", "b": "Yg=="}, "type": "Opaque"}));
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), Vec::<&str>::new());
    let other = object("v1", "Secret", json!({"data": {"a": "b3RoZXI=", "b": "Yg=="}, "type": "Opaque"}));
    assert_eq!(paths(&with(&Rules::default(), &desired, &other)), [".data.a"]);
}

#[test]
fn random_values_of_a_chart_are_left_out_by_a_rule() {
    let secret = |value: &str| object("v1", "Secret", json!({"data": {"password": value}}));
    let rule = IgnoreDifference {
        kind: "Secret".to_owned(),
        json_pointers: vec!["/data".to_owned()],
        ..IgnoreDifference::default()
    };
    let (rules, _) = Rules::new(&[rule], Options::default());
    assert!(with(&rules, &secret("YQ=="), &secret("Yg==")).is_in_sync());
    assert!(!with(&Rules::default(), &secret("YQ=="), &secret("Yg==")).is_in_sync());
}

#[test]
fn what_the_server_adds_to_claim_templates_is_no_difference_and_a_larger_claim_is_one() {
    let set = |size: &str| {
        object(
            "apps/v1",
            "StatefulSet",
            json!({"spec": {"serviceName": "s", "volumeClaimTemplates": [
                {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}
            ]}}),
        )
    };
    let server = |live: &mut Value| {
        let claim = &mut live["spec"]["volumeClaimTemplates"][0];
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        claim["metadata"]["creationTimestamp"] = json!(null);
        claim["spec"]["volumeMode"] = json!("Filesystem");
        claim["status"] = json!({"phase": "Pending"});
        live["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    };
    quiet(&set("1Gi"), server);
    let live = live_of(&set("1Gi"), &BuiltIn, server);
    assert_eq!(
        paths(&with(&Rules::default(), &set("2Gi"), &live)),
        [".spec.volumeClaimTemplates[0].spec.resources.requests.storage"]
    );
}

#[test]
fn defaults_inside_of_lists_that_are_replaced_as_a_whole_are_no_difference() {
    quiet(
        &object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}),
        ),
        |live| {
            live["spec"]["ingress"][0]["ports"][0]["protocol"] = json!("TCP");
            live["spec"]["policyTypes"] = json!(["Ingress"]);
        },
    );
    quiet(
        &deployment(json!({"containers": [{"name": "a"}], "volumes": [{"name": "v", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}
        ]}}]})),
        |live| {
            let projected = &mut live["spec"]["template"]["spec"]["volumes"][0]["projected"];
            projected["defaultMode"] = json!(420);
            projected["sources"][0]["serviceAccountToken"]["expirationSeconds"] = json!(3600);
            projected["sources"][1]["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] = json!("v1");
        },
    );
}

#[test]
fn what_the_server_makes_of_a_custom_resource_definition_is_no_difference() {
    let definition = object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({
            "spec": {
                "group": "example.com", "scope": "Namespaced", "preserveUnknownFields": false,
                "names": {"kind": "Thing", "plural": "things"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]
            },
            "status": {"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []}
        }),
    );
    quiet(&definition, |live| {
        live["spec"].as_object_mut().expect("map").remove("preserveUnknownFields");
        live["spec"]["conversion"] = json!({"strategy": "None"});
        live["spec"]["names"]["listKind"] = json!("ThingList");
        live["spec"]["names"]["singular"] = json!("thing");
        live["status"] = json!({"conditions": [{"type": "Established", "status": "True"}]});
    });
}

#[test]
fn an_application_without_the_values_that_its_controller_drops_is_in_sync() {
    let desired = object(
        "argoproj.io/v1alpha1",
        "Application",
        json!({"spec": {
            "project": "default", "syncPolicy": {"automated": {"prune": true, "selfHeal": false}, "syncOptions": []}
        }}),
    );
    let live = object(
        "argoproj.io/v1alpha1",
        "Application",
        json!({"spec": {
        "project": "default", "syncPolicy": {"automated": {"prune": true}}
    }, "status": {"sync": {"status": "Synced"}}}),
    );
    assert_eq!(paths(&with(&Rules::default(), &desired, &live)), Vec::<&str>::new());
    let mut off = live.clone();
    off["spec"]["syncPolicy"]["automated"] = json!({});
    assert_eq!(paths(&with(&Rules::default(), &desired, &off)), [".spec.syncPolicy.automated.prune"]);
}

#[test]
fn defaults_from_the_schema_of_a_custom_resource_are_no_difference() {
    let mut schemas = WithCustom::default();
    schemas.add(&json!({"spec": {
        "group": "external-secrets.io", "names": {"kind": "ExternalSecret"},
        "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "refreshInterval": {"type": "string", "default": "1h0m0s"},
            "cpu": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true,
                    "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"},
            "data": {"type": "array", "items": {"type": "object", "properties": {
                "secretKey": {"type": "string"},
                "remoteRef": {"type": "object", "properties": {
                    "key": {"type": "string"},
                    "conversionStrategy": {"type": "string", "default": "Default"},
                    "decodingStrategy": {"type": "string", "default": "None"}
                }}
            }}}
        }}}}}}]
    }}));
    let desired = object(
        "external-secrets.io/v1",
        "ExternalSecret",
        json!({"spec": {"cpu": "1000m", "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}}),
    );
    let server = |live: &mut Value| {
        live["spec"]["refreshInterval"] = json!("1h0m0s");
        live["spec"]["cpu"] = json!(1);
        live["spec"]["data"][0]["remoteRef"] =
            json!({"key": "k", "conversionStrategy": "Default", "decodingStrategy": "None"});
    };
    let live = live_of(&desired, &schemas, server);
    let difference = compare(Some(&desired), Some(&live), &Rules::default(), &schemas);
    assert_eq!(paths(&difference), Vec::<&str>::new());
    let mut edited = live;
    edited["spec"]["data"][0]["remoteRef"]["decodingStrategy"] = json!("Base64");
    let difference = compare(Some(&desired), Some(&edited), &Rules::default(), &schemas);
    assert_eq!(paths(&difference), [".spec.data[0].remoteRef.decodingStrategy"]);
}

#[test]
fn a_service_is_in_sync_with_what_the_server_allocated() {
    let desired = object("v1", "Service", json!({"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}));
    quiet(&desired, |live| {
        live["spec"]["ports"][0]["protocol"] = json!("TCP");
        live["spec"]["ports"][0]["targetPort"] = json!(80);
        live["spec"]["clusterIP"] = json!("10.0.0.1");
        live["spec"]["clusterIPs"] = json!(["10.0.0.1"]);
        live["spec"]["ipFamilies"] = json!(["IPv4"]);
        live["spec"]["ipFamilyPolicy"] = json!("SingleStack");
        live["spec"]["internalTrafficPolicy"] = json!("Cluster");
        live["spec"]["sessionAffinity"] = json!("None");
        live["spec"]["type"] = json!("ClusterIP");
        live["status"] = json!({"loadBalancer": {}});
    });
}

#[test]
fn numbers_and_texts_that_the_server_respells_are_the_same() {
    let mut desired = deployment(json!({"containers": [{"name": "a", "ports": [{"containerPort": 80.0}]}]}));
    desired["spec"]["replicas"] = json!(2.0);
    quiet(&desired, |live| {
        live["spec"]["replicas"] = json!(2);
        live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(80);
    });
}

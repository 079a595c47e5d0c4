//! Objects for invented kustomizations: every kind that a transformer treats in its own way, in every odd layout of YAML.

use super::random::Random;

/// Names that objects share, so that references and collisions come about.
pub(crate) const NAMES: &[&str] = &["web", "api", "db", "cache-1", "web.v2"];
/// Names of data objects.
pub(crate) const DATA_NAMES: &[&str] = &["settings", "secrets", "web"];
const NAMESPACES: &[&str] = &["", "", "", "default", "prod", "dev"];
/// Images, with and without registries, ports, tags and digests.
pub(crate) const IMAGES: &[&str] = &[
    "nginx",
    "nginx:1.25",
    "docker.io/library/nginx:1.25",
    "registry.example.com:5000/team/app:v1",
    "registry.example.com:5000/team/app",
    "ghcr.io/org/app@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "ghcr.io/org/app:v2@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "busybox:latest",
    "team/app:1.0",
    "\"nginx:1.27\"",
    "localhost/app:dev",
    "nginx-extra:1",
];

const SCALARS: &[&str] = &[
    "plain",
    "\"quoted\"",
    "'single'",
    "\"5\"",
    "5",
    "5.0",
    "0.5",
    "1e3",
    "0777",
    "0o17",
    "0x1F",
    "1_000",
    "yes",
    "\"no\"",
    "on",
    "true",
    "\"true\"",
    "null",
    "~",
    "\"\"",
    "''",
    "2020-01-02",
    "2001-12-14T21:59:43.10-05:00",
    "12:30:45",
    "\"a: b\"",
    "'# not a comment'",
    "é ü ß",
    "\"\\U0001F600\"",
    "😀",
    "a very long line of text that goes on and on and on beyond eighty columns so that a writer may want to fold it somewhere",
    "'- dash'",
    "\"tab\\there\"",
    "\"line\\nbreak\"",
    "\"trail \"",
    "' lead'",
    "http://x.example/y?z=1",
    "100000000",
    "12345678901234567890",
    "1.0000005e+06",
    "-1",
    "+1",
    ".5",
    "1.",
    "0b11",
    "!!str 5",
    "!!int \"7\"",
    "\"*star\"",
    "\"&amp\"",
    "'@at'",
    "'`tick`'",
    "\"%percent\"",
    "'{}'",
    "\"[]\"",
    "'null'",
    "a#b",
    "\"a #b\"",
    "x:y",
    "<<",
    "=",
    "$(NAME)",
    "\"$(UNKNOWN)-x\"",
    "\"\\u2028\"",
    "\"\\x07\"",
    "e",
    "n",
    "Y",
    "'<a>&b'",
];

const BLOCKS: &[&str] = &[
    "|\n      one\n      two\n",
    "|-\n      one\n\n      two\n",
    "|+\n      one\n\n",
    ">\n      folded text\n      goes on\n\n      here\n",
    ">-\n      folded\n      text\n",
    "|2\n        indented\n      less\n",
    "|\n      trailing space \n      x\n",
    "|\n      {\"json\": {\"host\": \"web\", \"list\": [1, 2]}}\n",
    "|\n      yaml:\n        host: web\n        list:\n        - 1\n",
    "|\n      a=1\n      b=2\n",
];

fn scalar(random: &mut Random) -> &'static str {
    random.pick(SCALARS)
}

/// One object with the metadata of its own.
pub(crate) fn object(random: &mut Random) -> String {
    let kind = random.below(30);
    match kind {
        0..=7 => workload(random),
        8..=10 => service(random),
        11..=13 => data(random),
        14 => account(random),
        15 => binding(random),
        16 => ingress(random),
        17 => autoscaler(random),
        18 => custom(random),
        19 => cluster_things(random),
        20 => webhook(random),
        21 => volume(random),
        22 => policy(random),
        23 => odd(random),
        24 => list(random),
        25 => definition(random),
        26 => role(random),
        27 => namespace(random),
        _ => cron(random),
    }
}

fn metadata(random: &mut Random, name: &str, namespaced: bool) -> String {
    let mut text = String::from("metadata:\n");
    if random.percent(70) {
        text.push_str(&format!("  name: {name}\n"));
    } else {
        text.push_str(&format!("  name: \"{name}\" # the name\n"));
    }
    let namespace = random.pick(NAMESPACES);
    if namespaced && !namespace.is_empty() {
        text.push_str(&format!("  namespace: {namespace}\n"));
    }
    if random.percent(35) {
        text.push_str("  labels:\n");
        text.push_str(&format!("    app: {}\n", random.pick(NAMES)));
        if random.percent(40) {
            text.push_str(&format!("    tier: {}\n", random.pick(&["\"1\"", "front", "'yes'", "back"])));
        }
    }
    if random.percent(25) {
        text.push_str("  annotations:\n");
        text.push_str(&format!(
            "    note: {}\n",
            random.pick(&["\"1\"", "hello", "'true'", "\"\"", "|\n      multi\n      line"])
        ));
        if random.percent(20) {
            text.push_str("    config.kubernetes.io/local-config: \"true\"\n");
        }
        if random.percent(20) {
            text.push_str("    example.com/a.b: x/y\n");
        }
    } else if random.percent(4) {
        text.push_str(random.pick(&[
            "  annotations: {}\n",
            "  annotations:\n",
            "  labels: {}\n",
            "  labels:\n",
            "  creationTimestamp: null\n",
        ]));
    }
    text
}

fn head(random: &mut Random, api_version: &str, kind: &str, name: &str, namespaced: bool) -> String {
    let metadata = metadata(random, name, namespaced);
    if random.percent(10) {
        format!("{metadata}kind: {kind}\napiVersion: {api_version}\n")
    } else if random.percent(10) {
        format!("# comment\napiVersion: \"{api_version}\"\nkind: {kind} # kind\n{metadata}")
    } else {
        format!("apiVersion: {api_version}\nkind: {kind}\n{metadata}")
    }
}

fn containers(random: &mut Random, indent: &str) -> String {
    let mut text = format!("{indent}containers:\n");
    for at in 0..1 + random.below(2) {
        let name = if at == 0 { "main" } else { "side" };
        text.push_str(&format!("{indent}- name: {name}\n{indent}  image: {}\n", random.pick(IMAGES)));
        if random.percent(40) {
            text.push_str(&format!("{indent}  ports:\n{indent}  - containerPort: 80{at}\n"));
            match random.below(4) {
                0 => text.push_str(&format!("{indent}    name: http\n")),
                1 => text.push_str(&format!(
                    "{indent}    protocol: TCP\n{indent}  - containerPort: 80{at}\n{indent}    protocol: UDP\n"
                )),
                2 => text.push_str(&format!("{indent}  - containerPort: 9090\n{indent}    name: metrics\n")),
                _ => {}
            }
        }
        if random.percent(50) {
            text.push_str(&format!(
                "{indent}  env:\n{indent}  - name: FIRST\n{indent}    value: {}\n",
                random.pick(&["\"1\"", "abc", "$(NAME)", "\"$(NAME).$(HOST)\"", "\"\"", "'on'"])
            ));
            if random.percent(50) {
                text.push_str(&format!("{indent}  - name: SECOND\n{indent}    valueFrom:\n{indent}      {}:\n{indent}        name: {}\n{indent}        key: k\n", random.pick(&["configMapKeyRef", "secretKeyRef"]), random.pick(DATA_NAMES)));
            }
        }
        if random.percent(30) {
            text.push_str(&format!(
                "{indent}  envFrom:\n{indent}  - {}: {{name: {}}}\n",
                random.pick(&["configMapRef", "secretRef"]),
                random.pick(DATA_NAMES)
            ));
        }
        if random.percent(20) {
            text.push_str(&format!(
                "{indent}  args: [\"--a=$(NAME)\", --b, '5', {}]\n",
                random.pick(&["x", "\"y\"", "$(HOST)"])
            ));
        }
        if random.percent(20) {
            text.push_str(&format!("{indent}  resources:\n{indent}    limits: {{cpu: 1, memory: 1Gi}}\n{indent}    requests:\n{indent}      cpu: 100m\n"));
        }
        if random.percent(20) {
            text.push_str(&format!("{indent}  volumeMounts:\n{indent}  - name: v\n{indent}    mountPath: /v\n"));
        }
    }
    if random.percent(15) {
        text.push_str(&format!(
            "{indent}initContainers:\n{indent}- name: init\n{indent}  image: {}\n",
            random.pick(IMAGES)
        ));
    }
    if random.percent(30) {
        text.push_str(&format!("{indent}serviceAccountName: {}\n", random.pick(NAMES)));
    }
    if random.percent(15) {
        text.push_str(&format!("{indent}imagePullSecrets:\n{indent}- name: {}\n", random.pick(DATA_NAMES)));
    }
    if random.percent(40) {
        text.push_str(&format!("{indent}volumes:\n{indent}- name: v\n"));
        match random.below(6) {
            0 => text.push_str(&format!("{indent}  configMap:\n{indent}    name: {}\n", random.pick(DATA_NAMES))),
            1 => text.push_str(&format!("{indent}  secret:\n{indent}    secretName: {}\n", random.pick(DATA_NAMES))),
            2 => text.push_str(&format!("{indent}  persistentVolumeClaim: {{claimName: {}}}\n", random.pick(NAMES))),
            3 => text.push_str(&format!("{indent}  projected:\n{indent}    sources:\n{indent}    - configMap: {{name: {}}}\n{indent}    - secret: {{name: {}}}\n", random.pick(DATA_NAMES), random.pick(DATA_NAMES))),
            4 => text.push_str(&format!("{indent}  image:\n{indent}    reference: {}\n", random.pick(IMAGES))),
            _ => text.push_str(&format!("{indent}  emptyDir: {{}}\n")),
        }
    }
    if random.percent(8) {
        text.push_str(&format!(
            "{indent}tolerations: &t{}\n{indent}- key: a\n{indent}  operator: Exists\n",
            random.below(3)
        ));
    }
    text
}

fn workload(random: &mut Random) -> String {
    let (api_version, kind) = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("v1", "Pod"),
        ("batch/v1", "Job"),
        ("v1", "ReplicationController"),
        ("apps/v1", "ReplicaSet"),
        ("extensions/v1beta1", "Deployment"),
        ("argoproj.io/v1alpha1", "Rollout"),
    ][random.below(10)];
    let name = random.pick(NAMES);
    let mut text = head(random, api_version, kind, name, true);
    if kind == "Pod" {
        return text + "spec:\n" + &containers(random, "  ");
    }
    text.push_str("spec:\n");
    if random.percent(50) {
        text.push_str(&format!("  replicas: {}\n", random.pick(&["1", "3", "\"2\""])));
    }
    if random.percent(60) && kind != "Job" && kind != "ReplicationController" {
        text.push_str(&format!("  selector:\n    matchLabels:\n      app: {name}\n"));
    }
    if kind == "StatefulSet" {
        text.push_str(&format!("  serviceName: {}\n", random.pick(NAMES)));
        if random.percent(50) {
            text.push_str("  volumeClaimTemplates:\n  - metadata: {name: data, labels: {a: b}}\n    spec: {storageClassName: fast}\n");
        }
    }
    text.push_str("  template:\n");
    match random.below(4) {
        0 => {}
        1 => text.push_str("    metadata: {}\n"),
        _ => text.push_str(&format!(
            "    metadata:\n      labels:\n        app: {name}\n{}",
            random.pick(&["", "      annotations: {checksum: abc}\n", "      creationTimestamp: null\n"])
        )),
    }
    if random.percent(25) {
        // The other style of indentation.
        let inner = containers(random, "      ");
        let indented = inner.replace("containers:\n      - name", "containers:\n        - name");
        if inner.matches("- name: side").count() == 0 && !inner.contains("ports") && !inner.contains("env") {
            let mut lines = String::from("    spec:\n");
            for line in indented.lines() {
                lines.push_str(if line.starts_with("        ") && !line.starts_with("        - ") { "  " } else { "" });
                lines.push_str(line);
                lines.push('\n');
            }
            return text + &lines;
        }
        return text + "    spec:\n" + &inner;
    }
    text + "    spec:\n" + &containers(random, "      ")
}

fn service(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    let mut text = head(random, "v1", "Service", name, true) + "spec:\n";
    if random.percent(75) {
        text.push_str(&format!("  selector:\n    app: {name}\n"));
    }
    text.push_str(random.pick(&[
        "  ports:\n  - port: 80\n    targetPort: http\n",
        "  ports:\n    - port: 80\n      protocol: TCP\n      name: a\n    - port: 80\n      protocol: UDP\n      name: b\n",
        "  ports: [{port: 443, name: https}]\n",
        "  type: ExternalName\n  externalName: x.example\n",
        "  clusterIP: None\n  ports:\n  - {port: 5432}\n",
    ]));
    text
}

fn data(random: &mut Random) -> String {
    let is_secret = random.percent(40);
    let name = random.pick(DATA_NAMES);
    let mut text = head(random, "v1", if is_secret { "Secret" } else { "ConfigMap" }, name, true);
    if is_secret && random.percent(60) {
        text.push_str("type: Opaque\n");
    }
    text.push_str(if is_secret && random.percent(50) { "stringData:\n" } else { "data:\n" });
    for at in 0..1 + random.below(4) {
        let key = ["host", "file.txt", "k", "\"10\"", "on"][random.below(5)];
        let key = if at == 0 { "a" } else { key };
        if text.contains(&format!("  {key}:")) {
            continue;
        }
        if random.percent(35) {
            text.push_str(&format!("  {key}: {}", random.pick(BLOCKS).replace("      ", "    ")));
        } else {
            text.push_str(&format!("  {key}: {}\n", scalar(random)));
        }
    }
    if random.percent(8) {
        text.push_str("immutable: true\n");
    }
    text
}

fn account(random: &mut Random) -> String {
    let name = random.pick(&["web", "api", "default", "db"]);
    let mut text = head(random, "v1", "ServiceAccount", name, true);
    if random.percent(40) {
        text.push_str(&format!(
            "imagePullSecrets: [{{name: {}}}]\nsecrets:\n- name: {}\n",
            random.pick(DATA_NAMES),
            random.pick(DATA_NAMES)
        ));
    }
    text
}

fn binding(random: &mut Random) -> String {
    let (kind, namespaced) = [("RoleBinding", true), ("ClusterRoleBinding", false)][random.below(2)];
    let name = random.pick(NAMES);
    let role = if random.percent(50) { "Role" } else { "ClusterRole" };
    let mut text = head(random, "rbac.authorization.k8s.io/v1", kind, name, namespaced);
    text.push_str(&format!(
        "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role}\n  name: {}\nsubjects:\n",
        random.pick(NAMES)
    ));
    for _ in 0..1 + random.below(2) {
        text.push_str(&format!(
            "- kind: ServiceAccount\n  name: {}\n{}",
            random.pick(&["web", "api", "default", "db"]),
            random.pick(&["", "  namespace: default\n", "  namespace: prod\n", "  namespace: elsewhere\n"])
        ));
    }
    if random.percent(20) {
        text.push_str("- kind: User\n  name: web\n  apiGroup: rbac.authorization.k8s.io\n");
    }
    text
}

fn role(random: &mut Random) -> String {
    let (kind, namespaced) = [("Role", true), ("ClusterRole", false)][random.below(2)];
    let name = random.pick(NAMES);
    let mut text = head(random, "rbac.authorization.k8s.io/v1", kind, name, namespaced);
    text.push_str(&format!(
        "rules:\n- apiGroups: ['']\n  resources: [configmaps]\n  resourceNames: [{}, other]\n  verbs: ['*']\n",
        random.pick(DATA_NAMES)
    ));
    if kind == "ClusterRole" && random.percent(30) {
        text.push_str("aggregationRule:\n  clusterRoleSelectors:\n  - matchLabels: {a: b}\n");
    }
    text
}

fn ingress(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    if random.percent(70) {
        let mut text = head(random, "networking.k8s.io/v1", "Ingress", name, true);
        text.push_str(&format!("spec:\n  ingressClassName: nginx\n  tls:\n  - hosts: [a.example]\n    secretName: {}\n  rules:\n  - host: a.example\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            name: {}\n            port: {{number: 80}}\n  defaultBackend: {{service: {{name: {}, port: {{name: http}}}}}}\n", random.pick(DATA_NAMES), random.pick(NAMES), random.pick(NAMES)));
        text
    } else {
        let mut text = head(random, "extensions/v1beta1", "Ingress", name, true);
        text.push_str(&format!(
            "spec:\n  rules:\n  - http:\n      paths:\n      - backend: {{serviceName: {}, servicePort: 80}}\n",
            random.pick(NAMES)
        ));
        text
    }
}

fn autoscaler(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    if random.percent(60) {
        let kind = random.pick(&["Deployment", "StatefulSet", "ReplicaSet"]);
        head(random, random_version(name), "HorizontalPodAutoscaler", name, true)
            + &format!(
                "spec:\n  maxReplicas: 5\n  scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: {name}}}\n"
            )
    } else {
        head(random, "policy/v1", "PodDisruptionBudget", name, true)
            + &format!("spec:\n  minAvailable: 1\n  selector:\n    matchLabels: {{app: {name}}}\n")
    }
}

fn random_version(name: &str) -> &'static str {
    if name.len() % 2 == 0 { "autoscaling/v2" } else { "autoscaling/v2beta2" }
}

fn custom(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    let mut text = head(random, "example.com/v1", "Widget", name, true);
    text.push_str(&format!("spec:\n  image: {}\n  replicas: 2\n  secretRef:\n    name: {}\n  configRef: {}\n  containers:\n  - name: main\n    image: {}\n  items:\n  - key: a\n    value: 1\n  - key: b\n    value: {}\n  host: $(NAME)\n  selector: {{matchLabels: {{app: {name}}}}}\n", random.pick(IMAGES), random.pick(DATA_NAMES), random.pick(DATA_NAMES), random.pick(IMAGES), scalar(random)));
    text
}

fn cluster_things(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    match random.below(4) {
        0 => head(random, "storage.k8s.io/v1", "StorageClass", "fast", false) + "provisioner: x\n",
        1 => head(random, "scheduling.k8s.io/v1", "PriorityClass", name, false) + "value: 1000\n",
        2 => {
            head(random, "apiregistration.k8s.io/v1", "APIService", "v1.example.com", false)
                + &format!(
                    "spec:\n  group: example.com\n  version: v1\n  service: {{name: {name}, namespace: default}}\n"
                )
        }
        _ => {
            head(random, "v1", "PersistentVolume", name, false)
                + "spec:\n  storageClassName: fast\n  capacity: {storage: 1Gi}\n"
        }
    }
}

fn webhook(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    let kind = random.pick(&["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]);
    head(random, "admissionregistration.k8s.io/v1", kind, name, false)
        + &format!(
            "webhooks:\n- name: a.example.com\n  clientConfig:\n    service: {{name: {}, namespace: {}, path: /x}}\n  namespaceSelector: {{}}\n- name: b.example.com\n  clientConfig: {{url: 'https://x'}}\n",
            random.pick(NAMES),
            random.pick(&["default", "prod", "system"])
        )
}

fn volume(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    head(random, "v1", "PersistentVolumeClaim", name, true)
        + &format!(
            "spec:\n  storageClassName: fast\n  volumeName: {}\n  resources: {{requests: {{storage: 1Gi}}}}\n",
            random.pick(NAMES)
        )
}

fn policy(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    head(random, "networking.k8s.io/v1", "NetworkPolicy", name, true)
        + "spec:\n  podSelector:\n    matchLabels: {app: web}\n  ingress:\n  - from:\n    - podSelector: {matchLabels: {app: api}}\n    - namespaceSelector: {}\n  egress:\n  - to:\n    - podSelector:\n        matchExpressions:\n        - {key: a, operator: In, values: [x, 'y', \"1\"]}\n"
}

fn namespace(random: &mut Random) -> String {
    let name = random.pick(&["prod", "dev", "system", "default"]);
    head(random, "v1", "Namespace", name, false)
}

fn cron(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    let version = random.pick(&["batch/v1", "batch/v1beta1"]);
    let mut text = head(random, version, "CronJob", name, true);
    text.push_str("spec:\n  schedule: '*/5 * * * *'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n");
    text.push_str(&containers(random, "          "));
    text
}

fn definition(random: &mut Random) -> String {
    head(random, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com", false)
        + "spec:\n  group: example.com\n  names: {kind: Widget, plural: widgets}\n  scope: Namespaced\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n"
        + random.pick(&["", "  conversion:\n    strategy: Webhook\n    webhook:\n      conversionReviewVersions: [v1]\n      clientConfig:\n        service: {name: web, namespace: default}\n"])
}

fn odd(random: &mut Random) -> String {
    let name = random.pick(NAMES);
    let body = random.pick(&[
        "spec:\n  a: &anchor\n    x: 1\n    y: [1, 2]\n  b: *anchor\n  c:\n    <<: *anchor\n    y: 2\n",
        "spec:\n  empty: {}\n  none:\n  list: []\n  nested:\n  - - a\n    - b\n  - []\n  - {}\n  -\n",
        "spec: {a: 1, b: [x, {c: d}], 'e f': g, \"10\": ten}\n",
        "spec:\n  ? complex\n  : value\n  long: \"aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccc ddddddddddddddd\"\n",
        "spec:\n  multi: first\n    second\n    third\n  quoted: \"first\n    second\\\n    third\"\n",
        "spec:\n  item10: a\n  item2: b\n  Item1: c\n  item_x: d\n  a-b: e\n  a.b: f\n  \"9\": g\n  \"true\": h\n",
        "status:\n  x: 1.0\n  y: 1e21\n  z: 123456789.5\n  w: .inf_\n",
        "data:\n  x: !!binary aGVsbG8=\n  y: !custom tagged\n",
        "spec:\n  text: >+\n    folded\n    keep\n\n  next: |-\n    no end\n",
    ]);
    head(random, "example.com/v1", "Odd", name, true) + body
}

fn list(random: &mut Random) -> String {
    let (one, other) = (random.pick(NAMES), random.pick(NAMES));
    let kind = random.pick(&["List", "ConfigMapList", "WidgetList"]);
    let version = if kind == "WidgetList" { "example.com/v1" } else { "v1" };
    let item = if kind == "WidgetList" { "Widget" } else { "ConfigMap" };
    format!(
        "apiVersion: {version}\nkind: {kind}\nitems:\n- apiVersion: {version}\n  kind: {item}\n  metadata:\n    name: {one}-item\n  data: {{a: \"1\"}}\n- apiVersion: {version}\n  kind: {item}\n  metadata: {{name: {other}-other, labels: {{app: x}}}}\n  data:\n    b: {}\n",
        random.pick(&["text", "'2'", "|\n      block\n      text"])
    )
}

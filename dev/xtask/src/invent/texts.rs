//! Longer texts for invented kustomizations: patches, replacements, configurations, plugins.
//! size: mostly data.

use super::objects::{DATA_NAMES, IMAGES};
use super::random::Random;

/// A patch of one object, as a strategic merge.
pub(crate) fn strategic_patch(random: &mut Random, name: &str) -> String {
    let (api_version, kind) = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
        ("v1", "ConfigMap"),
        ("apps/v1", "StatefulSet"),
        ("example.com/v1", "Widget"),
        ("v1", "Secret"),
        ("v1", "Pod"),
        ("networking.k8s.io/v1", "Ingress"),
    ][random.below(10)];
    let name = if matches!(kind, "ConfigMap" | "Secret") { random.pick(DATA_NAMES) } else { name };
    let mut text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n");
    match random.below(8) {
        0 => text.push_str("  namespace: prod\n"),
        1 => text.push_str("  labels: {patched: \"yes\"}\n"),
        2 => text.push_str("  annotations:\n    note: null\n    new: \"1\"\n"),
        3 => text.push_str("  labels:\n    $patch: replace\n    only: this\n"),
        _ => {}
    }
    if random.percent(6) {
        text.push_str("$patch: delete\n");
        return text;
    }
    if random.percent(3) {
        text.push_str("$patch: replace\nspec: {replaced: true}\n");
        return text;
    }
    match kind {
        "Deployment" | "StatefulSet" => {
            text.push_str("spec:\n");
            for _ in 0..1 + random.below(2) {
                let piece = random.pick(WORKLOAD_PIECES);
                let field = piece.split(':').next().unwrap_or_default();
                if !text.contains(&format!("\n{field}:")) {
                    text.push_str(piece);
                }
            }
            text = text.replace("IMAGE", random.pick(IMAGES));
        }
        "Service" => text.push_str(random.pick(SERVICE_PIECES)),
        "ConfigMap" | "Secret" => text.push_str(random.pick(&[
            "data:\n  a: patched\n",
            "data:\n  a: null\n  b: \"5\"\n",
            "data: {k: 'on'}\nimmutable: true\n",
            "data:\n  $patch: replace\n  z: last\n",
            "data: null\n",
            "stringData:\n  a: |\n    multi\n    line\n",
            "data:\n  a: 5\n",
        ])),
        "Widget" => text.push_str(random.pick(&[
            "spec:\n  items:\n  - key: a\n    value: patched\n",
            "spec:\n  containers:\n  - name: main\n    image: new\n",
            "spec:\n  replicas: 9\n  secretRef: null\n",
            "spec:\n  items:\n  - $patch: replace\n  - key: z\n",
            "spec:\n  items:\n  - key: a\n    $patch: delete\n",
            "spec:\n  $patch: replace\n  x: y\n",
            "spec:\n  items: []\n",
            "spec:\n  selector: {matchLabels: {$patch: delete}}\n",
        ])),
        "Pod" => text.push_str("spec:\n  containers:\n  - name: main\n    image: patched\n  restartPolicy: Never\n"),
        _ => text.push_str("spec:\n  rules:\n  - host: b.example\n  tls: []\n"),
    }
    text
}

const WORKLOAD_PIECES: &[&str] = &[
    "  replicas: 7\n",
    "  replicas: null\n",
    "  selector:\n    matchLabels:\n      extra: label\n",
    "  strategy:\n    type: Recreate\n    $retainKeys: [type]\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        image: IMAGE\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        env:\n        - name: FIRST\n          value: patched\n        - name: NEW\n          value: \"7\"\n",
    "  template:\n    spec:\n      containers:\n      - name: extra\n        image: IMAGE\n      - name: main\n        args: [one]\n",
    "  template:\n    spec:\n      containers:\n      - $patch: delete\n        name: side\n",
    "  template:\n    spec:\n      containers:\n      - $patch: replace\n      - name: only\n        image: IMAGE\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        ports:\n        - containerPort: 800\n          name: patched\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        ports:\n        - containerPort: 800\n          protocol: TCP\n          hostPort: 1\n        - containerPort: 53\n          protocol: UDP\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        ports:\n        - containerPort: 800\n          $patch: delete\n",
    "  template:\n    spec:\n      volumes:\n      - name: v\n        emptyDir: {medium: Memory}\n        configMap: null\n",
    "  template:\n    spec:\n      volumes:\n      - name: new\n        configMap: {name: settings}\n      - name: v\n        $patch: delete\n",
    "  template:\n    spec:\n      tolerations:\n      - key: b\n        operator: Exists\n",
    "  template:\n    spec:\n      imagePullSecrets:\n      - name: pull\n      hostAliases:\n      - ip: 1.2.3.4\n        hostnames: [a]\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        resources:\n          limits:\n            cpu: \"2\"\n          requests: null\n        volumeMounts:\n        - mountPath: /v\n          name: v\n          readOnly: true\n        - mountPath: /w\n          name: w\n",
    "  template:\n    spec:\n      containers:\n      - name: main\n        envFrom:\n        - secretRef: {name: secrets}\n        command: []\n        args: null\n",
    "  template:\n    metadata:\n      annotations:\n        a: \"1\"\n      labels: null\n",
    "  template:\n    spec:\n      $setElementOrder/containers:\n      - name: main\n      containers:\n      - name: main\n        tty: true\n",
    "  template:\n    spec:\n      nodeSelector:\n        $patch: replace\n        a: b\n      affinity: {}\n",
    "  template:\n    spec:\n      initContainers:\n      - name: init\n        image: IMAGE\n      - name: init2\n        image: IMAGE\n",
    "  template:\n    spec:\n      serviceAccountName: api\n      topologySpreadConstraints:\n      - maxSkew: 1\n        topologyKey: zone\n        whenUnsatisfiable: DoNotSchedule\n",
    "  template:\n    spec:\n      containers: []\n",
    "  template:\n    spec:\n      containers: null\n",
    "  template: null\n",
    "  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {storageClassName: slow}\n",
];

const SERVICE_PIECES: &[&str] = &[
    "spec:\n  type: NodePort\n",
    "spec:\n  ports:\n  - port: 80\n    targetPort: 8080\n",
    "spec:\n  ports:\n  - port: 80\n    protocol: UDP\n    nodePort: 30000\n  - port: 81\n    name: x\n",
    "spec:\n  ports:\n  - port: 80\n    $patch: delete\n",
    "spec:\n  ports:\n  - $patch: replace\n  - port: 1\n",
    "spec:\n  selector: null\n",
    "spec:\n  selector:\n    $patch: replace\n    a: b\n",
    "spec: {}\n",
    "spec: null\n",
    "spec:\n  externalIPs: [1.1.1.1]\n  loadBalancerSourceRanges:\n  - 10.0.0.0/8\n",
];

const OPERATIONS: &[&str] = &[
    "- op: add\n  path: /metadata/labels/json\n  value: \"1\"\n",
    "- op: add\n  path: /metadata/annotations\n  value: {a: b}\n",
    "- op: replace\n  path: /metadata/name\n  value: renamed\n",
    "- op: replace\n  path: /spec/replicas\n  value: 5\n",
    "- op: remove\n  path: /spec/replicas\n",
    "- op: add\n  path: /spec/template/spec/containers/-\n  value:\n    name: added\n    image: x:1\n",
    "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: json:1\n",
    "- op: add\n  path: /spec/template/spec/containers/0/env/-\n  value: {name: J, value: 'yes'}\n",
    "- op: add\n  path: /spec/template/spec/containers/0/args\n  value: [a, 1, true, null, 1.5, \"2\"]\n",
    "- op: test\n  path: /kind\n  value: Deployment\n",
    "- {op: add, path: /spec/x~1y, value: {deep: [1, {a: b}]}}\n",
    "- op: add\n  path: /data/new\n  value: |\n    multi\n    line\n",
    "- op: replace\n  path: /data/a\n  value: 5\n",
    "- op: copy\n  from: /metadata/name\n  path: /metadata/labels/copied\n",
    "- op: move\n  from: /metadata/labels\n  path: /metadata/moved\n",
    "- op: remove\n  path: /metadata/namespace\n",
    "- op: add\n  path: /spec/ports/0\n  value: {port: 1, name: first}\n",
    "- op: replace\n  path: /spec/type\n  value: LoadBalancer\n",
    "- op: add\n  path: /metadata/annotations/example.com~1x\n  value: 'true'\n",
    "- op: replace\n  path: /kind\n  value: Renamed\n",
    "- op: add\n  path: /spec/template/spec/containers/-1\n  value: {name: minus}\n",
    "- op: remove\n  path: /spec/template/spec/containers/1\n",
    "- op: add\n  path: /spec/n\n  value: 12345678901234567890\n",
    "- op: add\n  path: /spec/n\n  value: 1e3\n",
    "- op: replace\n  path: /metadata/labels/app\n  value: null\n",
    "- op: add\n  path: \"\"\n  value: {apiVersion: v1, kind: X, metadata: {name: y}}\n",
    "- op: add\n  path: /spec/date\n  value: 2020-01-02\n",
    "- op: add\n  path: /spec/o\n  value: 0777\n",
];

/// A list of operations, as YAML or JSON.
pub(crate) fn json_patch(random: &mut Random) -> String {
    if random.percent(15) {
        return random
            .pick(&[
                "[{\"op\": \"add\", \"path\": \"/metadata/labels/json\", \"value\": \"1\"}]\n",
                "[\n {\"op\": \"replace\", \"path\": \"/spec/replicas\", \"value\": 2.0}\n]\n",
                "[]\n",
            ])
            .to_owned();
    }
    (0..1 + random.below(2)).map(|_| random.pick(OPERATIONS)).collect()
}

/// Sources of replacements.
pub(crate) const SOURCES: &[&str] = &[
    "- source: {kind: ConfigMap, name: settings, fieldPath: data.a}\n",
    "- source:\n    kind: Service\n    name: web\n",
    "- source:\n    kind: Deployment\n    name: web\n    fieldPath: spec.template.spec.containers.0.image\n    options: {delimiter: ':', index: 1}\n",
    "- source:\n    kind: Deployment\n    name: api\n    fieldPath: spec.template.spec.containers.[name=main].image\n    options:\n      delimiter: /\n",
    "- source: {kind: ConfigMap, name: settings, fieldPath: 'data.[file.txt]'}\n",
    "- source: {name: web, kind: Deployment, version: v1, fieldPath: metadata.labels.app}\n",
    "- source:\n    kind: Deployment\n    name: web\n    fieldPath: spec.template.spec\n",
    "- sourceValue: fixed\n",
    "- sourceValue: \"5\"\n",
    "- source: {kind: Widget, name: web, fieldPath: spec.items.0}\n",
    "- source: {kind: ConfigMap, name: settings}\n",
    "- source: {kind: Deployment, name: web, fieldPath: spec.replicas}\n",
    "- source: {kind: Service, name: web, fieldPath: metadata.namespace}\n",
    "- source: {kind: ConfigMap, name: settings, fieldPath: data.a, options: {delimiter: '.', index: 9}}\n",
    "- source: {kind: Secret, name: secrets, fieldPath: data.a}\n",
    "- source: {kind: Service, name: api, fieldPath: 'spec.ports.0.port'}\n",
];

/// Targets of replacements.
pub(crate) const TARGETS: &[&str] = &[
    "  - select: {kind: Deployment}\n    fieldPaths: [metadata.annotations.copied]\n    options: {create: true}\n",
    "  - select: {kind: Deployment, name: web}\n    fieldPaths:\n    - spec.template.spec.containers.[name=main].image\n",
    "  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.*.image']\n    options: {delimiter: ':', index: 1}\n",
    "  - select: {kind: ConfigMap}\n    fieldPaths: [data.copied]\n    options:\n      create: true\n",
    "  - select: {name: web}\n    reject: [{kind: Service}]\n    fieldPaths: ['metadata.labels.[example.com/x]']\n    options: {create: true}\n",
    "  - select: {kind: Widget}\n    fieldPaths: [spec.host, 'spec.items.[key=a].value']\n",
    "  - select: {kind: Service}\n    fieldPaths: [spec.selector.app]\n    options: {delimiter: '-', index: -1}\n",
    "  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.[name=main].env.[name=FIRST].value']\n    options: {create: true}\n",
    "  - select: {kind: ConfigMap, name: settings}\n    fieldPaths: [data.host]\n    options: {delimiter: '.', index: 3, create: true}\n",
    "  - select: {kind: Deployment}\n    fieldPaths: [spec.replicas]\n    options: {create: true}\n",
    "  - fieldPaths: [metadata.annotations.all]\n    select: {version: v1}\n    options: {create: true}\n",
    "  - select: {kind: Deployment, name: web}\n",
    "  - select: {kind: Deployment}\n    reject:\n    - name: api\n    - {labelSelector: tier=front}\n    fieldPaths: [metadata.labels.tier]\n    options: {create: true}\n",
    "  - select: {kind: Ingress}\n    fieldPaths: [spec.rules.0.host]\n    options: {delimiter: '.', index: 0}\n",
    "  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.volumes.0.name']\n",
    "  - select: {kind: Deployment}\n    fieldPaths: [spec.template.spec.containers.1.image]\n    options: {create: true}\n",
    "  - select: {kind: Widget}\n    fieldPaths: [spec.items.-]\n    options: {create: true}\n",
    "  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.[name=none].image']\n",
    "  - select: {kind: ConfigMap}\n    fieldPaths: ['data.a']\n    options: {delimiter: '', index: 1}\n",
    "  - select: {kind: Service}\n    fieldPaths: ['spec.ports.*.name']\n    options: {create: true}\n",
    "  - select: {kind: ConfigMap, name: settings}\n    fieldPaths: ['data.a.json.host', 'data.[file.txt].json.host']\n",
];

/// Configurations of built-in transformers.
pub(crate) const CONFIGURATIONS: &[&str] = &[
    "nameReference:\n- kind: Secret\n  version: v1\n  fieldSpecs:\n  - path: spec/secretRef/name\n    kind: Widget\n- kind: ConfigMap\n  fieldSpecs:\n  - {path: spec/configRef, kind: Widget, group: example.com}\n",
    "images:\n- path: spec/image\n  kind: Widget\n",
    "namePrefix:\n- path: metadata/name\n- path: spec/host\n  kind: Widget\n",
    "commonLabels:\n- path: spec/selector/matchLabels\n  create: true\n  kind: Widget\n",
    "commonAnnotations:\n- path: spec/annotations\n  create: true\n  kind: Widget\n",
    "varReference:\n- path: spec/host\n  kind: Widget\n- path: data\n  kind: ConfigMap\n",
    "replicas:\n- path: spec/replicas\n  kind: Widget\n",
    "namespace:\n- path: spec/target/namespace\n  create: true\n  kind: Widget\n",
    "nameSuffix:\n- path: spec/host\n  kind: Widget\n",
    "templateLabels:\n- path: spec/labels\n  create: true\n  kind: Widget\n",
    "labels:\n- path: spec/labels2\n  create: true\n  kind: Widget\n",
    "nameReference:\n- kind: Deployment\n  group: apps\n  fieldSpecs:\n  - path: metadata/annotations/note\n",
];

/// OpenAPI definitions with references, as `crds` takes them.
pub(crate) const CRD_DEFINITIONS: &str = r#"github.com/example/v1.Widget:
  Schema:
    description: Widget
    properties:
      apiVersion: {type: string}
      kind: {type: string}
      metadata: {type: object}
      spec: {$ref: github.com/example/v1.WidgetSpec}
    x-kubernetes-group-version-kind: [{group: example.com, kind: Widget, version: v1}]
  Dependencies: [github.com/example/v1.WidgetSpec]
github.com/example/v1.WidgetSpec:
  Schema:
    properties:
      configRef:
        type: string
        x-kubernetes-object-ref-api-version: v1
        x-kubernetes-object-ref-kind: ConfigMap
      secretRef:
        type: object
        x-kubernetes-object-ref-api-version: v1
        x-kubernetes-object-ref-kind: Secret
        x-kubernetes-object-ref-name-key: name
"#;

/// A schema in which a custom list has a merge key.
pub(crate) const OPENAPI: &str = r##"{"definitions": {"com.example.v1.Widget": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
"items": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-merge-key": "key", "x-kubernetes-patch-strategy": "merge"},
"containers": {"type": "array", "items": {"$ref": "#/definitions/c"}, "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"}}}},
"x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Widget", "version": "v1"}]}, "c": {"type": "object"}}}
"##;

/// Configurations of transformers that are plugins.
pub(crate) const TRANSFORMERS: &[&str] = &[
    "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: plug-\nfieldSpecs:\n- path: metadata/name\n",
    "apiVersion: builtin\nkind: SuffixTransformer\nmetadata: {name: s}\nsuffix: -plug\nfieldSpecs:\n- path: metadata/name\n  kind: Deployment\n",
    "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {plug: \"yes\"}\nfieldSpecs:\n- path: metadata/labels\n  create: true\n",
    "apiVersion: builtin\nkind: AnnotationsTransformer\nmetadata: {name: a}\nannotations: {plug: \"5\"}\nfieldSpecs:\n- path: metadata/annotations\n  create: true\n",
    "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: n, namespace: plugged}\nunsetOnly: true\nfieldSpecs:\n- path: metadata/namespace\n  create: true\n",
    "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata:\n  name: n\n  namespace: plugged\nsetRoleBindingSubjects: allServiceAccounts\n",
    "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata:\n  name: n\n  namespace: plugged\nsetRoleBindingSubjects: none\nfieldSpecs:\n- path: metadata/namespace\n  create: true\n",
    "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\ntarget: {kind: Deployment}\npatch: |-\n  - op: add\n    path: /metadata/labels\n    value: {by: plugin}\n",
    "apiVersion: builtin\nkind: ReplicaCountTransformer\nmetadata: {name: r}\nreplica: {name: web, count: 4}\nfieldSpecs:\n- path: spec/replicas\n  create: true\n  kind: Deployment\n",
    "apiVersion: builtin\nkind: ImageTagTransformer\nmetadata: {name: i}\nimageTag: {name: nginx, newTag: plug}\nfieldSpecs:\n- path: spec/template/spec/containers/image\n",
    "apiVersion: builtin\nkind: ReplacementTransformer\nmetadata: {name: r}\nreplacements:\n- source: {kind: Service, name: web}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [metadata.annotations.plug]\n    options: {create: true}\n",
    "apiVersion: builtin\nkind: PatchStrategicMergeTransformer\nmetadata: {name: p}\npatches: |-\n  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web}\n  spec: {paused: true}\n",
    "apiVersion: builtin\nkind: PatchJson6902Transformer\nmetadata: {name: p}\ntarget: {kind: Deployment, name: web, group: apps, version: v1}\njsonOp: '[{\"op\": \"add\", \"path\": \"/spec/paused\", \"value\": true}]'\n",
    "apiVersion: builtin\nkind: ValueAddTransformer\nmetadata: {name: v}\nvalue: added\ntargets:\n- selector: {kind: Deployment}\n  fieldPath: metadata/annotations/va\n",
    "apiVersion: builtin\nkind: HashTransformer\nmetadata: {name: h}\n",
    "apiVersion: builtin\nkind: SortOrderTransformer\nmetadata: {name: s}\nsortOptions: {order: legacy}\n",
    "apiVersion: builtin\nkind: LegacyOrderTransformer\nmetadata: {name: s}\n",
];

/// Configurations of generators that are plugins.
pub(crate) const GENERATORS: &[&str] = &[
    "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: plugged}\nname: plugged\nliterals: [a=b]\n",
    "apiVersion: builtin\nkind: SecretGenerator\nmetadata:\n  name: secrets\nliterals: [a=b]\nbehavior: merge\n",
    "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata:\n  name: plugged\n  namespace: prod\nliterals: [n=web]\noptions: {disableNameSuffixHash: true}\n",
];

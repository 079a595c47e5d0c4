//! Fields for invented kustomizations: each writer appends one field with a random value that mostly makes sense.

use super::objects::{DATA_NAMES, IMAGES, NAMES};
use super::random::Random;
use super::texts;

/// A field being written: its text and the files that it needs beside the kustomization.
#[derive(Default, Clone)]
pub(crate) struct Written {
    /// What the kustomization file gets.
    pub(crate) text: String,
    /// Files beside it, by name.
    pub(crate) files: Vec<(String, String)>,
    /// Makes names of files differ within a tree.
    pub(crate) number: usize,
}

impl Written {
    /// Adds a file beside the kustomization and names it.
    pub(crate) fn file(&mut self, stem: &str, text: String) -> String {
        let name = format!("{stem}-{}-{}.yaml", self.number, self.files.len());
        self.files.push((name.clone(), text));
        name
    }
}

type Writer = fn(&mut Random, &mut Written);

/// The writers, each with its chance in a hundred.
const WRITERS: &[(usize, Writer)] = &[
    (30, |random, out| {
        out.text.push_str(random.pick(&["namePrefix: pre-\n", "namePrefix: 'a.b-'\n", "namePrefix: dev-\n"]))
    }),
    (15, |random, out| out.text.push_str(random.pick(&["nameSuffix: -v1\n", "nameSuffix: -blue\n"]))),
    (30, |random, out| {
        out.text.push_str(random.pick(&[
            "namespace: prod\n",
            "namespace: dev\n",
            "namespace: default\n",
            "namespace: team-a\n",
        ]))
    }),
    (20, labels),
    (15, |random, out| {
        out.text.push_str(random.pick(&["commonLabels:\n  app: common\n", "commonLabels: {team: a, env: \"1\"}\n"]))
    }),
    (15, |random, out| {
        out.text.push_str(random.pick(&[
            "commonAnnotations:\n  owner: team a\n  n: \"5\"\n",
            "commonAnnotations: {note: 'yes'}\n",
            "commonAnnotations:\n  long: |\n    many\n    lines\n",
        ]))
    }),
    (30, images),
    (12, |random, out| {
        out.text.push_str(&format!("replicas:\n- name: {}\n  count: {}\n", random.pick(NAMES), random.below(5)))
    }),
    (45, patches),
    (8, patches_strategic_merge),
    (8, patches_json),
    (25, replacements),
    (10, vars),
    (25, |random, out| generator(random, out, "configMapGenerator")),
    (15, |random, out| generator(random, out, "secretGenerator")),
    (10, |random, out| {
        out.text.push_str(random.pick(&[
            "generatorOptions:\n  disableNameSuffixHash: true\n",
            "generatorOptions:\n  labels: {gen: 'yes'}\n  annotations: {a: b}\n",
            "generatorOptions:\n  immutable: true\n  labels:\n    app: gen\n",
        ]))
    }),
    (8, |random, out| {
        out.text.push_str(random.pick(&[
        "sortOptions:\n  order: fifo\n", "sortOptions: {order: legacy}\n",
        "sortOptions:\n  order: legacy\n  legacySortOptions:\n    orderFirst: [Service, Deployment]\n    orderLast:\n    - ConfigMap\n",
    ]))
    }),
    (10, |random, out| {
        out.text.push_str(random.pick(&[
            "buildMetadata: [originAnnotations]\n",
            "buildMetadata: [originAnnotations, transformerAnnotations]\n",
            "buildMetadata: [managedByLabel]\n",
            "buildMetadata: [transformerAnnotations]\n",
        ]))
    }),
    (12, configurations),
    (6, crds),
    (5, openapi),
    (14, transformers),
    (5, generators),
];

/// Writes a random choice of fields, one by one.
pub(crate) fn write(random: &mut Random, take: &mut dyn FnMut(&mut Random, Written)) {
    let share = [20, 40, 80, 140][random.below(4)];
    for (number, (chance, writer)) in WRITERS.iter().enumerate() {
        if random.percent(chance * share / 50) {
            let mut out = Written { number, ..Written::default() };
            writer(random, &mut out);
            take(random, out);
        }
    }
}

fn labels(random: &mut Random, out: &mut Written) {
    out.text.push_str("labels:\n");
    for at in 0..1 + random.below(2) {
        out.text.push_str(&format!(
            "- pairs:\n    {}: {}\n",
            random.pick(&["team", "app", "env.example.com/x"]),
            random.pick(&["a", "\"1\"", "'yes'", "web"])
        ));
        match random.below(6) {
            0 | 1 => out.text.push_str("  includeSelectors: true\n"),
            2 => out.text.push_str("  includeTemplates: true\n"),
            3 => out.text.push_str("  includeSelectors: false\n  includeTemplates: true\n"),
            4 if at == 0 => out.text.push_str(random.pick(&[
                "  fields:\n  - path: spec/extra/labels\n    create: true\n    kind: Widget\n",
                "  fields:\n  - path: spec/selector/matchLabels\n    kind: Deployment\n    group: apps\n",
                "  fields:\n  - path: spec/template/metadata/labels\n    create: true\n    kind: Deployment\n  - path: spec/volumeClaimTemplates[]/metadata/labels\n    create: true\n    kind: StatefulSet\n",
            ])),
            _ => {}
        }
    }
}

fn images(random: &mut Random, out: &mut Written) {
    out.text.push_str("images:\n");
    for _ in 0..1 + random.below(3) {
        let name = random.pick(IMAGES).trim_matches('"');
        let name = name.split('@').next().unwrap_or(name);
        let cut = name.rfind('/').map_or(0, |at| at + 1);
        let name = name[cut..].find(':').map_or(name, |at| &name[..cut + at]);
        out.text.push_str(&format!("- name: {name}\n"));
        out.text.push_str(random.pick(&[
            "  newTag: v9\n",
            "  newTag: \"1.10\"\n",
            "  newName: other/image\n",
            "  newName: r.example:80/x\n  newTag: '3'\n",
            "  digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
            "  newTag: v9\n  digest: sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
            "  tagSuffix: -alpine\n",
            "  newName: only\n  tagSuffix: -x\n",
            "",
        ]));
    }
}

fn patches(random: &mut Random, out: &mut Written) {
    out.text.push_str("patches:\n");
    for _ in 0..1 + random.below(3) {
        patch_entry(random, out);
    }
}

fn patch_entry(random: &mut Random, out: &mut Written) {
    let is_json = random.percent(35);
    let has_target = is_json || random.percent(50);
    let name = random_name(random);
    let text = match (is_json, has_target) {
        (true, _) => texts::json_patch(random),
        (false, true) => texts::strategic_patch(random, &name),
        (false, false) => {
            let mut text = texts::strategic_patch(random, &name);
            if random.percent(15) {
                let name = random_name(random);
                text.push_str("---\n");
                text.push_str(&texts::strategic_patch(random, &name));
            }
            text
        }
    };
    if random.percent(30) {
        let name = out.file("patch", text);
        out.text.push_str(&format!("- path: {name}\n"));
    } else {
        out.text.push_str("- patch: |-\n");
        for line in text.lines() {
            out.text.push_str(&format!("    {line}\n"));
        }
    }
    if has_target {
        out.text.push_str(random.pick(&[
            "  target:\n    kind: Deployment\n",
            "  target: {kind: Service}\n",
            "  target:\n    name: web\n",
            "  target:\n    kind: Deployment|StatefulSet\n    name: w.*\n",
            "  target:\n    labelSelector: app=web\n",
            "  target:\n    kind: ConfigMap\n    name: settings\n",
            "  target: {group: apps, version: v1}\n",
            "  target:\n    annotationSelector: note\n",
            "  target:\n    kind: Deployment\n    labelSelector: app in (web, api), tier!=1\n",
            "  target:\n    kind: Widget\n    namespace: prod|default\n",
            "  target: {kind: '.*'}\n",
            "  target:\n    kind: Deployment\n    name: web|api\n    namespace: ''\n",
        ]));
    }
    if random.percent(10) {
        out.text.push_str(random.pick(&[
            "  options:\n    allowNameChange: true\n",
            "  options: {allowKindChange: true}\n",
            "  options:\n    allowNameChange: true\n    allowKindChange: true\n",
        ]));
    }
}

fn random_name(random: &mut Random) -> String {
    random.pick(NAMES).to_owned()
}

fn patches_strategic_merge(random: &mut Random, out: &mut Written) {
    let name = random_name(random);
    let text = texts::strategic_patch(random, &name);
    if random.percent(50) {
        let file = out.file("smp", text);
        out.text.push_str(&format!("patchesStrategicMerge: [{file}]\n"));
    } else {
        out.text.push_str("patchesStrategicMerge:\n- |-\n");
        for line in text.lines() {
            out.text.push_str(&format!("  {line}\n"));
        }
    }
}

fn patches_json(random: &mut Random, out: &mut Written) {
    let patch = texts::json_patch(random);
    let file = out.file("json6902", patch);
    out.text.push_str(&format!(
        "patchesJson6902:\n- target: {{group: apps, version: v1, kind: Deployment, name: {}}}\n  path: {file}\n",
        random.pick(NAMES)
    ));
}

fn replacements(random: &mut Random, out: &mut Written) {
    let mut text = String::new();
    for _ in 0..1 + random.below(2) {
        text.push_str(random.pick(texts::SOURCES));
        text.push_str("  targets:\n");
        for _ in 0..1 + random.below(2) {
            text.push_str(random.pick(texts::TARGETS));
        }
    }
    if random.percent(30) {
        let file = out.file("replacement", text);
        out.text.push_str(&format!("replacements:\n- path: {file}\n"));
    } else {
        out.text.push_str("replacements:\n");
        out.text.push_str(&text);
    }
}

fn vars(random: &mut Random, out: &mut Written) {
    out.text.push_str("vars:\n- name: NAME\n");
    out.text.push_str(random.pick(&[
        "  objref: {kind: Service, name: web, apiVersion: v1}\n",
        "  objref:\n    kind: ConfigMap\n    name: settings\n    apiVersion: v1\n  fieldref: {fieldpath: data.a}\n",
        "  objref: {kind: Deployment, name: web, apiVersion: apps/v1}\n  fieldref:\n    fieldpath: spec.template.spec.containers[0].image\n",
        "  objref: {kind: Deployment, name: api, apiVersion: apps/v1}\n  fieldref: {fieldpath: spec.replicas}\n",
        "  objref: {kind: Service, name: web, apiVersion: v1}\n  fieldref: {fieldPath: metadata.namespace}\n",
    ]));
    if random.percent(30) {
        out.text.push_str("- name: HOST\n  objref: {kind: Service, name: api, apiVersion: v1}\n");
    }
}

fn generator(random: &mut Random, out: &mut Written, field: &str) {
    out.text.push_str(&format!("{field}:\n"));
    for _ in 0..1 + random.below(2) {
        out.text.push_str(&format!("- name: {}\n", random.pick(DATA_NAMES)));
        if random.percent(15) {
            out.text.push_str(random.pick(&["  namespace: prod\n", "  namespace: default\n"]));
        }
        if random.percent(40) {
            out.text.push_str(random.pick(&[
                "  behavior: merge\n",
                "  behavior: merge\n",
                "  behavior: replace\n",
                "  behavior: create\n",
            ]));
        }
        if field == "secretGenerator" && random.percent(30) {
            out.text.push_str(random.pick(&["  type: Opaque\n", "  type: kubernetes.io/tls\n"]));
        }
        let sources = 1 + random.below(7);
        if sources & 1 != 0 {
            out.text.push_str(random.pick(&[
                "  literals:\n  - a=1\n  - k=two words\n",
                "  literals: [host=web, \"q='quoted'\", 'd=\"double\"', e=]\n",
                "  literals:\n  - a=x=y=z\n  - \"m=line one\\nline two\"\n  - b=true\n",
                "  literals:\n  - u=é😀\n  - t=\"  spaces  \"\n  - z=0123\n",
            ]));
        }
        if sources & 2 != 0 {
            let at = out.number * 100 + out.files.len();
            let (name, text) = [
                ("data.txt", "one\ntwo\n"),
                ("app.properties", "k=v\n# c\nx = y\n"),
                ("conf.json", "{\n  \"a\": [1, 2]\n}"),
                ("empty.txt", ""),
                ("crlf.txt", "a\r\nb\r\n"),
                ("trail.txt", "line \nend"),
            ][random.below(6)];
            let name = format!("{at}-{name}");
            out.files.push((name.clone(), text.to_owned()));
            out.text.push_str(&match random.below(3) {
                0 => format!("  files: [{name}]\n"),
                1 => format!("  files:\n  - renamed.txt={name}\n"),
                _ => format!("  files:\n  - {name}\n  - again={name}\n"),
            });
        }
        if sources & 4 != 0 {
            let name = format!("{}-vars.env", out.number * 100 + out.files.len());
            out.files.push((
                name.clone(),
                random
                    .pick(&[
                        "E1=one\nE2=\"two\"\n",
                        "# comment\n\n  E1=lead\nE2=a=b\nE3\n",
                        "\u{feff}E1=bom\r\nE2=crlf\r\n",
                        "E.1-x=dots\n",
                    ])
                    .to_owned(),
            ));
            out.text.push_str(&if random.percent(80) {
                format!("  envs: [{name}]\n")
            } else {
                format!("  env: {name}\n")
            });
        }
        if random.percent(25) {
            out.text.push_str(random.pick(&[
                "  options:\n    disableNameSuffixHash: true\n",
                "  options:\n    labels: {own: a}\n    annotations: {x: 'y'}\n",
                "  options: {immutable: true}\n",
            ]));
        }
    }
}

fn configurations(random: &mut Random, out: &mut Written) {
    let text = random.pick(texts::CONFIGURATIONS).to_owned();
    let file = out.file("config", text);
    out.text.push_str(&format!("configurations:\n- {file}\n"));
}

fn crds(_random: &mut Random, out: &mut Written) {
    let file = out.file("crd", texts::CRD_DEFINITIONS.to_owned());
    out.text.push_str(&format!("crds: [{file}]\n"));
}

fn openapi(_random: &mut Random, out: &mut Written) {
    out.files.push(("schema.json".to_owned(), texts::OPENAPI.to_owned()));
    out.text.push_str("openapi:\n  path: schema.json\n");
}

fn transformers(random: &mut Random, out: &mut Written) {
    let text = random.pick(texts::TRANSFORMERS).to_owned();
    if random.percent(40) {
        out.text.push_str("transformers:\n- |-\n");
        for line in text.lines() {
            out.text.push_str(&format!("  {line}\n"));
        }
    } else {
        let file = out.file("transformer", text);
        out.text.push_str(&format!("transformers: [{file}]\n"));
    }
}

fn generators(random: &mut Random, out: &mut Written) {
    let file = out.file("generator", random.pick(texts::GENERATORS).to_owned());
    out.text.push_str(&format!("generators:\n- {file}\n"));
}

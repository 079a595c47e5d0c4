"""Writes protobuf.types from the Go sources of k8s.io/api, apimachinery, apiextensions-apiserver and kube-aggregator.

Usage: generate_protobuf_types.py API_FOLDER APIMACHINERY_FOLDER APIEXTENSIONS_FOLDER AGGREGATOR_FOLDER > protobuf.types

One line per type: NAME, a tab, fields joined by ";". A field is NUMBER,JSON_NAME,FLAGS,TYPE. Flags: p pointer, o omitempty,
r repeated, i inline, k map (TYPE is then that of its values). TYPE is s (text), n (whole number), b (boolean), y (bytes),
d (number), a type's name, or one of the special types: Time, MicroTime, Quantity, IntOrString, Raw, Fields, Duration,
SchemaOrArray, SchemaOrBool, SchemaOrStrings.
"""
import glob
import os
import re
import sys

API, MACHINERY, EXTENSIONS, AGGREGATOR = sys.argv[1:5]
SPECIAL = {
    "meta.v1.Time": "Time", "meta.v1.MicroTime": "MicroTime", "resource.Quantity": "Quantity", "intstr.IntOrString": "IntOrString",
    "runtime.RawExtension": "Raw", "meta.v1.FieldsV1": "Fields", "meta.v1.Duration": "Duration", "runtime.Object": "Raw",
    "apiextensions.v1.JSON": "Raw", "apiextensions.v1.JSONSchemaPropsOrArray": "SchemaOrArray",
    "apiextensions.v1.JSONSchemaPropsOrBool": "SchemaOrBool", "apiextensions.v1.JSONSchemaPropsOrStringArray": "SchemaOrStrings",
}
SCALARS = {"string": "s", "int32": "n", "int64": "n", "int": "n", "uint32": "n", "bool": "b", "[]byte": "y", "float64": "d"}
structs, aliases = {}, {}


def package_of(path):
    """k8s.io/api/core/v1 -> core.v1; apimachinery's packages by their short names."""
    known = {"k8s.io/apimachinery/pkg/apis/meta/v1": "meta.v1", "k8s.io/apimachinery/pkg/api/resource": "resource",
             "k8s.io/apimachinery/pkg/util/intstr": "intstr", "k8s.io/apimachinery/pkg/runtime": "runtime",
             "k8s.io/apimachinery/pkg/types": "types"}
    if path in known:
        return known[path]
    if path.startswith("k8s.io/api/"):
        return path[len("k8s.io/api/"):].replace("/", ".")
    return None


def read(folder, package):
    for file in sorted(glob.glob(folder + "/*.go")):
        if os.path.basename(file).startswith(("zz_", "generated")) or file.endswith("_test.go"):
            continue
        text = open(file, encoding="utf-8").read()
        imports = {}
        for alias, path in re.findall(r'^\s*(?:import\s+)?(\w+)?\s*"([^"]+)"', text, re.M):
            found = package_of(path)
            if found:
                imports[alias or path.rsplit("/", 1)[1]] = found
        for name, rest in re.findall(r"^type (\w+) ([\w.\[\]*]+)\s*(?://.*)?$", text, re.M):
            aliases[package + "." + name] = (rest, package, imports)
        for name in re.findall(r"^type (\w+) struct ?\{\}", text, re.M):
            structs[package + "." + name] = ([], package, imports)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            fields = []
            for line in body.split("\n"):
                found = re.match(r'\s*(?:(\w+)\s+)?([\w.\[\]*]+)\s+`(.*)`', line)
                if not found:
                    continue
                kind, tag = found.group(2), found.group(3)
                proto = re.search(r'protobuf:"(\w+),(\d+),(\w+)', tag)
                as_json = re.search(r'json:"([^"]*)"', tag)
                if proto and as_json:
                    if proto.group(3) == "rep" and kind == "ValidationRules":
                        # A named list whose items stand in the message itself.
                        kind = "[]" + kind.removesuffix("s")
                    fields.append((int(proto.group(2)), as_json.group(1).split(","), kind))
            structs[package + "." + name] = (fields, package, imports)


def resolve(kind, package, imports):
    """Go type -> (flags, type)."""
    if kind in SCALARS:
        return "", SCALARS[kind]
    if kind.startswith("*"):
        flags, inner = resolve(kind[1:], package, imports)
        return "p" + flags, inner
    if kind.startswith("[]"):
        flags, inner = resolve(kind[2:], package, imports)
        return "r" + flags.replace("p", ""), inner
    if kind.startswith("map["):
        flags, inner = resolve(kind[kind.index("]") + 1:], package, imports)
        return "k" + flags, inner
    name = kind
    if "." in kind:
        prefix, last = kind.split(".", 1)
        name = imports.get(prefix, prefix) + "." + last
    else:
        name = package + "." + kind
    if name in SPECIAL:
        return "", SPECIAL[name]
    if name.startswith("types."):
        return "", "s"
    if name in structs:
        return "", name
    if name in aliases:
        rest, own, own_imports = aliases[name]
        if rest.startswith("[]") and rest != "[]byte":
            # A named list is a message of its own: its items are field 1.
            wrappers[name] = resolve(rest, own, own_imports)
            return "", name
        return resolve(rest, own, own_imports)
    return "", "?"


wrappers = {}
read(MACHINERY + "/pkg/apis/meta/v1", "meta.v1")
read(EXTENSIONS + "/pkg/apis/apiextensions/v1", "apiextensions.v1")
read(AGGREGATOR + "/pkg/apis/apiregistration/v1", "apiregistration.v1")
for folder in sorted(glob.glob(API + "/*/v[12]")):
    read(folder, package_of("k8s.io/api/" + os.path.relpath(folder, API)))
lines = []
for name, (fields, package, imports) in sorted(structs.items()):
    written = []
    for number, as_json, kind in fields:
        flags, inner = resolve(kind, package, imports)
        if "omitempty" in as_json or "omitzero" in as_json:
            flags += "o"
        if "inline" in as_json or not as_json[0]:
            flags += "i"
        if inner != "?":
            written.append(f"{number},{as_json[0]},{flags},{inner}")
    if written:
        lines.append(name + "\t" + ";".join(written))
for name, (flags, inner) in sorted(wrappers.items()):
    lines.append(f"{name}\t1,,w{flags},{inner}")
print("\n".join(sorted(lines)))

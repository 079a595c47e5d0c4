"""Makes enums.json: the closed sets of values that the OpenAPI documents of a real kube-apiserver tell.

Usage: eval "$(cargo xtask testbed env)"; python3 generate_enums.py > enums.json
For each type and field: the values, whether they are those of a list's items, and what the description says of them.
"""

import json
import os
import subprocess


def ask(path):
    command = ["kubectl", "--kubeconfig", os.environ["ADMIN_KUBECONFIG"], "get", "--raw", path]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


found = {}
for key, place in ask("/openapi/v3")["paths"].items():
    if not key.startswith(("api/", "apis/")):
        continue
    for name, schema in ask(place["serverRelativeURL"]).get("components", {}).get("schemas", {}).items():
        for field, held in (schema.get("properties") or {}).items():
            of_items = "enum" in (held.get("items") or {})
            values = held["items"]["enum"] if of_items else held.get("enum")
            if values is None:
                continue
            text = held.get("description") or ""
            at = text.find("\n\nPossible enum values:")
            told = text[at:] if at >= 0 else ""
            found.setdefault(name, {})[field] = {"enum": values, "items": of_items, "text": told}

lines = [f"{json.dumps(name)}: {json.dumps(fields, sort_keys=True)}" for name, fields in sorted(found.items())]
print("{\n" + ",\n".join(lines) + "\n}")

// Command smd-oracle answers what Kubernetes' own libraries do with objects, for the tests of pure/merge.
//
// It reads one JSON request per line and writes one JSON answer per line:
//
//	{"op": "history", "schema": {OpenAPI schema} | null, "apiVersion": "g/v", "kind": "K", "steps": [
//	    {"op": "apply" | "update", "manager": "m", "force": bool, "object": {...}}]}
//	    -> {"steps": [{"object": {...}} | {"error": "..."}]}        a null schema means the built-in kind of that name
//	{"op": "strategic", "apiVersion", "kind", "original", "patch"}                 -> {"object"} | {"error"}
//	{"op": "strategicTwoWay", "apiVersion", "kind", "original", "modified"}        -> {"object": the patch} | {"error"}
//	{"op": "strategicThreeWay", "apiVersion", "kind", "original", "modified", "current"} -> {"object": the patch} | {"error"}
//	{"op": "jsonPatch", "original", "patch"}                                       -> {"object"} | {"error"}
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

const kubernetes = "k8s.io/kubernetes@v1.36.3"

type step struct {
	Op      string         `json:"op"`
	Manager string         `json:"manager"`
	Force   bool           `json:"force"`
	Object  map[string]any `json:"object"`
}

type request struct {
	Op         string          `json:"op"`
	Schema     *spec.Schema    `json:"schema"`
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Steps      []step          `json:"steps"`
	Original   json.RawMessage `json:"original"`
	Modified   json.RawMessage `json:"modified"`
	Current    json.RawMessage `json:"current"`
	Patch      json.RawMessage `json:"patch"`
}

type answer struct {
	Object any      `json:"object,omitempty"`
	Error  string   `json:"error,omitempty"`
	Steps  []answer `json:"steps,omitempty"`
}

func main() {
	models, err := builtInModels()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	oracle := oracle{models: models}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<26)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for input.Scan() {
		var asked request
		given := answer{}
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			given.Error = "request: " + err.Error()
		} else {
			given = oracle.answer(asked)
		}
		line, err := json.Marshal(given)
		if err != nil {
			line = []byte(`{"error":"answer cannot be written"}`)
		}
		output.Write(line)
		output.WriteByte('\n')
	}
}

type oracle struct {
	models   map[string]*spec.Schema
	builtIns managedfields.TypeConverter
}

func (o *oracle) answer(asked request) (given answer) {
	defer func() {
		if failure := recover(); failure != nil {
			given = answer{Error: fmt.Sprint("panic: ", failure)}
		}
	}()
	switch asked.Op {
	case "history":
		return o.history(asked)
	case "strategic":
		return o.strategic(asked, func(meta strategicpatch.LookupPatchMeta) ([]byte, error) {
			return strategicpatch.StrategicMergePatchUsingLookupPatchMeta(asked.Original, asked.Patch, meta)
		})
	case "strategicTwoWay":
		return o.strategic(asked, func(meta strategicpatch.LookupPatchMeta) ([]byte, error) {
			return strategicpatch.CreateTwoWayMergePatchUsingLookupPatchMeta(asked.Original, asked.Modified, meta)
		})
	case "strategicThreeWay":
		return o.strategic(asked, func(meta strategicpatch.LookupPatchMeta) ([]byte, error) {
			return strategicpatch.CreateThreeWayMergePatch(asked.Original, asked.Modified, asked.Current, meta, true)
		})
	case "jsonPatch":
		patch, err := jsonpatch.DecodePatch(asked.Patch)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return written(patch.Apply(asked.Original))
	}
	return answer{Error: "unknown op " + asked.Op}
}

func written(text []byte, err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Object: json.RawMessage(text)}
}

func kindOf(asked request) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(asked.APIVersion, asked.Kind)
}

func (o *oracle) history(asked request) answer {
	kind := kindOf(asked)
	converter, err := o.converter(asked, kind)
	if err != nil {
		return answer{Error: err.Error()}
	}
	manager := managedfieldstest.NewTestFieldManager(converter, kind)
	given := answer{Steps: []answer{}}
	for _, step := range asked.Steps {
		object := &unstructured.Unstructured{Object: step.Object}
		var err error
		if step.Op == "apply" {
			err = manager.Apply(object, step.Manager, step.Force)
		} else {
			err = manager.Update(object, step.Manager)
		}
		if err != nil {
			given.Steps = append(given.Steps, answer{Error: err.Error()})
			continue
		}
		given.Steps = append(given.Steps, answer{Object: manager.Live().(*unstructured.Unstructured).Object})
	}
	return given
}

func (o *oracle) converter(asked request, kind schema.GroupVersionKind) (managedfields.TypeConverter, error) {
	if asked.Schema == nil {
		if o.builtIns == nil {
			converter, err := managedfields.NewTypeConverter(o.models, false)
			if err != nil {
				return nil, err
			}
			o.builtIns = converter
		}
		return o.builtIns, nil
	}
	asked.Schema.AddExtension("x-kubernetes-group-version-kind", []any{
		map[string]any{"group": kind.Group, "version": kind.Version, "kind": kind.Kind},
	})
	models := map[string]*spec.Schema{"custom": asked.Schema}
	for name, model := range o.models {
		if strings.HasPrefix(name, "io.k8s.apimachinery.pkg.apis.meta.v1.") {
			models[name] = model
		}
	}
	return managedfields.NewTypeConverter(models, false)
}

func (o *oracle) strategic(asked request, merge func(strategicpatch.LookupPatchMeta) ([]byte, error)) answer {
	kind := kindOf(asked)
	for _, model := range o.models {
		kinds, _ := model.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, candidate := range kinds {
			described, _ := candidate.(map[string]any)
			if described["group"] == kind.Group && described["version"] == kind.Version && described["kind"] == kind.Kind {
				return written(merge(strategicpatch.PatchMetaFromOpenAPIV3{SchemaList: o.models, Schema: model}))
			}
		}
	}
	return answer{Error: "no built-in kind " + kind.String()}
}

// builtInModels reads the OpenAPI documents that Kubernetes publishes, all groups in one map.
func builtInModels() (map[string]*spec.Schema, error) {
	command := exec.Command("go", "mod", "download", "-json", kubernetes)
	command.Dir = os.TempDir()
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download %s: %w", kubernetes, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(text, &module); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(module.Dir, "api", "openapi-spec", "v3", "*.json"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no OpenAPI documents in %s (%v)", module.Dir, err)
	}
	models := map[string]*spec.Schema{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var document struct {
			Components struct {
				Schemas map[string]*spec.Schema `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for name, model := range document.Components.Schemas {
			// Options types are of every group; they are nobody's object.
			if name != "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions" && name != "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent" {
				models[name] = model
			}
		}
	}
	return models, nil
}

// Command schema turns the facts that Kubernetes publishes about its own kinds into the compact data files of pure/merge/data:
//
//	kubernetes.types.gz      one line per type: name, tab, structural OpenAPI schema without descriptions
//	kubernetes.docs.gz       one line per type: name, tab, {"": type's description, "field": field's description}
//	kubernetes.discovery.gz  {"core": APIResourceList, "groups": APIGroupDiscoveryList}
//	kustomize.types.gz       one line per type of the OpenAPI document that kustomize embeds (v1.21.2), only what its merge reads
//
// It reads nothing but Go modules, so `go run . -out DIR` is reproducible: the versions are those of the constants below and of
// go.sum. `go run . -check DIR` says whether the committed files are what it would write (bytes after decompression).
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	kustomize "sigs.k8s.io/kustomize/kyaml/openapi/kubernetesapi/v1_21_2"
)

// kubernetes is the module whose api/ folder holds the published OpenAPI and discovery documents.
const kubernetes = "k8s.io/kubernetes@v1.36.3"

func main() {
	out := flag.String("out", "", "write the data files into this folder")
	check := flag.String("check", "", "compare the data files in this folder with what would be written")
	flag.Parse()
	files, err := generate()
	if err != nil {
		fatal(err)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		switch {
		case *out != "":
			if err := os.WriteFile(filepath.Join(*out, name), compress(files[name]), 0o644); err != nil {
				fatal(err)
			}
			fmt.Printf("%s: %d bytes of text\n", name, len(files[name]))
		case *check != "":
			have, err := decompress(filepath.Join(*check, name))
			if err != nil {
				fatal(err)
			}
			if !bytes.Equal(have, files[name]) {
				fatal(fmt.Errorf("%s is not what the generator writes: run `go run . -out pure/merge/data` in dev/schema and commit", name))
			}
			fmt.Printf("%s: up to date\n", name)
		default:
			fatal(fmt.Errorf("say -out DIR or -check DIR"))
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func generate() (map[string][]byte, error) {
	folder, err := moduleFolder(kubernetes)
	if err != nil {
		return nil, err
	}
	types, docs, err := kubernetesTypes(filepath.Join(folder, "api", "openapi-spec", "v3"))
	if err != nil {
		return nil, err
	}
	discovery, err := kubernetesDiscovery(filepath.Join(folder, "api", "discovery"))
	if err != nil {
		return nil, err
	}
	merges, err := kustomizeTypes()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"kubernetes.types.gz":     lines(types),
		"kubernetes.docs.gz":      lines(docs),
		"kubernetes.discovery.gz": discovery,
		"kustomize.types.gz":      lines(merges),
	}, nil
}

func moduleFolder(module string) (string, error) {
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Dir = os.TempDir()
	answer, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", module, err)
	}
	var found struct{ Dir, Error string }
	if err := json.Unmarshal(answer, &found); err != nil {
		return "", err
	}
	if found.Error != "" {
		return "", fmt.Errorf("%s: %s", module, found.Error)
	}
	return found.Dir, nil
}

// kubernetesTypes reads every group's document; types that several groups share are the same in all but their list of kinds.
func kubernetesTypes(folder string) (map[string]any, map[string]any, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(paths) == 0 {
		return nil, nil, fmt.Errorf("no OpenAPI documents in %s (%v)", folder, err)
	}
	types, docs := map[string]any{}, map[string]any{}
	for _, path := range paths {
		var document struct {
			Components struct {
				Schemas map[string]map[string]any `json:"schemas"`
			} `json:"components"`
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		for name, schema := range document.Components.Schemas {
			if _, seen := types[name]; seen {
				continue
			}
			words := map[string]any{}
			if text, ok := schema["description"].(string); ok {
				words[""] = text
			}
			if properties, ok := schema["properties"].(map[string]any); ok {
				for field, property := range properties {
					if text, ok := property.(map[string]any)["description"].(string); ok {
						words[field] = text
					}
				}
			}
			if len(words) > 0 {
				docs[name] = words
			}
			types[name] = structural(schema)
		}
	}
	return types, docs, nil
}

// structural drops descriptions, shortens references to the type's name and writes a lone allOf reference as the reference itself.
func structural(schema map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range schema {
		switch key {
		case "description":
		case "$ref":
			out["$ref"] = strings.TrimPrefix(value.(string), "#/components/schemas/")
		case "allOf":
			out["$ref"] = strings.TrimPrefix(value.([]any)[0].(map[string]any)["$ref"].(string), "#/components/schemas/")
		case "properties":
			properties := map[string]any{}
			for name, property := range value.(map[string]any) {
				properties[name] = structural(property.(map[string]any))
			}
			out[key] = properties
		case "items", "additionalProperties":
			if nested, ok := value.(map[string]any); ok {
				out[key] = structural(nested)
			} else {
				out[key] = value
			}
		default:
			out[key] = value
		}
	}
	return out
}

func kubernetesDiscovery(folder string) ([]byte, error) {
	documents := map[string]any{}
	for key, name := range map[string]string{"core": "api__v1.json", "groups": "aggregated_v2.json"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		var document any
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		documents[key] = document
	}
	return json.Marshal(documents)
}

// kustomizeTypes keeps, per type of the embedded document, its kinds and per field the reference, the merge key and the strategy.
func kustomizeTypes() (map[string]any, error) {
	document := &openapi_v2.Document{}
	if err := proto.Unmarshal(kustomize.MustAsset("kubernetesapi/v1_21_2/swagger.pb"), document); err != nil {
		return nil, err
	}
	types := map[string]any{}
	for _, definition := range document.GetDefinitions().GetAdditionalProperties() {
		types[definition.Name] = swagger(definition.Value)
	}
	return types, nil
}

func swagger(schema *openapi_v2.Schema) map[string]any {
	out := map[string]any{}
	if schema.XRef != "" {
		out["$ref"] = strings.TrimPrefix(schema.XRef, "#/definitions/")
	}
	if kinds := schema.GetType().GetValue(); len(kinds) > 0 {
		out["type"] = kinds[0]
	}
	for _, extension := range schema.VendorExtension {
		switch extension.Name {
		case "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-group-version-kind":
			var value any
			if err := jsonOfYAML(extension.Value.GetYaml(), &value); err == nil {
				out[extension.Name] = value
			}
		}
	}
	if properties := schema.GetProperties().GetAdditionalProperties(); len(properties) > 0 {
		fields := map[string]any{}
		for _, property := range properties {
			fields[property.Name] = swagger(property.Value)
		}
		out["properties"] = fields
	}
	if items := schema.GetItems().GetSchema(); len(items) > 0 {
		out["items"] = swagger(items[0])
	}
	if values := schema.GetAdditionalProperties().GetSchema(); values != nil {
		out["additionalProperties"] = swagger(values)
	}
	return out
}

func lines(values map[string]any) []byte {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	var text bytes.Buffer
	for _, name := range names {
		encoded, err := json.Marshal(values[name])
		if err != nil {
			fatal(err)
		}
		fmt.Fprintf(&text, "%s\t%s\n", name, encoded)
	}
	return text.Bytes()
}

func compress(text []byte) []byte {
	var out bytes.Buffer
	writer, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if _, err := writer.Write(text); err != nil {
		fatal(err)
	}
	if err := writer.Close(); err != nil {
		fatal(err)
	}
	return out.Bytes()
}

func decompress(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

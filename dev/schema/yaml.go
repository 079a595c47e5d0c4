package main

import (
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// jsonOfYAML reads a vendor extension's YAML text into the shape that encoding/json would give.
func jsonOfYAML(text string, into *any) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, into)
}

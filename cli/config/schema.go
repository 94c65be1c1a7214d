package config

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Schema is the JSON Schema of the file, made from the table of settings.
func Schema() ([]byte, error) {
	root := object()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of tokenry serve"
	root["required"] = []string{"version", "issuer"}
	for _, f := range Fields() {
		node := root
		path := strings.Split(f.Key, ".")
		for _, group := range path[:len(path)-1] {
			members := node["properties"].(map[string]any)
			if members[group] == nil {
				members[group] = object()
			}
			node = members[group].(map[string]any)
		}
		node["properties"].(map[string]any)[path[len(path)-1]] = f.schema()
	}
	return json.MarshalIndent(root, "", "  ")
}

func object() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
}

func (f Field) schema() map[string]any {
	s := map[string]any{"description": f.Doc}
	if f.Later {
		s["description"] = f.Doc + " Not supported by this version."
	}
	if f.Default != "" {
		s["default"] = f.Default
	}
	switch f.Type() {
	case "string":
		s["type"] = "string"
		if len(f.OneOf) > 0 {
			s["enum"] = f.OneOf
			if f.Default == "" {
				s["enum"] = append([]string{""}, f.OneOf...)
			}
		}
	case "integer":
		s["type"] = "integer"
		if n, err := strconv.Atoi(f.Default); err == nil {
			s["default"] = n
		}
		if f.Key == "version" {
			s["const"] = Version
		}
	case "boolean":
		s["type"], s["default"] = "boolean", f.Default == "true"
	case "duration":
		s["type"], s["pattern"] = "string", `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	case "size":
		s["type"], s["pattern"] = []string{"integer", "string"}, `^[0-9]+ *(KiB|MiB)?$`
		if n, err := parseSize(f.Default); err == nil {
			s["default"] = n
		}
	case "rate":
		s["type"], s["pattern"] = "string", `^[0-9]+/[smh]$`
	case "list", "networks":
		s["type"], s["items"] = "array", map[string]any{"type": "string"}
	case "map":
		s["type"] = "object"
		s["additionalProperties"] = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	}
	return s
}

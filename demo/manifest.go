package demo

import (
	"bytes"
	_ "embed"
)

//go:embed resources.yaml
var resources []byte

// Manifest is what `dev` applies: the demo's issuers, resources, blueprints,
// agents and delegation rules, for a World at url.
func Manifest(url string) []byte {
	return bytes.ReplaceAll(resources, []byte("DEMO_URL"), []byte(url))
}

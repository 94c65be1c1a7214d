package arch_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/cli/config"
)

// compose is what the test reads of docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Environment map[string]string `yaml:"environment"`
		Secrets     []string          `yaml:"secrets"`
		User        string            `yaml:"user"`
		ReadOnly    bool              `yaml:"read_only"`
	} `yaml:"services"`
	Secrets map[string]struct {
		File string `yaml:"file"`
	} `yaml:"secrets"`
}

// The deployment in docker-compose.yml must be one that `serve` accepts:
// settings are renamed in Go, and nothing else would notice here.
func TestCompose(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	tokenry := c.Services["tokenry"]
	if !tokenry.ReadOnly || tokenry.User == "" || strings.HasPrefix(tokenry.User, "0") {
		t.Errorf("user %q, read only %v; want an ordinary user and a read-only file system", tokenry.User, tokenry.ReadOnly)
	}

	dir := t.TempDir()
	for name, service := range c.Services {
		for _, secret := range service.Secrets {
			if c.Secrets[secret].File == "" {
				t.Errorf("service %s: secret %q is not defined", name, secret)
			}
		}
		for variable, value := range service.Environment {
			if secret, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(service.Secrets, secret) {
				t.Errorf("service %s: %s names secret %q, which the service does not get", name, variable, secret)
			}
		}
	}
	// Any content does: only the database's address is looked into here.
	for _, secret := range tokenry.Secrets {
		if err := os.WriteFile(filepath.Join(dir, secret), []byte("postgres://tokenry:word@postgres:5432/tokenry\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var env []string
	for variable, value := range tokenry.Environment {
		env = append(env, variable+"="+strings.Replace(value, "/run/secrets", dir, 1))
	}
	loaded, err := config.Load("", env, nil)
	if err == nil {
		err = loaded.Serve()
	}
	if err != nil {
		t.Errorf("serve refuses the settings: %v", err)
	}
}

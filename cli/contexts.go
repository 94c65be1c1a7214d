package cli

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/registry"
)

// Context is one server that the command remembers.
type Context struct {
	Server    string `yaml:"server"`               // URL of the admin API
	TokenFile string `yaml:"token_file"`           // admin token
	Issuer    string `yaml:"issuer,omitempty"`     // issuer identifier; what `token verify` trusts
	Public    string `yaml:"public_url,omitempty"` // where agents reach it
	Demo      string `yaml:"demo_url,omitempty"`   // only of `dev`
}

// Contexts is the file of them.
type Contexts struct {
	Current  string             `yaml:"current"`
	Contexts map[string]Context `yaml:"contexts"`
}

// contextsPath follows the XDG base directory specification.
func (a *app) contextsPath() (string, error) {
	dir := a.env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // "if unset or empty"; relative paths are to be ignored
		home := a.env("HOME")
		if home == "" {
			return "", usage("neither XDG_CONFIG_HOME nor HOME is set; give --server and --token-file")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "tokenry", "config.yaml"), nil
}

func (a *app) contexts() (Contexts, error) {
	c := Contexts{Contexts: map[string]Context{}}
	path, err := a.contextsPath()
	if err != nil {
		return c, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = yaml.Unmarshal(data, &c)
	}
	if err != nil {
		return c, usage("read the contexts: %s: %v", path, err)
	}
	if c.Contexts == nil {
		c.Contexts = map[string]Context{}
	}
	return c, nil
}

// saveContext remembers a server and makes it the current one.
func (a *app) saveContext(name string, c Context) error {
	all, err := a.contexts()
	if err != nil {
		return err
	}
	all.Contexts[name], all.Current = c, name
	data, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	path, err := a.contextsPath()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return usage("save the context: %v", err)
	}
	// Written beside and renamed: two commands at once leave one whole file.
	f, err := os.CreateTemp(filepath.Dir(path), ".config-*") // mode 0600
	if err != nil {
		return usage("save the context: %v", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return usage("save the context: %v", err)
	}
	return nil
}

// current is the context in use, empty when there is none.
func (a *app) current() (Context, error) {
	name := first(a.context, a.env("TOKENRY_CONTEXT"))
	if _, err := a.contextsPath(); err != nil && name == "" {
		return Context{}, nil // a job without a home remembers nothing
	}
	all, err := a.contexts()
	if err != nil {
		return Context{}, err
	}
	if name == "" {
		return all.Contexts[all.Current], nil
	}
	c, ok := all.Contexts[name]
	switch {
	case ok:
		return c, nil
	case len(all.Contexts) == 0:
		return c, usage("no context %q: there is none yet; `tokenry dev` saves one", name)
	}
	return c, usage("no context %q%s", name, registry.Hint(name, slices.Sorted(maps.Keys(all.Contexts))))
}

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
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

// current is the context in use; ok is false when there is none.
func (a *app) current() (Context, bool, error) {
	name := a.context
	if name == "" {
		name = a.env("TOKENRY_CONTEXT")
	}
	all, err := a.contexts()
	if err != nil {
		if name == "" {
			return Context{}, false, nil
		}
		return Context{}, false, err
	}
	asked := name != ""
	if !asked {
		name = all.Current
	}
	c, ok := all.Contexts[name]
	if asked && !ok {
		return c, false, usage("%s", fmt.Sprintf("no context %q", name))
	}
	return c, ok, nil
}

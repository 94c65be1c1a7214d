package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"

	"github.com/tokenry/tokenry/registry"
)

// Problem is one thing that is wrong.
type Problem struct {
	Where   string // "tokenry.yaml:7", a variable, a flag; empty = the setting has its default
	Key     string // empty = no single setting
	Message string
}

// String puts the place before the message.
func (p Problem) String() string {
	var parts []string
	for _, s := range []string{p.Where, p.Key, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Error is everything that is wrong with a configuration.
type Error struct{ Problems []Problem }

// Error gives one line per problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads the file at path (empty = no file), then the variables of environ
// ("NAME=value"), then flags (setting -> value): the later wins. The result is
// valid for any command; `serve` also calls Config.Serve. An error is an *Error,
// or the file could not be read.
func Load(path string, environ []string, flags map[string]string) (Config, error) {
	return load(path, environ, flags, "")
}

// LoadDatabase is Load for what uses the database alone: a job that migrates it
// needs neither an issuer nor listeners that are fit for production. What is
// written in the wrong way is refused all the same.
func LoadDatabase(path string, environ []string, flags map[string]string) (Config, error) {
	return load(path, environ, flags, "database.")
}

// load checks the settings below prefix.
func load(path string, environ []string, flags map[string]string, prefix string) (Config, error) {
	l := &loader{k: koanf.New("."), origins: map[string]string{}}
	if path != "" {
		if err := l.file(path); err != nil {
			return Config{}, err
		}
	}
	l.environment(environ)
	l.flags(flags)
	c := l.config()
	if len(l.problems) == 0 {
		l.problems = slices.DeleteFunc(c.problems(), func(p Problem) bool { return !strings.HasPrefix(p.Key, prefix) })
	}
	if len(l.problems) > 0 {
		return Config{}, &Error{Problems: l.problems}
	}
	return c, nil
}

// loader stacks the layers; koanf holds the raw values.
type loader struct {
	k        *koanf.Koanf
	origins  map[string]string
	problems []Problem
}

func (l *loader) fault(where, key, format string, args ...any) {
	l.problems = append(l.problems, Problem{Where: where, Key: key, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) set(key, where string, raw any) {
	if err := l.k.Load(confmap.Provider(map[string]any{key: raw}, "."), nil); err != nil {
		l.fault(where, key, "%v", err)
		return
	}
	l.origins[key] = where
}

func (l *loader) file(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	f, problems := parseFile(path, data)
	l.problems = append(l.problems, problems...)
	for _, v := range f {
		l.set(v.key, v.where, v.raw)
	}
	return nil
}

const envPrefix = "TOKENRY_"

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// environment reads TOKENRY_DATABASE__URL and its kin. Variables without "__"
// that are no setting are left alone: Kubernetes puts TOKENRY_PORT and others
// into every pod beside a service called tokenry, and the commands have their
// own.
func (l *loader) environment(environ []string) {
	known := make(map[string]Field)
	for _, f := range Fields() {
		known[f.Env()] = f
	}
	seen := make(map[string]string) // key -> variable
	opt := env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return slices.Sorted(slices.Values(environ)) }}
	opt.TransformFunc = func(name, value string) (string, any) {
		f, value, ok := l.variable(known, name, value)
		if !ok {
			return "", nil
		}
		if other, twice := seen[f.Key]; twice {
			l.fault(name, f.Key, "%s is set too; keep one", other)
			return "", nil
		}
		seen[f.Key] = name
		l.origins[f.Key] = name
		return f.Key, value
	}
	if err := l.k.Load(env.Provider(".", opt), nil); err != nil {
		l.fault("", "", "read the environment: %v", err)
	}
}

// variable finds the setting of one variable; secrets may come as the name of
// a file in NAME_FILE.
func (l *loader) variable(known map[string]Field, name, value string) (Field, string, bool) {
	if f, ok := known[name]; ok {
		if f.Type() == "map" {
			l.fault(name, f.Key, "a mapping can be set only in the file")
			return f, "", false
		}
		return f, value, true
	}
	if f, ok := known[strings.TrimSuffix(name, "_FILE")]; ok && f.Secret {
		secret, err := Secret(value)
		if err != nil {
			l.fault(name, f.Key, "%v", err)
			return f, "", false
		}
		return f, secret, true
	}
	if strings.Contains(name, "__") {
		names := slices.Sorted(maps.Keys(known)) // of two that are as near, always the same
		l.fault(name, "", "no such setting%s", registry.DidYouMean(name, names))
	}
	return Field{}, "", false
}

func (l *loader) flags(flags map[string]string) {
	fields := make(map[string]Field)
	var keys []string
	for _, f := range Fields() {
		fields[f.Key] = f
		keys = append(keys, f.Key)
	}
	given := make([]string, 0, len(flags))
	for key := range flags {
		given = append(given, key)
	}
	slices.Sort(given)
	for _, key := range given {
		f, ok := fields[key]
		switch {
		case !ok:
			l.fault("--set", "", "no setting %q%s", key, registry.DidYouMean(key, keys))
		case f.Secret:
			// Arguments are visible to every user of the machine.
			l.fault("--set", key, "a secret is not taken from an argument; use %s or %s_FILE", f.Env(), f.Env())
		case f.Type() == "map":
			l.fault("--set", key, "a mapping can be set only in the file")
		default:
			l.set(key, "--set", flags[key])
		}
	}
}

// config turns the stacked raw values into a Config on top of the defaults.
func (l *loader) config() Config {
	c := Default()
	c.origins = l.origins
	for _, f := range Fields() {
		where, set := l.origins[f.Key]
		if !set {
			continue
		}
		if err := f.set(&c, l.k.Get(f.Key)); err != nil {
			l.fault(where, f.Key, "%v", err)
		}
	}
	return c
}

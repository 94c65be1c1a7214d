package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/cli/syntax"
	"github.com/tokenry/tokenry/registry"
)

// setting is one value of the file.
type setting struct {
	key, where string
	raw        any
}

// parseFile reads the YAML as text values with their lines. It walks the nodes
// itself, because decoding into a struct forgets lines, takes `yes` for true
// and accepts a key twice in a merge.
func parseFile(path string, data []byte) ([]setting, []Problem) {
	p := &fileParser{name: path, fields: map[string]Field{}, groups: map[string][]string{}}
	for _, f := range Fields() {
		p.fields[f.Key] = f
		p.addToGroups(f.Key)
	}
	dec := syntax.NewDecoder(data)
	doc, err := dec.Decode()
	if err == nil {
		p.mapping("", doc.Content[0])
		if doc, err = dec.Decode(); err == nil {
			p.fault(doc, "", "a second document; the configuration is one")
		}
	}
	if wrong := (*syntax.Error)(nil); errors.As(err, &wrong) {
		p.fault(&yaml.Node{Line: wrong.Line}, "", "%s", wrong.Message)
	}
	return p.settings, p.problems
}

type fileParser struct {
	name     string
	fields   map[string]Field
	groups   map[string][]string // "public" -> its members; "" = the top
	settings []setting
	problems []Problem
}

func (p *fileParser) addToGroups(key string) {
	group, member := "", key
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		group, member = key[:i], key[i+1:]
	}
	if slices.Contains(p.groups[group], member) {
		return
	}
	p.groups[group] = append(p.groups[group], member)
	if group != "" {
		p.addToGroups(group)
	}
}

func (p *fileParser) where(n *yaml.Node) string {
	if n.Line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s:%d", p.name, n.Line)
}

func (p *fileParser) fault(n *yaml.Node, key, format string, args ...any) {
	p.problems = append(p.problems, Problem{Where: p.where(n), Key: key, Message: fmt.Sprintf(format, args...)})
}

func (p *fileParser) mapping(group string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "trust:" with nothing below it
	}
	if n.Kind != yaml.MappingNode {
		p.fault(n, group, "must be a mapping")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := name.Value
		if group != "" {
			key = group + "." + name.Value
		}
		field, isField := p.fields[key]
		_, isGroup := p.groups[key]
		switch {
		case seen[key]:
			p.fault(name, key, "set twice")
		case isGroup:
			p.mapping(key, value)
		case isField:
			p.value(field, name, value)
		default:
			p.fault(name, "", "unknown key %q%s", key, p.nearest(group, name.Value))
		}
		seen[key] = true
	}
}

// nearest looks among the siblings first, then in the whole file: a key one
// level too high is as common as a slip of the finger.
func (p *fileParser) nearest(group, name string) string {
	siblings := p.groups[group]
	if group != "" {
		siblings = nil
		for _, s := range p.groups[group] {
			siblings = append(siblings, group+"."+s)
		}
		name = group + "." + name
	}
	if s := registry.DidYouMean(name, siblings); s != "" {
		return s
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	for _, f := range Fields() {
		if strings.HasSuffix(f.Key, "."+last) {
			return fmt.Sprintf("; did you mean %q?", f.Key)
		}
	}
	all := make([]string, 0, len(p.fields))
	for _, f := range Fields() {
		all = append(all, f.Key)
	}
	return registry.DidYouMean(name, all)
}

func (p *fileParser) value(f Field, name, n *yaml.Node) {
	raw, err := rawValue(n)
	if err != nil {
		p.fault(n, f.Key, "%v", err)
		return
	}
	if raw == nil {
		return // "cert_file:" with nothing behind it
	}
	p.settings = append(p.settings, setting{key: f.Key, where: p.where(name), raw: raw})
}

func rawValue(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, nil
		}
		return n.Value, nil
	case yaml.SequenceNode:
		list := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				// Only sinks may hold mappings, and they are refused as such; their text does not matter.
				list = append(list, "mapping")
				continue
			}
			list = append(list, item.Value)
		}
		return list, nil
	case yaml.MappingNode:
		m := make(map[string][]string)
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := rawValue(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			list, ok := v.([]string)
			if !ok {
				return nil, errors.New("must be a mapping from names to lists")
			}
			m[n.Content[i].Value] = list
		}
		return m, nil
	default:
		return nil, errors.New("anchors and aliases are not supported")
	}
}

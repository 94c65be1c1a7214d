package manifest

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// place is a member or an element, and where it stands. Places form a tree,
// because whole paths as keys of one map would grow with the depth of a file
// times its length.
type place struct {
	parent       *place
	step         string // "spec", ".keys", "[0]": what it adds to the path of its parent
	line, column int
	children     map[string]*place // by step

	// faulty says that a problem has been reported here. What registry makes
	// of the value would only repeat it.
	faulty bool
}

// member adds the member called name, whose key is n.
func (p *place) member(name string, n *yaml.Node) *place {
	dot := "."
	if p.parent == nil {
		dot = ""
	}
	c := p.add(dot+shown(name), n)
	p.children[dot+name] = c
	return c
}

// element adds element i of a list.
func (p *place) element(i int, n *yaml.Node) *place {
	return p.add(fmt.Sprintf("[%d]", i), n)
}

func (p *place) add(step string, n *yaml.Node) *place {
	if p.children == nil {
		p.children = map[string]*place{}
	}
	c := &place{parent: p, step: step, line: n.Line, column: n.Column}
	p.children[step] = c
	return c
}

// find returns the place of path below p, or the nearest one above it. The
// longest step that fits is taken: the key of a label may hold dots.
func (p *place) find(path string) *place {
	for end := len(path); end > 0; end-- {
		if end < len(path) && path[end] != '.' && path[end] != '[' {
			continue
		}
		if c := p.children[path[:end]]; c != nil {
			return c.find(path[end:])
		}
	}
	return p
}

// path returns what find takes.
func (p *place) path() string {
	if p.parent == nil {
		return ""
	}
	return p.parent.path() + p.step
}

// shown returns a name as package registry writes it in a path: in quotes and
// cut short when a terminal should not be trusted with it.
func shown(name string) string {
	const most = 40
	plain := name != "" && len(name) <= most
	for _, r := range name {
		plain = plain && r > ' ' && r < 0x7f && r != '"' && r != '\\'
	}
	if plain {
		return name
	}
	return fmt.Sprintf("%.*q", most, name)
}

package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxDepth = 32  // as in package registry, which names no place
	maxKey   = 256 // in bytes; more than any member or label is called
)

// member is one member of a mapping.
type member struct {
	name  string
	value *yaml.Node
	at    *place
}

// members returns those members of a mapping whose name can be used, and
// reports the others.
func (r *reader) members(n *yaml.Node, at *place) []member {
	var list []member
	first := map[string]*place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, name := n.Content[i], n.Content[i].Value
		if problem := unusable(key); problem != "" {
			// What is missed in at may have been meant by this.
			at.faulty = true
			r.add(key.Line, key.Column, at.path(), "%s", problem)
			continue
		}
		if before := first[name]; before != nil {
			r.add(key.Line, key.Column, before.path(), "is there twice; the first is in line %d", before.line)
			continue
		}
		first[name] = at.member(name, key)
		list = append(list, member{name: name, value: n.Content[i+1], at: first[name]})
	}
	return list
}

// unusable says why a key cannot be the name of a member; "" = it can.
func unusable(key *yaml.Node) string {
	switch problem := tricky(key); {
	case key.Tag == "!!merge":
		return "merge keys are not supported; write the members out"
	case problem != "":
		return problem
	case key.Kind != yaml.ScalarNode:
		return "has a member whose name is not a text"
	case key.Tag != "!!str" && key.Tag != "!!timestamp":
		return fmt.Sprintf("has a member called %s, which is not a text; put it in quotes", shown(key.Value))
	case len(key.Value) > maxKey:
		return fmt.Sprintf("has a member whose name is longer than %d bytes", maxKey)
	}
	return ""
}

// tricky says what makes the reading of a value depend on another place of the
// file, or on a program; "" = nothing. Nine lines of aliases can stand for a
// billion values.
func tricky(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "aliases are not supported; write the value out"
	case n.Anchor != "":
		return fmt.Sprintf("anchors are not supported; leave out &%s", shown(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		return fmt.Sprintf("tags are not supported; leave out %s, and put a text in quotes", shown(n.Tag))
	}
	return ""
}

// plain reports a value that is tricky.
func (r *reader) plain(n *yaml.Node, at *place) bool {
	problem := tricky(n)
	if problem != "" {
		r.fault(at, "%s", problem)
	}
	return problem == ""
}

// value writes a value as JSON. Where there is a problem it writes something in
// its place, so that the rest can be checked.
func (r *reader) value(out *bytes.Buffer, n *yaml.Node, at *place, depth int) {
	switch {
	case !r.plain(n, at):
		out.WriteString("null")
	case depth > maxDepth:
		r.fault(at, "is nested more than %d deep", maxDepth)
		out.WriteString("null")
	case n.Kind == yaml.MappingNode:
		out.WriteByte('{')
		for i, m := range r.members(n, at) {
			comma(out, i)
			writeText(out, m.name)
			out.WriteByte(':')
			r.value(out, m.value, m.at, depth+1)
		}
		out.WriteByte('}')
	case n.Kind == yaml.SequenceNode:
		out.WriteByte('[')
		for i, element := range n.Content {
			comma(out, i)
			r.value(out, element, at.element(i, element), depth+1)
		}
		out.WriteByte(']')
	default:
		r.scalar(out, n, at)
	}
}

func (r *reader) scalar(out *bytes.Buffer, n *yaml.Node, at *place) {
	switch n.Tag {
	case "!!null":
		out.WriteString("null")
	case "!!bool":
		out.WriteString(strings.ToLower(n.Value))
	case "!!int", "!!float":
		// 0777 is 511 to YAML 1.1 and 777 to YAML 1.2.
		if !json.Valid([]byte(n.Value)) {
			r.fault(at, "must be written in decimal digits if it is a number, and in quotes if it is a text")
			out.WriteString("0")
			return
		}
		out.WriteString(n.Value)
	default:
		text, _ := r.text(n, at)
		writeText(out, text)
	}
}

// text returns a value that must be a text. A timestamp is one: JSON has no
// other, and package registry knows which fields hold times.
func (r *reader) text(n *yaml.Node, at *place) (string, bool) {
	switch {
	case !r.plain(n, at):
		return "", false
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		r.fault(at, "must be a text")
		return "", false
	case n.Tag != "!!str" && n.Tag != "!!timestamp":
		r.fault(at, "must be a text; put it in quotes")
		return "", false
	case n.Style == 0 && OldBool(n.Value):
		r.fault(at, "%s is a text to one version of YAML and true or false to another; write true or false, or put it in quotes", n.Value)
		return "", false
	}
	return n.Value, true
}

// OldBool reports whether YAML 1.1 takes a plain word for true or false where
// YAML 1.2 does not.
func OldBool(word string) bool {
	words := []string{"y", "n", "yes", "no", "on", "off"}
	lower := strings.ToLower(word)
	return slices.Contains(words, lower) && (word == lower || word == strings.ToUpper(word) || word == strings.ToUpper(word[:1])+lower[1:])
}

func comma(out *bytes.Buffer, i int) {
	if i > 0 {
		out.WriteByte(',')
	}
}

// writeText leaves '<' and '&' as they are: conditions are full of them.
func writeText(out *bytes.Buffer, text string) {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a buffer takes everything
	out.Truncate(out.Len() - 1)
}

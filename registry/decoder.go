package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// decoder walks JSON along a schema. Its methods return an error for what is no
// JSON at all; everything else is collected, and the walk goes on.
type decoder struct {
	dec    *json.Decoder
	schema schema
	found  problems
}

// object reads an object whose members are those below path. at is the same
// place with indices, for people.
func (d *decoder) object(path, at string, depth int) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		d.found.add(at, "must be an object, not %s", describe(tok))
		return d.rest(tok, depth)
	}
	seen := map[string]bool{}
	for d.dec.More() {
		name, err := d.member(at, seen)
		if err != nil {
			return err
		}
		known := d.schema.children[path]
		if !slices.Contains(known, name) {
			d.found.add(at+"."+printable(name), "%s", UnknownField(name, known))
			if err := d.skip(depth + 1); err != nil {
				return err
			}
			continue
		}
		if err := d.field(d.schema.fields[join(path, name)], at+"."+name, depth+1); err != nil {
			return err
		}
	}
	_, err = d.dec.Token()
	return err
}

// member reads the name of a member.
func (d *decoder) member(at string, seen map[string]bool) (string, error) {
	tok, err := d.dec.Token()
	if err != nil {
		return "", err
	}
	name, _ := tok.(string)
	if seen[name] {
		d.found.add(at+"."+printable(name), "is there twice; keep one")
	}
	seen[name] = true
	return name, nil
}

// field reads the value of f.
func (d *decoder) field(f Field, at string, depth int) error {
	switch f.Type {
	case ObjectType:
		return d.object(f.Path, at, depth)
	case ListType:
		return d.list(f, at, depth)
	case MapType:
		return d.texts(at, depth)
	case AnyType:
		return d.anything(at, depth)
	}
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	d.scalar(f, at, tok)
	return d.rest(tok, depth)
}

// scalar checks a value that is neither an object nor a list.
func (d *decoder) scalar(f Field, at string, tok json.Token) {
	text, isText := tok.(string)
	number, isNumber := tok.(json.Number)
	switch f.Type {
	case TextType:
		if !isText {
			d.found.add(at, "must be a text, not %s%s", describe(tok), quoteHint(tok))
		}
	case BoolType:
		if _, ok := tok.(bool); !ok {
			d.found.add(at, "must be true or false, not %s", describe(tok))
		}
	case NumberType:
		if n, err := number.Int64(); !isNumber || err != nil || n < -1<<31 || n > 1<<31 {
			d.found.add(at, "must be a whole number")
		}
	case DurationType:
		var v Duration
		if !isText || v.UnmarshalText([]byte(text)) != nil {
			d.found.add(at, `must be a duration like "90s", "5m" or "1h30m"`)
		} else if v <= 0 {
			d.found.add(at, "must be longer than nothing; leave it out for the default")
		}
	case TimeType:
		if _, err := time.Parse(time.RFC3339, text); !isText || err != nil {
			d.found.add(at, `must be a time like "2027-01-31T12:00:00Z"`)
		}
	}
}

// list reads a list of texts or of objects.
func (d *decoder) list(f Field, at string, depth int) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	if tok != json.Delim('[') {
		d.found.add(at, "must be a list, not %s", describe(tok))
		return d.rest(tok, depth)
	}
	element := f.Path + "[]"
	for i := 0; d.dec.More(); i++ {
		here := fmt.Sprintf("%s[%d]", at, i)
		if len(d.schema.children[element]) > 0 {
			err = d.object(element, here, depth+1)
		} else {
			err = d.field(Field{Path: element, Type: TextType}, here, depth+1)
		}
		if err != nil {
			return err
		}
	}
	_, err = d.dec.Token()
	return err
}

// texts reads an object whose members are texts.
func (d *decoder) texts(at string, depth int) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	if tok != json.Delim('{') {
		d.found.add(at, "must be an object, not %s", describe(tok))
		return d.rest(tok, depth)
	}
	seen := map[string]bool{}
	for d.dec.More() {
		name, err := d.member(at, seen)
		if err != nil {
			return err
		}
		if err := d.field(Field{Type: TextType}, at+"."+printable(name), depth+1); err != nil {
			return err
		}
	}
	_, err = d.dec.Token()
	return err
}

// anything reads any value but null.
func (d *decoder) anything(at string, depth int) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		d.found.add(at, "has no value; give it one or leave it out")
	}
	return d.inside(tok, at, depth)
}

// skip reads one value and forgets it.
func (d *decoder) skip(depth int) error {
	tok, err := d.dec.Token()
	if err != nil {
		return err
	}
	return d.rest(tok, depth)
}

// rest reads to the end of the value that tok begins, and forgets it.
func (d *decoder) rest(tok json.Token, depth int) error {
	found := d.found
	err := d.inside(tok, "", depth)
	d.found = found
	return err
}

// inside reads to the end of the value that tok begins. Two members of one name
// are a problem at any depth.
func (d *decoder) inside(tok json.Token, at string, depth int) error {
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth > maxSpecDepth {
		return fmt.Errorf("it is nested more than %d deep", maxSpecDepth)
	}
	seen := map[string]bool{}
	for i := 0; d.dec.More(); i++ {
		here := fmt.Sprintf("%s[%d]", at, i)
		if delim == '{' {
			name, err := d.member(at, seen)
			if err != nil {
				return err
			}
			here = at + "." + printable(name)
		}
		next, err := d.dec.Token()
		if err != nil {
			return err
		}
		if err := d.inside(next, here, depth+1); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// describe names the type of a token.
func describe(tok json.Token) string {
	switch v := tok.(type) {
	case nil:
		return "empty"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case string:
		return "a text"
	case json.Delim:
		if v == '[' {
			return "a list"
		}
	}
	return "an object"
}

func quoteHint(tok json.Token) string {
	switch tok.(type) {
	case bool, json.Number:
		return "; put it in quotes"
	}
	return ""
}

// printable returns a member name that may be shown: it came from outside.
func printable(name string) string {
	const most = 40
	ok := name != "" && len(name) <= most
	for _, r := range name {
		ok = ok && r > ' ' && r < 0x7f && r != '"' && r != '\\'
	}
	if ok {
		return name
	}
	return fmt.Sprintf("%.*q", most, name)
}

package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/cli/syntax"
)

// Limits of one stream.
const (
	maxBytes     = 4 << 20
	maxDocuments = 10_000 // what one request of the admin API takes
)

// Parse reads the documents of one stream; name stands for it in errors. Empty
// documents are skipped. An error is an *Error with everything that is wrong,
// or r could not be read.
func Parse(name string, r io.Reader) ([]Document, error) {
	s, err := read(name, r)
	if err != nil {
		return nil, err
	}
	return s.result()
}

// stream is what was read, and what was wrong with it.
type stream struct {
	name     string
	docs     []Document // also those with problems
	problems []Problem
}

func (s *stream) result() ([]Document, error) {
	if err := failure(append(s.problems, twice(s.docs)...)); err != nil {
		return nil, err
	}
	return s.docs, nil
}

func (s *stream) fault(line int, message string) {
	s.problems = append(s.problems, Problem{Position: Position{File: s.name, Line: line}, Message: message})
}

func read(name string, r io.Reader) (*stream, error) {
	s := &stream{name: name}
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case len(data) > maxBytes:
		s.fault(0, fmt.Sprintf("is larger than %d MiB; split it", maxBytes>>20))
	case !utf8.Valid(data):
		s.fault(1+bytes.Count(data[:invalid(data)], []byte("\n")), "is not UTF-8")
	default:
		s.documents(data)
	}
	return s, nil
}

// invalid returns the offset of the first byte that is not UTF-8.
func invalid(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// documents reads on after a document that is wrong, but not after bytes that
// are no YAML: nobody knows where the next document would begin.
func (s *stream) documents(data []byte) {
	dec := syntax.NewDecoder(data)
	for {
		n, err := dec.Decode()
		var wrong *syntax.Error
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &wrong):
			s.fault(wrong.Line, wrong.Message)
			return
		}
		root := n.Content[0]
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == "" {
			continue
		}
		if len(s.docs) == maxDocuments {
			s.fault(root.Line, fmt.Sprintf("is document %d; no more than %d can be applied at once", maxDocuments+1, maxDocuments))
			return
		}
		r := newReader(s.name, root)
		r.document(root)
		s.docs, s.problems = append(s.docs, r.doc), append(s.problems, r.sorted()...)
	}
}

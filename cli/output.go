package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/tokenry/tokenry/cli/manifest"
)

// format is the value of -o.
type format string

const (
	tableFormat format = "table"
	jsonFormat  format = "json"
	yamlFormat  format = "yaml"
	nameFormat  format = "name"
)

// String gives the format's name.
func (f *format) String() string { return string(*f) }

// Type lists the formats, for the help.
func (f *format) Type() string { return strings.Join(formats(), "|") }

// Set refuses what is no format.
func (f *format) Set(s string) error {
	if slices.Contains(formats(), s) {
		*f = format(s)
		return nil
	}
	return fmt.Errorf("there are %s", strings.Join(formats(), ", "))
}

func formats() []string {
	return []string{string(tableFormat), string(jsonFormat), string(yamlFormat), string(nameFormat)}
}

func outputFlag(cmd *cobra.Command) *format {
	f := tableFormat
	cmd.Flags().VarP(&f, "output", "o", "output format")
	complete(cmd, "output", words(formats()...))
	return &f
}

// view is a result in every format.
type view struct {
	value any   // for json, and for yaml without list
	list  []any // for yaml: one document each
	names []string
	table func(w io.Writer)
}

func (a *app) print(f format, v view) error {
	switch f {
	case jsonFormat:
		return writeJSON(a.Stdout, v.value)
	case yamlFormat:
		if v.list != nil {
			return writeYAML(a.Stdout, v.list...)
		}
		return writeYAML(a.Stdout, v.value)
	case nameFormat:
		for _, n := range v.names {
			fmt.Fprintln(a.Stdout, printable(n))
		}
		return nil
	default:
		v.table(a.Stdout)
		return nil
	}
}

func writeJSON(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(b.String(), steers))
	return err
}

// writeYAML writes each value as a document of its own.
func writeYAML(w io.Writer, values ...any) error {
	if len(values) == 0 {
		return nil
	}
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	for _, v := range values {
		node, err := yamlNode(v)
		if err != nil {
			return err
		}
		if err := enc.Encode(node); err != nil {
			return err
		}
	}
	return enc.Close()
}

// yamlNode goes through JSON, so that both formats have the same names and
// order of members. JSON is YAML; reading it as nodes keeps the order.
func yamlNode(v any) (*yaml.Node, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	// YAML has no control characters, not even in quotes; JSON has some.
	if err := yaml.Unmarshal([]byte(escapeJSON(string(data), unicode.IsControl)), &node); err != nil {
		return nil, err
	}
	plainStyle(&node)
	return &node, nil
}

// plainStyle drops JSON's braces and quotes; the encoder puts quotes back where
// a text would read as something else in the YAML of today.
func plainStyle(n *yaml.Node) {
	if !manifest.OldBool(n.Value) {
		n.Style = 0
	}
	for _, c := range n.Content {
		plainStyle(c)
	}
}

// rows writes aligned columns; the first row is the head.
func rows(w io.Writer, lines [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, l := range lines {
		clean := make([]string, len(l))
		for i, cell := range l {
			clean[i] = printable(cell)
		}
		fmt.Fprintln(t, strings.Join(clean, "\t"))
	}
	_ = t.Flush() // when stdout has gone there is nobody left to tell
}

// Colours; empty when stdout is no terminal.
type palette struct{ good, bad, dim, bold, end string }

func (a *app) palette() palette {
	if !a.Color || a.env("NO_COLOR") != "" {
		return palette{}
	}
	return palette{good: "\x1b[32m", bad: "\x1b[31m", dim: "\x1b[2m", bold: "\x1b[1m", end: "\x1b[0m"}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

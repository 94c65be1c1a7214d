package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// format is the value of -o.
type format string

const (
	tableFormat format = "table"
	jsonFormat  format = "json"
	yamlFormat  format = "yaml"
	nameFormat  format = "name"
)

// String, Set and Type make it a flag.
func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "table|json|yaml|name" }
func (f *format) Set(s string) error {
	switch format(s) {
	case tableFormat, jsonFormat, yamlFormat, nameFormat:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("there are table, json, yaml and name")
}

func outputFlag(cmd *cobra.Command) *format {
	f := tableFormat
	cmd.Flags().VarP(&f, "output", "o", "output format")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// view is a result in every format.
type view struct {
	value any // for json and yaml
	names []string
	table func(w io.Writer)
}

func (a *app) print(f format, v view) error {
	switch f {
	case jsonFormat:
		return writeJSON(a.Stdout, v.value)
	case yamlFormat:
		return writeYAML(a.Stdout, v.value)
	case nameFormat:
		for _, n := range v.names {
			fmt.Fprintln(a.Stdout, n)
		}
		return nil
	default:
		v.table(a.Stdout)
		return nil
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeYAML goes through JSON, so that both formats have the same names and
// order of members. JSON is YAML; reading it as nodes keeps the order.
func writeYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(data, &node); err != nil {
		return err
	}
	plainStyle(&node)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return err
	}
	return enc.Close()
}

// plainStyle drops JSON's braces and quotes; the encoder puts quotes back where
// a text would read as something else.
func plainStyle(n *yaml.Node) {
	n.Style = 0
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
	t.Flush()
}

// printable keeps what came from elsewhere from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf) {
			return '·'
		}
		return r
	}, s)
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

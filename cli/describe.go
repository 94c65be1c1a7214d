package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

func (a *app) describeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe KIND NAME",
		Short: "Show one object in full",
		Args:  arguments(1, 2), ValidArgsFunction: a.completeObject,
	}
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, name, err := kindArg(args)
		if err != nil {
			return err
		}
		if name == "" {
			return usage("describe which %s?", n.one)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		o, err := c.Object(cmd.Context(), n.kind, name)
		if err != nil {
			return missing(failure(err), n, name)
		}
		v := objectsView(n, []api.Object{o}, o)
		v.table = func(w io.Writer) { err = describe(w, n, o) }
		if perr := a.print(*f, v); perr != nil {
			return perr
		}
		return err
	}
	return cmd
}

func describe(w io.Writer, n noun, o api.Object) error {
	lines := [][]string{{"Kind:", string(o.Kind)}, {"Name:", o.Metadata.Name}}
	if len(o.Metadata.Labels) > 0 {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(o.Metadata.Labels)) {
			labels = append(labels, k+"="+o.Metadata.Labels[k])
		}
		lines = append(lines, []string{"Labels:", strings.Join(labels, ", ")})
	}
	if s := o.Status; s != nil {
		const layout = "2006-01-02 15:04:05 MST"
		lines = append(lines, []string{"Id:", s.ID}, []string{"State:", string(s.State)}, []string{"Version:", fmt.Sprint(s.Version)},
			[]string{"Created:", s.Created.UTC().Format(layout)}, []string{"Updated:", s.Updated.UTC().Format(layout)})
		if n.one == "agent" {
			lines = append(lines, []string{"Secret:", map[bool]string{true: "set", false: "none"}[s.Secret]})
		}
	}
	rows(w, lines)
	fmt.Fprintln(w, "Spec:")
	var b strings.Builder
	if err := writeYAML(&b, o.Spec); err != nil {
		return fmt.Errorf("write the spec: %w", err)
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprint(w, "  ", line)
	}
	return nil
}

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
		Long: "describe shows what the server knows of an object, and its spec as apply takes it.\n" +
			"What -o yaml prints is a manifest, which apply takes.",
		Example: "  tokenry describe agent research-agent\n  tokenry describe agent researcher/r7\n  tokenry describe rule/staff-to-research",
		Args:    arguments(1, 2), ValidArgsFunction: a.completeObject,
	}
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, name, err := oneArg("describe", args)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		o, err := c.Object(cmd.Context(), n.kind, name)
		if err != nil {
			return a.missing(cmd.Context(), a.failure(err), n, name)
		}
		if *f == tableFormat {
			return describe(a.Stdout, o)
		}
		return a.print(*f, objectsView(n, []api.Object{o}, o))
	}
	return cmd
}

// layout is how a time is shown to people.
const layout = "2006-01-02 15:04:05 MST"

func describe(w io.Writer, o api.Object) error {
	lines := [][]string{{"Kind:", string(o.Kind)}, {"Name:", o.Metadata.Name}}
	if len(o.Metadata.Labels) > 0 {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(o.Metadata.Labels)) {
			labels = append(labels, k+"="+o.Metadata.Labels[k])
		}
		lines = append(lines, []string{"Labels:", strings.Join(labels, ", ")})
	}
	if s := o.Status; s != nil {
		lines = append(lines, []string{"Id:", s.ID}, []string{"State:", string(s.State)}, []string{"Version:", fmt.Sprint(s.Version)},
			[]string{"Created:", s.Created.UTC().Format(layout)}, []string{"Updated:", s.Updated.UTC().Format(layout)})
		if s.Secret {
			lines = append(lines, []string{"Secret:", "set"})
		}
		if i := s.Instance; i != nil {
			lines = append(lines, []string{"Instance:", "made on first use by credential " + i.Credential + " of its blueprint"},
				[]string{"Issuer:", i.Issuer}, []string{"Subject:", i.Subject}, []string{"Last used:", i.LastUsed.UTC().Format(layout)})
		}
	}
	var b strings.Builder
	if err := writeYAML(&b, o.Spec); err != nil {
		return &Error{Code: ExitRefused, Err: fmt.Errorf("the server sent a spec that is none: %w", err)}
	}
	rows(w, lines)
	fmt.Fprintln(w, "Spec:")
	for line := range strings.Lines(b.String()) {
		fmt.Fprintf(w, "  %s\n", printable(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

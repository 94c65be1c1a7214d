package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/cli/manifest"
)

func (a *app) applyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply -f FILE|DIR|-",
		Short: "Bring the objects of YAML files into force, all or none",
		Args:  arguments(0, 0),
	}
	var files []string
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, directory of *.yaml, or - for stdin; may be repeated")
	dryRun := cmd.Flags().Bool("dry-run", false, "check on the server, change nothing")
	prune := cmd.Flags().Bool("prune", false, "delete every object that is not in the files")
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(files) == 0 {
			return usage("apply what? give -f FILE, -f DIR or -f -")
		}
		docs, err := a.documents(files)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		request := api.ApplyRequest{Objects: objects(docs), Prune: *prune, DryRun: *dryRun}
		result, err := c.Apply(cmd.Context(), request)
		if err != nil {
			return failure(locate(err, docs))
		}
		return a.print(*f, resultView(result, *dryRun))
	}
	return cmd
}

// documents reads all files before anything is sent.
func (a *app) documents(files []string) ([]manifest.Document, error) {
	var docs []manifest.Document
	for _, file := range files {
		more, err := manifest.Load(file, a.Stdin)
		if err != nil {
			return nil, &Error{Code: ExitUsage, Err: err}
		}
		docs = append(docs, more...)
	}
	if len(docs) == 0 {
		return nil, usage("no objects in %s", strings.Join(files, ", "))
	}
	return docs, nil
}

func objects(docs []manifest.Document) []api.Object {
	list := make([]api.Object, len(docs))
	for i, d := range docs {
		list[i] = api.Object{APIVersion: api.Version, Kind: d.Kind, Metadata: api.Metadata{Name: d.Name, Labels: d.Labels}, Spec: d.Spec}
	}
	return list
}

func resultView(r api.ApplyResult, dry bool) view {
	v := view{value: r}
	for _, one := range r.Results {
		v.names = append(v.names, nounOf(one.Kind)+"/"+one.Name)
	}
	v.table = func(w io.Writer) {
		for i, one := range r.Results {
			fmt.Fprintf(w, "%s %s%s\n", printable(v.names[i]), one.Outcome, dryText(dry))
		}
	}
	return v
}

// locate puts the place in the files where the server's problems say which
// member of the request they mean.
func locate(err error, docs []manifest.Document) error {
	var e *api.Error
	if !errors.As(err, &e) || len(e.Problem.Errors) == 0 {
		return err
	}
	lines := make([]string, len(e.Problem.Errors))
	for i, item := range e.Problem.Errors {
		lines[i] = item.Message
		if item.Location != "" {
			lines[i] = item.Location + ": " + item.Message
		}
		if n, path, ok := splitLocation(item.Location); ok && n < len(docs) {
			lines[i] = at(&docs[n], path) + item.Message
		}
	}
	return &located{text: strings.Join(lines, "\n"), err: e}
}

// at writes "agents.yaml:12: Agent research-agent: spec.blueprint: ".
func at(d *manifest.Document, path string) string {
	p := d.Position(path)
	where := p.File
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	s := fmt.Sprintf("%s: %s %s: ", where, d.Kind, d.Name)
	if path != "" {
		s += path + ": "
	}
	return s
}

// splitLocation reads "objects[2].spec.keys".
func splitLocation(l string) (n int, path string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(l, "body."), "objects[")
	if !ok {
		return 0, "", false
	}
	index, path, ok := strings.Cut(rest, "]")
	if !ok {
		return 0, "", false
	}
	n, err := strconv.Atoi(index)
	return n, strings.TrimPrefix(path, "."), err == nil && n >= 0
}

// located is the server's refusal in the words of the files.
type located struct {
	text string
	err  *api.Error
}

func (l *located) Error() string { return l.text }
func (l *located) Unwrap() error { return l.err }

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
		Long: "apply creates what is not there, changes what differs and leaves the rest alone. If one object is wrong, nothing\n" +
			"is written, and every fault is told with its file and line. It never enables what has been disabled.\n" +
			"Of a directory it reads *.yaml and *.yml, not the directories inside it. An object's `status` is the server's and is\n" +
			"not read, so that what get -o yaml prints can be applied; what was disabled and deleted is made anew as active.",
		Example: "  tokenry apply -f agents.yaml\n  tokenry apply -f manifests/ --dry-run\n  tokenry apply -f manifests/ --prune",
		Args:    arguments(0, 0),
	}
	var paths []string
	cmd.Flags().StringArrayVarP(&paths, "filename", "f", nil, "file, directory of *.yaml, or - for stdin; may be repeated")
	dryRun := cmd.Flags().Bool("dry-run", false, "check on the server, change nothing")
	prune := cmd.Flags().Bool("prune", false, "delete every object of the server, of any kind but instances, that is not in the files; see --dry-run first")
	complete(cmd, "filename", files)
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(paths) == 0 {
			return usage("apply what? give -f FILE, -f DIR or -f -")
		}
		docs, err := a.documents(paths)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		request := api.ApplyRequest{Prune: *prune, DryRun: *dryRun}
		for _, d := range docs {
			request.Objects = append(request.Objects, d.Object())
		}
		result, err := c.Apply(cmd.Context(), request)
		if err != nil {
			return a.failure(locate(err, docs))
		}
		return a.print(*f, resultView(result, *dryRun))
	}
	return cmd
}

// documents reads all files before anything is sent.
func (a *app) documents(paths []string) ([]manifest.Document, error) {
	var docs []manifest.Document
	for _, path := range paths {
		var stdin io.Reader
		if path == "-" {
			var err error
			if stdin, err = a.stdin(); err != nil {
				return nil, err
			}
		}
		more, err := manifest.Load(path, stdin)
		if err != nil {
			return nil, wrong(err)
		}
		docs = append(docs, more...)
	}
	if len(docs) == 0 {
		return nil, usage("no objects in %s", strings.Join(paths, ", "))
	}
	if err := manifest.Unique(docs); err != nil {
		return nil, wrong(err)
	}
	return docs, nil
}

func resultView(r api.ApplyResult, dry bool) view {
	v := view{value: r}
	for _, one := range r.Results {
		v.names = append(v.names, nounOf(one.Kind).one+"/"+one.Name)
	}
	v.table = func(w io.Writer) {
		for i, one := range r.Results {
			fmt.Fprintf(w, "%s %s%s\n", printable(v.names[i]), printable(string(one.Outcome)), dryText(dry))
		}
	}
	return v
}

// locate puts the place in the files where the server's problems say which
// member of the request they mean. Its own words about the request as a whole
// are left out: the lines say more.
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
			lines[i] = docs[n].Problem(path, item.Message).String()
		}
	}
	text := strings.Join(lines, "\n")
	return &located{text: heading(text) + text, err: e}
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

// Error names the file and the line.
func (l *located) Error() string { return l.text }

// Unwrap returns what the API said.
func (l *located) Unwrap() error { return l.err }

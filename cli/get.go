package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

func (a *app) getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "List objects, or show one",
		Long: "Kinds: " + strings.Join(kindWords(), ", ") + ". The singular and the kinds of manifests (TrustedIssuer) do as well,\n" +
			"and so does KIND/NAME. What -o yaml prints is a manifest, which apply takes; of agents it therefore leaves out\n" +
			"instances, which blueprints make on first use and apply refuses, unless --instances asks for them.",
		Example: "  tokenry get agents\n  tokenry get agents --blueprint researcher --instances only\n  tokenry get agent research-agent -o yaml\n  tokenry get rules -o name\n" +
			"  tokenry get agents -o yaml > agents.yaml",
		Args: arguments(1, 2), ValidArgsFunction: a.completeObject,
	}
	var filter api.AgentFilter
	cmd.Flags().StringVar(&filter.Blueprint, "blueprint", "", "of agents: those of this blueprint")
	instances := instancesFlag(cmd)
	complete(cmd, "blueprint", a.blueprintFlag)
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, name, err := kindArg(args)
		if err != nil {
			return err
		}
		if (n.kind != registry.KindAgent || name != "") && (cmd.Flags().Changed("blueprint") || *instances != "") {
			return usage("--blueprint and --instances go with a list: tokenry get agents")
		}
		if cmd.Flags().Changed("blueprint") && filter.Blueprint == "" {
			return usage("of which blueprint? its name is empty") // as an empty variable in a script
		}
		if filter.Instances = *instances; filter.Instances == "" && *f == yamlFormat {
			filter.Instances = api.ExcludeInstances
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if name == "" {
			list, err := all(cmd.Context(), c, n.kind, filter)
			if err != nil {
				return a.failure(err)
			}
			return a.print(*f, objectsView(n, list, map[string]any{"items": orEmpty(list)}))
		}
		o, err := c.Object(cmd.Context(), n.kind, name)
		if err != nil {
			return a.missing(cmd.Context(), a.failure(err), n, name)
		}
		return a.print(*f, objectsView(n, []api.Object{o}, o))
	}
	return cmd
}

// all reads every object of a kind; f is for agents.
func all(ctx context.Context, c *api.Client, k registry.Kind, f api.AgentFilter) ([]api.Object, error) {
	if k == registry.KindAgent {
		return c.AllAgents(ctx, f)
	}
	return c.AllObjects(ctx, k)
}

func orEmpty(list []api.Object) []api.Object {
	if list == nil {
		return []api.Object{}
	}
	return list
}

// missing says what was not found, and what may have been meant or where to
// look.
func (a *app) missing(ctx context.Context, err error, n noun, name string) error {
	if e := asError(err); e.Code != ExitNotFound {
		return err
	}
	hint := registry.DidYouMean(name, a.names(ctx, n.kind, name))
	return &Error{Code: ExitNotFound, Err: fmt.Errorf("no %s %q%s; see: tokenry get %s", n.one, name, hint, n.words[0])}
}

func objectsView(n noun, list []api.Object, value any) view {
	v := view{value: value, list: []any{}}
	for _, o := range list {
		v.list = append(v.list, o)
		v.names = append(v.names, n.one+"/"+o.Metadata.Name)
	}
	v.table = func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "No %s.\n", n.words[0])
			return
		}
		lines := [][]string{append([]string{"NAME", "STATE", "VERSION"}, columns(n.kind)...)}
		used := slices.ContainsFunc(list, func(o api.Object) bool { return instanceOf(o) != nil })
		if used {
			lines[0] = append(lines[0], "LAST USED")
		}
		for _, o := range list {
			var s api.Status
			if o.Status != nil {
				s = *o.Status
			}
			line := append([]string{o.Metadata.Name, string(s.State), fmt.Sprint(s.Version)}, cells(o)...)
			if used {
				line = append(line, lastUsed(o))
			}
			lines = append(lines, line)
		}
		rows(w, lines)
	}
	return v
}

// columns are what one wants to see of a kind at a glance.
func columns(k registry.Kind) []string {
	switch k {
	case registry.KindAgent:
		return []string{"BLUEPRINT", "OWNER", "CREDENTIALS"}
	case registry.KindBlueprint:
		return []string{"ACCESS", "MAX TTL"}
	case registry.KindTrustedIssuer:
		return []string{"TYPE", "TOKENS", "ISSUER"}
	case registry.KindResource:
		return []string{"IDENTIFIER", "SCOPES"}
	default:
		return []string{"SUBJECTS", "ACTORS", "ACCESS"}
	}
}

// cells reads the spec leniently: a newer server may know more than this
// command, and a list shall still be a list.
func cells(o api.Object) []string {
	switch o.Kind {
	case registry.KindAgent:
		s := lenient[registry.Agent](o.Spec)
		credentials := fmt.Sprint(len(s.Credentials))
		if i := instanceOf(o); i != nil { // it has the one of its blueprint that made it
			credentials = i.Credential
		}
		return []string{string(s.Blueprint), orDash(s.Owner), credentials}
	case registry.KindBlueprint:
		s := lenient[registry.Blueprint](o.Spec)
		return []string{accessText(s.Resources), durationText(s.MaxTTL)}
	case registry.KindTrustedIssuer:
		s := lenient[registry.TrustedIssuer](o.Spec)
		tokens := s.Tokens
		if tokens == "" {
			tokens = registry.WorkloadTokens
			if s.Type == registry.OIDC {
				tokens = registry.UserTokens
			}
		}
		at := s.Issuer
		if s.TrustDomain != "" {
			at = "spiffe://" + s.TrustDomain
		}
		return []string{string(s.Type), string(tokens), at}
	case registry.KindResource:
		s := lenient[registry.Resource](o.Spec)
		var names []string
		for _, scope := range s.Scopes {
			names = append(names, scope.Name)
		}
		return []string{s.Identifier, orDash(strings.Join(names, " "))}
	default:
		s := lenient[registry.DelegationRule](o.Spec)
		subjects := party(s.Subjects.Agents, s.Subjects.Blueprints)
		if s.Subjects.Issuer != "" {
			subjects = "users of " + string(s.Subjects.Issuer)
		}
		return []string{subjects, party(s.Actors.Agents, s.Actors.Blueprints), accessText(s.Resources)}
	}
}

func lenient[T any](raw json.RawMessage) T {
	var v T
	_ = json.Unmarshal(raw, &v) // what cannot be read is shown empty
	return v
}

func party(agents []registry.AgentName, blueprints []registry.BlueprintName) string {
	var names []string
	for _, n := range agents {
		names = append(names, string(n))
	}
	for _, n := range blueprints {
		names = append(names, "blueprint "+string(n))
	}
	return orDash(strings.Join(names, ", "))
}

func accessText(list []registry.Access) string {
	var parts []string
	for _, access := range list {
		parts = append(parts, string(access.Name)+": "+strings.Join(access.Scopes, " "))
	}
	return orDash(strings.Join(parts, "; "))
}

func durationText(d registry.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}

// arguments wants between low and high arguments.
func arguments(low, high int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < low || len(args) > high {
			return usage("use it as: %s; see %s --help", cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

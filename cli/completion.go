package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// completionCommand adds cobra's, which by itself answers a shell that it does
// not know with the help and exit code 0.
func completionCommand(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		for _, shell := range group(cmd).Commands() {
			shell.Example = "  tokenry completion " + shell.Name()
		}
	}
}

// complete has the values of a flag completed; nil = there is nothing to offer.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if f == nil {
		f = cobra.NoFileCompletions
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is not there: every start would say so
	}
}

// files completes names of files.
func files(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// fileOnce completes one FILE argument.
func fileOnce(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// words completes one of a few words.
func words(list ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// completeObject completes KIND, then the names that the server has now.
func (a *app) completeObject(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return kindWords(), cobra.ShellCompDirectiveNoFileComp
	case 1:
		if n, err := kind(args[0]); err == nil {
			return a.names(cmd.Context(), n.kind, typed), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeName completes the first argument with names of a kind.
func (a *app) completeName(k registry.Kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.names(cmd.Context(), k, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// agentFlag completes the value of a flag that names an agent.
func (a *app) agentFlag(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.names(cmd.Context(), registry.KindAgent, typed), cobra.ShellCompDirectiveNoFileComp
}

// resourceFlag completes the value of a flag that names a resource.
func (a *app) resourceFlag(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.names(cmd.Context(), registry.KindResource, ""), cobra.ShellCompDirectiveNoFileComp
}

// blueprintFlag completes the value of a flag that names a blueprint.
func (a *app) blueprintFlag(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.names(cmd.Context(), registry.KindBlueprint, ""), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeContext(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	all, err := a.contexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return slices.Sorted(maps.Keys(all.Contexts)), cobra.ShellCompDirectiveNoFileComp
}

// completeDecision completes the ids of the latest decisions, with what became
// of them.
func (a *app) completeDecision(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []cobra.Completion
	a.ask(cmd.Context(), func(ctx context.Context, c *api.Client) {
		page, err := c.Decisions(ctx, api.DecisionFilter{}, api.Page{Limit: 20})
		if err != nil {
			return
		}
		for _, d := range page.Items {
			list = append(list, cobra.CompletionWithDesc(printable(d.ID), printable(string(d.Outcome)+" "+d.Agent+" "+d.ErrorCode)))
		}
	})
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// names are the first names of a kind. Of agents they are those that somebody
// registered, which may stand behind thousands of instances, and then as many
// instances, of one blueprint once its name has been typed with the slash.
func (a *app) names(ctx context.Context, k registry.Kind, typed string) []cobra.Completion {
	var names []cobra.Completion
	add := func(list api.ObjectList, err error) {
		if err != nil {
			return
		}
		for _, o := range list.Items {
			names = append(names, printable(o.Metadata.Name))
		}
	}
	a.ask(ctx, func(ctx context.Context, c *api.Client) {
		page := api.Page{Limit: 200}
		if k != registry.KindAgent {
			add(c.Objects(ctx, k, page))
			return
		}
		blueprint, _, instance := strings.Cut(typed, "/")
		if !instance {
			blueprint = ""
			add(c.Agents(ctx, api.AgentFilter{Instances: api.ExcludeInstances}, page))
		}
		add(c.Agents(ctx, api.AgentFilter{Blueprint: blueprint, Instances: api.OnlyInstances}, page))
	})
	return names
}

// ask asks the server for completions. One that does not answer at once
// completes nothing, and neither does a token on stdin: a shell must not hang.
func (a *app) ask(ctx context.Context, f func(context.Context, *api.Client)) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	a.stdinTaken = true
	if c, err := a.client(); err == nil {
		f(ctx, c)
	}
}

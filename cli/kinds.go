package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// noun is how a kind is called on the command line.
type noun struct {
	kind  registry.Kind
	one   string // in output: "agent/research-agent"
	words []string
}

func nouns() []noun {
	return []noun{
		{registry.KindAgent, "agent", []string{"agents", "agent"}},
		{registry.KindBlueprint, "blueprint", []string{"blueprints", "blueprint", "bp"}},
		{registry.KindTrustedIssuer, "issuer", []string{"issuers", "issuer", "trusted-issuers", "trusted-issuer"}},
		{registry.KindResource, "resource", []string{"resources", "resource", "res"}},
		{registry.KindDelegationRule, "rule", []string{"rules", "rule", "delegation-rules", "delegation-rule"}},
	}
}

// kind reads a KIND argument; kind names as in manifests work too.
func kind(arg string) (noun, error) {
	word := strings.ToLower(arg)
	for _, n := range nouns() {
		for _, w := range n.words {
			if w == word || strings.EqualFold(string(n.kind), arg) || strings.EqualFold(string(n.kind)+"s", arg) {
				return n, nil
			}
		}
	}
	return noun{}, usage("no kind %q; there are %s", arg, strings.Join(kindWords(), ", "))
}

// kindArg reads "KIND NAME" or "KIND/NAME".
func kindArg(args []string) (noun, string, error) {
	word, name, joined := strings.Cut(args[0], "/")
	switch {
	case joined && len(args) > 1:
		return noun{}, "", usage("%s and %s: name one object", args[0], args[1])
	case !joined && len(args) > 1:
		name = args[1]
	}
	n, err := kind(word)
	return n, name, err
}

func kindWords() []string {
	var words []string
	for _, n := range nouns() {
		words = append(words, n.words[0])
	}
	return words
}

func nounOf(k registry.Kind) string {
	for _, n := range nouns() {
		if n.kind == k {
			return n.one
		}
	}
	return strings.ToLower(string(k))
}

// completeObject completes KIND, then the names that the server has now. A
// server that does not answer at once completes nothing: a shell must not hang.
func (a *app) completeObject(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return kindWords(), cobra.ShellCompDirectiveNoFileComp
	case 1:
		if n, err := kind(args[0]); err == nil {
			return a.names(cmd.Context(), n.kind), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeAgent(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.names(cmd.Context(), registry.KindAgent), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) names(ctx context.Context, k registry.Kind) []string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return nil
	}
	list, err := c.Objects(ctx, k, api.Page{Limit: 200})
	if err != nil {
		return nil
	}
	names := make([]string, len(list.Items))
	for i, o := range list.Items {
		names[i] = o.Metadata.Name
	}
	return names
}

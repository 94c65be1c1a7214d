package cli

import (
	"slices"
	"strings"

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
		if slices.Contains(n.words, word) || strings.EqualFold(string(n.kind), arg) || strings.EqualFold(string(n.kind)+"s", arg) {
			return n, nil
		}
	}
	return noun{}, usage("no kind %q%s", arg, registry.Hint(arg, kindWords()))
}

// kindArg reads "KIND NAME" or "KIND/NAME".
func kindArg(args []string) (noun, string, error) {
	word, name, joined := strings.Cut(args[0], "/")
	switch {
	case joined && len(args) > 1:
		return noun{}, "", usage("%s and %s: name one object", args[0], args[1])
	case !joined && len(args) > 1:
		name, joined = args[1], true
	}
	n, err := kind(word)
	if err == nil && joined && name == "" {
		// An empty variable in a script must not turn one object into all.
		err = usage("which %s? its name is empty", n.one)
	}
	return n, name, err
}

// oneArg is kindArg for commands that work on one object.
func oneArg(verb string, args []string) (noun, string, error) {
	n, name, err := kindArg(args)
	if err == nil && name == "" {
		err = usage("%s which %s? see: tokenry get %s", verb, n.one, n.words[0])
	}
	return n, name, err
}

func kindWords() []string {
	var words []string
	for _, n := range nouns() {
		words = append(words, n.words[0])
	}
	return words
}

// nounOf is the noun of a kind; a newer server may have some that are not known
// here.
func nounOf(k registry.Kind) noun {
	for _, n := range nouns() {
		if n.kind == k {
			return n
		}
	}
	word := strings.ToLower(string(k))
	return noun{kind: k, one: word, words: []string{word}}
}

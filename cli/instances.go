package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

// instances is the value of --instances; empty = it was not given.
type instances api.Instances

func instanceWords() []string {
	return []string{string(api.IncludeInstances), string(api.ExcludeInstances), string(api.OnlyInstances)}
}

// String gives the word.
func (i *instances) String() string { return string(*i) }

// Type lists the words, for the help.
func (i *instances) Type() string { return strings.Join(instanceWords(), "|") }

// Set refuses what is none of the words.
func (i *instances) Set(s string) error {
	if !slices.Contains(instanceWords(), s) {
		return errors.New("there are " + strings.Join(instanceWords(), ", "))
	}
	*i = instances(s)
	return nil
}

func instancesFlag(cmd *cobra.Command) *api.Instances {
	var i instances
	cmd.Flags().Var(&i, "instances", "of agents: whether to list those that blueprints made on first use")
	complete(cmd, "instances", words(instanceWords()...))
	return (*api.Instances)(&i)
}

// instanceOf is what an instance was made from; nil = somebody registered the
// agent.
func instanceOf(o api.Object) *api.Instance {
	if o.Status == nil {
		return nil
	}
	return o.Status.Instance
}

func lastUsed(o api.Object) string {
	i := instanceOf(o)
	if i == nil {
		return "-"
	}
	return i.LastUsed.UTC().Format(layout)
}

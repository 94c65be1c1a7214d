// Package cli is the tokenry command: it speaks HTTP to a server and prints.
// Starting servers is not its business: serve, dev and migrate call functions
// that its Config holds, so that nothing here knows of storage or grants.
//
// One file per command. What they share: connection.go (which server, which
// token), contexts.go (the file that remembers servers), input.go (what comes
// from files and stdin), output.go (tables, JSON, YAML), printable.go (what may
// reach a terminal), completion.go (what a shell can offer), exit.go (exit
// codes).
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/registry"
)

// Config is what the commands work with.
type Config struct {
	Stdin  io.Reader // nil = empty
	Stdout io.Writer // nil = nowhere
	Stderr io.Writer // nil = nowhere
	Env    []string  // "NAME=value"; nil = no variables
	Color  bool      // Stdout is a terminal

	Version string           // of this build
	Now     func() time.Time // nil = time.Now

	// What only a build with the server in it can do; nil = the command says
	// that this build cannot.
	Serve           func(ctx context.Context, c config.Config) error
	Dev             func(ctx context.Context, o DevOptions, ready func(DevInfo)) error
	Migrate         func(ctx context.Context, c config.Config) error
	MigrationStatus func(ctx context.Context, c config.Config) (MigrationStatus, error)
}

// MigrationStatus is the state of a database's schema.
type MigrationStatus struct {
	Version uint `json:"version"` // applied
	Wanted  uint `json:"wanted"`  // known to this build
	Dirty   bool `json:"dirty"`   // a migration broke off, or is running

	Advice string `json:"advice,omitempty"` // what is to be done; empty = nothing
}

// app is one run of the command.
type app struct {
	Config
	server    string
	tokenFile string
	context   string
	plaintext bool

	stdinTaken bool
	flagTaken  bool // --token-file means another token to this command than the admin's

	// asked is whom the command speaks to, for its errors.
	asked struct{ server, token string }
}

// New makes the command tree. Errors of its commands are *Error; Run prints
// them.
func New(c Config) *cobra.Command {
	if c.Stdin == nil {
		c.Stdin = strings.NewReader("")
	}
	if c.Stdout == nil {
		c.Stdout = io.Discard
	}
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &app{Config: c}
	root := group(&cobra.Command{
		Use:   "tokenry",
		Short: "Token exchange for AI agents",
		Long: "tokenry trades the credentials that agents already have for short-lived, narrow access tokens.\n\n" +
			"Start here: tokenry dev\n\n" +
			"Exit codes: 0 ok, 1 usage or local, 2 server refused, 3 not found, 4 conflict, 5 denied by policy, 6 unreachable",
		Version:       c.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetVersionTemplate("{{.DisplayName}} {{.Version}}\n")
	// Most arguments are names; where a file is wanted, the command says so.
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetIn(c.Stdin)
	root.SetOut(c.Stdout)
	root.SetErr(c.Stderr)
	a.connectionFlags(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "start", Title: "Getting started:"}, &cobra.Group{ID: "run", Title: "Running a server:"},
		&cobra.Group{ID: "manage", Title: "Managing resources:"}, &cobra.Group{ID: "tokens", Title: "Tokens and decisions:"},
		&cobra.Group{ID: "other", Title: "Other:"})
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("start", a.devCommand(), a.tryCommand())
	add("run", a.serveCommand(), a.migrateCommand(), a.configCommand())
	add("manage", a.applyCommand(), a.getCommand(), a.describeCommand(), a.deleteCommand(),
		a.agentCommand(), a.blueprintCommand(), a.issuerCommand(), a.resourceCommand(), a.ruleCommand())
	add("tokens", a.tokenCommand(), a.explainCommand())
	add("other", a.versionCommand())
	completionCommand(root)
	return root
}

// Run runs the command with args and returns the exit code. What went wrong is
// on Stderr.
func Run(ctx context.Context, c Config, args []string) int {
	root := New(c)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	e := asError(err)
	if !e.shown {
		// Errors quote servers and files.
		_, _ = io.WriteString(root.ErrOrStderr(), "tokenry: "+printableLines(e.Error())+"\n")
	}
	return e.Code
}

// group makes cmd a command that only holds others: alone it shows its help.
// (cobra by itself would answer a misspelt command with the help and exit 0.)
func group(cmd *cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		return usage("%s has no command %q%s; see %s --help", cmd.CommandPath(), args[0], registry.Hint(args[0], names), cmd.CommandPath())
	}
	return cmd
}

// asError turns errors of cobra itself into usage errors.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: ExitUsage, Err: err}
}

// env gives the value of a variable.
func (a *app) env(name string) string {
	for i := len(a.Env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(a.Env[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// log is for what servers started here have to say.
func (a *app) log(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level}))
}

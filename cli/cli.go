// Package cli is the tokenry command: it speaks HTTP to a server and prints.
// Starting servers is not its business: serve, dev and migrate call functions
// that its Config holds, so that nothing here knows of storage or grants.
//
// One file per command. What they share: connection.go (which server, which
// token), contexts.go (the file that remembers servers), output.go (tables,
// JSON, YAML), exit.go (exit codes).
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
	Dirty   bool `json:"dirty"`   // a migration broke off
}

// app is one run of the command.
type app struct {
	Config
	server    string
	tokenFile string
	context   string
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
	root := &cobra.Command{
		Use:           "tokenry",
		Short:         "Token exchange for AI agents",
		Long:          "tokenry trades the credentials that agents already have for short-lived, narrow access tokens.\n\nStart here: tokenry dev",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.Stdin)
	root.SetOut(c.Stdout)
	root.SetErr(c.Stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "URL of the admin API (default: TOKENRY_SERVER, then the context)")
	flags.StringVar(&a.tokenFile, "token-file", "", "file with the admin token, - for stdin (default: TOKENRY_TOKEN_FILE, then the context)")
	flags.StringVar(&a.context, "context", "", "context to use (default: TOKENRY_CONTEXT, then the current one)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v; see %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "start", Title: "Getting started:"}, &cobra.Group{ID: "run", Title: "Running a server:"},
		&cobra.Group{ID: "manage", Title: "Managing resources:"}, &cobra.Group{ID: "tokens", Title: "Tokens and decisions:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add("start", a.devCommand(), a.tryCommand())
	add("run", a.serveCommand(), a.migrateCommand(), a.configCommand())
	add("manage", a.applyCommand(), a.getCommand(), a.describeCommand(), a.deleteCommand(), a.agentCommand())
	add("tokens", a.tokenCommand(), a.explainCommand())
	root.AddCommand(a.versionCommand())
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
		_, _ = io.WriteString(root.ErrOrStderr(), "tokenry: "+e.Error()+"\n")
	}
	return e.Code
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

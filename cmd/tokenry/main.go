// Command tokenry is an OAuth 2.0 authorization server for AI agents, and the
// tool to run and use it. Here are signals and wiring only: the commands are in
// package cli, and a server is put together in cmd/wire.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/term"

	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/cmd/wire"
)

// version is set by the linker.
var version string

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	v := buildVersion()
	return cli.Run(ctx, cli.Config{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ(),
		Color:   term.IsTerminal(int(os.Stdout.Fd())),
		Version: v,
		Serve: func(ctx context.Context, c config.Config) error {
			return wire.Serve(ctx, c, v, os.Stderr)
		},
		Dev: func(ctx context.Context, o cli.DevOptions, ready func(cli.DevInfo)) error {
			return wire.Dev(ctx, o, os.Environ(), v, ready)
		},
		Migrate:         wire.Migrate,
		MigrationStatus: wire.MigrationStatus,
	}, os.Args[1:])
}

// buildVersion is what the linker was told, else what `go install` recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

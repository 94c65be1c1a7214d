// Testpg runs a command with one PostgreSQL cluster for all of it:
//
//	go run ./internal/testpg -- go test ./...
//
// The command finds the cluster's address in TOKENRY_TEST_PG and need not clean
// up: the cluster and its files go when the command ends. Its exit code becomes
// ours. With TOKENRY_TEST_PG already set, the command is just run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/tokenry/tokenry/storage/localpg"
)

const variable = "TOKENRY_TEST_PG" // storagetest.Variable; importing that would link the testing package

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: testpg -- COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testpg:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run returns the exit code of the command.
func run(args []string) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := os.Environ()
	if os.Getenv(variable) == "" {
		dir, err := os.MkdirTemp("", "tokenry-test-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		s, err := localpg.Start(ctx, localpg.Config{Dir: dir})
		if err != nil {
			return 0, err
		}
		defer s.Stop()
		env = append(env, variable+"="+s.URL("postgres"))
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, env
	// ^C reaches the command from the terminal too; it may end in its own way.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	return 0, err
}

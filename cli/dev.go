package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

// DevOptions say how to run a server for development.
type DevOptions struct {
	DataDir     string // empty = the usual place
	Listen      string // public listener
	AdminListen string
	DemoListen  string // empty = where it was last time, 127.0.0.1:8082 at first
	Log         *slog.Logger

	// Step is told of each thing that is done, with how long it took.
	Step func(name, text string, took time.Duration)
}

// DevInfo says what is where once it runs.
type DevInfo struct {
	DataDir    string
	Issuer     string
	PublicURL  string
	AdminURL   string
	DemoURL    string
	AdminToken string // new at every start; shown once, for this machine alone
	TokenFile  string // file that holds it
}

// devContext is the name of the context that dev saves.
const devContext = "dev"

func (a *app) devCommand() *cobra.Command {
	o := DevOptions{}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine: Postgres, server, demo provider, demo data",
		Long: "dev starts a private PostgreSQL, migrates it, starts a server and a demo OpenID provider, applies demo resources,\n" +
			"does one real exchange and shows it, then serves until ^C. It is not for production: use serve there.\n" +
			"The server is remembered as context \"dev\", which makes it the one that other commands use, also after ^C.\n" +
			"It is not remembered with --once, nor while the dev that is remembered still answers: then it shows the\n" +
			"flags that lead to this one.",
		Example: "  tokenry dev\n  tokenry dev --once\n" +
			"  tokenry dev --data-dir /srv/second --listen 127.0.0.1:9080 --admin-listen 127.0.0.1:9081 --demo-listen 127.0.0.1:9082",
		Args: arguments(0, 0),
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "where the data lies (default: the user's data directory)")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8080", "address of the public listener")
	cmd.Flags().StringVar(&o.AdminListen, "admin-listen", "127.0.0.1:8081", "address of the admin listener")
	cmd.Flags().StringVar(&o.DemoListen, "demo-listen", "", "address of the demo provider (default: where it was last time, 127.0.0.1:8082 at first)")
	once := cmd.Flags().Bool("once", false, "stop after the first exchange, and remember nothing")
	complete(cmd, "data-dir", files)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.Dev == nil {
			return usage("this build has no server in it")
		}
		return a.dev(cmd.Context(), o, *once)
	}
	return cmd
}

func (a *app) dev(ctx context.Context, o DevOptions, once bool) error {
	w, p := a.Stdout, a.palette()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	fmt.Fprintf(w, "%stokenry dev%s %s   not for production\n\n", p.bold, p.end, first(a.Version, "unknown"))
	o.Log = a.log(slog.LevelWarn)
	o.Step = func(name, text string, took time.Duration) {
		fmt.Fprintf(w, "  %s✓%s %-13s %s  %s(%s)%s\n", p.good, p.end, name, text, p.dim, took.Round(time.Millisecond), p.end)
	}
	var tried error
	err := a.Dev(ctx, o, func(i DevInfo) {
		if once {
			tried = a.devReady(ctx, w, i, "")
			stop()
			return
		}
		saved, flags := a.remember(ctx, i)
		tried = a.devReady(ctx, w, i, saved)
		if e := (*Error)(nil); errors.As(tried, &e) && !e.shown {
			fmt.Fprintf(a.Stderr, "tokenry: the exchange did not succeed: %s\n", printableLines(tried.Error()))
		}
		if flags == "" {
			hints(w, "From another terminal:", "tokenry try", "", "tokenry try --scope payments:write", "", "tokenry explain --last-denied", "", "tokenry get agents")
		} else {
			hints(w, "From another terminal:", "tokenry get agents"+flags, "", "tokenry explain --last-denied"+flags)
		}
		fmt.Fprintln(w, "\nServing until ^C.")
	})
	if err != nil {
		return asError(err)
	}
	if once {
		return tried
	}
	fmt.Fprintln(w, "\nStopped.")
	return nil
}

// context is how other commands find the server.
func (i DevInfo) context() Context {
	return Context{Server: i.AdminURL, TokenFile: i.TokenFile, Issuer: i.Issuer, Public: i.PublicURL, Demo: i.DemoURL}
}

// remember saves the server as the current context, and says what became of
// that. When it is not saved, flags are what other commands need.
func (a *app) remember(ctx context.Context, i DevInfo) (saved, flags string) {
	flags = " --server " + i.AdminURL + " --token-file " + i.TokenFile
	if other := a.otherDev(ctx, i); other != "" {
		return fmt.Sprintf("not saved: context %q is the dev at %s", devContext, other), flags
	}
	if err := a.saveContext(devContext, i.context()); err != nil {
		return "not saved: " + err.Error(), flags
	}
	return fmt.Sprintf("saved as context %q", devContext), ""
}

// otherDev is the remembered dev, if it is not this one and still serves: it
// takes the admin token that it wrote at its start. One with our own token file
// was in our data directory and is gone, and whoever listens at its address now
// is not shown our token.
func (a *app) otherDev(ctx context.Context, i DevInfo) string {
	all, err := a.contexts()
	c := all.Contexts[devContext]
	if err != nil || c.Server == "" || c.TokenFile == i.TokenFile {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	client, err := a.connect(c.Server, c.TokenFile)
	if err != nil {
		return ""
	}
	_, err = client.Status(ctx)
	var answered *api.Error
	if err == nil || (errors.As(err, &answered) && answered.Status != http.StatusUnauthorized) {
		return c.Server
	}
	return ""
}

// devReady tells what is where, and does the real thing once.
func (a *app) devReady(ctx context.Context, w io.Writer, i DevInfo, saved string) error {
	fmt.Fprintln(w)
	rows(w, [][]string{
		{"  data", i.DataDir},
		{"  issuer", i.Issuer + "   /token  /.well-known/jwks.json"},
		{"  admin API", strings.TrimRight(i.AdminURL+"/api/v1   "+saved, " ")},
		{"  admin token", i.AdminToken + "   until the next start; in " + i.TokenFile},
		{"  demo", i.DemoURL + "   /idp (alice, mallory)  /cluster (service accounts)"},
	})
	fmt.Fprintln(w)
	_, err := a.try(ctx, i.context(), trial{user: "alice", agent: "research-agent"})
	return err
}

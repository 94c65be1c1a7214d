package cli

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

// connectionFlags are the flags of every command.
func (a *app) connectionFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "URL of the admin API (default: TOKENRY_SERVER, then the context)")
	flags.StringVar(&a.tokenFile, "token-file", "", "file with the admin token, - for stdin (default: TOKENRY_TOKEN_FILE, then the context)")
	flags.StringVar(&a.context, "context", "", "context to use, over TOKENRY_SERVER too (default: TOKENRY_CONTEXT, then the current one)")
	flags.BoolVar(&a.plaintext, "insecure-plaintext", false, "let tokens and secrets cross the network over http")
	complete(root, "server", nil)
	complete(root, "token-file", files)
	complete(root, "context", a.completeContext)
}

// client finds the server and the admin token: flag, then variable, then
// context.
func (a *app) client() (*api.Client, error) {
	server, file := a.named()
	if server == "" || file == "" {
		c, err := a.current()
		if err != nil {
			return nil, err
		}
		server = first(server, c.Server)
		if file == "" && server == c.Server {
			// The context's token goes to the context's server alone.
			file = c.TokenFile
		}
	}
	if server == "" {
		return nil, usage("no server: start one with `tokenry dev`, or give --server and %s", a.adminToken())
	}
	return a.connect(server, file)
}

// named are the server and the token file that flags and variables name.
func (a *app) named() (server, file string) {
	if a.context != "" {
		// Whoever types --context means that server, whatever the shell exports.
		return a.server, a.tokenFile
	}
	server = strings.TrimRight(first(a.server, a.env("TOKENRY_SERVER")), "/")
	return server, first(a.tokenFile, a.env("TOKENRY_TOKEN_FILE"))
}

// issuing is the context whose issuer stands for the server. The issuer of the
// context is no other server's: a token sent or trusted there would be a
// mistake that nobody sees.
func (a *app) issuing() (Context, error) {
	c, err := a.current()
	if err != nil {
		return Context{}, err
	}
	if server, _ := a.named(); server != "" && server != c.Server {
		return Context{}, usage("the issuer of %s is not known here: give --issuer", server)
	}
	return c, nil
}

// connect speaks to the admin API of server with the token in file.
func (a *app) connect(server, file string) (*api.Client, error) {
	if err := a.confidential(server); err != nil {
		return nil, err
	}
	if file == "" {
		return nil, usage("no admin token for %s: give %s", server, a.adminToken())
	}
	token, err := a.input(file)
	if err != nil {
		return nil, err
	}
	a.asked.server, a.asked.token = server, "in "+file
	if file == "-" {
		a.asked.token = "from stdin"
	}
	client, err := api.New(api.Config{URL: server, Token: token, HTTP: a.http()})
	if err != nil {
		return nil, usage("%s", strings.TrimPrefix(err.Error(), "api: "))
	}
	return client, nil
}

// adminToken is how the admin token is given.
func (a *app) adminToken() string {
	if a.flagTaken {
		return "TOKENRY_TOKEN_FILE"
	}
	return "--token-file"
}

// confidential refuses to send a secret over plain http to another machine,
// where everybody on the way could read and use it: RFC 6749, Section 3.2 and
// RFC 6750, Section 5.3.
func (a *app) confidential(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("%q is no URL of a server: it begins with https:// or http://, as in http://127.0.0.1:8081", server)
	}
	if u.Scheme == "http" && !loopback(u) && !a.plaintext {
		return usage("%s would send secrets over plain http; use https (or --insecure-plaintext where something else encrypts)", server)
	}
	return nil
}

// loopback says that u is on this machine.
func loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.Unmap().IsLoopback()
}

// http is the client for servers that the user has named. Proxies from the
// environment are honoured: unlike the server's own fetches, this runs where
// the user sits.
func (a *app) http() *http.Client { return &http.Client{Timeout: 30 * time.Second} }

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

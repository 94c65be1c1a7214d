package cli

import (
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tokenry/tokenry/api"
)

// maxInput bounds what is read as one token or secret.
const maxInput = 1 << 20

// client finds the server and the admin token: flag, then variable, then
// context.
func (a *app) client() (*api.Client, error) {
	c, _, err := a.current()
	if err != nil {
		return nil, err
	}
	server := first(a.server, a.env("TOKENRY_SERVER"), c.Server)
	if server == "" {
		return nil, usage("no server: start one with `tokenry dev`, or give --server and --token-file")
	}
	file := first(a.tokenFile, a.env("TOKENRY_TOKEN_FILE"))
	if file == "" && server == c.Server {
		// The context's token goes to the context's server alone.
		file = c.TokenFile
	}
	if file == "" {
		return nil, usage("no admin token for %s: give --token-file", server)
	}
	token, err := a.input(file)
	if err != nil {
		return nil, err
	}
	client, err := api.New(api.Config{URL: server, Token: token, HTTP: a.http()})
	if err != nil {
		return nil, usage("%s", strings.TrimPrefix(err.Error(), "api: "))
	}
	return client, nil
}

// http is the client for servers that the user has named. Proxies from the
// environment are honoured: unlike the server's own fetches, this runs where
// the user sits.
func (a *app) http() *http.Client { return &http.Client{Timeout: 30 * time.Second} }

// input reads a token or secret from a file, or from stdin when path is "-".
// They never come as arguments, which every user of the machine can see.
func (a *app) input(path string) (string, error) {
	r := a.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", usage("%v", err)
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxInput))
	if err != nil {
		return "", usage("read %s: %v", path, err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", usage("%s is empty", map[bool]string{true: "stdin", false: path}[path == "-"])
	}
	return text, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

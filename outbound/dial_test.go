package outbound_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/outbound"
)

// A sound name is no promise about its address.
func TestNameOfPrivateAddress(t *testing.T) {
	t.Parallel()
	inside := serve(t, "127.0.0.1", false, text("secret"))
	for _, row := range []struct{ id, host, addr string }{
		{"SEC-SF-07", "keys.example", "127.0.0.1"},
		{"SEC-SF-06", "localhost", "127.0.0.1"},
		{"SEC-SF-06", "localhost.", "127.0.0.1"},
		{"SEC-SF-06", "metadata.google.internal", "169.254.169.254"},
		{"SEC-SF-06", "idp.prod.svc", "10.96.0.1"},
		{"SEC-SF-06", "kubernetes.default", "10.96.0.1"},
		{"SEC-SF-04", "mapped.example", "::ffff:127.0.0.1"},
	} {
		t.Run(row.id+" "+row.host, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, outbound.Config{AllowHTTP: true, Resolver: newNames(t, row.addr).resolver()})
			_, err := client.Get(t.Context(), outbound.Request{URL: "http://" + row.host + ":" + inside.port() + "/"})
			if !errors.Is(err, outbound.ErrBlocked) {
				t.Errorf("error = %v, want ErrBlocked", err)
			}
		})
	}
	t.Cleanup(func() {
		if n := inside.connections.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// The address is judged for each connection and not for each name.
func TestRebinding(t *testing.T) { // SEC-SF-08
	t.Parallel()
	inside := serve(t, "127.0.0.1", false, text("secret"))
	n := newNames(t, lo)
	client := newClient(t, outbound.Config{AllowHTTP: true, AllowNetworks: nets(t, lo+"/32"), Resolver: n.resolver()})
	outside := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) { n.set("127.0.0.1"); w.Write([]byte("{}")) })

	if _, err := client.Get(t.Context(), outbound.Request{URL: "http://turn.example:" + outside.port() + "/"}); err != nil {
		t.Fatal(err)
	}
	_, err := client.Get(t.Context(), outbound.Request{URL: "http://turn.example:" + inside.port() + "/"})
	if !errors.Is(err, outbound.ErrBlocked) || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("error = %v, want ErrBlocked with the address", err)
	}
	if n := inside.connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A name server that fails says so, and quotes nothing.
func TestNameServerFails(t *testing.T) { // fault F-51
	t.Parallel()
	broken := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("SECRET")
	}}
	client := newClient(t, outbound.Config{Resolver: broken})
	_, err := client.Get(t.Context(), outbound.Request{URL: "https://idp.example/"})
	if err == nil || !strings.Contains(err.Error(), "looking up the name") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("error = %v", err)
	}
}

// A connection is not kept for a later fetch, which may be for somebody else.
func TestConnectionsAreNotKept(t *testing.T) {
	t.Parallel()
	s := serve(t, lo, false, func(w http.ResponseWriter, r *http.Request) {
		if !r.Close { // an idle connection would hold two goroutines for ever
			t.Error("the server may keep the connection")
		}
		w.Write([]byte("{}"))
	})
	client := newClient(t, outbound.Config{AllowHTTP: true, AllowNetworks: nets(t, lo+"/32")})
	for range 3 {
		if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.connections.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestMixedAddresses(t *testing.T) { // SEC-SF-09
	t.Parallel()
	outside := serve(t, lo, false, text("fine"))
	n := newNames(t, "127.0.0.1", "10.0.0.1", "::1", lo)
	client := newClient(t, outbound.Config{AllowHTTP: true, AllowNetworks: nets(t, lo+"/32"), Resolver: n.resolver()})
	answer, err := client.Get(t.Context(), outbound.Request{URL: "http://mixed.example:" + outside.port() + "/"})
	if err != nil || string(answer.Body) != "fine" {
		t.Errorf("%q, %v", answer.Body, err)
	}
}

func TestProxyOfTheEnvironment(t *testing.T) { // SEC-SF-18; not parallel: it sets the environment
	proxy := serve(t, "127.0.0.1", false, text("from the proxy"))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "")
	s := serve(t, lo, false, text("from the site"))
	client := newClient(t, outbound.Config{
		AllowHTTP: true, AllowNetworks: nets(t, "127.0.0.0/8"), Resolver: newNames(t, lo).resolver(),
	})
	answer, err := client.Get(t.Context(), outbound.Request{URL: "http://idp.example:" + s.port() + "/"})
	if err != nil || string(answer.Body) != "from the site" {
		t.Errorf("%q, %v", answer.Body, err)
	}
	if n := proxy.connections.Load(); n != 0 {
		t.Errorf("%d connections to the proxy", n)
	}
}

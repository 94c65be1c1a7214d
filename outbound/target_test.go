package outbound_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/outbound"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	n := newNames(t, lo)
	client := newClient(t, outbound.Config{Resolver: n.resolver(), AllowNetworks: nets(t, "0.0.0.0/0", "::/0")})
	for _, row := range []struct{ id, url string }{
		{"SEC-SF-01 http", "http://idp.example/"},
		{"SEC-SF-01 file", "file:///etc/passwd"},
		{"SEC-SF-01 gopher", "gopher://idp.example/"},
		{"SEC-SF-01 ftp", "ftp://idp.example/"},
		{"SEC-SF-01 unix", "unix:/run/docker.sock"},
		{"SEC-SF-01 no scheme", "//idp.example/"},
		{"SEC-SF-01 relative", "/keys"},
		{"SEC-SF-01 empty", ""},
		{"no host", "https:///keys"},
		{"no host but a port", "https://:443/keys"},
		{"opaque", "https:idp.example/keys"},
		{"not a URL", "https://idp.example:port/"},
		{"SEC-SF-29 user", "https://user@idp.example/"},
		{"SEC-SF-29 user and password", "https://user:hunter2@idp.example/"},
		{"SEC-SF-29 empty user", "https://@idp.example/"},
		{"SEC-SF-29 zone id", "https://[fe80::1%25eth0]/"},
		{"fragment", "https://idp.example/keys#a"},
		{"other alphabet", "https://idp。example/"},
		{"space", "https://idp.example%20/"},
		{"SEC-SF-05 hexadecimal", "https://0x7f.1/"},
		{"SEC-SF-05 hexadecimal, whole", "https://0X7F000001/"},
		{"SEC-SF-05 decimal", "https://2130706433/"},
		{"SEC-SF-05 short", "https://127.1/"},
		{"SEC-SF-05 octal", "https://017700000001/"},
		{"SEC-SF-05 zero", "https://0/"},
		{"SEC-SF-05 leading zero", "https://127.0.0.01/"},
		{"SEC-SF-05 dot at the end", "https://127.0.0.1./"},
	} {
		t.Run(row.id, func(t *testing.T) {
			err := client.Check(row.url)
			if !errors.Is(err, outbound.ErrBlocked) {
				t.Fatalf("Check: %v, want ErrBlocked", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
			if _, err := client.Get(t.Context(), outbound.Request{URL: row.url}); !errors.Is(err, outbound.ErrBlocked) {
				t.Errorf("Get: %v, want ErrBlocked", err)
			}
		})
	}
	if asked := n.asked.Load(); asked != 0 {
		t.Errorf("%d names were looked up", asked)
	}
	for _, good := range []string{
		"https://idp.example/", "https://idp.example:8443/keys?tenant=1", "https://192.0.2.1/", "https://[2001:db8::1]:443/",
		"https://xn--bcher-kva.example/", "https://1.example/", "HTTPS://IDP.EXAMPLE", "https://idp.example./",
	} {
		if err := client.Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// TestLiteralAddresses are known to lead nowhere before anything is fetched.
func TestLiteralAddresses(t *testing.T) {
	t.Parallel()
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, "192.168.0.0/16")})
	for url, blocked := range map[string]bool{
		"https://10.0.0.1/keys": true, "https://[::1]/": true, "https://169.254.169.254/": true,
		"https://8.8.8.8:8443/": true, "https://8.8.8.8:99999/": true,
		"https://8.8.8.8/": false, "https://[2606:4700::1]:443/": false, "https://192.168.1.1:6443/": false,
	} {
		if err := client.Check(url); errors.Is(err, outbound.ErrBlocked) != blocked {
			t.Errorf("%s: %v, want it blocked: %t", url, err, blocked)
		}
	}
}

func TestHTTPMustBeAllowed(t *testing.T) {
	t.Parallel()
	if err := newClient(t, outbound.Config{AllowHTTP: true}).Check("http://8.8.8.8/"); err != nil {
		t.Error(err)
	}
	if err := newClient(t, outbound.Config{AllowHTTP: true}).Check("http://idp.example/"); err != nil {
		t.Error(err)
	}
	if err := newClient(t, outbound.Config{AllowHTTP: true}).Check("ftp://idp.example/"); !errors.Is(err, outbound.ErrBlocked) {
		t.Errorf("ftp: %v, want ErrBlocked", err)
	}
}

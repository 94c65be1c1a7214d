package config_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/cli/config"
)

func asConfigError(err error, e **config.Error) bool { return errors.As(err, e) }

func TestRefusedSettings(t *testing.T) {
	t.Parallel()
	tests := []struct{ key, value, want string }{
		{"version", "2", "2 is not supported; this program reads version 1"},
		{"issuer", "http://sts.example.com", "must be https; http is for loopback only"},
		{"issuer", "https://sts.example.com?x=1", "must have neither query nor fragment (RFC 8414, Section 2)"},
		{"issuer", "https://sts.example.com?", "must have neither query nor fragment (RFC 8414, Section 2)"},
		{"issuer", "https://sts.example.com#", "must have neither query nor fragment (RFC 8414, Section 2)"},
		{"issuer", "https://sts.example.com/", "must not end in a slash; write https://sts.example.com"},
		{"issuer", "https://u:p@sts.example.com", "must be an absolute URL such as https://sts.example.com"},
		{"issuer", "sts.example.com", "must be an absolute URL such as https://sts.example.com"},
		{"public.listen", "8080", `"8080" is not an address; write 127.0.0.1:8080 or :8080`},
		{"public.tls.cert_file", "/c.pem", "needs public.tls.key_file beside it"},
		{"admin.tls.key_file", "/k.pem", "needs admin.tls.cert_file beside it"},
		{"public.mtls_listen", ":8444", "needs public.tls.cert_file and public.tls.key_file: the server shows the same certificate there"},
		{"public.mtls_listen", "8444", `"8444" is not an address; write 127.0.0.1:8080 or :8080`},
		{"public.mtls_url", "https://mtls.example", "has no effect: set public.mtls_listen or public.client_cert_header, by which certificates arrive"},
		{"public.mtls_url", "http://mtls.example", "must be an https URL such as https://mtls.sts.example.com"},
		{"public.mtls_url", "https://mtls.example?", "must be an https URL such as https://mtls.sts.example.com"},
		{"public.mtls_url", "https://mtls.example/", "must not end in a slash; write https://mtls.example"},
		{"public.mtls_ca_file", "/ca.pem", "has no effect: set public.mtls_listen or public.client_cert_header, by which certificates arrive"},
		{"public.client_cert_header", "XFCC", `"XFCC" is not one of xfcc, rfc9440, nginx`},
		{"admin.listen", ":8081", ":8081 would take admin tokens without TLS; set admin.tls, or listen on 127.0.0.1, or set admin.insecure_plaintext: true"},
		{"admin.oidc.issuer", "https://idp.example.com", "not supported by this version; remove it"},
		{"admin.oidc.role_claim", "roles", "not supported by this version; remove it"},
		{"audit.sinks", "stdout", "not supported by this version; remove it"},
		{"telemetry.otlp_endpoint", "http://otel:4317", "not supported by this version; remove it"},
		{"tokens.status_list_ttl", "1m", "not supported by this version; remove it"},
		{"tokens.max_ttl", "2h", "2h is above 1h, the most that this server issues"},
		{"tokens.max_ttl", "1h1s", "1h0m1s is above 1h, the most that this server issues"},
		{"tokens.max_ttl", "1s", "1s is out of range; from 10s to 1h"},
		{"tokens.default_ttl", "2h", "2h is out of range; from 10s to tokens.max_ttl"},
		{"tokens.max_delegation_depth", "0", "0 is out of range; from 1 to 16"},
		{"trust.clock_skew", "10m", "10m is out of range; from 0s to 5m"},
		{"keys.publish_before", "800h", "800h must be above zero and below keys.rotate_every"},
		{"limits.request_bytes", "1", "1 is out of range; from 4096 to 1048576"},
		{"database.max_conns", "1", "1 is out of range; from 4 to 1000"},
	}
	for _, test := range tests {
		t.Run(test.key+"="+test.value, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(write(t, good), nil, map[string]string{test.key: test.value})
			wantProblem(t, err, "--set: "+test.key+": "+test.want)
		})
	}
}

func TestPublicListenerNeedsTLSLoopbackOrAProxy(t *testing.T) {
	t.Parallel()
	const want = "public.listen: :8080 would take tokens without TLS; set public.tls, or public.trusted_proxies if a proxy ends TLS, or listen on 127.0.0.1"
	_, err := config.Load("", nil, map[string]string{"issuer": "https://sts.example.com"})
	wantProblem(t, err, want)
	for _, extra := range []map[string]string{
		{"public.listen": "127.0.0.1:8080"}, {"public.listen": "[::1]:8080"}, {"public.listen": "localhost:8080"},
		{"public.trusted_proxies": "10.0.0.1"}, {"public.tls.cert_file": "c", "public.tls.key_file": "k"},
	} {
		extra["issuer"] = "http://127.0.0.1:8080"
		if _, err := config.Load("", nil, extra); err != nil {
			t.Errorf("%v: %v", extra, err)
		}
	}
}

func TestCertificatesNeedAWayIn(t *testing.T) {
	t.Parallel()
	base := map[string]string{"issuer": "https://sts.example.com", "public.listen": "127.0.0.1:8443"}
	files := map[string]string{"public.tls.cert_file": "c", "public.tls.key_file": "k", "public.mtls_listen": ":8444"}
	proxy := map[string]string{"public.client_cert_header": "xfcc", "public.trusted_proxies": "10.0.0.1"}
	more := map[string]string{"public.mtls_url": "https://mtls.example", "public.mtls_ca_file": "/ca.pem"}
	for name, extra := range map[string][]map[string]string{"listener": {base, files, more}, "proxy": {base, proxy, more}, "both": {base, files, proxy, more}} {
		flags := map[string]string{}
		for _, m := range extra {
			maps.Copy(flags, m)
		}
		if _, err := config.Load("", nil, flags); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	flags := maps.Clone(base)
	flags["public.client_cert_header"] = "nginx"
	_, err := config.Load("", nil, flags)
	wantProblem(t, err, "--set: public.client_cert_header: needs public.trusted_proxies: the header of anybody else is dropped")
	flags = maps.Clone(base)
	maps.Copy(flags, files)
	flags["public.mtls_listen"] = flags["public.listen"]
	_, err = config.Load("", nil, flags)
	wantProblem(t, err, "--set: public.mtls_listen: is public.listen; give it an address of its own")
}

func TestAdminPlaintextNeedsTheSwitch(t *testing.T) {
	t.Parallel()
	_, err := config.Load(write(t, good), nil, map[string]string{"admin.listen": ":8081", "admin.insecure_plaintext": "true"})
	if err != nil {
		t.Error(err)
	}
}

func TestServeNeedsItsSecrets(t *testing.T) {
	t.Parallel()
	c, err := config.Load(write(t, good), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `database.url: serve needs a database; set TOKENRY_DATABASE__URL or its _FILE form
admin.bootstrap_token_file: serve needs a first admin token; name a file that holds one
keys.kek_file: serve needs the key that seals its signing keys; make one with: openssl rand -base64 32 > kek`
	if err := c.Serve(); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestErrorsNeverQuoteTheDatabaseURL(t *testing.T) {
	t.Parallel()
	_, err := config.Load(write(t, good+"database: { url: 'mysql://root:hunter2@db/x' }\n"), nil, nil)
	wantProblem(t, err, "tokenry.yaml:4: database.url: must start with postgres://")
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the password is in the message")
	}
}

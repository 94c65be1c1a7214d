package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/cli/config"
)

const good = `version: 1
issuer: https://sts.example.com
public: { listen: ":8080", trusted_proxies: [10.0.0.0/8, 192.0.2.7] }
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokenry.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadReadsTheWholeFile(t *testing.T) {
	t.Parallel()
	path := write(t, `
version: 1
issuer: https://sts.example.com
public: { listen: ":8443", tls: { cert_file: /c.pem, key_file: /k.pem, min: "1.2" }, mtls_listen: "", trusted_proxies: [] }
admin:  { listen: "127.0.0.1:8082", tls: {}, bootstrap_token_file: /b, oidc: {} }
database: { url: "postgres://db/tokenry", direct_url: "postgres://db2/tokenry", max_conns: 7, migrate: check }
keys: { algorithm: EdDSA, rotate_every: 240h, publish_before: 12h, kek_file: /kek }
tokens: { default_ttl: 1m, max_ttl: 30m, max_delegation_depth: 2, status_list_ttl: 10s, status_list_exp: 15m }
trust: { clock_skew: 10s, allow_networks: [10.1.0.0/16], allow_http: true }
audit: { retention: 48h, sinks: [] }
limits: { token_per_agent: 100/m, request_bytes: 32KiB }
telemetry: { listen: "", otlp_endpoint: "", log_format: text, log_level: debug }
`)
	c, err := config.Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Serve(); err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Version: 1, Issuer: "https://sts.example.com",
		Public: config.Public{Listen: ":8443", TLS: config.TLS{CertFile: "/c.pem", KeyFile: "/k.pem", Min: "1.2"}, TrustedProxies: []netip.Prefix{}},
		Admin: config.Admin{Listen: "127.0.0.1:8082", TLS: config.TLS{Min: "1.3"}, BootstrapTokenFile: "/b",
			OIDC: config.OIDC{RoleClaim: "groups"}},
		Database: config.Database{URL: "postgres://db/tokenry", DirectURL: "postgres://db2/tokenry", MaxConns: 7, Migrate: "check"},
		Keys:     config.Keys{Algorithm: "EdDSA", RotateEvery: 240 * time.Hour, PublishBefore: 12 * time.Hour, KEKFile: "/kek"},
		Tokens: config.Tokens{DefaultTTL: time.Minute, MaxTTL: 30 * time.Minute, MaxDelegationDepth: 2,
			StatusListTTL: 10 * time.Second, StatusListExp: 15 * time.Minute},
		Trust:     config.Trust{ClockSkew: 10 * time.Second, AllowNetworks: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AllowHTTP: true},
		Audit:     config.Audit{Retention: 48 * time.Hour, Sinks: []string{}},
		Limits:    config.Limits{TokenPerAgent: config.Rate{Count: 100, Per: time.Minute}, RequestBytes: 32768},
		Telemetry: config.Telemetry{LogFormat: "text", LogLevel: "debug"},
	}
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "origins" }, cmp.Ignore())
	if diff := cmp.Diff(want, c, ignore, cmp.AllowUnexported(config.Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestLaterLayersWin(t *testing.T) {
	t.Parallel()
	path := write(t, good+"tokens: { default_ttl: 1m, max_ttl: 20m, max_delegation_depth: 2 }\n")
	environ := []string{"TOKENRY_TOKENS__MAX_TTL=30m", "TOKENRY_TOKENS__MAX_DELEGATION_DEPTH=3", "TOKENRY_PUBLIC__TRUSTED_PROXIES=10.0.0.0/8, ::1",
		"TOKENRY_PORT=tcp://10.0.0.1:80", "TOKENRY_SERVER=http://x", "HOME=/"}

	c, err := config.Load(path, environ, map[string]string{"tokens.max_delegation_depth": "5"})

	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Tokens.DefaultTTL, c.Tokens.MaxTTL, c.Tokens.MaxDelegationDepth, len(c.Public.TrustedProxies), c.Trust.ClockSkew}
	want := []any{time.Minute, 30 * time.Minute, 5, 2, 30 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	origins := []string{c.Origin("tokens.default_ttl"), c.Origin("tokens.max_ttl"), c.Origin("tokens.max_delegation_depth"), c.Origin("trust.clock_skew")}
	if diff := cmp.Diff([]string{path + ":4", "TOKENRY_TOKENS__MAX_TTL", "--set", ""}, origins); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	secret := write(t, "postgres://u:p@db/x\n")

	c, err := config.Load(write(t, good), []string{"TOKENRY_DATABASE__URL_FILE=" + secret}, nil)

	if err != nil || c.Database.URL != "postgres://u:p@db/x" {
		t.Fatalf("got %q, %v", c.Database.URL, err)
	}
}

func TestRefusedWithTheSettingNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		env        []string
		flags      map[string]string
		want       string
	}{
		{name: "unknown key", file: good + "tokens: { max_tll: 5m }\n",
			want: `tokenry.yaml:4: unknown key "tokens.max_tll"; did you mean "tokens.max_ttl"?`},
		{name: "unknown key far from all", file: good + "zebra: 1\n", want: `tokenry.yaml:4: unknown key "zebra"`},
		{name: "unknown group", file: good + "databse: { url: x }\n",
			want: `tokenry.yaml:4: unknown key "databse"; did you mean "database"?`},
		{name: "key a level too high", file: good + "kek_file: x\n",
			want: `tokenry.yaml:4: unknown key "kek_file"; did you mean "keys.kek_file"?`},
		{name: "twice", file: good + "issuer: https://b.example\n", want: "tokenry.yaml:4: issuer: set twice"},
		{name: "unknown variable", file: good, env: []string{"TOKENRY_TOKENS__MAX_TLL=5m"},
			want: `TOKENRY_TOKENS__MAX_TLL: no such setting; did you mean "TOKENRY_TOKENS__MAX_TTL"?`},
		{name: "variable twice", file: good, env: []string{"TOKENRY_DATABASE__URL=postgres://a", "TOKENRY_DATABASE__URL_FILE=load.go"},
			want: "TOKENRY_DATABASE__URL_FILE: database.url: TOKENRY_DATABASE__URL is set too; keep one"},
		{name: "unknown flag", file: good, flags: map[string]string{"isuer": "x"}, want: `--set: no setting "isuer"; did you mean "issuer"?`},
		{name: "secret in an argument", file: good, flags: map[string]string{"database.url": "postgres://a"},
			want: "--set: database.url: a secret is not taken from an argument; use TOKENRY_DATABASE__URL or TOKENRY_DATABASE__URL_FILE"},
		{name: "no mapping", file: good + "tokens: 5m\n", want: "tokenry.yaml:4: tokens: must be a mapping"},
		{name: "list for a value", file: good + "tokens: { max_ttl: [5m] }\n", want: "tokenry.yaml:4: tokens.max_ttl: must be a single value, not a list"},
		{name: "alias", file: good + "tokens: { max_ttl: &a 5m, default_ttl: *a }\n",
			want: "tokenry.yaml:4: tokens.default_ttl: anchors and aliases are not supported"},
		{name: "duration", file: good + "tokens: { max_ttl: 5 minutes }\n",
			want: `tokenry.yaml:4: tokens.max_ttl: "5 minutes" is not a duration; write 30s, 5m or 720h`},
		{name: "duration without unit", file: good + "tokens: { max_ttl: 300 }\n",
			want: `tokenry.yaml:4: tokens.max_ttl: "300" is not a duration; write 30s, 5m or 720h`},
		{name: "size", file: good + "limits: { request_bytes: 64kb }\n",
			want: `tokenry.yaml:4: limits.request_bytes: "64kb" is not a size; write 65536 or 64KiB`},
		{name: "rate", file: good + "limits: { token_per_agent: 50 }\n",
			want: `tokenry.yaml:4: limits.token_per_agent: "50" is not a rate; write 50/s, 100/m or 1000/h`},
		{name: "bool", file: good + "trust: { allow_http: yes }\n", want: `tokenry.yaml:4: trust.allow_http: "yes" is neither true nor false`},
		{name: "number", file: good + "database: { max_conns: many }\n", want: `tokenry.yaml:4: database.max_conns: "many" is not a whole number`},
		{name: "network", file: good + "trust: { allow_networks: [internal] }\n",
			want: `tokenry.yaml:4: trust.allow_networks: "internal" is not a network; write 10.0.0.0/8 or a single address`},
		{name: "network with host bits", file: good + "trust: { allow_networks: [10.1.2.3/8] }\n",
			want: `tokenry.yaml:4: trust.allow_networks: "10.1.2.3/8" has bits behind its prefix; write 10.0.0.0/8`},
		{name: "algorithm", file: good + "keys: { algorithm: HS256 }\n",
			want: `tokenry.yaml:4: keys.algorithm: "HS256" is not one of ES256, RS256, EdDSA`},
		{name: "tab", file: good + "trust:\n  clock_skew: 1s\n\tallow_http: true\n", want: "tokenry.yaml:6: is not YAML: found a tab character that violates indentation"},
		{name: "open quote", file: good + "database: { url: \"postgres://db/x }\n", want: "tokenry.yaml:4: is not YAML: found unexpected end of stream"},
		{name: "broken second document", file: good + "---\na: [\n", want: "tokenry.yaml:5: is not YAML: did not find expected node content (look at the indentation and the quotes there and in the lines around it)"},
		{name: "second document", file: good + "---\nversion: 1\n", want: "tokenry.yaml:4: a second document; the configuration is one"},
		{name: "empty", file: "", want: "issuer: missing; write the https URL under which agents reach this server"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(write(t, test.file), test.env, test.flags)
			wantProblem(t, err, test.want)
		})
	}
}

// wantProblem wants one of the problems to read exactly so.
func wantProblem(t *testing.T, err error, want string) {
	t.Helper()
	var e *config.Error
	if !asConfigError(err, &e) {
		t.Fatalf("got %v, want %q", err, want)
	}
	for _, p := range e.Problems {
		// Files are named as they were given; write puts them in a directory.
		if got := p.String(); got == want || strings.HasPrefix(got, "/") && strings.HasSuffix(got, "/"+want) {
			return
		}
	}
	t.Errorf("got:\n%s\nwant:\n%s", err, want)
}

// TestLoadDatabase: what migrates needs neither an issuer nor listeners that
// are fit for production, and reads as strictly as everything else.
func TestLoadDatabase(t *testing.T) {
	t.Parallel()
	environ := []string{"TOKENRY_DATABASE__URL=postgres://db/tokenry", "TOKENRY_TOKENS__MAX_TTL=48h"}
	c, err := config.LoadDatabase("", environ, nil)
	if err != nil || c.Database.URL != "postgres://db/tokenry" {
		t.Fatalf("%q, %v", c.Database.URL, err)
	}
	for _, bad := range []string{"TOKENRY_DATABASE__URL=mysql://db", "TOKENRY_DATABASE__MAX_CONNS=1", "TOKENRY_DATABASE__ULR=x", "TOKENRY_TOKENS__MAX_TTL=x"} {
		if _, err := config.LoadDatabase("", []string{bad}, nil); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

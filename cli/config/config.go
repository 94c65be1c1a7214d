// Package config reads the configuration of the server: one YAML file, the
// environment and flags, in rising order of precedence, and refuses whatever
// it does not understand. The table of settings (fields.go) is the one place
// that knows their names, defaults and meaning; the JSON Schema and
// docs/configuration.md are made from it.
//
// What it does not do: it does not read the files that settings name, except
// through Secret and KEK, and it does not start anything (cmd/wire).
package config

import (
	"fmt"
	"net/netip"
	"time"
)

// Version is the only value of `version` that this program reads.
const Version = 1

// Config is the whole configuration. A Config from Load is complete (every
// default filled in) and valid; one made by hand starts from Default.
type Config struct {
	Version   int
	Issuer    string
	Public    Public
	Admin     Admin
	Database  Database
	Keys      Keys
	Tokens    Tokens
	Trust     Trust
	Audit     Audit
	Limits    Limits
	Telemetry Telemetry

	origins map[string]string // key -> where it was set; absent = the default
}

// TLS names the certificate of a listener; both files empty = plain HTTP.
type TLS struct {
	CertFile string
	KeyFile  string
	Min      string // "1.2" or "1.3"
}

// On reports whether the listener speaks TLS.
func (t TLS) On() bool { return t.CertFile != "" && t.KeyFile != "" }

// Public is the listener that agents and resource servers talk to.
type Public struct {
	Listen           string
	TLS              TLS
	MTLSListen       string         // asks for client certificates; empty = no such listener
	MTLSURL          string         // where agents reach it, for the metadata
	MTLSCAFile       string         // roots of client certificates that are no SVIDs
	ClientCertHeader string         // xfcc | rfc9440 | nginx; empty = none is read
	TrustedProxies   []netip.Prefix // whose X-Forwarded-For and client certificates are believed
}

// Certificates reports whether there is a way for client certificates to
// arrive.
func (p Public) Certificates() bool { return p.MTLSListen != "" || p.ClientCertHeader != "" }

// Admin is the listener that operators talk to.
type Admin struct {
	Listen             string
	TLS                TLS
	InsecurePlaintext  bool
	BootstrapTokenFile string
	OIDC               OIDC
}

// OIDC is single sign-on for operators.
type OIDC struct {
	Issuer    string
	ClientID  string
	RoleClaim string
	Roles     map[string][]string // role -> values of the claim
}

// Database is the PostgreSQL that holds all state.
type Database struct {
	URL       string // postgres://…; a secret, because it may hold a password
	DirectURL string // past a pooler, for LISTEN; empty = URL
	MaxConns  int
	Migrate   string // auto | check | off
}

// Keys are our signing keys.
type Keys struct {
	Algorithm     string // ES256 | RS256 | EdDSA
	RotateEvery   time.Duration
	PublishBefore time.Duration // how long a key stands in the JWKS before it signs
	KEKFile       string        // the key that seals them
}

// Tokens are limits for everything that is issued.
type Tokens struct {
	DefaultTTL         time.Duration
	MaxTTL             time.Duration
	MaxDelegationDepth int
	StatusListTTL      time.Duration
	StatusListExp      time.Duration
}

// Trust limits how foreign credentials and their keys are believed.
type Trust struct {
	ClockSkew     time.Duration
	AllowNetworks []netip.Prefix // private networks that key fetches may reach
	AllowHTTP     bool
}

// Audit is the record of decisions.
type Audit struct {
	Retention time.Duration
	Sinks     []string
}

// Limits protect the server from its clients.
type Limits struct {
	TokenPerAgent Rate
	RequestBytes  int64
}

// Telemetry is what operators watch.
type Telemetry struct {
	Listen       string // metrics; empty = none
	OTLPEndpoint string
	LogFormat    string // json | text
	LogLevel     string // debug | info | warn | error
}

// Rate is a number of events per span of time; its text is "50/s".
type Rate struct {
	Count int
	Per   time.Duration
}

// PerSecond is the rate in events per second.
func (r Rate) PerSecond() float64 {
	if r.Per <= 0 {
		return 0
	}
	return float64(r.Count) / r.Per.Seconds()
}

// String gives the rate as a setting is written.
func (r Rate) String() string {
	for _, u := range rateUnits() {
		if u.per == r.Per {
			return fmt.Sprintf("%d/%s", r.Count, u.name)
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Per)
}

// Origin says where the setting was made: "tokenry.yaml:7",
// "TOKENRY_ISSUER", "--set issuer"; empty when it has its default.
func (c Config) Origin(key string) string { return c.origins[key] }

// Default is the configuration of an empty file. It is not valid by itself: an
// issuer has no default.
func Default() Config {
	var c Config
	for _, f := range Fields() {
		if f.Default == "" {
			continue
		}
		if err := f.set(&c, f.Default); err != nil {
			panic("config: default of " + f.Key + ": " + err.Error())
		}
	}
	return c
}

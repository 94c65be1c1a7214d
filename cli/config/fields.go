package config

import (
	"net/netip"
	"time"
)

// Field is one setting.
type Field struct {
	Key     string // dotted: "tokens.max_ttl"
	Default string // as text; empty = none
	Doc     string // one sentence or two, for docs and schema
	OneOf   []string
	Secret  bool // read from the environment or a file, never from an argument
	Later   bool // known, but refused when set to anything but its default

	at func(*Config) any // where the value goes; its type is the setting's type
}

// Fields lists every setting in the order of the file.
func Fields() []Field {
	var all []Field
	all = append(all, listenerFields()...)
	all = append(all, stateFields()...)
	return append(all, limitFields()...)
}

func listenerFields() []Field {
	return []Field{
		{Key: "version", Default: "1", Doc: "Version of this file's format; must be 1.", at: func(c *Config) any { return &c.Version }},
		{Key: "issuer", Doc: "`iss` of every token; every published URL derives from it. https, except http on loopback; no query, no fragment, no slash at the end.", at: func(c *Config) any { return &c.Issuer }},

		{Key: "public.listen", Default: ":8080", Doc: "Address of the listener that agents use. Without TLS it must be on loopback, or `public.trusted_proxies` must say which proxy ends TLS.", at: func(c *Config) any { return &c.Public.Listen }},
		{Key: "public.tls.cert_file", Doc: "Certificate chain, PEM.", at: func(c *Config) any { return &c.Public.TLS.CertFile }},
		{Key: "public.tls.key_file", Doc: "Private key of the certificate, PEM.", at: func(c *Config) any { return &c.Public.TLS.KeyFile }},
		{Key: "public.tls.min", Default: "1.3", OneOf: []string{"1.2", "1.3"}, Doc: "Lowest TLS version.", at: func(c *Config) any { return &c.Public.TLS.Min }},
		{Key: "public.mtls_listen", Doc: "Address of a second listener that asks for client certificates; TLS 1.3, with the certificate of `public.tls`.", at: func(c *Config) any { return &c.Public.MTLSListen }},
		{Key: "public.mtls_url", Doc: "URL of this server for agents that have a client certificate, published in `mtls_endpoint_aliases`; with the path of the issuer, if it has one.", at: func(c *Config) any { return &c.Public.MTLSURL }},
		{Key: "public.mtls_ca_file", Doc: "Roots of client certificates that are no SVIDs, PEM; read again when it changes. Empty: agents with `tls` can authenticate by `selfSigned` alone.", at: func(c *Config) any { return &c.Public.MTLSCAFile }},
		{Key: "public.client_cert_header", OneOf: []string{"xfcc", "rfc9440", "nginx"}, Doc: "How the trusted proxies forward the client's certificate: `X-Forwarded-Client-Cert` of Envoy, `Client-Cert` of RFC 9440, or `X-SSL-Client-Cert` with nginx' `$ssl_client_escaped_cert`. Empty: not at all. They must remove the header that clients send.", at: func(c *Config) any { return &c.Public.ClientCertHeader }},
		{Key: "public.trusted_proxies", Doc: "Networks of the proxies in front, whose forwarded client address is believed, and certificate with `public.client_cert_header`.", at: func(c *Config) any { return &c.Public.TrustedProxies }},

		{Key: "admin.listen", Default: "127.0.0.1:8081", Doc: "Address of the listener that operators use.", at: func(c *Config) any { return &c.Admin.Listen }},
		{Key: "admin.tls.cert_file", Doc: "Certificate chain, PEM.", at: func(c *Config) any { return &c.Admin.TLS.CertFile }},
		{Key: "admin.tls.key_file", Doc: "Private key of the certificate, PEM.", at: func(c *Config) any { return &c.Admin.TLS.KeyFile }},
		{Key: "admin.tls.min", Default: "1.3", OneOf: []string{"1.2", "1.3"}, Doc: "Lowest TLS version.", at: func(c *Config) any { return &c.Admin.TLS.Min }},
		{Key: "admin.insecure_plaintext", Default: "false", Doc: "Lets the admin listener leave loopback without TLS. Admin tokens then cross the network in the clear.", at: func(c *Config) any { return &c.Admin.InsecurePlaintext }},
		{Key: "admin.bootstrap_token_file", Doc: "File with the admin token that works from the first start on. `serve` needs it.", at: func(c *Config) any { return &c.Admin.BootstrapTokenFile }},
		{Key: "admin.oidc.issuer", Later: true, Doc: "OpenID provider of the operators.", at: func(c *Config) any { return &c.Admin.OIDC.Issuer }},
		{Key: "admin.oidc.client_id", Later: true, Doc: "Our client id at that provider.", at: func(c *Config) any { return &c.Admin.OIDC.ClientID }},
		{Key: "admin.oidc.role_claim", Default: "groups", Later: true, Doc: "Claim that carries the operator's roles.", at: func(c *Config) any { return &c.Admin.OIDC.RoleClaim }},
		{Key: "admin.oidc.roles", Later: true, Doc: "For each role, the values of the claim that give it.", at: func(c *Config) any { return &c.Admin.OIDC.Roles }},
	}
}

func stateFields() []Field {
	return []Field{
		{Key: "database.url", Secret: true, Doc: "PostgreSQL, as `postgres://…`. `serve` needs it; `dev` starts a private one without it.", at: func(c *Config) any { return &c.Database.URL }},
		{Key: "database.direct_url", Secret: true, Doc: "The same database past a pooler, for LISTEN. Empty: `database.url`.", at: func(c *Config) any { return &c.Database.DirectURL }},
		{Key: "database.max_conns", Default: "20", Doc: "Most connections of this process.", at: func(c *Config) any { return &c.Database.MaxConns }},
		{Key: "database.migrate", Default: "auto", OneOf: []string{"auto", "check", "off"}, Doc: "At the start: bring the schema up to date, only check it, or leave it alone.", at: func(c *Config) any { return &c.Database.Migrate }},

		{Key: "keys.algorithm", Default: "ES256", OneOf: []string{"ES256", "RS256", "EdDSA"}, Doc: "Algorithm of new signing keys. EdDSA means Ed25519.", at: func(c *Config) any { return &c.Keys.Algorithm }},
		{Key: "keys.rotate_every", Default: "720h", Doc: "Age at which a signing key is replaced.", at: func(c *Config) any { return &c.Keys.RotateEvery }},
		{Key: "keys.publish_before", Default: "24h", Doc: "How long a new key stands in the JWKS before it signs.", at: func(c *Config) any { return &c.Keys.PublishBefore }},
		{Key: "keys.kek_file", Doc: "File with the 32 bytes (raw, hex or base64) that seal the signing keys in the database. `serve` needs it.", at: func(c *Config) any { return &c.Keys.KEKFile }},
	}
}

func limitFields() []Field {
	return []Field{
		{Key: "tokens.default_ttl", Default: "5m", Doc: "Lifetime of a token where no maxTtl of agent, blueprint, rule or resource says another.", at: func(c *Config) any { return &c.Tokens.DefaultTTL }},
		{Key: "tokens.max_ttl", Default: "1h", Doc: "Longest lifetime that anything may ask for; at most 1h.", at: func(c *Config) any { return &c.Tokens.MaxTTL }},
		{Key: "tokens.max_delegation_depth", Default: "4", Doc: "Most actors in one token.", at: func(c *Config) any { return &c.Tokens.MaxDelegationDepth }},
		{Key: "tokens.status_list_ttl", Default: "10s", Later: true, Doc: "How long verifiers may keep a status list.", at: func(c *Config) any { return &c.Tokens.StatusListTTL }},
		{Key: "tokens.status_list_exp", Default: "15m", Later: true, Doc: "Lifetime of a signed status list.", at: func(c *Config) any { return &c.Tokens.StatusListExp }},

		{Key: "trust.clock_skew", Default: "30s", Doc: "How far the clock of an issuer may be ahead of ours; at most 5m.", at: func(c *Config) any { return &c.Trust.ClockSkew }},
		{Key: "trust.allow_networks", Doc: "Networks that fetches of issuers' keys may reach besides public addresses on port 443: private ones on any port, and public addresses whose provider is on another port.", at: func(c *Config) any { return &c.Trust.AllowNetworks }},
		{Key: "trust.allow_http", Default: "false", Doc: "Lets key fetches use plain http. For tests only: whoever can change the answer can make up credentials.", at: func(c *Config) any { return &c.Trust.AllowHTTP }},

		{Key: "audit.retention", Default: "9600h", Doc: "Age at which audit events are deleted.", at: func(c *Config) any { return &c.Audit.Retention }},
		{Key: "audit.sinks", Later: true, Doc: "Where audit events are sent besides the database.", at: func(c *Config) any { return &c.Audit.Sinks }},

		{Key: "limits.token_per_agent", Default: "50/s", Doc: "Token requests per agent and replica.", at: func(c *Config) any { return &c.Limits.TokenPerAgent }},
		{Key: "limits.request_bytes", Default: "65536", Doc: "Longest body of a token request.", at: func(c *Config) any { return &c.Limits.RequestBytes }},

		{Key: "telemetry.listen", Default: "127.0.0.1:9090", Doc: "Address that serves metrics; empty: none.", at: func(c *Config) any { return &c.Telemetry.Listen }},
		{Key: "telemetry.otlp_endpoint", Later: true, Doc: "Where traces are sent.", at: func(c *Config) any { return &c.Telemetry.OTLPEndpoint }},
		{Key: "telemetry.log_format", Default: "json", OneOf: []string{"json", "text"}, Doc: "Format of the log on stderr.", at: func(c *Config) any { return &c.Telemetry.LogFormat }},
		{Key: "telemetry.log_level", Default: "info", OneOf: []string{"debug", "info", "warn", "error"}, Doc: "Lowest level that is logged.", at: func(c *Config) any { return &c.Telemetry.LogLevel }},
	}
}

// Type is the setting's type in words: string, integer, boolean, duration,
// size, rate, list, networks or map.
func (f Field) Type() string {
	switch f.at(new(Config)).(type) {
	case *string:
		return "string"
	case *int:
		return "integer"
	case *bool:
		return "boolean"
	case *time.Duration:
		return "duration"
	case *int64:
		return "size"
	case *Rate:
		return "rate"
	case *[]string:
		return "list"
	case *[]netip.Prefix:
		return "networks"
	default:
		return "map"
	}
}

// Env is the environment variable that sets the field.
func (f Field) Env() string { return envName(f.Key) }

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// Validate checks a Config that was made by hand; Load has done so already.
// An error is an *Error.
func (c Config) Validate() error { return asError(c.problems()) }

// Serve checks what `serve` needs beyond that: a server in production makes up
// none of its secrets. An error is an *Error.
func (c Config) Serve() error {
	v := &validator{c: c}
	v.need("database.url", c.Database.URL, "serve needs a database; set "+envName("database.url")+" or its _FILE form")
	v.need("admin.bootstrap_token_file", c.Admin.BootstrapTokenFile, "serve needs a first admin token; name a file that holds one")
	v.need("keys.kek_file", c.Keys.KEKFile, "serve needs the key that seals its signing keys; make one with: openssl rand -base64 32 > kek")
	return asError(v.problems)
}

func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &Error{Problems: problems}
}

type validator struct {
	c        Config
	problems []Problem
}

func (v *validator) fault(key, format string, args ...any) {
	v.problems = append(v.problems, Problem{Where: v.c.origins[key], Key: key, Message: fmt.Sprintf(format, args...)})
}

func (v *validator) need(key, value, message string) {
	if value == "" {
		v.fault(key, "%s", message)
	}
}

func (v *validator) within(key string, d, low, high time.Duration) {
	if d < low || d > high {
		v.fault(key, "%s is out of range; from %s to %s", registry.Duration(d), registry.Duration(low), registry.Duration(high))
	}
}

func (v *validator) between(key string, n, low, high int64) {
	if n < low || n > high {
		v.fault(key, "%d is out of range; from %d to %d", n, low, high)
	}
}

func (c Config) problems() []Problem {
	v := &validator{c: c}
	if c.Version != Version {
		v.fault("version", "%d is not supported; this program reads version 1", c.Version)
	}
	v.later()
	v.issuer()
	v.listeners()
	v.database()
	v.limits()
	return v.problems
}

// later refuses settings whose feature is not built: a setting that is stored
// and ignored would be a promise that nobody keeps.
func (v *validator) later() {
	def := Default()
	for _, f := range Fields() {
		if !f.Later {
			continue
		}
		is, was := reflect.ValueOf(f.at(&v.c)).Elem(), reflect.ValueOf(f.at(&def)).Elem()
		empty := is.IsZero() || (is.Kind() == reflect.Slice || is.Kind() == reflect.Map) && is.Len() == 0
		if !empty && !reflect.DeepEqual(is.Interface(), was.Interface()) {
			v.fault(f.Key, "not supported by this version; remove it")
		}
	}
}

// issuer: an identifier is an https URL without query and fragment (RFC 8414,
// Section 2). A slash at the end is refused because verifiers compare text, and
// half of the world adds or removes it.
func (v *validator) issuer() {
	raw := v.c.Issuer
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		v.fault("issuer", "missing; write the https URL under which agents reach this server")
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil:
		v.fault("issuer", "must be an absolute URL such as https://sts.example.com")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		v.fault("issuer", "must have neither query nor fragment (RFC 8414, Section 2)")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopbackHost(u.Hostname())):
		v.fault("issuer", "must be https; http is for loopback only")
	case strings.HasSuffix(raw, "/"):
		v.fault("issuer", "must not end in a slash; write %s", strings.TrimRight(raw, "/"))
	}
}

func (v *validator) listeners() {
	c := v.c
	v.tls("public.tls", c.Public.TLS)
	v.tls("admin.tls", c.Admin.TLS)
	if v.listen("public.listen", c.Public.Listen) && !c.Public.TLS.On() && !loopbackListen(c.Public.Listen) && len(c.Public.TrustedProxies) == 0 {
		v.fault("public.listen", "%s would take tokens without TLS; set public.tls, or public.trusted_proxies if a proxy ends TLS, or listen on 127.0.0.1", c.Public.Listen)
	}
	if v.listen("admin.listen", c.Admin.Listen) && !c.Admin.TLS.On() && !loopbackListen(c.Admin.Listen) && !c.Admin.InsecurePlaintext {
		v.fault("admin.listen", "%s would take admin tokens without TLS; set admin.tls, or listen on 127.0.0.1, or set admin.insecure_plaintext: true", c.Admin.Listen)
	}
	v.certificates()
	if c.Telemetry.Listen != "" {
		v.listen("telemetry.listen", c.Telemetry.Listen)
	}
}

// certificates checks the ways for client certificates to arrive, and that none
// of the settings about them stands there without one.
func (v *validator) certificates() {
	p := v.c.Public
	if p.MTLSListen != "" && v.listen("public.mtls_listen", p.MTLSListen) {
		switch {
		case !p.TLS.On():
			v.fault("public.mtls_listen", "needs public.tls.cert_file and public.tls.key_file: the server shows the same certificate there")
		case p.MTLSListen == p.Listen:
			v.fault("public.mtls_listen", "is public.listen; give it an address of its own")
		}
	}
	if p.ClientCertHeader != "" && len(p.TrustedProxies) == 0 {
		v.fault("public.client_cert_header", "needs public.trusted_proxies: the header of anybody else is dropped")
	}
	if p.MTLSURL != "" {
		v.mtlsURL(p.MTLSURL)
	}
	for _, s := range [][2]string{{"public.mtls_url", p.MTLSURL}, {"public.mtls_ca_file", p.MTLSCAFile}} {
		if s[1] != "" && !p.Certificates() {
			v.fault(s[0], "has no effect: set public.mtls_listen or public.client_cert_header, by which certificates arrive")
		}
	}
}

func (v *validator) mtlsURL(raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		v.fault("public.mtls_url", "must be an https URL such as https://mtls.sts.example.com")
	case strings.HasSuffix(raw, "/"):
		v.fault("public.mtls_url", "must not end in a slash; write %s", strings.TrimRight(raw, "/"))
	}
}

func (v *validator) tls(key string, t TLS) {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		v.fault(key+".cert_file", "needs %s.key_file beside it", key)
	case t.CertFile == "" && t.KeyFile != "":
		v.fault(key+".key_file", "needs %s.cert_file beside it", key)
	}
}

func (v *validator) listen(key, addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		v.fault(key, "%q is not an address; write 127.0.0.1:8080 or :8080", addr)
	}
	return err == nil
}

func (v *validator) database() {
	v.postgres("database.url", v.c.Database.URL)
	v.postgres("database.direct_url", v.c.Database.DirectURL)
	v.between("database.max_conns", int64(v.c.Database.MaxConns), 4, 1000) // two writers, the registry, an administrator
}

// postgres never quotes the value: it may hold a password.
func (v *validator) postgres(key, raw string) {
	if raw != "" && !strings.HasPrefix(raw, "postgres://") && !strings.HasPrefix(raw, "postgresql://") {
		v.fault(key, "must start with postgres://")
	}
}

func (v *validator) limits() {
	c := v.c
	v.within("keys.rotate_every", c.Keys.RotateEvery, time.Hour, 8760*time.Hour)
	if c.Keys.PublishBefore <= 0 || c.Keys.PublishBefore >= c.Keys.RotateEvery {
		v.fault("keys.publish_before", "%s must be above zero and below keys.rotate_every", registry.Duration(c.Keys.PublishBefore))
	}
	if c.Tokens.MaxTTL > time.Hour {
		v.fault("tokens.max_ttl", "%s is above 1h, the most that this server issues", registry.Duration(c.Tokens.MaxTTL))
	} else {
		v.within("tokens.max_ttl", c.Tokens.MaxTTL, 10*time.Second, time.Hour)
	}
	if c.Tokens.DefaultTTL < 10*time.Second || c.Tokens.DefaultTTL > c.Tokens.MaxTTL {
		v.fault("tokens.default_ttl", "%s is out of range; from 10s to tokens.max_ttl", registry.Duration(c.Tokens.DefaultTTL))
	}
	v.between("tokens.max_delegation_depth", int64(c.Tokens.MaxDelegationDepth), 1, 16)
	v.within("trust.clock_skew", c.Trust.ClockSkew, 0, 5*time.Minute)
	v.within("audit.retention", c.Audit.Retention, 24*time.Hour, 100*8760*time.Hour)
	v.between("limits.request_bytes", c.Limits.RequestBytes, 4096, 1<<20)
	if c.Limits.TokenPerAgent.PerSecond() <= 0 {
		v.fault("limits.token_per_agent", "must be above zero")
	}
}

func loopbackListen(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

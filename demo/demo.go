// Package demo is the world around a server in development: an OpenID provider
// with two users, a platform that hands out service-account tokens as
// Kubernetes does, and the manifest that makes a server trust both. Everything
// is real HTTP and real signatures; only the endpoints that hand tokens to
// whoever asks are not, and they answer on loopback alone.
//
// `tokenry dev` runs it, `tokenry try` uses it. Nothing here is part of a
// server in production.
package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Paths of the two issuers below the demo's base URL.
const (
	ProviderPath = "/idp"
	ClusterPath  = "/cluster"
)

// tokenLifetime of everything the demo hands out: long enough to try things by
// hand, short enough to see a token expire.
const tokenLifetime = 10 * time.Minute

// Config says where the demo's world is.
type Config struct {
	URL      string           // base URL under which Handler is reached: "http://127.0.0.1:8082"; loopback only
	Audience string           // issuer identifier of the server: `aud` of a token that is asked for without another
	Dir      string           // where signing keys are kept, so that a restart keeps its tokens valid
	Now      func() time.Time // nil = time.Now
}

// World is a running demo.
type World struct {
	audience string
	now      func() time.Time
	provider *issuer
	cluster  *issuer
}

// New reads the keys in c.Dir, or makes them.
func New(c Config) (*World, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" || !loopback(u.Host) {
		return nil, fmt.Errorf("demo: %q is not an http URL on loopback", c.URL)
	}
	if c.Audience == "" || c.Dir == "" {
		return nil, errors.New("demo: no audience or no directory for keys")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	provider, err := openIssuer(c.URL+ProviderPath, "ES256", filepath.Join(c.Dir, "idp.key"))
	if err != nil {
		return nil, err
	}
	// Kubernetes signs service-account tokens with RS256.
	cluster, err := openIssuer(c.URL+ClusterPath, "RS256", filepath.Join(c.Dir, "cluster.key"))
	if err != nil {
		return nil, err
	}
	return &World{audience: c.Audience, now: c.Now, provider: provider, cluster: cluster}, nil
}

// Handler serves both issuers and the token endpoints of the demo.
func (w *World) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ProviderPath+discoveryPath, w.provider.discovery(providerKeys))
	mux.HandleFunc("GET "+ProviderPath+providerKeys, w.provider.keys)
	mux.HandleFunc("GET "+ProviderPath+"/token", local(w.userToken))
	mux.HandleFunc("GET "+ClusterPath+discoveryPath, w.cluster.discovery(clusterKeys))
	mux.HandleFunc("GET "+ClusterPath+clusterKeys, w.cluster.keys)
	mux.HandleFunc("GET "+ClusterPath+"/token", local(w.serviceAccountToken))
	return mux
}

// Token is the answer of the demo's token endpoints.
type Token struct {
	Token     string    `json:"token"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`
	ExpiresAt time.Time `json:"expires_at"`
}

// local admits callers on this machine alone. The Host header is checked too:
// a page in a browser could point a name of its own at 127.0.0.1 (DNS
// rebinding) and read the answer.
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.RemoteAddr) || !loopback(r.Host) {
			http.Error(w, "demo tokens are for this machine only", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (w *World) respond(rw http.ResponseWriter, i *issuer, claims map[string]any) {
	now := w.now().UTC().Truncate(time.Second)
	claims["iss"] = i.url
	if claims["aud"] == nil {
		claims["aud"] = w.audience
	}
	claims["iat"], claims["exp"] = now.Unix(), now.Add(tokenLifetime).Unix()
	payload, err := json.Marshal(claims)
	if err == nil {
		var compact string
		if compact, err = i.signer.Sign("JWT", payload); err == nil {
			subject, _ := claims["sub"].(string)
			writeJSON(rw, Token{Token: compact, Issuer: i.url, Subject: subject, ExpiresAt: now.Add(tokenLifetime)})
			return
		}
	}
	http.Error(rw, "the demo cannot sign", http.StatusInternalServerError)
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // strings and times: a failed write means that the client has gone
}

// issuer is one signing party.
type issuer struct {
	url    string
	alg    string
	signer *jose.Signer
	jwks   []byte
}

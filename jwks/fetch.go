package jwks

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/outbound"
)

// endpointTime bounds how long an Endpoint may take to know.
const endpointTime = 5 * time.Second

// reader returns how the keys of s are fetched. held returns the authorities of
// the last good bundle.
func (s Source) reader(client *outbound.Client, held func() []*x509.Certificate) (func(context.Context) (document, error), error) {
	if client == nil {
		return nil, errors.New("jwks: no outbound client")
	}
	f := fetcher{client: client, source: s, held: held}
	at, read := s.URL, f.jwks
	switch {
	case s.BundleURL != "":
		at, read = s.BundleURL, f.bundle
	case s.Discovery != "":
		at, read = s.Discovery, f.discovered
		// OpenID Connect Discovery 1.0, Section 2: no query and no fragment.
		if strings.ContainsAny(at, "?#") {
			return nil, errors.New("jwks: an issuer with a query or fragment cannot be discovered")
		}
	}
	if err := client.Check(at); err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	return read, nil
}

// fetcher fetches the documents of one source.
type fetcher struct {
	client *outbound.Client
	source Source
	held   func() []*x509.Certificate
}

func (f fetcher) get(ctx context.Context, at, accept string) (outbound.Response, error) {
	return f.client.Get(ctx, outbound.Request{URL: at, Accept: accept, CAFile: f.source.CAFile})
}

func (f fetcher) jwks(ctx context.Context) (document, error) { return f.jwksAt(ctx, f.source.URL) }

func (f fetcher) jwksAt(ctx context.Context, at string) (document, error) {
	// RFC 7517, Section 8.5.1; many issuers know the general type alone.
	answer, err := f.get(ctx, at, "application/jwk-set+json, application/json")
	if err != nil {
		return document{}, err
	}
	doc, err := readJWKS(answer.Body)
	if err != nil {
		return document{}, err
	}
	doc.fresh = defaultFresh
	if answer.MaxAge >= 0 {
		doc.fresh = min(max(answer.MaxAge, minFresh), maxFresh) // RFC 9111, Section 4.2.1
	}
	return doc, nil
}

// bundle fetches a bundle. How long it is fresh is for its hint to say, not for
// HTTP: SPIFFE Federation, Section 4.1.
func (f fetcher) bundle(ctx context.Context) (document, error) {
	request := outbound.Request{URL: f.source.BundleURL, Accept: "application/json", CAFile: f.source.CAFile}
	if f.source.Endpoint != nil {
		// Its keys may have to be fetched first, which must end too.
		own, cancel := context.WithTimeout(ctx, endpointTime)
		defer cancel()
		verify, err := f.source.Endpoint(own, f.held())
		if err != nil {
			return document{}, fmt.Errorf("verifying the bundle endpoint: %w", err)
		}
		request.VerifyServer = verify
	}
	answer, err := f.client.Get(ctx, request)
	if err != nil {
		return document{}, err
	}
	return readBundle(answer.Body)
}

// discovered finds the JWK set through the issuer's metadata, which is read
// anew each time, so that an issuer may move its keys.
func (f fetcher) discovered(ctx context.Context) (document, error) {
	raw, err := f.metadata(ctx)
	if err != nil {
		return document{}, fmt.Errorf("the issuer's metadata: %w", err)
	}
	at, err := f.keysURL(raw)
	if err != nil {
		return document{}, fmt.Errorf("the issuer's metadata: %w", err)
	}
	return f.jwksAt(ctx, at)
}

// metadata fetches the metadata document. The second place is asked only where
// the first says that it has none; an issuer that is away is away.
func (f fetcher) metadata(ctx context.Context) ([]byte, error) {
	openID, oauth := wellKnown(f.source.Discovery)
	answer, err := f.get(ctx, openID, "application/json")
	var status *outbound.StatusError
	if errors.As(err, &status) && status.Code >= 400 && status.Code < 500 {
		answer, err = f.get(ctx, oauth, "application/json")
	}
	return answer.Body, err
}

// wellKnown returns where an issuer's metadata is: appended for OpenID Connect
// (Discovery 1.0, Section 4.1), and inserted between host and path for OAuth
// (RFC 8414, Section 3.1). Both drop one slash at the end.
func wellKnown(issuer string) (openID, oauth string) {
	base := strings.TrimSuffix(issuer, "/")
	host, path := base, ""
	if _, rest, ok := strings.Cut(base, "://"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			path = rest[i:]
			host = strings.TrimSuffix(base, path)
		}
	}
	return base + "/.well-known/openid-configuration", host + "/.well-known/oauth-authorization-server" + path
}

// keysURL reads the metadata.
func (f fetcher) keysURL(raw []byte) (string, error) {
	object, err := jose.ParseObject(raw)
	if err != nil {
		return "", notKeys("a JSON object", err)
	}
	// Byte for byte: RFC 8414, Section 3.3. Another issuer's metadata, placed
	// here by a mistake of the host, must not lend it that issuer's keys.
	if issuer, _, err := object.String("issuer"); err != nil || issuer != f.source.Discovery {
		return "", errors.New("it is that of another issuer")
	}
	at, _, err := object.String("jwks_uri")
	if err != nil || at == "" {
		return "", errors.New("it has no jwks_uri")
	}
	if !sameOrigin(f.source.Discovery, at) {
		return "", errors.New("its jwks_uri is on another host than the issuer; if that is right, register it as jwksUrl")
	}
	return at, nil
}

// sameOrigin reports whether two URLs have scheme, host and port in common. The
// operator vouches for the issuer's host and for no other.
func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && authority(x) == authority(y)
}

// authority is host and port as they are compared: RFC 3986, Sections 3.2.2 and
// 6.2.3.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	return strings.ToLower(u.Hostname()) + " " + port
}

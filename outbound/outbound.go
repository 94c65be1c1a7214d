// Package outbound is the one HTTP client with which the server fetches what
// others publish (key sets, discovery documents, SPIFFE bundles) and asks what
// only they know (whether a Kubernetes token still lives). Whoever may
// write a URL into the registry could otherwise make the server speak to its
// own neighbours, to a cloud's metadata service or to itself.
//
// A Client reads one document by GET (Get), or asks an API one question by POST
// (Post), over https. It follows no redirect, uses no proxy, sends no cookie, and
// reaches public addresses alone unless a network is allowed. Addresses are
// checked when the connection is made, so that a name cannot mean one thing to
// the check and another to the connection. Get sends no credential: only Post has
// a place for one.
//
// What a document says and how long it is kept is the matter of package jwks.
package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

const (
	defaultTimeout  = 5 * time.Second
	defaultMaxBytes = 512 << 10
	maxHeaderBytes  = 32 << 10
	maxFetches      = 32  // at once; two hundred issuers may rotate their keys in the same minute
	maxQuestions    = 256 // at once; each waits for a request of ours, so there are more of them
)

// Config says what a Client may do. Empty is strict.
type Config struct {
	// AllowNetworks are networks that may be reached besides the public
	// internet, on any port: loopback, private ranges, or a public address that
	// listens elsewhere than on 443. Empty = public addresses, port 443.
	AllowNetworks []netip.Prefix

	AllowHTTP bool          // plain http too, on port 80 of public addresses and any port of AllowNetworks
	Timeout   time.Duration // of a whole fetch, from the name lookup to the last byte; 0 = 5 s
	MaxBytes  int64         // of a document; 0 = 512 KiB
	Resolver  *net.Resolver // of names; nil = the system's
}

// Client fetches documents. It keeps nothing between two fetches, connections
// included. It is safe for concurrent use.
type Client struct {
	guard     guard
	allowHTTP bool
	timeout   time.Duration
	maxBytes  int64
	resolver  *net.Resolver
	slots     chan struct{} // one token for each fetch under way
	questions chan struct{} // … and for each Post, so that an API that hangs holds up no fetch
}

// New returns a Client.
func New(c Config) (*Client, error) {
	switch {
	case c.Timeout < 0:
		return nil, errors.New("outbound: negative timeout")
	case c.MaxBytes < 0:
		return nil, errors.New("outbound: negative size limit")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	g, err := newGuard(c.AllowNetworks, c.AllowHTTP)
	if err != nil {
		return nil, err
	}
	return &Client{
		guard: g, allowHTTP: c.AllowHTTP, timeout: c.Timeout, maxBytes: c.MaxBytes, resolver: c.Resolver,
		slots: make(chan struct{}, maxFetches), questions: make(chan struct{}, maxQuestions),
	}, nil
}

// Request says what to fetch.
type Request struct {
	URL    string // absolute, https
	Accept string // media types for the Accept header; "" = application/json
	CAFile string // PEM; the only roots that the server's certificate may lead to; "" = the system's

	// VerifyServer replaces the check of the server's certificate, of its name
	// too: there are then no other roots, and plain http is blocked. chain has at
	// least the server's own certificate, which comes first, and nothing in it has
	// been verified but that the server holds the key of the first. Its error is
	// told; it must not repeat what the server sent. nil = the check of the web.
	VerifyServer func(chain []*x509.Certificate) error
}

// Response is a document. Its media type is not reported: nobody should
// believe it.
type Response struct {
	Body   []byte
	MaxAge time.Duration // how long it may be kept, from now; negative = the server does not say
}

// Get fetches one document. Errors are ErrBlocked, ErrTooLarge, a *StatusError,
// those of ctx, context.DeadlineExceeded after the Client's own timeout, or
// others that only say what went wrong. None of them repeats anything that the
// server sent: an error would otherwise read internal pages to its reader.
func (c *Client) Get(ctx context.Context, r Request) (Response, error) {
	accept := r.Accept
	if accept == "" {
		accept = "application/json"
	}
	return c.do(ctx, trip{
		method: http.MethodGet, to: r, slots: c.slots,
		header: http.Header{"Accept": {accept}}, good: []int{http.StatusOK},
	})
}

// trip is one request as it goes out.
type trip struct {
	method string
	to     Request
	header http.Header
	body   []byte
	good   []int         // statuses that are an answer
	slots  chan struct{} // of its kind of request
}

// do makes one trip, whichever it is: within the timeout, in a slot, and to
// where the guard allows.
func (c *Client) do(ctx context.Context, t trip) (Response, error) {
	u, err := c.target(t.to.URL)
	if err != nil {
		return Response{}, err
	}
	own, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-own.Done():
		return Response{}, fmt.Errorf("%w, waiting for %s: %w", ErrBusy, u.Host, own.Err())
	}
	if t.to.VerifyServer != nil && (u.Scheme != "https" || t.to.CAFile != "") {
		return Response{}, blocked("a server whose certificate is checked specially needs https, and no CA file")
	}
	transport, err := c.transport(t.to)
	if err != nil {
		return Response{}, err
	}
	t.to.URL = u.String()
	response, err := c.fetch(own, transport, t)
	if err != nil {
		return Response{}, fmt.Errorf("fetching from %s: %w", u.Host, c.describe(err))
	}
	return response, nil
}

// fetch makes the one round trip. It uses the transport and not an http.Client,
// which would add redirects and cookies.
func (c *Client) fetch(ctx context.Context, transport http.RoundTripper, t trip) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, t.method, t.to.URL, bytes.NewReader(t.body))
	if err != nil {
		return Response{}, err
	}
	request.Header = t.header
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "tokenry")

	answer, err := transport.RoundTrip(request)
	if err != nil {
		return Response{}, err
	}
	defer answer.Body.Close()
	// A redirect is an answer like any other that is not a good one: whoever may
	// redirect could name addresses that the registry does not.
	if !slices.Contains(t.good, answer.StatusCode) {
		return Response{}, &StatusError{Code: answer.StatusCode}
	}
	// Nothing is unpacked here, so nothing can unpack to a gigabyte.
	if encoding := answer.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return Response{}, errEncoded
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxBytes+1))
	switch {
	case err != nil:
		return Response{}, err
	case int64(len(body)) > c.maxBytes:
		return Response{}, ErrTooLarge
	}
	return Response{Body: body, MaxAge: maxAge(answer.Header)}, nil
}

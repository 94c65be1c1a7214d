package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
)

const bearer = "Bearer" // RFC 6750

// refusal is an error on its way to the client, with the decision it belongs
// to.
type refusal struct {
	cause    *oauth.Error
	decision string
	basic    bool // the request used Authorization, so the answer names the scheme
}

func (r *refusal) Error() string { return r.cause.Error() }

// Unwrap gives the error that the grants returned.
func (r *refusal) Unwrap() error { return r.cause }

// handle adapts a handler that returns its failure. Nothing else writes an
// error response, so no handler can write one and forget to stop.
func (s *Server) handle(h func(http.ResponseWriter, *http.Request) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := h(c.Response(), c.Request()); err != nil {
			s.respondError(c.Response(), c.Request(), err)
		}
		return nil
	}
}

// errorBody is RFC 6749, Section 5.2, and what makes a refusal findable.
type errorBody struct {
	Error       oauth.Code   `json:"error"`
	Description string       `json:"error_description"`
	URI         string       `json:"error_uri,omitempty"`
	ErrorCode   oauth.Reason `json:"error_code"`
	DecisionID  string       `json:"decision_id,omitempty"`
}

// errorDocs is where docs/errors.md is published; error_uri points into it.
const errorDocs = "https://github.com/tokenry/tokenry/blob/main/docs/errors.md#"

// respondError is the one place where an error becomes a response and, if it
// is ours, a line in the log.
func (s *Server) respondError(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	def := e.Reason.Definition()
	public := e.Reason.Public()
	body := errorBody{Error: def.Code, Description: def.Description, ErrorCode: public, URI: errorDocs + anchor(public)}
	var ref *refusal
	if errors.As(err, &ref) {
		body.DecisionID = ref.decision
		if ref.basic && def.Status == http.StatusUnauthorized {
			// RFC 6749, Section 5.2: the scheme that the client used.
			w.Header().Set("WWW-Authenticate", `Basic realm="tokenry", charset="UTF-8"`)
		}
	}
	switch def.Status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(time.Second, e.RetryAfter).Seconds()))))
	case http.StatusRequestEntityTooLarge, http.StatusLengthRequired, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // what is left of the body is never a next request
	}
	if def.Status >= http.StatusInternalServerError {
		s.Log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "reason", e.Reason, "decision", body.DecisionID, "cause", e.Cause)
	}
	writeJSON(w, def.Status, body)
}

// anchor is the heading's anchor in docs/errors.md.
func anchor(r oauth.Reason) string {
	out := make([]byte, 0, len(r))
	for _, c := range []byte(r) {
		if c != '.' {
			out = append(out, c)
		}
	}
	return string(out)
}

// tokenBody is RFC 6749, Section 5.1 with issued_token_type of RFC 8693,
// Section 2.2.1. scope is always there, so that nobody has to compare.
type tokenBody struct {
	AccessToken     string          `json:"access_token"`
	IssuedTokenType oauth.TokenType `json:"issued_token_type,omitempty"`
	TokenType       string          `json:"token_type"`
	ExpiresIn       int64           `json:"expires_in"`
	Scope           string          `json:"scope"`
}

// headerDecision names the decision of a successful answer, whose body the
// RFCs fix.
const headerDecision = "Tokenry-Decision-Id"

func respondIssued(w http.ResponseWriter, d *grants.Decision, i *grants.Issued) error {
	w.Header().Set(headerDecision, d.ID)
	writeJSON(w, http.StatusOK, tokenBody{
		AccessToken: i.AccessToken, IssuedTokenType: i.IssuedTokenType, TokenType: bearer,
		ExpiresIn: int64(i.ExpiresIn / time.Second), Scope: i.Scope,
	})
	return nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store") // RFC 6749, Section 5.1
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The bodies are structs of strings and numbers; a failed write means that
	// the client has gone.
	_ = json.NewEncoder(w).Encode(body)
}

// respondRouting answers what no route takes.
func respondRouting(c echo.Context, err error, log *slog.Logger) {
	status := http.StatusInternalServerError
	var he *echo.HTTPError
	if errors.As(err, &he) {
		status = he.Code
	} else {
		log.ErrorContext(c.Request().Context(), "request failed", "path", c.Request().URL.Path, "cause", err)
	}
	if c.Response().Committed {
		return
	}
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	c.Response().WriteHeader(status)
}

func prefixNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/tokenry/tokenry/api"
)

// Longest request bodies. A manifest of thousands of agents comes in one piece,
// because it comes into force in one piece.
const (
	maxBody      = 1 << 20
	maxApplyBody = 16 << 20
)

// answerTime is how long a handler may work on an answer: whoever asks a
// question that takes longer must not hold a connection of the database.
const answerTime = 20 * time.Second

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 10 * time.Second

// refusedLogin is what the log says of a request without a valid token.
const refusedLogin = "an admin request without a valid token"

// guard stands before every route, known or not, so that none can forget it:
// who asks, then whether the request is one that a handler may look at.
type guard struct {
	authenticate func(token string) (principal string, ok bool)
	log          *slog.Logger
	next         http.Handler
	failures     rate.Sometimes
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.recover(w, r)
	// No answer may be kept by a cache or read as something else.
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")

	principal, ok := g.principal(r)
	if !ok {
		g.failures.Do(func() { // once in a while: strangers must not fill the log
			g.log.WarnContext(r.Context(), refusedLogin, "from", r.RemoteAddr)
		})
		h.Set("WWW-Authenticate", "Bearer") // RFC 6750, Section 3
		refuse(http.StatusUnauthorized, api.CodeUnauthenticated, "an admin token is needed: Authorization: Bearer TOKEN").write(w)
		return
	}
	if p := checkQuery(r.URL.RawQuery); p != nil {
		p.write(w)
		return
	}
	body, p := readBody(w, r)
	if p != nil {
		p.write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), principalKey{}, principal), answerTime)
	defer cancel()
	g.next.ServeHTTP(w, r.WithContext(ctx))
}

// principal tells who asks. Only the header is read: a token in the query ends
// up in logs and histories (RFC 9700, Section 4.3.2).
func (g *guard) principal(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return g.authenticate(token)
}

// recover turns a panic of a handler into a 500 without detail. A panic that
// net/http uses to drop a connection goes on.
func (g *guard) recover(w http.ResponseWriter, r *http.Request) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		g.log.ErrorContext(r.Context(), "admin handler panicked", "method", r.Method, "panic", v, "stack", string(debug.Stack()))
		refuse(http.StatusInternalServerError, api.CodeInternal, "the server failed; its log says why").write(w)
	}
}

type principalKey struct{}

// principalOf is the authenticated caller of a request.
func principalOf(ctx context.Context) string {
	name, _ := ctx.Value(principalKey{}).(string)
	return name
}

// checkQuery refuses what one reader takes this way and another that way.
func checkQuery(raw string) *problem {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return refuse(http.StatusBadRequest, api.CodeMalformed, "the query is not well formed")
	}
	for name, values := range q {
		if len(values) > 1 {
			return invalid(item("query."+name, "given more than once"))
		}
		// "?dry_run" would read as no, and write.
		if values[0] == "" {
			return invalid(item("query."+name, "has no value; give it one or leave it out"))
		}
	}
	return nil
}

// readBody reads the whole body, which must be strict JSON or nothing at all.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	// A body that trickles in would hold a handler for as long as it likes. Not
	// every writer has deadlines; then the server's own must do.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	most := int64(maxBody)
	if r.URL.Path == api.Prefix+"/apply" {
		most = maxApplyBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	_ = deadline.SetReadDeadline(time.Time{})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(http.StatusRequestEntityTooLarge, api.CodeTooLarge, fmt.Sprintf("the body is longer than %d MiB", most>>20))
	case err != nil:
		return nil, refuse(http.StatusBadRequest, api.CodeMalformed, "the body could not be read")
	case len(body) == 0:
		return nil, nil
	case !isJSON(r.Header.Values("Content-Type")):
		return nil, refuse(http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia, "the body must be application/json")
	case r.Header.Get("Content-Encoding") != "":
		return nil, refuse(http.StatusUnsupportedMediaType, api.CodeUnsupportedMedia, "the body must not be compressed")
	}
	return body, checkJSON(body)
}

func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	media, params, err := mime.ParseMediaType(contentType[0])
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

package outbound

import (
	"context"
	"net/http"
)

// Question is what Post asks of an API.
type Question struct {
	URL    string // absolute, https
	Body   []byte // JSON
	Bearer string // our own token for that API (RFC 6750, Section 2.1); "" = none
	CAFile string // PEM; the only roots that the server's certificate may lead to; "" = the system's
}

// Post asks an API one question and returns its answer, of status 200 or 201.
// It goes where Get may go, with the same limits, and its errors are those of
// Get. The bearer token is in this one request: a redirect is an error, and no
// other request of a Client has a place for a token.
func (c *Client) Post(ctx context.Context, q Question) (Response, error) {
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	if q.Bearer != "" {
		header.Set("Authorization", "Bearer "+q.Bearer)
	}
	return c.do(ctx, trip{
		method: http.MethodPost, to: Request{URL: q.URL, CAFile: q.CAFile}, slots: c.questions, body: q.Body,
		header: header, good: []int{http.StatusOK, http.StatusCreated},
	})
}

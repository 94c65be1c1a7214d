package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tokenry/tokenry/api"
)

// problem is an answer that refuses. It is an error that huma can send.
type problem struct{ api.Problem }

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status } // huma's name
func (p *problem) ContentType(string) string { return "application/problem+json" }
func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.body()) // who asked has gone: there is nobody left to tell
}

func (p *problem) body() []byte {
	data, _ := json.Marshal(p.Problem) // texts and a number: cannot fail
	return append(data, '\n')
}

func refuse(status int, code api.Code, detail string) *problem {
	return &problem{api.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}}
}

// invalid is a request that was understood and cannot be done as it is.
func invalid(items ...api.ProblemItem) *problem {
	p := refuse(http.StatusUnprocessableEntity, api.CodeInvalid, "the request is not valid")
	p.Errors = items
	return p
}

func item(location, message string) api.ProblemItem {
	return api.ProblemItem{Location: shownPath(location), Message: message}
}

// shownPath keeps what a location is made of and cuts it short. The names in
// it come from the request.
func shownPath(location string) string {
	if len(location) > 200 {
		location = location[:200]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-[]/", r):
			return r
		}
		return '?'
	}, location)
}

// withoutValues replaces the errors that huma makes itself. Its own hold the
// offending value, even the whole body, and would send a secret back.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := api.CodeMalformed
	switch {
	case e.Status >= 500:
		return refuse(e.Status, api.CodeInternal, "the server failed; its log says why"), nil
	case e.Status == http.StatusUnprocessableEntity:
		code = api.CodeInvalid
	case e.Status == http.StatusRequestEntityTooLarge:
		code = api.CodeTooLarge
	}
	p := refuse(e.Status, code, "the request is not valid")
	for _, d := range e.Errors {
		p.Errors = append(p.Errors, item(d.Location, d.Message))
	}
	return p, nil
}

package api

import (
	"fmt"
	"strings"
)

// Problem is an error answer, application/problem+json (RFC 9457, Section 3).
// It says where a request is wrong and never repeats the value that stood
// there: requests carry secrets, and answers end up in logs.
type Problem struct {
	Type   string        `json:"type,omitempty" doc:"Absent: the problem is told by code."`
	Title  string        `json:"title" doc:"The text of the status."`
	Status int           `json:"status"`
	Code   Code          `json:"code" enum:"unauthenticated,not_found,method_not_allowed,exists,conflict,precondition_failed,too_large,unsupported_media,malformed,invalid,secret_not_allowed,internal,unavailable" doc:"Stable, for machines."`
	Detail string        `json:"detail,omitempty" doc:"For people; may change."`
	Errors []ProblemItem `json:"errors,omitempty" doc:"Each thing that is wrong with the request."`
}

// ProblemItem is one thing wrong with a request.
type ProblemItem struct {
	Location string `json:"location,omitempty" doc:"A member of the body (objects[2].spec.keys.jwksUrl) or query.NAME, path.NAME, header.NAME."`
	Message  string `json:"message" doc:"What is wrong and what to do about it."`
}

// Code is the stable name of a problem.
type Code string

// Codes of problems.
const (
	CodeUnauthenticated    Code = "unauthenticated"     // 401: no admin token, or not a known one
	CodeNotFound           Code = "not_found"           // 404
	CodeMethodNotAllowed   Code = "method_not_allowed"  // 405
	CodeExists             Code = "exists"              // 409: create found the name taken
	CodeConflict           Code = "conflict"            // 409: somebody else wrote at the same time, or the state forbids it
	CodePreconditionFailed Code = "precondition_failed" // 412: If-Match names another version
	CodeTooLarge           Code = "too_large"           // 413
	CodeUnsupportedMedia   Code = "unsupported_media"   // 415
	CodeMalformed          Code = "malformed"           // 400: not HTTP or not JSON as it should be
	CodeInvalid            Code = "invalid"             // 422: errors says what
	CodeSecretNotAllowed   Code = "secret_not_allowed"  // 422: the blueprint does not opt in to secrets, or the agent is an instance
	CodeInternal           Code = "internal"            // 500
	CodeUnavailable        Code = "unavailable"         // 503
)

// Error is a request that the server answered with a problem.
type Error struct {
	Status  int
	Problem Problem
}

// Error gives the detail and each item on a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Problem.Code == "" {
		fmt.Fprintf(&b, "the server answered %d", e.Status)
	} else {
		fmt.Fprintf(&b, "%s (%d %s)", e.Problem.Detail, e.Status, e.Problem.Code)
	}
	for _, item := range e.Problem.Errors {
		b.WriteString("\n  ")
		if item.Location != "" {
			b.WriteString(item.Location + ": ")
		}
		b.WriteString(item.Message)
	}
	return b.String()
}

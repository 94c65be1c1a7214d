package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenry/tokenry/api"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitUsage       = 1 // wrong arguments, unreadable files, anything on this side
	ExitRefused     = 2 // the server refused
	ExitNotFound    = 3
	ExitConflict    = 4
	ExitDenied      = 5 // denied by policy
	ExitUnreachable = 6
)

// Error is why a command failed.
type Error struct {
	Code int // an Exit… constant
	Err  error

	shown bool // the command has told the user already
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func usage(format string, args ...any) *Error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// silent ends the command with a code when everything has been printed.
func silent(code int) *Error {
	return &Error{Code: code, Err: errors.New("exit"), shown: true}
}

// failure gives an error of the admin API its exit code.
func failure(err error) error {
	if err == nil {
		return nil
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return unreachable(err)
	}
	code := ExitRefused
	switch e.Status {
	case http.StatusNotFound:
		code = ExitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		code = ExitConflict
	}
	return &Error{Code: code, Err: err}
}

// unreachable tells a server that does not answer from anything else that can
// go wrong with a request.
func unreachable(err error) error {
	var u *url.Error
	var n net.Error
	if errors.As(err, &u) {
		at := u.URL
		if p, perr := url.Parse(u.URL); perr == nil {
			at = p.Scheme + "://" + p.Host
		}
		if errors.Is(err, context.Canceled) {
			return &Error{Code: ExitUsage, Err: errors.New("interrupted")}
		}
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("nothing answers at %s: %s", at, cause(u.Err))}
	}
	if errors.As(err, &n) {
		return &Error{Code: ExitUnreachable, Err: err}
	}
	return asError(err)
}

// cause is the last part of a network error: the rest repeats the address.
func cause(err error) string {
	s := err.Error()
	return s[strings.LastIndex(s, ": ")+1:]
}

package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

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

// Error gives the text of the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func usage(format string, args ...any) *Error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// wrong is for files with faults in them, one on a line.
func wrong(err error) *Error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf("%s%w", heading(err.Error()), err)}
}

// heading stands above several faults, so that each begins its line and an
// editor can jump to it.
func heading(text string) string {
	if strings.Contains(text, "\n") {
		return "more than one thing is wrong\n"
	}
	return ""
}

// silent ends the command with a code when everything has been printed.
func silent(code int) *Error {
	return &Error{Code: code, Err: errors.New("exit"), shown: true}
}

// failure gives an error of the admin API its exit code.
func (a *app) failure(err error) error {
	if err == nil {
		return nil
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return unreachable(err)
	}
	code := ExitRefused
	switch e.Status {
	case http.StatusUnauthorized:
		return &Error{Code: ExitRefused, Err: fmt.Errorf("%s does not take the admin token %s (401)\n"+
			"  is it that of another server, or of an earlier start of `tokenry dev`? see %s", a.asked.server, a.asked.token, a.adminToken())}
	case http.StatusBadRequest:
		if e.Problem.Code == "" {
			err = fmt.Errorf("%w%s", err, maybeTLS(a.asked.server))
		}
	case http.StatusNotFound:
		code = ExitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		code = ExitConflict
	}
	return &Error{Code: code, Err: err}
}

// maybeTLS is a hint for an answer of 400 that is none of ours: a listener that
// wants TLS gives it to plain http.
func maybeTLS(server string) string {
	if rest, plain := strings.CutPrefix(server, "http://"); plain {
		return "; it may want https: https://" + rest
	}
	return ""
}

// unreachable tells a server that does not answer from one that answers with
// something else than it should.
func unreachable(err error) error {
	var u *url.Error
	var n net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return usage("interrupted")
	case errors.As(err, &u):
		at := u.URL
		if p, perr := url.Parse(u.URL); perr == nil {
			at = p.Scheme + "://" + p.Host // the path may hold what is nobody's business
		}
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("cannot reach %s: %s", at, cause(u.Err))}
	case errors.As(err, &n), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Code: ExitUnreachable, Err: fmt.Errorf("the answer broke off: %w", err)}
	}
	return &Error{Code: ExitRefused, Err: err}
}

// cause says why a connection failed, without the address that the error
// repeats.
func cause(err error) string {
	var unknown x509.UnknownAuthorityError
	var untrusted *tls.CertificateVerificationError
	var name *net.DNSError
	var system syscall.Errno
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("its certificate is not trusted (%s); SSL_CERT_FILE names a file with more authorities", bare(unknown))
	case errors.As(err, &untrusted):
		return fmt.Sprintf("its certificate is not trusted (%s)", bare(untrusted.Err))
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &system):
		return system.Error()
	}
	return bare(err)
}

// bare is an error without the package that made it.
func bare(err error) string {
	s := err.Error()
	for _, prefix := range []string{"x509: ", "net/http: ", "http: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return s
}

package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// ErrBlocked is inside the error for a URL or an address that may not be
// fetched from.
var ErrBlocked = errors.New("outbound fetch blocked")

// ErrTooLarge is inside the error for a document above the size limit.
var ErrTooLarge = errors.New("the document is too large")

// ErrBusy is inside the error when nothing was sent, because too many others were
// under way.
var ErrBusy = errors.New("too many requests are under way")

var (
	errEncoded = errors.New("the document is compressed, which was not asked for")
	errAnswer  = errors.New("the answer is no sound TLS or HTTP, or broke off")
)

// StatusError is an answer with another status than a good one: 200, of Post
// also 201. Redirects are among them.
type StatusError struct {
	Code int // HTTP status code
}

// Error gives the status alone.
func (e *StatusError) Error() string { return fmt.Sprintf("the answer has status %d", e.Code) }

// blockedError is ErrBlocked with its reason, to be found again below what
// package net wraps around it.
type blockedError struct{ reason string }

// Error gives the reason.
func (e *blockedError) Error() string { return ErrBlocked.Error() + ": " + e.reason }

// Unwrap returns ErrBlocked.
func (e *blockedError) Unwrap() error { return ErrBlocked }

// serverError is what Request.VerifyServer found, to be found again below what
// package tls wraps around it.
type serverError struct{ cause error }

// Error gives the cause.
func (e *serverError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *serverError) Unwrap() error { return e.cause }

func blocked(format string, args ...any) error {
	return &blockedError{fmt.Sprintf(format, args...)}
}

// describe puts an error of net/http into words of our own. Its words may quote
// what the server sent: a malformed status line, the names in a certificate.
func (c *Client) describe(err error) error {
	var blocked *blockedError
	var server *serverError
	var status *StatusError
	var lookup *net.DNSError
	var certificate *tls.CertificateVerificationError
	var dial *net.OpError
	switch {
	case errors.As(err, &blocked):
		return blocked
	case errors.As(err, &server):
		return server.cause
	case errors.Is(err, ErrTooLarge), errors.Is(err, errEncoded), errors.As(err, &status):
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no whole answer within %s: %w", c.timeout, context.DeadlineExceeded)
	case errors.As(err, &lookup):
		return errors.New("looking up the name: " + lookupFault(lookup))
	case errors.As(err, &certificate):
		return errors.New(certificateFault(certificate))
	case errors.As(err, &dial) && dial.Op == "dial":
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return fmt.Errorf("connecting: %w", errno)
		}
	}
	return errAnswer
}

func lookupFault(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "no such host"
	case e.IsTimeout:
		return "no answer in time"
	}
	return "the name server failed"
}

// certificateFault names what is wrong with the certificate and none of the
// names in it.
func certificateFault(e *tls.CertificateVerificationError) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e, &name):
		return "the server's certificate is for another name"
	case errors.As(e, &authority):
		return "the server's certificate is signed by an unknown authority"
	case errors.As(e, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet"
	}
	return "the server's certificate is not valid"
}

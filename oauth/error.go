package oauth

import (
	"errors"
	"fmt"
	"time"
)

// Error is a refusal that a client may read. What it was shown and what was
// wanted instead are no part of it: they stand in the decision's trace, which
// only operators see.
type Error struct {
	Code   Code   // what RFC 6749 calls `error`
	Reason Reason // stable, for machines and for `explain`
	Cause  error  // for the log; never sent

	// RetryAfter is sent with 429 and 503; zero = one second.
	RetryAfter time.Duration
}

// Refuse makes the error of reason; its code comes from the table.
func Refuse(reason Reason, cause error) *Error {
	return &Error{Code: reason.Definition().Code, Reason: reason, Cause: cause}
}

// Error is for logs: clients get the description of the reason.
func (e *Error) Error() string {
	if e.Cause == nil {
		return string(e.Reason)
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// AsError gives the *Error in err's chain. Anything else is a fault of ours:
// server_error, without detail (RFC 6749, Section 5.2 has no better word).
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Refuse(ReasonInternal, err)
}

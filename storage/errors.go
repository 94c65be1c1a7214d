package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tokenry/tokenry/registry"
)

var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")

	// ErrConflict says that the write contradicts what is there. *BindingConflict and
	// *IssuerConflict are of this kind.
	ErrConflict = errors.New("conflict")

	// ErrExists says that what was to be created is there already. It is an ErrConflict.
	ErrExists = fmt.Errorf("%w: it is there already", ErrConflict)

	// ErrVersion says that the object is not the one that the writer read
	// (RFC 9110, Section 13.1.1: answered with 412).
	ErrVersion = errors.New("the object was changed in the meantime")
)

// BindingConflict says that two agents claim one exact subject of an issuer.
type BindingConflict struct {
	Issuer  registry.IssuerName
	Subject string
	Agent   registry.AgentName // the one that was to be written
	Holder  registry.AgentName // the one that has it
}

// Error names both agents.
func (e *BindingConflict) Error() string {
	return fmt.Sprintf("subject %q of issuer %q of agent %q belongs to agent %q", e.Subject, e.Issuer, e.Agent, e.Holder)
}

// Unwrap returns ErrConflict.
func (e *BindingConflict) Unwrap() error { return ErrConflict }

// IssuerConflict says that an issuer's name was to be given to another `iss` or
// trust domain. The name is part of its users' `sub`, so their tokens would
// suddenly mean somebody else.
type IssuerConflict struct {
	Name      registry.IssuerName
	Had, Want string // `iss` or trust domain
}

// Error names both.
func (e *IssuerConflict) Error() string {
	return fmt.Sprintf("issuer %q belongs for ever to %q, use another name for %q", e.Name, e.Had, e.Want)
}

// Unwrap returns ErrConflict.
func (e *IssuerConflict) Unwrap() error { return ErrConflict }

// IsUnavailable says that err comes from the state of the database, not from
// what was asked: it cannot be reached, is going away, has no room, or did not
// answer in time. The same may work later.
func IsUnavailable(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		for _, class := range []string{"08", "53", "57", "58"} { // connection, resources, operator, system
			if strings.HasPrefix(pg.Code, class) {
				return true
			}
		}
		return pg.Code == "55P03" || tryAgain(err) // waited for a lock for too long
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// IsPoison says that err comes from the content of a row, not from the state of
// the database: trying again cannot help, trying without the row can.
func IsPoison(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23"))
}

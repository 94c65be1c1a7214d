package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/storage"
)

// fail turns the error of a handler into what the caller may read of it. It is
// the only place that does, and the only one that logs: what a caller can mend
// is told to the caller alone, what only an operator can mend goes to the log.
func fail(ctx context.Context, log *slog.Logger, method string, err error) error {
	var told *problem
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, storage.ErrNotFound):
		return refuse(http.StatusNotFound, api.CodeNotFound, "there is no such object")
	case errors.Is(err, storage.ErrVersion): // RFC 9110, Section 13.1.1
		return refuse(http.StatusPreconditionFailed, api.CodePreconditionFailed,
			"the object is not the one that If-Match names; read it again")
	case errors.Is(err, storage.ErrReused):
		return invalid(item("header.Idempotency-Key", "belongs to another request; take a new one"))
	case errors.Is(err, storage.ErrExists):
		return refuse(http.StatusConflict, api.CodeExists, "there is an object of this name already")
	case errors.Is(err, storage.ErrConflict):
		return refuse(http.StatusConflict, api.CodeConflict, "the state of the registry does not allow this")
	case ctx.Err() != nil:
		// Nobody waits for the answer any more, and nothing is wrong here.
		return refuse(http.StatusServiceUnavailable, api.CodeUnavailable, "the request ended before its answer")
	case storage.IsUnavailable(err):
		log.WarnContext(ctx, "admin request failed", "cause", err)
		text := "the database does not answer; try again"
		if method != http.MethodGet {
			text = "the database does not answer, and whether it has written is not known; read the object, then try again"
		}
		return refuse(http.StatusServiceUnavailable, api.CodeUnavailable, text)
	}
	log.ErrorContext(ctx, "admin request failed", "cause", err)
	return refuse(http.StatusInternalServerError, api.CodeInternal, "the server failed; its log says why")
}

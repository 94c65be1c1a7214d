package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	registryChannel = "tokenry_registry"
	listenAgain     = time.Second
)

// Listen sends to wake, if it is not full, whenever the registry was written,
// until ctx ends. It is a hint that makes replicas fast, no more: a notice may
// be lost with its connection, and whoever polls needs none.
func (db *DB) Listen(ctx context.Context, wake chan<- struct{}) {
	for ctx.Err() == nil {
		// The error says only that the hint is away for a while. That the
		// database is away is said by the poll.
		_ = db.listen(ctx, wake)
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

func (db *DB) listen(ctx context.Context, wake chan<- struct{}) error {
	conn, err := pgx.Connect(ctx, db.direct)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+registryChannel); err != nil {
		return err
	}
	for {
		select { // at once: there may have been writes before LISTEN
		case wake <- struct{}{}:
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listening: %w", err)
		}
	}
}

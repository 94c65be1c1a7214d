package audit

import (
	"context"
	"fmt"
)

// batch is what one statement writes. Receipts point into it, so that one
// closed channel wakes all who wait for the same commit.
type batch struct {
	events []Event
	done   chan struct{} // closed when errs is final
	errs   []error       // per event; nil = all were kept
}

// Receipt is the claim to the outcome of one appended event. Dropping it is
// harmless: the event is written all the same, and an issued event whose
// token nobody received is fail-safe.
type Receipt struct {
	batch *batch
	index int
}

// Wait returns nil when the event is durable as it was appended. ErrReplayed
// (a *ReplayedError): it is durable as a refusal, because one of its replay keys
// was spent before.
// ErrRejected: the store will never take it. ErrUnavailable: the write failed,
// or ctx ended first; whether the event was kept is unknown, which counts as
// not durable.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.batch.done:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	if r.batch.errs == nil {
		return nil
	}
	return r.batch.errs[r.index]
}

package audit

import (
	"context"
	"fmt"
)

// write makes events durable and returns one error for each, or nil when all
// were kept as they are.
func (l *Ledger) write(events []Event) []error {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timeout)
	lost, err := l.cfg.Write(ctx, events)
	cancel()
	switch {
	case err == nil && len(lost) == 0:
		return nil
	case err == nil:
		return l.mark(events, lost)
	case !l.cfg.Poison(err):
		l.cfg.Report(fmt.Errorf("writing %d audit events: %w", len(events), err))
		return all(events, fmt.Errorf("%w: %w", ErrUnavailable, err))
	case len(events) == 1:
		l.cfg.Report(fmt.Errorf("writing audit event %s: %w", events[0].ID, err))
		return all(events, fmt.Errorf("%w: %w", ErrRejected, err))
	}
	// One row that the store can never take must not fail its neighbours, who
	// belong to other clients: halve until it stands alone. Halving costs
	// 2 log n writes per bad row; writing all rows singly would cost n.
	half := len(events) / 2
	return join(events, half, l.write(events[:half]), l.write(events[half:]))
}

// mark gives a ReplayedError to the events that the statement turned into
// refusals.
func (l *Ledger) mark(events []Event, lost []Lost) []error {
	errs := make([]error, len(events))
	for _, r := range lost {
		if r.Event < 0 || r.Event >= len(events) {
			err := fmt.Errorf("the store answered for event %d of %d", r.Event, len(events))
			l.cfg.Report(err)
			return all(events, fmt.Errorf("%w: %w", ErrUnavailable, err))
		}
		errs[r.Event] = &ReplayedError{Reason: r.Reason}
	}
	return errs
}

func all(events []Event, err error) []error {
	errs := make([]error, len(events))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func join(events []Event, half int, left, right []error) []error {
	if left == nil && right == nil {
		return nil
	}
	errs := make([]error, len(events))
	copy(errs, left)
	copy(errs[half:], right)
	return errs
}

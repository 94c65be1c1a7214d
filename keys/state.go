package keys

import (
	"slices"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// overlap is how much longer than the longest token a key stays published, for
// clocks that disagree on both sides.
const overlap = 5 * time.Minute

// state is one immutable reading of the rows.
type state struct {
	keys []*key // by ActiveFrom
	jwks []byte
	read time.Time // when, by the machine's own clock
}

// key is a row, opened, with what its neighbours make of it.
type key struct {
	row    Row
	next   time.Time    // ActiveFrom of the key that takes over; zero = none yet
	signer *jose.Signer // nil: not needed any more, or does not open
}

// arrange sorts rows by the time they start to sign.
func arrange(rows []Row) []*key {
	list := make([]*key, len(rows))
	for i, row := range rows {
		list[i] = &key{row: row}
	}
	slices.SortFunc(list, func(a, b *key) int {
		if c := a.row.ActiveFrom.Compare(b.row.ActiveFrom); c != 0 {
			return c
		}
		return a.row.Created.Compare(b.row.Created)
	})
	var next time.Time
	for _, k := range slices.Backward(list) {
		k.next = next
		if k.counts() {
			next = k.row.ActiveFrom
		}
	}
	return list
}

// counts says that the key signs, has signed or will sign: one that was
// revoked or retired before its time takes over from nobody.
func (k *key) counts() bool {
	stopped := func(t *time.Time) bool { return t != nil && !t.After(k.row.ActiveFrom) }
	return !stopped(k.row.Revoked) && !stopped(k.row.Retired)
}

// usable says that nobody has stopped the key. A stop counts at once, whatever
// its time says: the clock that wrote it may be ahead of ours.
func (k *key) usable() bool { return k.row.Revoked == nil && k.row.Retired == nil }

// published says that the key belongs into the JWKS: from the moment it is
// known until the last token it signed has expired. A revoked key leaves at
// once, with all its tokens.
func (k *key) published(now time.Time, maxTTL time.Duration) bool {
	if k.row.Revoked != nil {
		return false
	}
	end := k.next
	if k.row.Retired != nil && (end.IsZero() || k.row.Retired.Before(end)) {
		end = *k.row.Retired
	}
	return end.IsZero() || now.Before(end.Add(maxTTL+overlap))
}

// active is the key that signs at now: the newest whose time has come, and no
// other, even if that one was stopped.
func (s *state) active(now time.Time) *key {
	for _, k := range slices.Backward(s.keys) {
		if k.row.ActiveFrom.After(now) || !k.counts() {
			continue
		}
		if k.usable() {
			return k
		}
		return nil
	}
	return nil
}

// newest is the usable key that signs last of all known ones.
func (s *state) newest() *key {
	for _, k := range slices.Backward(s.keys) {
		if k.usable() {
			return k
		}
	}
	return nil
}

// latest is the row that was created last, on which an insert is conditional.
func (s *state) latest() *Row {
	var last *Row
	for _, k := range s.keys {
		if last == nil || k.row.Created.After(last.Created) {
			last = &k.row
		}
	}
	return last
}

// due says whether a key must be made now, and when it shall start to sign.
func (s *state) due(now time.Time, rotateEvery, publishBefore time.Duration) (activeFrom time.Time, due bool) {
	// The very first key, or the active one was stopped: signing now is worth
	// more than being published before. Verifiers ask again for an unknown kid.
	if s.active(now) == nil {
		return now, true
	}
	turn := s.newest().row.ActiveFrom.Add(rotateEvery)
	published := now.Add(publishBefore)
	if turn.After(published) {
		return time.Time{}, false
	}
	// Overdue, because no replica was running: the old key signs on until the
	// new one has been published for long enough.
	return published, true
}

// Phase is what a signing key is good for.
type Phase string

// Phases of a key, in the order in which it goes through them.
const (
	Published Phase = "published" // in the JWKS, signs later
	Active    Phase = "active"    // signs now
	Retiring  Phase = "retiring"  // signs no more; its tokens are still good
	Retired   Phase = "retired"   // left the JWKS
	Revoked   Phase = "revoked"   // left it at once, with all its tokens
)

// Phases tells the phase of each key, by its kid.
func Phases(rows []Row, now time.Time, maxTTL time.Duration) map[string]Phase {
	s := &state{keys: arrange(rows)}
	active := s.active(now)
	phases := make(map[string]Phase, len(rows))
	for _, k := range s.keys {
		switch {
		case k.row.Revoked != nil:
			phases[k.row.Kid] = Revoked
		case !k.published(now, maxTTL):
			phases[k.row.Kid] = Retired
		case k == active:
			phases[k.row.Kid] = Active
		case k.row.Retired == nil && k.row.ActiveFrom.After(now):
			phases[k.row.Kid] = Published
		default:
			phases[k.row.Kid] = Retiring
		}
	}
	return phases
}

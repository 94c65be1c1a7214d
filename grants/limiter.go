package grants

import (
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// limiter holds one token bucket per key. Buckets of idle keys are forgotten:
// by then they would be full again.
type limiter struct {
	buckets *otter.Cache[string, *rate.Limiter]
	limit   rate.Limit
	burst   int
}

// maxBuckets bounds the memory that strangers can make a limiter take.
const maxBuckets = 200_000

func newLimiter(perSecond float64, burst int) (*limiter, error) {
	full := time.Duration(float64(burst) / perSecond * float64(time.Second))
	buckets, err := otter.New(&otter.Options[string, *rate.Limiter]{
		MaximumSize:      maxBuckets,
		ExpiryCalculator: otter.ExpiryAccessing[string, *rate.Limiter](max(full, time.Minute)),
	})
	if err != nil {
		return nil, err
	}
	return &limiter{buckets: buckets, limit: rate.Limit(perSecond), burst: burst}, nil
}

func (l *limiter) bucket(key string) *rate.Limiter {
	if b, ok := l.buckets.GetIfPresent(key); ok {
		return b
	}
	b, _ := l.buckets.SetIfAbsent(key, rate.NewLimiter(l.limit, l.burst))
	return b
}

// take takes one token of key; without one it says how long until the next.
func (l *limiter) take(key string, now time.Time) (time.Duration, bool) {
	b := l.bucket(key)
	if b.AllowN(now, 1) {
		return 0, true
	}
	return l.wait(b, now), false
}

// empty reports whether key has no token left, without taking one.
func (l *limiter) empty(key string, now time.Time) (time.Duration, bool) {
	b, ok := l.buckets.GetIfPresent(key)
	if !ok || b.TokensAt(now) >= 1 {
		return 0, false
	}
	return l.wait(b, now), true
}

func (l *limiter) wait(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	return max(time.Second, time.Duration(missing/float64(l.limit)*float64(time.Second)))
}

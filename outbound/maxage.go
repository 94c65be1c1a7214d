package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// notSaid is the MaxAge of an answer that does not say.
const notSaid = -1

// maxDelta is the longest max-age that is told apart from longer ones: RFC
// 9111, Section 1.2.2.
const maxDelta = 1 << 31

// maxAge reads how long an answer may be kept: RFC 9111, Section 4.2.1. What
// cannot be read counts as stale, which costs a fetch and nothing else.
func maxAge(h http.Header) time.Duration {
	said := time.Duration(notSaid)
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				if said < 0 { // said twice, the first holds: RFC 9111, Section 4.2.1
					said = seconds(strings.Trim(value, `"`))
				}
			}
		}
	}
	if said >= 0 {
		// A cache on the way has kept it for so long: RFC 9111, Section 4.2.3.
		return max(0, said-seconds(h.Get("Age")))
	}
	return expires(h)
}

// expires reads the older header. It is compared with the server's own clock,
// not with ours: RFC 9111, Section 4.2.1.
func expires(h http.Header) time.Duration {
	if h.Get("Expires") == "" {
		return notSaid
	}
	until, err := http.ParseTime(h.Get("Expires"))
	if err != nil {
		return 0 // RFC 9111, Section 5.3: "0" and other nonsense is the past
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, min(until.Sub(date), maxDelta*time.Second))
}

// seconds reads a delta of seconds; nonsense is 0.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil && n == 0 {
		return 0
	}
	return time.Duration(min(n, maxDelta)) * time.Second
}

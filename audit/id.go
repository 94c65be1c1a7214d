package audit

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// idAlphabet is Crockford's base 32 in lower case: its order is the order of
// the bytes, and it has no letters that look like digits.
var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a unique id such as "dec_06dkq…": 48 bits of milliseconds, so
// that new rows lie side by side in the index, then 80 random bits, so that
// nobody guesses one.
func NewID(prefix string, now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:]) // never fails: crypto/rand ends the program instead
	return prefix + "_" + idAlphabet.EncodeToString(b[:])
}

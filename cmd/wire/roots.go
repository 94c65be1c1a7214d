package wire

import (
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tokenry/tokenry/outbound"
)

// roots reads the authorities of client certificates again when their file
// changes, looking at most once a second. A file that turns bad while it is
// being replaced leaves the last good ones in force.
type roots struct {
	path   string
	report func(error)

	mu      sync.Mutex
	checked time.Time
	seen    os.FileInfo // what the file looked like when it was read
	pool    *x509.CertPool
	said    string // the last error that was reported
}

func (r *roots) load() (*x509.CertPool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pool != nil && time.Since(r.checked) < time.Second {
		return r.pool, nil
	}
	r.checked = time.Now()
	info, err := os.Stat(r.path)
	if err == nil && r.seen != nil && os.SameFile(info, r.seen) && info.ModTime().Equal(r.seen.ModTime()) && info.Size() == r.seen.Size() {
		return r.pool, nil
	}
	if err == nil {
		err = r.read(info)
	}
	if err != nil {
		err = fmt.Errorf("public.mtls_ca_file: %w", err)
		if r.pool == nil {
			return nil, err
		}
		if err.Error() != r.said {
			r.said = err.Error()
			r.report(err)
		}
	}
	return r.pool, nil
}

func (r *roots) read(info os.FileInfo) error {
	authorities, err := outbound.ReadCAFile(r.path)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a)
	}
	r.pool, r.seen, r.said = pool, info, ""
	return nil
}

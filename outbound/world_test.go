package outbound_test

import (
	"encoding/binary"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"context"

	"github.com/tokenry/tokenry/outbound"
)

// lo is what most tests may reach: another loopback address than the one that
// stands for what they may not.
const lo = "127.0.0.2"

func nets(t testing.TB, prefixes ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, p := range prefixes {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

func newClient(t testing.TB, c outbound.Config) *outbound.Client {
	t.Helper()
	client, err := outbound.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// site is an HTTP server that counts the connections made to it.
type site struct {
	*httptest.Server
	connections atomic.Int64
}

// serve starts a server on ip.
func serve(t testing.TB, ip string, secure bool, handler http.HandlerFunc) *site {
	t.Helper()
	listener, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Server: httptest.NewUnstartedServer(handler)}
	s.Listener.Close()
	s.Listener = listener
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *site) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// caFile writes the site's certificate, which httptest signs with itself.
func (s *site) caFile(t testing.TB) string {
	t.Helper()
	return writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }
}

// names is a name server: every name has the same addresses, which can change.
type names struct {
	addrs atomic.Pointer[[]string]
	asked atomic.Int64
	conn  net.PacketConn
}

func newNames(t testing.TB, addrs ...string) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &names{conn: conn}
	n.set(addrs...)
	go n.serve()
	return n
}

func (n *names) set(addrs ...string) { n.addrs.Store(&addrs) }

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", n.conn.LocalAddr().String())
	}}
}

func (n *names) serve() {
	buf := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		n.asked.Add(1)
		n.conn.WriteTo(n.answer(buf[:size]), from)
	}
}

// answer makes a DNS message: RFC 1035, Section 4.1.
func (n *names) answer(query []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	kind := binary.BigEndian.Uint16(query[end-4:])
	var records []byte
	count := uint16(0)
	for _, a := range *n.addrs.Load() {
		addr := netip.MustParseAddr(a)
		want := uint16(1)
		if addr.Is6() {
			want = 28
		}
		if kind != want {
			continue
		}
		records = append(records, 0xC0, 12, byte(want>>8), byte(want), 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8))
		records = append(records, addr.AsSlice()...)
		count++
	}
	message := []byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(message[6:], count)
	return append(append(message, query[12:end]...), records...)
}

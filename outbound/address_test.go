package outbound_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/tokenry/tokenry/outbound"
)

// last is the last address of a network.
func last(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 1 << (7 - bit%8)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr
}

// Each network is refused from its first address to its last, by the dialer
// itself: the URL is a sound one.
func TestNetworksThatAreNotPublic(t *testing.T) {
	t.Parallel()
	client := newClient(t, outbound.Config{})
	for _, row := range []struct{ id, network string }{
		{"SEC-SF-02", "10.0.0.0/8"}, {"SEC-SF-02", "172.16.0.0/12"}, {"SEC-SF-02", "192.168.0.0/16"},
		{"SEC-SF-02", "127.0.0.0/8"}, {"SEC-SF-02", "169.254.0.0/16"}, {"SEC-SF-02", "169.254.169.254/32"},
		{"SEC-SF-02", "::1/128"}, {"SEC-SF-02", "fd00::/8"}, {"SEC-SF-02", "fe80::/10"}, {"SEC-SF-02", "fc00::/7"},
		{"SEC-SF-02", "fd00:ec2::254/128"},
		{"SEC-SF-03", "100.64.0.0/10"}, {"SEC-SF-03", "192.0.0.0/24"}, {"SEC-SF-03", "198.18.0.0/15"},
		{"SEC-SF-03", "240.0.0.0/4"}, {"SEC-SF-03", "168.63.129.16/32"}, {"SEC-SF-03", "100.100.100.200/32"},
		{"SEC-SF-03", "0.0.0.0/8"}, {"SEC-SF-03", "192.0.2.0/24"}, {"SEC-SF-03", "192.88.99.0/24"},
		{"SEC-SF-03", "198.51.100.0/24"}, {"SEC-SF-03", "203.0.113.0/24"}, {"SEC-SF-03", "224.0.0.0/4"},
		{"SEC-SF-04", "::ffff:10.0.0.0/104"}, {"SEC-SF-04", "::ffff:169.254.169.254/128"}, {"SEC-SF-04", "::ffff:100.64.0.0/106"},
		{"SEC-SF-04", "64:ff9b::/96"}, {"SEC-SF-04", "64:ff9b:1::/48"}, {"SEC-SF-04", "2002::/16"}, {"SEC-SF-04", "fec0::/10"},
		{"SEC-SF-04", "2001::/32"}, {"SEC-SF-04", "2001::/23"}, {"SEC-SF-04", "2001:db8::/32"}, {"SEC-SF-04", "3ffe::/16"},
		{"SEC-SF-04", "3fff::/20"}, {"SEC-SF-04", "ff00::/8"}, {"SEC-SF-04", "100::/64"}, {"SEC-SF-04", "5f00::/16"},
		{"SEC-SF-04", "::/96"}, {"SEC-SF-04", "::ffff:0:0:0/96"}, {"SEC-SF-04", "4000::/3"},
	} {
		t.Run(row.id+" "+row.network, func(t *testing.T) {
			t.Parallel()
			network := netip.MustParsePrefix(row.network)
			for _, addr := range []netip.Addr{network.Addr(), last(network)} {
				url := "https://" + netip.AddrPortFrom(addr, 443).String() + "/"
				if _, err := client.Get(t.Context(), outbound.Request{URL: url}); !errors.Is(err, outbound.ErrBlocked) {
					t.Errorf("%s: %v, want ErrBlocked", url, err)
				}
			}
		})
	}
}

// The neighbours of those networks are public: the table refuses no more than
// it says.
func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	client := newClient(t, outbound.Config{})
	for _, addr := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
		"191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
		"2000::", "2001:200::", "2001:db7:ffff:ffff::", "2001:db9::", "2001:ffff::", "2003::", "3ffd:ffff::", "3fff:1000::",
		"3fff:ffff:ffff::", "::ffff:8.8.8.8",
	} {
		if !client.Admits(netip.AddrPortFrom(netip.MustParseAddr(addr), 443)) {
			t.Errorf("%s is refused", addr)
		}
	}
	if client.Admits(netip.AddrPortFrom(netip.MustParseAddr("2003::1%eth0"), 443)) {
		t.Error("an address with a zone is taken") // SEC-SF-29
	}
}

func TestPorts(t *testing.T) { // SEC-SF-29
	t.Parallel()
	strict := newClient(t, outbound.Config{AllowNetworks: nets(t, "10.1.0.0/16", "198.41.0.4/32")})
	plain := newClient(t, outbound.Config{AllowHTTP: true})
	for _, row := range []struct {
		client *outbound.Client
		addr   string
		want   bool
	}{
		{strict, "8.8.8.8:443", true},
		{strict, "8.8.8.8:80", false},
		{strict, "8.8.8.8:8443", false},
		{strict, "8.8.8.8:22", false},
		{strict, "10.1.255.255:6443", true},
		{strict, "10.2.0.0:443", false},
		{strict, "198.41.0.4:8443", true},
		{strict, "[::ffff:10.1.0.1]:443", true},
		{plain, "8.8.8.8:443", true},
		{plain, "8.8.8.8:80", true},
		{plain, "8.8.8.8:8080", false},
		{plain, "10.1.0.1:80", false},
	} {
		if got := row.client.Admits(netip.MustParseAddrPort(row.addr)); got != row.want {
			t.Errorf("%s: %v, want %v", row.addr, got, row.want)
		}
	}
}

func TestNewIsStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]outbound.Config{
		"negative timeout": {Timeout: -1},
		"negative size":    {MaxBytes: -1},
		"empty network":    {AllowNetworks: make([]netip.Prefix, 1)},
		"mapped network":   {AllowNetworks: nets(t, "::ffff:10.0.0.0/104")},
	} {
		if _, err := outbound.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

package outbound

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// special4 are the IPv4 networks that are not the public internet: the IANA
// special-purpose registry (RFC 6890), multicast, and addresses that clouds
// answer themselves. netip calls several of them global unicast, which is why
// its predicates are not asked.
func special4() []string {
	return []string{
		"0.0.0.0/8",        // this network: Linux connects 0.0.0.0 to itself
		"10.0.0.0/8",       // private
		"100.64.0.0/10",    // carrier NAT; 100.100.100.200 is a metadata service
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // a cloud's wire server, seen from inside alone
		"169.254.0.0/16",   // link-local; 169.254.169.254 is the metadata service
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // IETF protocols; 192.0.0.192 is a metadata service
		"192.0.2.0/24",     // documentation
		"192.88.99.0/24",   // 6to4 relays
		"192.168.0.0/16",   // private
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved, and broadcast
	}
}

// global6 is all that is given out of IPv6 (RFC 4291, Section 2.4). What is
// outside needs no list: loopback, link-local, site-local (fec0::/10), unique
// local (fd00:ec2::254 is a metadata service), multicast, NAT64 (64:ff9b::/96,
// 64:ff9b:1::/48), discard-only, and IPv4 in its several wrappings.
const global6 = "2000::/3"

// special6 are the networks within global6 that are not the public internet.
func special6() []string {
	return []string{
		"2001::/23",     // IETF protocols: Teredo, benchmarks, ORCHID
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4: an IPv4 address of any kind inside
		"3ffe::/16",     // the 6bone that was
		"3fff::/20",     // documentation
	}
}

// guard decides which addresses may be connected to.
type guard struct {
	allowed   []netip.Prefix
	allowHTTP bool
	global6   netip.Prefix
	special   []netip.Prefix
}

func newGuard(allowed []netip.Prefix, allowHTTP bool) (guard, error) {
	g := guard{allowHTTP: allowHTTP, global6: netip.MustParsePrefix(global6)}
	for _, p := range allowed {
		// Addresses are compared unmapped; a mapped network would never match.
		if !p.IsValid() || p.Addr().Is4In6() {
			return guard{}, fmt.Errorf("outbound: %s is not a network", p)
		}
		g.allowed = append(g.allowed, p.Masked())
	}
	for _, p := range append(special4(), special6()...) {
		g.special = append(g.special, netip.MustParsePrefix(p))
	}
	return g, nil
}

// control is called with the address that a name was resolved to, before the
// first packet leaves. Of several addresses each is asked about.
func (g guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || (network != "tcp4" && network != "tcp6") {
		return blocked("%s is not an address", address)
	}
	return g.check(addr.Addr(), addr.Port())
}

// check refuses an address that is neither allowed nor public, and ports of
// public hosts on which a document is not what one would expect: a URL must not
// make this server scan others.
func (g guard) check(addr netip.Addr, port uint16) error {
	addr = addr.Unmap() // RFC 4291, Section 2.5.5.2: the same IPv4 host
	for _, p := range g.allowed {
		if p.Contains(addr) {
			return nil
		}
	}
	switch {
	case !g.public(addr):
		return blocked("%s is not a public address and not in an allowed network", addr)
	case port != 443 && (port != 80 || !g.allowHTTP):
		return blocked("port %d of %s, which is not in an allowed network", port, addr)
	}
	return nil
}

// public reports whether addr belongs to the public internet. One with a zone
// is in no prefix, and so it does not.
func (g guard) public(addr netip.Addr) bool {
	if !addr.IsValid() || (addr.Is6() && !g.global6.Contains(addr)) {
		return false
	}
	for _, p := range g.special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

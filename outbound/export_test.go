package outbound

import "net/netip"

// Admits asks the guard of c about an address, without a packet to it.
func (c *Client) Admits(addr netip.AddrPort) bool {
	return c.guard.check(addr.Addr(), addr.Port()) == nil
}

// MaxFetches is how many fetches run at once.
const MaxFetches = maxFetches

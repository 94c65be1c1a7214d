package jose

import "math/big"

// isROCA reports whether n was made by chips that choose primes so narrowly that
// they can be found again: CVE-2017-15361. Both primes of such a modulus are
// powers of 65537, modulo every small prime, and so is their product; of others
// one in a billion is.
func isROCA(n *big.Int) bool {
	rest := new(big.Int)
	for _, p := range [...]int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
		101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		if !isPower(65537, rest.Mod(n, big.NewInt(p)).Int64(), p) {
			return false
		}
	}
	return true
}

// isPower reports whether v is a power of base modulo the prime p.
func isPower(base, v, p int64) bool {
	power := int64(1)
	for range p - 1 { // by then they repeat
		if power == v {
			return true
		}
		power = power * base % p
	}
	return false
}

package jose

// Set is the public keys of one issuer. The zero value has none.
type Set struct {
	keys    []Key
	refused []refusal
}

// refusal is a key that may not be used, remembered so that a token which names
// it can be told why.
type refusal struct {
	kid   string
	fault Fault
}

// Len is the number of keys that can verify something.
func (s Set) Len() int { return len(s.keys) }

// Select finds the key for a token. By its kid, byte for byte (RFC 7515,
// Section 4.1.4); two keys may share one if only one of them fits alg (RFC
// 7517, Section 4.5). A token without kid is for the only key that fits:
// trying them in turn would let the sender choose. The error is an *Error.
func (s Set) Select(alg, kid string) (Key, error) {
	var found Key
	var misfit Fault
	fits := 0
	for _, k := range s.keys {
		if kid != "" && k.Kid != kid {
			continue
		}
		if f := k.misfit(alg); f != "" {
			misfit = f
			continue
		}
		found = k
		fits++
	}
	switch {
	case fits == 1:
		return found, nil
	case kid == "":
		return Key{}, &Error{Fault: FaultKidMissing}
	case fits > 1:
		return Key{}, &Error{Fault: FaultKidAmbiguous}
	case misfit != "":
		return Key{}, &Error{Fault: misfit}
	}
	for _, r := range s.refused {
		if r.kid == kid {
			return Key{}, &Error{Fault: r.fault}
		}
	}
	return Key{}, &Error{Fault: FaultKidUnknown}
}

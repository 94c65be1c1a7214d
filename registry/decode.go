package registry

// NewSpec returns a new empty spec of kind k, or nil when there is no such
// kind.
func NewSpec(k Kind) any {
	switch k {
	case KindTrustedIssuer:
		return new(TrustedIssuer)
	case KindResource:
		return new(Resource)
	case KindBlueprint:
		return new(Blueprint)
	case KindAgent:
		return new(Agent)
	case KindDelegationRule:
		return new(DelegationRule)
	}
	return nil
}

// DecodeSpec reads the JSON of a spec of kind k and returns a pointer to it.
// Unknown members, members that differ from a known one by case, duplicates,
// nulls, wrong types and trailing bytes are refused; the error is Problems.
func DecodeSpec(k Kind, raw []byte) (any, error) {
	return nil, nil
}

package jose

// ParseForm is Parse without the claims: public vectors sign texts.
func ParseForm(compact string) (*Token, error) { return parseForm(compact, false) }

// Signed is a token of which there is only a signature, for vectors that have
// no more.
func Signed(alg string, message, signature []byte) *Token {
	return &Token{Alg: alg, signed: string(message), signature: signature}
}

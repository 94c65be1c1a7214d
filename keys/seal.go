package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// sealVersion is the first byte of every sealed key, so that another way of
// sealing can come one day without guessing: 1 = AES-256-GCM, 12 bytes of
// random nonce, ciphertext and tag.
const sealVersion = 1

// newSealer is the cipher of a KEK.
func newSealer(kek []byte) (cipher.AEAD, error) {
	if len(kek) != KEKSize {
		return nil, fmt.Errorf("the key-encryption key has %d bytes, want %d", len(kek), KEKSize)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts the private half of a key.
func seal(aead cipher.AEAD, kid, alg string, private []byte) []byte {
	out := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(private)+aead.Overhead())
	out[0] = sealVersion
	nonce := out[1:]
	rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return aead.Seal(out, nonce, private, sealData(kid, alg))
}

// open decrypts what seal made. Its error says nothing about the bytes.
func open(aead cipher.AEAD, kid, alg string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+aead.NonceSize() {
		return nil, ErrSealed
	}
	if sealed[0] != sealVersion {
		return nil, fmt.Errorf("sealed in version %d, which this program does not know", sealed[0])
	}
	nonce, text := sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():]
	private, err := aead.Open(nil, nonce, text, sealData(kid, alg))
	if err != nil {
		return nil, ErrSealed
	}
	return private, nil
}

// sealData binds a sealed key to its row: whoever can write the table cannot
// put an old, known key under the name of the current one. "|" occurs in
// neither a thumbprint nor an algorithm's name.
func sealData(kid, alg string) []byte { return []byte(kid + "|" + alg) }

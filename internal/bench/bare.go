package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// bare is the yardstick: net/http that parses the form, checks a client secret,
// verifies one ES256 token and signs one. No policy, no record, no replay
// check. Arguments: the users' public key, the secret.
func bare(args []string) {
	point, err := base64.RawURLEncoding.DecodeString(args[0])
	if err != nil {
		panic(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256([]byte(args[1]))
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	http.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad form", http.StatusBadRequest)
			return
		}
		got := sha256.Sum256([]byte(r.PostForm.Get("client_secret")))
		if subtle.ConstantTimeCompare(got[:], sum[:]) != 1 {
			http.Error(w, "bad client", http.StatusUnauthorized)
			return
		}
		claims, err := verifyES256(key, r.PostForm.Get("subject_token"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		now := time.Now().Unix()
		payload, _ := json.Marshal(map[string]any{
			"iss": "http://bare", "sub": claims.Subject, "aud": r.PostForm.Get("resource"), "client_id": r.PostForm.Get("client_id"),
			"iat": now, "exp": now + 300, "jti": rand.Text(), "scope": "llm:read", "act": map[string]string{"sub": r.PostForm.Get("client_id")},
		})
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": signES256(signing, `{"alg":"ES256","kid":"bench","typ":"at+jwt"}`, payload), "token_type": "Bearer", "expires_in": 300,
		})
	})
	panic(http.Serve(l, nil))
}

type bareClaims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

func verifyES256(key *ecdsa.PublicKey, token string) (*bareClaims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("no JWS")
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return nil, fmt.Errorf("bad signature")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return nil, fmt.Errorf("bad signature")
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims bareClaims
	for i, into := range []any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, err
		}
	}
	if header.Alg != "ES256" || claims.Expires <= time.Now().Unix() {
		return nil, fmt.Errorf("expired or of another algorithm")
	}
	return &claims, nil
}

func signES256(key *ecdsa.PrivateKey, header string, payload []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// cryptoAlone is the CPU time of one ES256 verification and one signature.
func cryptoAlone() time.Duration {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	digest := sha256.Sum256([]byte("x"))
	sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	const n = 3000
	start := ownCPU()
	for range n {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
			panic("signature")
		}
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			panic(err)
		}
	}
	return (ownCPU() - start) / n
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

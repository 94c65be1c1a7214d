package server_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestAbuseJE: what is encrypted or packed is not opened. How long that takes
// and how much memory is not measured: the event says that the token was refused
// for the number of its parts, before anything of it was decoded.
func TestAbuseJE(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		encrypted("SEC-JE-01", func(*testing.T, *authtest.Server) string {
			return jwe(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`, make([]byte, 256), []byte("ciphertext"))
		}),
		encrypted("SEC-JE-02", func(*testing.T, *authtest.Server) string {
			return jwe(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"c2FsdA","p2c":2147483647}`, make([]byte, 24), []byte("ciphertext"))
		}),
		// A mebibyte does not fit into a request; this is as much as does.
		encrypted("SEC-JE-03", func(t *testing.T, _ *authtest.Server) string {
			return jwe(`{"alg":"dir","enc":"A128GCM","zip":"DEF"}`, nil, deflated(t, 32<<20))
		}),
		encrypted("SEC-JE-04", func(*testing.T, *authtest.Server) string {
			return jwe(`{"alg":"A256KW","enc":"A256GCM"}`, nil, []byte("ciphertext"))
		}),
		encrypted("SEC-JE-05", func(t *testing.T, as *authtest.Server) string {
			return encryptedToUs(t, as, encode(t, alice(t, as)))
		}),
		{"SEC-JE-06", func(t *testing.T, as *authtest.Server) {
			body := itself()(t, as).Encode()
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			_, _ = io.WriteString(w, body) // into memory
			_ = w.Close()
			for encoding, body := range map[string]string{"gzip": zipped.String(), "deflate": string(deflated(t, 100)), "br": body, "identity": body} {
				a := raw(t, as, http.MethodPost, formType, body, func(r *http.Request) { r.Header.Set("Content-Encoding", encoding) })
				as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPEncoding)
			}
		}},
		{"SEC-JE-07", jwksBomb},
		{"SEC-JE-08", func(t *testing.T, as *authtest.Server) {
			// DESIGN, Section 3.3: a multipart body is 400, and so it is not taken apart.
			var body strings.Builder
			for name, values := range forAlice()(t, as) {
				fmt.Fprintf(&body, "--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", name, values[0])
			}
			for _, parts := range []int{0, 10_000} {
				whole := body.String() + strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", parts) + "--x--\r\n"
				a := raw(t, as, http.MethodPost, "multipart/form-data; boundary=x", whole, nil)
				as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPMediaType)
			}
		}},
		{"SEC-JE-09", func(t *testing.T, as *authtest.Server) {
			if status, code := flood(t, as, 200<<20); status != http.StatusRequestEntityTooLarge || code != api.CodeTooLarge {
				t.Errorf("%d %s, want 413 %s", status, code, api.CodeTooLarge)
			}
		}},
	})
}

// encrypted is a row whose token has five parts, wherever it stands.
func encrypted(id string, token func(*testing.T, *authtest.Server) string) row {
	return row{id, func(t *testing.T, as *authtest.Server) {
		raw := token(t, as)
		a := show(t, as, raw)
		as.WantRefused(t, a, oauth.InvalidRequest, subjectFault("jwe_unsupported"))
		if ev := as.Event(t, a.DecisionID); !strings.Contains(string(ev.Detail), "jwe_unsupported: five parts") {
			t.Errorf("it was not refused at the door: %s", ev.Detail)
		}
		as.WantRefused(t, as.Post(t, ask(raw)), oauth.InvalidClient, clientFault("jwe_unsupported"))
	}}
}

// jwe is an encrypted token in compact form: RFC 7516, Section 7.1.
func jwe(header string, key, ciphertext []byte) string {
	return strings.Join([]string{b64([]byte(header)), b64(key), b64(make([]byte, 12)), b64(ciphertext), b64(make([]byte, 16))}, ".")
}

// deflated is so many zeros, packed as zip: DEF packs (RFC 7516, Section 4.1.3).
func deflated(t *testing.T, zeros int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(make([]byte, zeros)) // into memory
	_ = w.Close()
	return out.Bytes()
}

// encryptedToUs encrypts text to the key that we sign with, as if it were for
// encryption: ECDH-ES with A256GCM, RFC 7518, Section 4.6.
func encryptedToUs(t *testing.T, as *authtest.Server, text []byte) string {
	t.Helper()
	res, err := http.Get(as.PublicURL + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set struct{ Keys []struct{ X, Y string } }
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("our keys: %v", err)
	}
	ours, err := ecdh.P256().NewPublicKey(slices.Concat([]byte{4}, unb64(t, set.Keys[0].X), unb64(t, set.Keys[0].Y)))
	if err != nil {
		t.Fatal(err)
	}
	ephemeral, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := ephemeral.ECDH(ours)
	if err != nil {
		t.Fatal(err)
	}
	point := ephemeral.PublicKey().Bytes()
	header := b64(encode(t, object{"alg": "ECDH-ES", "enc": "A256GCM", "epk": object{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}}))
	number := func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	key := sha256.Sum256(slices.Concat(number(1), shared, number(7), []byte("A256GCM"), number(0), number(0), number(256)))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := make([]byte, gcm.NonceSize())
	sealed := gcm.Seal(nil, iv, text, []byte(header))
	edge := len(sealed) - gcm.Overhead()
	return strings.Join([]string{header, "", b64(iv), b64(sealed[:edge]), b64(sealed[edge:])}, ".")
}

// jwksBomb trusts issuers whose keys are a bomb: packed, and endless. Their
// tokens are neither good nor bad, so the answer is 503.
func jwksBomb(t *testing.T, as *authtest.Server) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, 64<<20)) // into memory
	_ = w.Close()
	var sent atomic.Int64
	for name, serve := range map[string]http.HandlerFunc{
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes()) // the other side has hung up
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte(" "), 64<<10)
			for range 16 << 10 { // a gibibyte
				n, err := w.Write(chunk)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		},
	} {
		s := httptest.NewServer(serve)
		t.Cleanup(s.Close)
		trust(t, as, "je-07-"+name, s.URL, "")
		claims := alice(t, as)
		claims["iss"] = s.URL
		a := show(t, as, as.IDP.Sign(t, "JWT", claims))
		as.WantRefused(t, a, oauth.TemporarilyUnavailable, oauth.ReasonIssuerUnavailable)
		if a.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	if n := sent.Load(); n > 64<<20 { // what the network holds, and much less than all
		t.Errorf("%d bytes of an endless key set were sent", n)
	}
}

// flood sends so many opening brackets to the admin API, for as long as it
// listens, and reads its problem.
func flood(t *testing.T, as *authtest.Server, size int) (int, api.Code) {
	t.Helper()
	u, err := url.Parse(as.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s/resources HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		api.Prefix, u.Host, as.AdminToken, size)
	go func() {
		chunk := bytes.Repeat([]byte("["), 64<<10)
		for range size / len(chunk) {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, problemCode(t, res)
}

func problemCode(t *testing.T, res *http.Response) api.Code {
	t.Helper()
	if media := res.Header.Get("Content-Type"); media != "application/problem+json" {
		t.Errorf("Content-Type %q", media)
	}
	var p api.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p.Code
}

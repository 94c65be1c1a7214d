package clientcert_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/server/clientcert"
)

const id = "spiffe://mesh.example/agents/a"

// chain is a leaf and its intermediate.
func chain(t testing.TB) *authtest.ClientCert {
	t.Helper()
	return authtest.NewAuthority(t, &authtest.Clock{}, "root", nil).Intermediate(t, "1", nil).Leaf(t, id, nil)
}

// escape writes PEM as nginx does: everything but letters and digits.
func escape(der ...[]byte) string {
	var b bytes.Buffer
	for _, d := range der {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: d}) // to memory
	}
	return strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D", "\n", "%0A", " ", "%20").Replace(b.String())
}

type row struct {
	value string
	want  error
	certs int // when it is read
}

func run(t *testing.T, format clientcert.Format, rows map[string]row) {
	t.Helper()
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := format.Read(http.Header{format.Names()[0]: {r.value}})
			if !errors.Is(err, r.want) || (err == nil) != (r.want == nil) || len(got) != r.certs {
				t.Errorf("%d certificates, %v; want %d, %v", len(got), err, r.certs, r.want)
			}
		})
	}
}

func TestXFCC(t *testing.T) {
	t.Parallel()
	c := chain(t)
	leaf, both := `Cert="`+escape(c.Chain[0])+`"`, `Chain="`+escape(c.Chain...)+`"`
	sum := sha256.Sum256(c.Chain[0])
	hash := hex.EncodeToString(sum[:])
	wrong, more := clientcert.ErrMalformed, clientcert.ErrAmbiguous
	run(t, clientcert.XFCC, map[string]row{
		"as Envoy writes it":       {`By=spiffe://mesh.example/proxy;Hash=` + hash + `;` + leaf + `;` + both + `;Subject="O=SPIRE,C=US";URI=` + id + `;DNS=a.example;DNS=b.example`, nil, 2},
		"the leaf alone":           {leaf, nil, 1},
		"the chain alone":          {both, nil, 2},
		"an empty URI":             {leaf + ";URI=", nil, 1},
		"keys have no case":        {"cErT" + leaf[4:], nil, 1},
		"a subject with escapes":   {`Subject="CN=a\;b\,c\"d";` + leaf, nil, 1},
		"another leaf in Chain":    {leaf + `;Chain="` + escape(c.Chain[1], c.Chain[0]) + `"`, more, 0},
		"two in Cert":              {`Cert="` + escape(c.Chain...) + `"`, more, 0},
		"two elements":             {leaf + "," + leaf, more, 0},
		"an empty second element":  {leaf + ",", more, 0},
		"no certificate":           {"Hash=" + hash + ";URI=" + id, wrong, 0},
		"two Certs":                {leaf + ";" + leaf, wrong, 0},
		"two Subjects":             {`Subject="CN=a";Subject="CN=b";` + leaf, wrong, 0},
		"another Hash":             {"Hash=" + strings.Repeat("0", 64) + ";" + leaf, wrong, 0},
		"another URI":              {leaf + ";URI=spiffe://admin", wrong, 0},
		"a second URI":             {leaf + ";URI=" + id + ";URI=spiffe://admin", wrong, 0},
		"a pair inside quotes":     {`Subject="CN=a;URI=spiffe://admin";` + leaf, wrong, 0},
		"an unknown key":           {leaf + ";Admin=true", wrong, 0},
		"a pair without a value":   {leaf + ";URI", wrong, 0},
		"an empty pair":            {leaf + ";", wrong, 0},
		"a space before a key":     {leaf + "; URI=" + id, wrong, 0},
		"quotes never closed":      {leaf[:len(leaf)-1], wrong, 0},
		"a backslash at the end":   {`Subject="CN=a\`, wrong, 0},
		"text behind quotes":       {leaf + "x", wrong, 0},
		"quotes within a value":    {`By=a"b;` + leaf, wrong, 0},
		"a control character":      {"By=a\tb;" + leaf, wrong, 0},
		"a control in quotes":      {"Subject=\"a\x01\";" + leaf, wrong, 0},
		"a bad escape":             {`Cert="%zz"`, wrong, 0},
		"no PEM":                   {`Cert="abc"`, wrong, 0},
		"text before the PEM":      {`Cert="x%0A` + escape(c.Chain[0]) + `"`, wrong, 0},
		"text behind the PEM":      {`Cert="` + escape(c.Chain[0]) + `x"`, wrong, 0},
		"a broken first block":     {`Cert="-----BEGIN%20CERTIFICATE-----%0A!%0A` + escape(c.Chain[0]) + `"`, wrong, 0},
		"another type of PEM":      {`Cert="` + strings.ReplaceAll(escape(c.Chain[0]), "CERTIFICATE", "PRIVATE%20KEY") + `"`, wrong, 0},
		"a header in the PEM":      {`Cert="-----BEGIN%20CERTIFICATE-----%0AA: b%0A%0AAAAA%0A-----END%20CERTIFICATE-----%0A"`, wrong, 0},
		"forty certificates":       {`Chain="` + strings.Repeat(escape([]byte{1}), 40) + `"`, wrong, 0},
		"no certificate but a URI": {`Cert="` + escape([]byte("x")) + `";URI=` + id, wrong, 0},
		"nothing":                  {"", wrong, 0},
		"too long":                 {leaf + ";DNS=" + strings.Repeat("a", 64<<10), wrong, 0},
	})
}

func TestRFC9440(t *testing.T) {
	t.Parallel()
	c := chain(t)
	leaf, above := ":"+base64.StdEncoding.EncodeToString(c.Chain[0])+":", ":"+base64.StdEncoding.EncodeToString(c.Chain[1])+":"
	wrong, more := clientcert.ErrMalformed, clientcert.ErrAmbiguous
	run(t, clientcert.RFC9440, map[string]row{
		"a leaf": {leaf, nil, 1}, "two": {leaf + ", " + leaf, more, 0}, "no colons": {strings.Trim(leaf, ":"), wrong, 0},
		"parameters": {leaf + ";a=1", wrong, 0}, "base64url": {":-_-_:", wrong, 0}, "without padding": {":AA:", wrong, 0},
		"bits behind the end": {":AB==:", wrong, 0}, "empty": {"::", wrong, 0}, "nothing": {"", wrong, 0}, "one colon": {":", wrong, 0},
	})
	for name, r := range map[string]struct {
		headers http.Header
		want    error
		certs   int
	}{
		"a chain":              {http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {above + ",  " + above}}, nil, 3},
		"a chain without leaf": {http.Header{"Client-Cert-Chain": {above}}, wrong, 0},
		"two chains":           {http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {above, above}}, more, 0},
		"two leaves":           {http.Header{"Client-Cert": {leaf, leaf}}, more, 0},
		"an empty chain":       {http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {""}}, wrong, 0},
		"a hole in the chain":  {http.Header{"Client-Cert": {leaf}, "Client-Cert-Chain": {above + ",," + above}}, wrong, 0},
		"other spellings":      {http.Header{"Client_cert": {leaf}, "X-Forwarded-Client-Cert": {"x"}}, nil, 0},
	} {
		got, err := clientcert.RFC9440.Read(r.headers)
		if !errors.Is(err, r.want) || (err == nil) != (r.want == nil) || len(got) != r.certs {
			t.Errorf("%s: %d certificates, %v; want %d, %v", name, len(got), err, r.certs, r.want)
		}
	}
}

func TestNginx(t *testing.T) {
	t.Parallel()
	c := chain(t)
	run(t, clientcert.Nginx, map[string]row{
		"a leaf": {escape(c.Chain[0]), nil, 1}, "escaped otherwise": {url.PathEscape(c.PEM(0, 1)), nil, 1},
		"two": {escape(c.Chain...), clientcert.ErrAmbiguous, 0}, "(null)": {"(null)", clientcert.ErrMalformed, 0},
		// $ssl_client_cert, with tabs for newlines, is another variable.
		"unescaped": {strings.ReplaceAll(strings.TrimSpace(c.PEM(0, 1)), "\n", "\n\t"), clientcert.ErrMalformed, 0},
	})
}

// TestNoFormat reads nothing, whatever is there.
func TestNoFormat(t *testing.T) {
	t.Parallel()
	got, err := clientcert.None.Read(http.Header{"X-Forwarded-Client-Cert": {"x"}, "Client-Cert": {"x"}, "": {"x"}})
	if got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzXFCC: whatever is read is what the header's own pairs say, and reading it
// again gives the same.
func FuzzXFCC(f *testing.F) {
	c := chain(f)
	f.Add(`By=x;Cert="` + escape(c.Chain[0]) + `";Subject="CN=a\"b";URI=` + id)
	f.Add(`Chain="` + escape(c.Chain...) + `"`)
	f.Add(`Subject="a;URI=spiffe://admin";Cert="x"`)
	f.Add(`Cert="a",Cert="b"`)
	f.Fuzz(func(t *testing.T, value string) {
		got, err := clientcert.XFCC.Read(http.Header{"X-Forwarded-Client-Cert": {value}})
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d certificates and %v", len(got), err)
		}
		if err != nil {
			if !errors.Is(err, clientcert.ErrMalformed) && !errors.Is(err, clientcert.ErrAmbiguous) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := clientcert.XFCC.Read(http.Header{"X-Forwarded-Client-Cert": {`Chain="` + escape(got...) + `"`}})
		if err != nil || len(again) != len(got) || !bytes.Equal(again[0], got[0]) {
			t.Fatalf("read again: %d certificates, %v", len(again), err)
		}
	})
}

package registry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

func TestValidateCertificate(t *testing.T) { // MT-03
	t.Parallel()
	const k = registry.KindAgent
	const one = `spec.tls: must have exactly one of subjectDn, sanDns, sanUri, sanIp, sanEmail and selfSigned; it has `
	const good = `{"tls":{"sanDns":"a.example"}}`
	const dns = `spec.tls.sanDns: must be a DNS name in lower case, without a wildcard`
	const spiffe = `spec.tls.sanUri: is a SPIFFE ID, which only its trust domain can speak for; bind it with spec.credentials`
	const x5c = `spec.jwks.keys[0].x5c: must be a list that begins with the certificate: base64 of its DER`
	const wrong = `spec.tls.subjectDn: must be written as RFC 4514 does, last component first, such as "CN=agent,OU=agents,O=Example"`
	dn := func(text string) string { return `{"tls":{"subjectDn":"` + text + `"}}` }
	const needs = `spec.tls.selfSigned: needs the certificate: put it into a key of spec.jwks, as x5c`
	own := func(member string) string {
		return `{"tls":{"selfSigned":true},"jwks":{"keys":[{"kty":"EC","kid":"a"` + member + `}]}}`
	}
	cert := own(`,"x5c":["` + certificate(t) + `"]`)
	checkValidations(t, []validation{
		{"without a name", k, `{"tls":{}}`, one + `0`, good},
		{"with nothing but false", k, `{"tls":{"selfSigned":false}}`, one + `0`, good},
		{"with two names", k, `{"tls":{"sanDns":"a.example","sanIp":"192.0.2.1"}}`, one + `2`, `{"tls":{"sanIp":"192.0.2.1"}}`},
		{"with a name and its own", k, strings.Replace(cert, `"selfSigned"`, `"sanDns":"a.example","selfSigned"`, 1), one + `2`, cert},
		{"DN that is none", k, `{"tls":{"subjectDn":"agent"}}`, wrong, `{"tls":{"subjectDn":"CN=agent,O=Example"}}`},
		{"DN with slashes", k, dn(`/CN=a/O=b`), wrong, dn(`CN=a/O=b`)},
		{"DN with a space after a comma", k, dn(`CN=a, O=b`), wrong, dn(`CN=a b,O=c d`)},
		{"DN in lower case", k, dn(`cn=a,o=b`), wrong, dn(`C=a,O=b,OU=c,L=d,ST=e,STREET=f,POSTALCODE=g,SERIALNUMBER=h`)},
		{"DN with an empty part", k, dn(`O=Example,,CN=x`), wrong, dn(`O=Example,CN=`)},
		{"DN with a comma at the end", k, dn(`CN=x,`), wrong, dn(`CN=x\\,`)},
		{"DN with two types in one part", k, dn(`CN=a+b`), wrong, dn(`CN=a+OU=b`)},
		{"DN with a type that has no name", k, dn(`DC=example`), wrong, dn(`0.9.2342.19200300.100.1.25=#16076578616d706c65`)},
		{"DN with a number and a text", k, dn(`0.9.2342.19200300.100.1.25=example`), wrong, dn(`CN=a+0.9.2342.19200300.100.1.25=#1600`)},
		{"DN with half an octet", k, dn(`1.2.3=#160`), wrong, dn(`1.2.3=#1600`)},
		{"DN in quotes", k, dn(`CN=\"a, b\"`), wrong, dn(`CN=\\\"a\\, b\\\"`)},
		{"DN with a number sign in front", k, dn(`CN=#a`), wrong, dn(`CN=\\#a#`)},
		{"DN with a space at the end of a part", k, dn(`CN=a ,O=b`), wrong, dn(`CN=\\ a\\ ,O=b`)},
		{"DN with a comma in hexadecimal", k, dn(`CN=a\\2cb`), wrong, dn(`CN=a=\\,b`)},
		{"DN that deceives", k, `{"tls":{"subjectDn":"CN=a\u202e"}}`, `spec.tls.subjectDn: holds a control or an invisible character`, `{"tls":{"subjectDn":"CN=ä"}}`},
		{"wildcard", k, `{"tls":{"sanDns":"*.example"}}`, dns, good},
		{"DNS name in upper case", k, `{"tls":{"sanDns":"A.example"}}`, dns, good},
		{"DNS name with a port", k, `{"tls":{"sanDns":"a.example:443"}}`, dns, good},
		{"SPIFFE ID", k, `{"tls":{"sanUri":"spiffe://td.example/a"}}`, spiffe, `{"tls":{"sanUri":"https://a.example/spiffe"}}`},
		{"SPIFFE ID in upper case", k, `{"tls":{"sanUri":"SPIFFE://td.example/a"}}`, spiffe, `{"tls":{"sanUri":"urn:a"}}`},
		{"relative URI", k, `{"tls":{"sanUri":"agents/a"}}`, `spec.tls.sanUri: must be an absolute URI`, `{"tls":{"sanUri":"urn:a"}}`},
		{"address that is none", k, `{"tls":{"sanIp":"192.0.2.0/24"}}`, `spec.tls.sanIp: must be an IP address`, `{"tls":{"sanIp":"2001:db8::1"}}`},
		{"address with a zone", k, `{"tls":{"sanIp":"fe80::1%eth0"}}`, `spec.tls.sanIp: must be an IP address`, `{"tls":{"sanIp":"fe80::1"}}`},
		{"mail address with a name", k, `{"tls":{"sanEmail":"A <a@example.com>"}}`, `spec.tls.sanEmail: must be a mail address like agent@example.com`, `{"tls":{"sanEmail":"a@example.com"}}`},
		{"own certificate without keys", k, `{"tls":{"selfSigned":true}}`, needs, cert},
		{"own certificate without x5c", k, own(``), needs, cert},
		{"x5c that is no list", k, own(`,"x5c":"AA=="`), x5c, cert},
		{"x5c that is empty", k, own(`,"x5c":[]`), x5c, cert},
		{"x5c that is no certificate", k, own(`,"x5c":["AA=="]`), x5c, cert},
		{"x5c with bits to spare", k, own(`,"x5c":["` + spare(t) + `"]`), x5c, cert},
		{"x5c in another case", k, own(`,"X5C":["AA=="]`), needs, cert},
		{"x5c in base64url", k, own(`,"x5c":["__-_"]`), x5c, cert},
	})
}

// certificate is one that signed itself, in base64.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// spare is a certificate in base64 whose last character has another spelling:
// RFC 4648, Section 3.5.
func spare(t *testing.T) string {
	t.Helper()
	for {
		text, padded := strings.CutSuffix(certificate(t), "=")
		if !padded || strings.HasSuffix(text, "=") {
			continue
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		last := strings.IndexByte(alphabet, text[len(text)-1])
		return text[:len(text)-1] + string(alphabet[last+1]) + "="
	}
}

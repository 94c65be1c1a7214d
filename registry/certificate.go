package registry

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
)

// validateCertificate checks spec.tls. An agent has one certificate's name, so
// that nobody who may obtain any of several can be it: RFC 8705, Section 2.1.2.
func validateCertificate(ps *problems, a *Agent) {
	const at = "spec.tls"
	c := a.TLS
	set := 0
	for _, there := range []bool{c.SubjectDN != "", c.SANDNS != "", c.SANURI != "", c.SANIP != "", c.SANEmail != "", c.SelfSigned} {
		if there {
			set++
		}
	}
	if set != 1 {
		ps.add(at, "must have exactly one of subjectDn, sanDns, sanUri, sanIp, sanEmail and selfSigned; it has %d", set)
	}
	checkText(ps, at+".subjectDn", c.SubjectDN, maxURL)
	if c.SubjectDN != "" && !distinguishedName.MatchString(c.SubjectDN) {
		ps.add(at+".subjectDn", `must be written as RFC 4514 does, last component first, such as "CN=agent,OU=agents,O=Example"`)
	}
	if c.SANDNS != "" && !hostName.MatchString(c.SANDNS) {
		ps.add(at+".sanDns", "must be a DNS name in lower case, without a wildcard")
	}
	if c.SANURI != "" {
		checkCertificateURI(ps, at+".sanUri", c.SANURI)
	}
	if c.SANIP != "" {
		if addr, err := netip.ParseAddr(c.SANIP); err != nil || addr.Zone() != "" {
			ps.add(at+".sanIp", "must be an IP address")
		}
	}
	if c.SANEmail != "" {
		if m, err := mail.ParseAddress(c.SANEmail); err != nil || m.Address != c.SANEmail {
			ps.add(at+".sanEmail", "must be a mail address like agent@example.com")
		}
	}
	if c.SelfSigned {
		checkX5C(ps, a.JWKS)
	}
}

// distinguishedName is what pkix.RDNSequence.String can write, which a subject is
// compared with: RFC 4514, Section 2, with the types that Go knows by name, the
// others by number, and "\," as the only way to write a comma. A name in another
// spelling would never match.
var distinguishedName = func() *regexp.Regexp {
	const (
		escaped = `\\[,+"\\<>;]`
		first   = `(?:[^,+"\\<>; #]|\\[ #]|` + escaped + `)`
		inner   = `(?:[^,+"\\<>;]|` + escaped + `)`
		last    = `(?:[^,+"\\<>; ]|\\ |` + escaped + `)`
		named   = `(?:CN|SERIALNUMBER|C|L|ST|STREET|O|OU|POSTALCODE)=(?:` + first + `(?:` + inner + `*` + last + `)?)?`
		number  = `[0-2](?:\.(?:0|[1-9][0-9]*))+=#(?:[0-9a-f]{2})+`
		part    = `(?:` + named + `|` + number + `)`
	)
	return regexp.MustCompile(`^` + part + `(?:[,+]` + part + `)*$`)
}()

var hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

func checkCertificateURI(ps *problems, at, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "":
		ps.add(at, "must be an absolute URI")
	case u.Scheme == "spiffe": // url.Parse has made it lower case
		ps.add(at, "is a SPIFFE ID, which only its trust domain can speak for; bind it with spec.credentials")
	default:
		checkText(ps, at, text, maxURL)
	}
}

// checkX5C checks that there is a certificate to compare with.
func checkX5C(ps *problems, set json.RawMessage) {
	certificates := Certificates(set)
	if set != nil && certificates == nil {
		return // said already
	}
	for _, i := range slices.Sorted(maps.Keys(certificates)) {
		if _, err := x509.ParseCertificate(certificates[i]); err != nil {
			ps.add(fmt.Sprintf("spec.jwks.keys[%d].x5c", i), "must be a list that begins with the certificate: base64 of its DER")
		}
	}
	if len(certificates) == 0 {
		ps.add("spec.tls.selfSigned", "needs the certificate: put it into a key of spec.jwks, as x5c")
	}
}

// Certificates returns the certificates of an agent's JWK set by the places of
// their keys: DER, and nothing where `x5c` cannot be read. The first in x5c is the
// key's own: RFC 7517, Section 4.7. nil = this is no JWK set.
func Certificates(set json.RawMessage) map[int][]byte {
	// Maps and no struct: encoding/json would take "X5C" for "x5c".
	var members map[string]json.RawMessage
	var keys []map[string]json.RawMessage
	if json.Unmarshal(set, &members) != nil || json.Unmarshal(members["keys"], &keys) != nil {
		return nil
	}
	certificates := map[int][]byte{}
	for i, key := range keys {
		raw, there := key["x5c"]
		if !there {
			continue
		}
		certificates[i] = nil
		var chain []string
		if json.Unmarshal(raw, &chain) != nil || len(chain) == 0 {
			continue
		}
		if der, err := base64.StdEncoding.Strict().DecodeString(chain[0]); err == nil { // not base64url
			certificates[i] = der
		}
	}
	return certificates
}

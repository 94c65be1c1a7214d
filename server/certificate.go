package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/server/clientcert"
)

// certificate finds the client's certificate: that of its connection, or what a
// trusted proxy forwards in the one configured header (RFC 9700, Section 4.13).
// Nothing has been verified but that whoever ended TLS saw proof of its key.
func (s *Server) certificate(r *http.Request, q *grants.Request) {
	direct := connectionCertificates(r)
	if !s.trustedPeer(r) {
		q.Certificates = direct
		if s.dropped(r.Header, clientcert.None) {
			q.CertificateFault = oauth.ReasonAuthProxy
		}
		return
	}
	forwarded, err := s.ClientCertHeader.Read(r.Header)
	switch {
	case errors.Is(err, clientcert.ErrAmbiguous):
		q.CertificateFault = oauth.ReasonAuthHeaderAmbiguous
	case err != nil:
		q.CertificateFault = oauth.ReasonAuthHeaderMalformed
	case forwarded == nil && (direct != nil || s.dropped(r.Header, s.ClientCertHeader)):
		// The certificate of a proxy's connection is its own. Taken for a client's,
		// it would make every client behind it the proxy.
		q.CertificateFault = oauth.ReasonAuthProxy
	case forwarded != nil && direct != nil && !bytes.Equal(direct[0], forwarded[0]):
		q.CertificateFault = oauth.ReasonAuthHeaderAmbiguous
	default:
		q.Certificates = forwarded
	}
}

// connectionCertificates are those of the client at the other end of the
// connection, the leaf first; nil when it showed none or was not asked.
func connectionCertificates(r *http.Request) [][]byte {
	if r.TLS == nil {
		return nil
	}
	var chain [][]byte
	for _, c := range r.TLS.PeerCertificates {
		chain = append(chain, c.Raw)
	}
	return chain
}

// trustedPeer reports whether the connection is from a trusted proxy. The
// address is that of the peer, whatever a header says.
func (s *Server) trustedPeer(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// certificateHeaders are names under which proxies forward certificates. They
// are known only to say in the trail that one was there and was not read.
var certificateHeaders = []string{
	"x-forwarded-client-cert", "client-cert", "client-cert-chain", "x-ssl-client-cert", "x-ssl-cert", "ssl-client-cert",
	"x-client-cert", "x-forwarded-tls-client-cert", "x-amzn-mtls-clientcert", "x-amzn-mtls-clientcert-leaf", "x-arr-clientcert",
}

// dropped reports whether a header with a certificate is there that is not one
// of the format read. X_Forwarded_Client_Cert is such a one: many programs take
// it for the name with hyphens, and proxies that remove that name leave it in.
func (s *Server) dropped(h http.Header, read clientcert.Format) bool {
	for name := range h {
		folded := strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if slices.Contains(certificateHeaders, folded) && !slices.Contains(read.Names(), name) {
			return true
		}
	}
	return false
}

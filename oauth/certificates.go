package oauth

// Reasons of client certificates that are not a fault of the certificate.
const (
	ReasonAuthClientID        Reason = "client_auth.client_id_missing"
	ReasonAuthProxy           Reason = "client_auth.untrusted_proxy"
	ReasonAuthHeaderAmbiguous Reason = "client_auth.cert_header_ambiguous"
	ReasonAuthHeaderMalformed Reason = "client_auth.cert_header_malformed"
)

// certificateReasons are the lines of the table for client certificates. A
// certificate stands in no other place than that of the client, so its faults
// have no second half at the positions of tokens.
var certificateReasons = []Definition{
	certificateReason(ReasonAuthClientID, "A certificate came without client_id, which must name the client (RFC 8705, Section 2).", "Send client_id: the agent's name, or the SPIFFE ID of the certificate."),
	certificateReason(ReasonAuthProxy, "A certificate was forwarded in a header by an address that is no trusted proxy, in a header that is not the configured one, or is the one of a trusted proxy's own connection; it was dropped.", "Check public.trusted_proxies and public.client_cert_header."),
	certificateReason(ReasonAuthHeaderAmbiguous, "The header with the certificate occurred twice, held more than one, or another certificate than that of the connection.", "Have the proxy replace the header instead of adding to it."),
	certificateReason(ReasonAuthHeaderMalformed, "The header with the certificate could not be read, or says other things than the certificate in it.", "Have the proxy replace the header, in the format of public.client_cert_header."),

	certificateFault("svid_uri_count", "The client certificate has no URI SAN or more than one.", "An X.509-SVID has exactly one: its SPIFFE ID."),
	certificateFault("svid_uri", "The URI SAN of the client certificate is no valid SPIFFE ID of a workload.", "Check the SVID."),
	certificateFault("svid_constraints", "The client certificate is a CA's, or its key usages are not those of an X.509-SVID.", "Check the SVID: critical key usage with digitalSignature alone of signing; extended key usages with both serverAuth and clientAuth."),
	certificateFault("svid_key", "A key in the client certificate's chain is of another kind or size than is accepted.", "Use RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519."),
	certificateFault("svid_time", "The client certificate has expired or is not valid yet.", "Have the workload fetch its SVID again; check the clocks."),
	certificateFault("svid_trust_domain", "The client certificate is of a trust domain that is not trusted, or was signed by another one's authorities.", "Apply a TrustedIssuer with this trust domain."),
	certificateFault("svid_chain", "The client certificate does not lead to an authority of its trust domain, or its chain is too long or too large.", "Check the bundle of the trust domain, and that the client sends its intermediates."),

	certificateFault("cert_malformed", "The client certificate cannot be read.", "Check the client."),
	certificateFault("cert_not_registered", "The agent has no certificate registered (spec.tls).", "Add tls to the agent, or use an X.509-SVID."),
	certificateFault("cert_mismatch", "The client certificate is not the one that the agent registered.", "Compare it with spec.tls of the agent."),
	certificateFault("cert_constraints", "The client certificate is a CA's.", "Use a certificate for clients."),
	certificateFault("cert_key", "A key in the client certificate's chain is of another kind or size than is accepted.", "Use RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519."),
	certificateFault("cert_time", "The client certificate has expired or is not valid yet.", "Renew it; check the clocks."),
	certificateFault("cert_roots", "No roots are configured for client certificates of a public key infrastructure.", "Set public.mtls_ca_file."),
	certificateFault("cert_chain", "The client certificate does not lead to a root of public.mtls_ca_file, or its chain is too long or too large.", "Check the roots, and that the client sends its intermediates."),
}

func certificateReason(r Reason, meaning, fix string) Definition {
	return Definition{r, InvalidClient, unauthorized, clientAuthText, meaning, fix}
}

func certificateFault(fault, meaning, fix string) Definition {
	return certificateReason(TokenFault(AreaClient, fault), meaning, fix)
}

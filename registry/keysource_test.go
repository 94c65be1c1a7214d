package registry_test

import (
	"strings"
	"testing"

	"github.com/tokenry/tokenry/registry"
)

// endpointOf is a spec whose bundle endpoint proves who it is.
func endpointOf(id, more string) string {
	return `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"https_spiffe","endpointSpiffeId":"` + id + `"}` + more + `}`
}

func TestValidateEndpoint(t *testing.T) { // SB-01, SB-03, SB-05
	t.Parallel()
	const k = registry.KindTrustedIssuer
	const server, ca = "spiffe://prod.example/spire/server", `,"caFile":"/ca.pem"`
	const bad = `must be the SPIFFE ID of the endpoint's certificate, like "spiffe://prod.example/spire/server"`
	rows := []validation{
		{"no ID", k, `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"https_spiffe"}}`,
			`spec.keys.endpointSpiffeId: is missing; it ` + bad, endpointOf(server, ca)},
		{"ID without the profile", k, `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","endpointSpiffeId":"` + server + `"}}`,
			`spec.keys.endpointSpiffeId: has no effect without bundleProfile: https_spiffe; leave it out`, endpointOf(server, ca)},
		{"ID with the other profile", k, `{` + spiffe + `,"keys":{"bundleUrl":"https://x.example","bundleProfile":"https_web","endpointSpiffeId":"` + server + `"}}`,
			`spec.keys.endpointSpiffeId: has no effect without bundleProfile: https_spiffe; leave it out`, endpointOf(server, ca)},
		{"profile without a URL", k, `{` + spiffe + ca + `,"keys":{"bundleFile":"/b","bundleProfile":"https_spiffe","endpointSpiffeId":"` + server + `"}}`,
			"spec.keys.bundleProfile: has no effect without bundleUrl; leave it out\nspec.caFile: has no effect: these keys are not fetched; leave it out", endpointOf(server, ca)},
		{"http", k, `{` + spiffe + ca + `,"keys":{"bundleUrl":"http://127.0.0.1/b","bundleProfile":"https_spiffe","endpointSpiffeId":"` + server + `"}}`,
			`spec.keys.bundleUrl: must begin with https://: over http the endpoint has no certificate to prove its SPIFFE ID by`, endpointOf(server, ca)},
		{"own domain without roots", k, endpointOf(server, ""),
			`spec.caFile: is missing; it holds the authorities that the endpoint's certificate is verified with until its first bundle is here`, endpointOf(server, ca)},
		{"other domain with roots", k, endpointOf("spiffe://other.example/x", ca),
			`spec.caFile: has no effect: the endpoint is verified with the bundle of trust domain "other.example"; leave it out`, endpointOf("spiffe://other.example/x", "")},
	}
	for name, id := range map[string]string{
		"no path": "spiffe://prod.example", "slash": "spiffe://prod.example/", "https": "https://prod.example/x", "upper case": "spiffe://Prod.example/x",
		"port": "spiffe://prod.example:443/x", "dots": "spiffe://prod.example/../x", "query": "spiffe://prod.example/x?y", "bare": "prod.example/x",
		"too long": "spiffe://prod.example/" + strings.Repeat("x", 2048), "domain too long": "spiffe://" + strings.Repeat("x", 256) + "/x",
	} {
		rows = append(rows, validation{"ID: " + name, k, endpointOf(id, ca), `spec.keys.endpointSpiffeId: ` + bad, endpointOf(server, ca)})
	}
	checkValidations(t, rows)
}

func TestValidateWorkloadAPI(t *testing.T) {
	t.Parallel()
	const k = registry.KindTrustedIssuer
	at := func(address string) string { return `{` + spiffe + `,"keys":{"workloadApi":"` + address + `"}}` }
	const socket = "unix:///run/spire/agent.sock"
	rows := []validation{
		{"for oidc", k, `{"keys":{"workloadApi":"` + socket + `"}}`,
			`spec.keys.workloadApi: is only for an issuer of type spiffe; use discovery, jwksUrl, jwks or jwksFile`, at(socket)},
		{"beside a file", k, `{` + spiffe + `,"keys":{"workloadApi":"` + socket + `","bundleFile":"/b"}}`,
			`spec.keys: has bundleFile and workloadApi; keep one of them`, at(socket)},
		{"with roots", k, `{` + spiffe + `,"caFile":"/ca.pem","keys":{"workloadApi":"` + socket + `"}}`,
			`spec.caFile: has no effect: these keys are not fetched; leave it out`, at(socket)},
		{"with a control character", k, at("unix:///run/\u202esocket"),
			`spec.keys.workloadApi: holds a control or an invisible character`, at("unix:///run/ socket")},
	}
	for _, bad := range []string{
		"/run/spire/agent.sock", "unix:/run/a.sock", "unix://run/a.sock", "unix:run/a.sock", "unix:///", "unix:///run/", "unix://", "unix:///run/a?b", "unix:///run/a#b", "unix:///run/%61",
		"tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://localhost:8081", "tcp://10.0.0.1:8081", "tcp://169.254.169.254:80", "tcp://0.0.0.0:81", "tcp://127.0.0.1:81/",
		"tcp://a@127.0.0.1:81", "tcp://127.1:81", "https://127.0.0.1:81", "dns:///127.0.0.1:81",
	} {
		rows = append(rows, validation{bad, k, at(bad),
			`spec.keys.workloadApi: must be "unix:///absolute/path" of a socket, or "tcp://127.0.0.1:port" on this machine`, at("tcp://[::1]:8081")})
	}
	checkValidations(t, rows)
}

func TestValidateAllEndpoint(t *testing.T) {
	t.Parallel()
	from := func(domain, endpoint string) string {
		return strings.Replace(endpointOf("spiffe://"+endpoint+"/x", ""), `"trustDomain":"prod.example"`, `"trustDomain":"`+domain+`"`, 1)
	}
	const at = "spec.keys.endpointSpiffeId: "
	circle := func(domain string) string {
		return at + `goes round in a circle: the bundle of trust domain "` + domain + `" could only be fetched with ours; give one of them another source`
	}
	checkReferences(t, []reference{
		{"of nobody", edits{"TrustedIssuer z": from("z.example", "y.example")},
			"TrustedIssuer z: " + at + `there is no trusted issuer of type spiffe for trust domain "y.example", whose bundle the endpoint is verified with`,
			edits{"TrustedIssuer z": from("z.example", "prod.example")}},
		{"of one that goes", edits{"TrustedIssuer z": from("z.example", "prod.example"), "TrustedIssuer spire": "", "Agent scout": `{"credentials":null,"jwks":null}`},
			"TrustedIssuer z: " + at + `there is no trusted issuer of type spiffe for trust domain "prod.example", whose bundle the endpoint is verified with`,
			edits{"TrustedIssuer z": from("z.example", "prod.example")}},
		{"of each other", edits{"TrustedIssuer y": from("y.example", "z.example"), "TrustedIssuer z": from("z.example", "y.example")},
			"TrustedIssuer y: " + circle("y.example") + "\nTrustedIssuer z: " + circle("z.example"),
			edits{"TrustedIssuer y": from("y.example", "prod.example"), "TrustedIssuer z": from("z.example", "y.example")}},
	})
}

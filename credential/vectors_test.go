package credential_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

// vectors are tokens signed by other software, with its keys.
type vectors struct {
	T0      int64             `json:"t0"`
	Bundle  json.RawMessage   `json:"spiffe_bundle"`
	Corp    json.RawMessage   `json:"corp_idp_jwks"`
	Cluster json.RawMessage   `json:"k8s_cluster_jwks"`
	Tokens  map[string]string `json:"tokens"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// vectorWorld is the registry that the vectors speak of.
func vectorWorld(t testing.TB) (*world, vectors) {
	t.Helper()
	v := readVectors(t)
	w := newWorld(t, time.Unix(v.T0, 0))
	bundle := filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(bundle, v.Bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{
		Type: registry.SPIFFE, TrustDomain: "prod.example", Keys: registry.KeySource{BundleFile: bundle},
	})
	w.put(registry.KindTrustedIssuer, "corp", &registry.TrustedIssuer{
		Type: registry.OIDC, Issuer: "https://login.corp.example", Keys: registry.KeySource{JWKS: v.Corp},
		TokenTypes: []string{"jwt", "id_token"}, Audiences: []string{ours, "corp-research-agent"},
	})
	w.put(registry.KindTrustedIssuer, "cluster", &registry.TrustedIssuer{
		Type: registry.Kubernetes, Issuer: "https://oidc.k8s.prod.example/cluster-a", Keys: registry.KeySource{JWKS: v.Cluster},
	})
	w.put(registry.KindBlueprint, "researcher", &registry.Blueprint{})
	w.agent("research", "researcher", exact("prod", "spiffe://prod.example/agents/research/r7"))
	w.agent("analysis", "researcher", exact("prod", "spiffe://prod.example/agents/analysis/a3"))
	w.agent("summarizer", "researcher", exact("cluster", "system:serviceaccount:agents:summarizer"))
	return w, v
}

func TestWireVectorsAsSubject(t *testing.T) {
	t.Parallel()
	w, v := vectorWorld(t)
	for _, r := range []struct{ vector, typ, fault, issuer, subject, agent string }{
		{"A1", jwtURI, "", "prod", "spiffe://prod.example/agents/research/r7", "research"},
		{"B1", jwtURI, "", "corp", "u-8841", ""},
		{"C0", jwtURI, "", "prod", "spiffe://prod.example/agents/analysis/a3", "analysis"},
		{"D1", jwtURI, "", "cluster", "system:serviceaccount:agents:summarizer", "summarizer"},
		{"G1", idURI, "", "corp", "u-8841", ""},
		{"N12", jwtURI, "", "corp", "u-8841", ""}, // may_act is held against the presenter, who is not known here

		{"A1", idURI, "type", "", "", ""},
		{"A2", jwtURI, "type", "", "", ""},
		{"D1", idURI, "type", "", "", ""},
		{"B1", "urn:ietf:params:oauth:token-type:access_token", "type", "", "", ""},
		{"F1", jwtURI, "header_forbidden", "", "", ""}, // a proof embeds its key
		{"G2", jwtURI, "type", "", "", ""},
		{"H1", jwtURI, "issuer_missing", "", "", ""},
		{"N1", jwtURI, "aud", "", "", ""},
		{"N2", jwtURI, "aud_multiple", "", "", ""},
		{"N3", jwtURI, "type", "", "", ""},
		{"N4", jwtURI, "spiffe_id", "", "", ""},
		{"N5", jwtURI, "type", "", "", ""},
		{"N6", jwtURI, "expired", "", "", ""},
		{"N7", jwtURI, "type", "", "", ""},
		{"N10", jwtURI, "type", "", "", ""},
		{"N11", jwtURI, "aud", "", "", ""},
	} {
		t.Run(r.vector+"_"+filepath.Ext(r.typ), func(t *testing.T) {
			t.Parallel()
			id, err := w.Subject(t.Context(), v.Tokens[r.vector], r.typ)
			if r.fault != "" {
				wantFault(t, err, r.fault)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(id.Issuer) != r.issuer || id.Subject != r.subject || string(id.Agent) != r.agent {
				t.Errorf("got %s, %s, %s", id.Issuer, id.Subject, id.Agent)
			}
		})
	}
}

func TestWireVectorsAsAssertion(t *testing.T) {
	t.Parallel()
	w, v := vectorWorld(t)
	for _, r := range []struct{ vector, kind, fault string }{
		{"A1", spiffeURI, ""},
		{"C0", spiffeURI, ""},
		{"D1", bearerURI, ""},
		{"A1", bearerURI, "type"}, // SP-01
		{"D1", spiffeURI, "spiffe_id"},
		{"B1", bearerURI, "type"}, // a user is no client
		{"B1", spiffeURI, "spiffe_id"},
		{"A2", bearerURI, "type"},
		{"N1", spiffeURI, "aud"},          // SP-02
		{"N2", spiffeURI, "aud_multiple"}, // SP-02
		{"N3", spiffeURI, "type"},         // SV-03
		{"N4", spiffeURI, "spiffe_id"},    // SV-10
		{"N11", bearerURI, "aud"},         // K8-03
	} {
		t.Run(r.vector+"_"+r.fault, func(t *testing.T) {
			t.Parallel()
			a, err := w.Assertion(t.Context(), v.Tokens[r.vector], r.kind)
			if r.fault != "" {
				wantFault(t, err, r.fault)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Agent == "" || a.Replay != nil { // SV-09: a platform's token is reusable
				t.Errorf("agent %q, replay %v", a.Agent, a.Replay)
			}
		})
	}
}

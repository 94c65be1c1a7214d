package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
)

// TestIssuerTest shows what a token stands for, or what it lacks.
func TestIssuerTest(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	u := at(t, as)
	test := func(token string, args ...string) result {
		t.Helper()
		return u.run(append([]string{"issuer", "test", "--token-file", u.write(t, "token.jwt", token+"\n")}, args...)...)
	}
	good := as.ServiceAccount(t, "research", nil)
	test(good).want(t, cli.ExitOK, "admitted as agent research-agent by credential k8s of issuer prod-cluster\n",
		"\na Kubernetes service-account token; what it says is signed by its issuer\n", "\n  sub         system:serviceaccount:prod:research\n",
		"  ✓ signature  ES256  (k1)\n", "\nnearest credentials of issuer prod-cluster:\n", "  research-agent / k8s")
	u.pipe(good, "issuer", "test", "--token-file", "-").want(t, cli.ExitOK, "admitted as agent research-agent")
	test(good, "-o", "name").want(t, cli.ExitOK, "research-agent\n")
	test(good, "-o", "yaml").want(t, cli.ExitOK, "admitted: true\n", "credential: k8s\n")

	denied := func(token string, texts ...string) result {
		t.Helper()
		r := test(token)
		if r.code != cli.ExitDenied || r.errors != "" {
			t.Fatalf("exit code %d, %q\n%s", r.code, r.errors, r.out)
		}
		for _, text := range texts {
			if !strings.Contains(r.out, text) {
				t.Errorf("no %q in:\n%s", text, r.out)
			}
		}
		return r
	}
	dev := as.ServiceAccount(t, "research", authtest.Claims{"sub": "system:serviceaccount:dev:research",
		"kubernetes.io": authtest.Claims{"namespace": "dev", "serviceaccount": authtest.Claims{"name": "research", "uid": "u"}}})
	denied(dev, `refused: sub is "system:serviceaccount:dev:research"; wanted is "system:serviceaccount:prod:research" of credential "k8s" of agent "research-agent": the namespace is "dev" instead of "prod"`+"\nFix: ",
		"  ✗ binding    shown:  system:serviceaccount:dev:research\n", "\n  error_code   exchange.no_binding\n", "\n  CREDENTIAL")
	denied("nonsense", "refused: the text is no token as it must be", "\n  error_code   subject_token.not_compact_jws\n", "\nno token; what it says is not verified\n")
	denied(as.User(t, "alice", authtest.Claims{"iss": as.IDP.URL + "/"}), "\nnearest trusted issuers:\n", "corp-idp", "it has a slash at its end")
	denied(as.User(t, "alice\x1b[2J", nil), `refused: sub is user "alice\x1b[2J" of issuer "corp-idp"`, "  sub          alice·[2J\n")

	var report api.CredentialReport
	if r := test(dev, "-o", "json"); r.code != cli.ExitDenied || json.Unmarshal([]byte(r.out), &report) != nil || report.Fault != "no_binding" || strings.Contains(r.out, dev) {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.errors)
	}
	u.run("agent", "disable", "research-agent").want(t, cli.ExitOK)
	denied(good, "\nFix: tokenry describe agent research-agent; tokenry agent enable research-agent.\n", "✗ agent")
	u.run("agent", "enable", "research-agent").want(t, cli.ExitOK)
	u.run("blueprint", "disable", "researcher").want(t, cli.ExitOK)
	denied(good, "blueprint researcher is disabled", "\nFix: tokenry blueprint enable researcher.\n")
	u.run("issuer", "disable", "prod-cluster").want(t, cli.ExitOK)
	denied(good, `trusted issuer "prod-cluster" is`, "\nFix: tokenry issuer enable prod-cluster.\n")
	u.run("issuer", "enable", "prod-cluster").want(t, cli.ExitOK)
	u.run("blueprint", "enable", "researcher").want(t, cli.ExitOK)
	test(good).want(t, cli.ExitOK, "admitted as agent research-agent")

	u.run("issuer", "test", "--token-file", u.dir+"/absent").want(t, cli.ExitUsage, "no such file")
	test(strings.Repeat("x", 20_000)).want(t, cli.ExitRefused, "token")
	u.run("TOKENRY_SERVER=http://127.0.0.1:1", "TOKENRY_TOKEN_FILE="+u.dir+"/admin_token", "issuer", "test", "--token-file", u.dir+"/token.jwt").want(t, cli.ExitUnreachable, "cannot reach http://127.0.0.1:1")
	u.run("TOKENRY_TOKEN_FILE="+u.dir+"/token.jwt", "issuer", "test", "--token-file", u.dir+"/token.jwt").want(t, cli.ExitRefused, "see TOKENRY_TOKEN_FILE")
	u.run("__complete", "issuer", "test", "--token-type", "").want(t, cli.ExitOK, "jwt\nid_token\n")
}

package oauth

import (
	"fmt"
	"net/http"
	"strings"
)

// Docs is docs/errors.md, made from the table of reasons; a test holds the two
// together.
func Docs() string {
	var b strings.Builder
	b.WriteString(docsHead)
	area := ""
	for _, d := range Definitions() {
		if a, _, _ := strings.Cut(string(d.Reason), "."); a != area {
			area = a
			fmt.Fprintf(&b, "\n## %s\n", area)
			b.WriteString(areaText(area))
		}
		fmt.Fprintf(&b, "\n### %s\n\n`%s`, %d %s", d.Reason, d.Code, d.Status, http.StatusText(d.Status))
		if public := d.Reason.Public(); public != d.Reason {
			fmt.Fprintf(&b, "; on the wire `%s`", public)
		}
		fmt.Fprintf(&b, ": *%s*.\n%s\n**Fix:** %s\n", d.Description, d.Meaning, d.Fix)
	}
	return b.String()
}

// areaText introduces the areas that need it.
func areaText(area string) string {
	switch area {
	case AreaClient:
		return "\nEvery one of these that is `invalid_client` reads `client_auth.failed` on the wire, or an outsider could learn which agents\nexist. `tokenry explain` shows which one it was.\n"
	case AreaSubject:
		return "\nFaults of `subject_token`: always `invalid_request`, never `invalid_grant` (RFC 8693, Section 2.2.2).\n"
	case AreaGrant:
		return "\nFaults of `assertion`, the grant of RFC 7523, Section 2.1: `invalid_grant` (Section 3.1).\n"
	case AreaActor:
		return "\nFaults of `actor_token`: always `invalid_request` (RFC 8693, Section 2.2.2).\n"
	}
	return ""
}

const docsHead = `<!-- Made from oauth/reasonlist.go by: go test ./oauth -run TestDocs -update -->
# Errors

A refusal of the token endpoint is the JSON of RFC 6749, Section 5.2, and three members more:

| member | what it is |
|---|---|
| ` + "`error`" + ` | the code of the RFC: what an OAuth client decides by |
| ` + "`error_description`" + ` | fixed text for each ` + "`error_code`" + `; it never repeats what was sent |
| ` + "`error_code`" + ` | ` + "`area.reason`" + `, stable: what programs and runbooks decide by |
| ` + "`decision_id`" + ` | ` + "`dec_…`" + `: give it to ` + "`tokenry explain`" + `, which shows every check with what was shown and what was wanted |
| ` + "`error_uri`" + ` | this page, at the code's heading |

429 and 503 carry ` + "`Retry-After`" + ` in seconds. After a 503 nothing was issued, and the same request may be sent again; a self-issued
assertion (` + "`private_key_jwt`" + `) must be made anew, for it may have been spent.

| ` + "`error`" + ` | what the agent does |
|---|---|
| ` + "`invalid_client`" + ` | stop: no retry helps until somebody has looked at ` + "`tokenry explain`" + ` |
| ` + "`invalid_request`, `invalid_scope`, `invalid_target`, `unauthorized_client`" + ` | stop, or ask for less: the decision says what is missing |
| ` + "`invalid_grant`" + ` | get a fresh assertion from the platform, once; then stop |
| ` + "`temporarily_unavailable`" + ` | wait for ` + "`Retry-After`" + `, then try again |
| ` + "`server_error`" + ` | report it with the ` + "`decision_id`" + ` |
`

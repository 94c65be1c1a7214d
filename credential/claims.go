package credential

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/jose"
)

// Limits of what is carried on from a user's token into ours. A token that is
// exchanged must not make one that no header can hold.
const (
	maxCarried = 255 // bytes of sub, txn, acr and each method of amr
	maxMethods = 16  // of amr
)

// shape checks the claims that restrict a token or say who acts. One that
// cannot be read must not be skipped: that would widen the token.
func (e *exam) shape() error {
	plain, err := jose.Plain(e.claims)
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	e.identity.Claims, _ = plain.(map[string]any)
	if err := e.acting(); err != nil {
		return err
	}
	// A token bound to a key needs proof of that key, and nothing may come out
	// less bound than what went in.
	if _, ok := e.claims["cnf"]; ok {
		if _, _, err := e.claims.Object("cnf"); err != nil || e.claims["cnf"] == nil {
			return e.claimType("cnf", "an object") // RFC 7800, Section 3.1
		}
		return e.fail(CheckClaims, FaultConfirmation, "cnf", "a token that is bound to no key")
	}
	txn, _, err := e.claims.String("txn")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	if len(txn) > maxCarried {
		return e.claimType("txn", fmt.Sprintf("at most %d bytes", maxCarried))
	}
	e.identity.Txn = txn
	return nil
}

// acting checks act and may_act (RFC 8693, Sections 4.1 and 4.4).
func (e *exam) acting() error {
	if _, ok := e.claims["act"]; ok {
		act, _, err := e.claims.Object("act")
		if sub, _ := act["sub"].(string); err != nil || sub == "" {
			return e.claimType("act", "an object with sub")
		}
		// Nobody else may write the history of a delegation that we continue.
		return e.fail(CheckClaims, FaultActUntrusted, "act", "a token without act")
	}
	if _, ok := e.claims["may_act"]; ok {
		mayAct, _, err := e.claims.Object("may_act")
		if err != nil || len(mayAct) == 0 {
			return e.claimType("may_act", "an object that is not empty")
		}
		for _, name := range []string{"iss", "sub"} {
			if _, _, err := mayAct.String(name); err != nil {
				return e.refused(CheckClaims, err)
			}
		}
		e.identity.MayAct, _ = e.plain()["may_act"].(map[string]any)
	}
	return nil
}

// session reads what a user's token says of the user's consent and login.
func (e *exam) session() error {
	if err := e.scope(); err != nil {
		return err
	}
	if at, ok := e.claims["auth_time"]; ok {
		n, ok := at.(json.Number)
		if !ok {
			return e.claimType("auth_time", "a number")
		}
		e.identity.AuthTime = json.RawMessage(n.String())
	}
	acr, _, err := e.claims.String("acr")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	amr, _, err := e.claims.Strings("amr")
	if err != nil {
		return e.refused(CheckClaims, err)
	}
	if len(acr) > maxCarried {
		return e.claimType("acr", fmt.Sprintf("at most %d bytes", maxCarried))
	}
	if len(amr) > maxMethods || slices.ContainsFunc(amr, func(m string) bool { return len(m) > maxCarried }) {
		return e.claimType("amr", fmt.Sprintf("at most %d methods of %d bytes", maxMethods, maxCarried))
	}
	e.identity.ACR, e.identity.AMR = acr, amr
	return nil
}

// scope reads the scope of a user's token: `scope`, a string (RFC 8693,
// Section 4.2), or `scp`, an array, as some providers write it. Two that
// differ are refused: the narrower one might be the true one.
func (e *exam) scope() error {
	scope, hasScope, err := e.claims.String("scope")
	if err != nil {
		return e.failed(CheckClaims, &Fault{Name: FaultScopeType, Field: "scope", Shown: kindOf(e.claims["scope"]), Wanted: "scope: a string"})
	}
	_, hasList := e.claims["scp"]
	values, isList := e.claims["scp"].([]any)
	if hasList && !isList {
		return e.failed(CheckClaims, &Fault{Name: FaultScopeType, Field: "scp", Shown: "scp", Wanted: "scp: an array of strings"})
	}
	listed, _, err := e.claims.Strings("scp")
	if err != nil || len(listed) != len(values) {
		return e.failed(CheckClaims, &Fault{Name: FaultScopeType, Field: "scp", Shown: "scp", Wanted: "scp: an array of strings"})
	}
	// By the space alone (RFC 6749, Section 3.3): any other separator is part
	// of a name, and to split there would make two scopes of one.
	words := strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' })
	switch {
	case hasScope && hasList && !sameWords(words, listed):
		return e.fail(CheckClaims, FaultScopeType, "scope and scp differ", "one of them")
	case hasScope:
		e.identity.Scope = append([]string{}, words...)
	case hasList:
		e.identity.Scope = append([]string{}, listed...)
	}
	return nil
}

func sameWords(a, b []string) bool {
	return maps.Equal(wordSet(a), wordSet(b))
}

func wordSet(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for w := range slices.Values(words) {
		set[w] = true
	}
	return set
}

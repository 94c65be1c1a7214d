package oauth_test

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
)

var update = flag.Bool("update", false, "write docs/errors.md anew")

// TestDocs holds docs/errors.md and the table together.
func TestDocs(t *testing.T) {
	t.Parallel()
	const path = "../docs/errors.md"
	want := oauth.Docs()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says; run: go test ./oauth -run TestDocs -update", path)
	}
}

// TestDefinitions: what the table may say of a reason.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z0-9_]+\.[a-z0-9_]+$`)
	text := regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749, Section 5.2
	seen := map[oauth.Reason]bool{}
	for _, d := range oauth.Definitions() {
		if seen[d.Reason] {
			t.Errorf("%s stands twice in the table", d.Reason)
		}
		seen[d.Reason] = true
		if !name.MatchString(string(d.Reason)) {
			t.Errorf("%q is not area.reason", d.Reason)
		}
		if !text.MatchString(d.Description) {
			t.Errorf("%s: description %q has characters that the RFC forbids", d.Reason, d.Description)
		}
		if d.Meaning == "" || d.Fix == "" {
			t.Errorf("%s says nothing to operators", d.Reason)
		}
		if public := d.Reason.Public().Definition(); public.Status != d.Status || public.Code != d.Code || public.Description != d.Description {
			t.Errorf("%s answers otherwise than its public name %s", d.Reason, public.Reason)
		}
		if want := statuses()[d.Code]; !strings.Contains(want, http.StatusText(d.Status)) {
			t.Errorf("%s is %s with status %d", d.Reason, d.Code, d.Status)
		}
	}
}

// statuses are those that may go with a code: RFC 6749, Section 5.2; RFC 8707,
// Section 2; RFC 9110, Section 15.
func statuses() map[oauth.Code]string {
	return map[oauth.Code]string{
		oauth.InvalidRequest: "Bad Request, Method Not Allowed, Request Entity Too Large, Length Required, Unsupported Media Type, Request Timeout",
		oauth.InvalidClient:  "Unauthorized", oauth.InvalidGrant: "Bad Request", oauth.UnauthorizedClient: "Bad Request",
		oauth.UnsupportedGrantType: "Bad Request", oauth.UnsupportedResponseType: "Bad Request",
		oauth.InvalidScope: "Bad Request", oauth.InvalidTarget: "Bad Request",
		oauth.ServerError: "Internal Server Error", oauth.TemporarilyUnavailable: "Service Unavailable, Too Many Requests",
	}
}

// TestTokenFaultsByPosition: RFC 8693, Section 2.2.2; RFC 7523, Sections 3.1
// and 3.2.
func TestTokenFaultsByPosition(t *testing.T) {
	t.Parallel()
	for area, want := range map[string]oauth.Code{
		oauth.AreaSubject: oauth.InvalidRequest, oauth.AreaActor: oauth.InvalidRequest, oauth.AreaClient: oauth.InvalidClient,
		oauth.AreaGrant: oauth.InvalidGrant,
	} {
		for _, fault := range []string{"expired", "signature", "aud", "kid_unknown"} {
			if got := oauth.TokenFault(area, fault).Definition().Code; got != want {
				t.Errorf("%s.%s is %s, want %s", area, fault, got, want)
			}
		}
	}
}

// TestFaultsAreDefined: whatever is wrong with a token has a line in the table
// wherever it can stand, or its request would be answered with 500.
func TestFaultsAreDefined(t *testing.T) {
	t.Parallel()
	areas := map[string]oauth.Code{
		oauth.AreaSubject: oauth.InvalidRequest, oauth.AreaActor: oauth.InvalidRequest, oauth.AreaClient: oauth.InvalidClient, oauth.AreaGrant: oauth.InvalidGrant,
	}
	for _, fault := range append(credential.Faults(), credential.FaultReviewUnavailable) {
		certificate := strings.HasPrefix(fault, "svid_") || strings.HasPrefix(fault, "cert_")
		for area, want := range areas {
			if certificate && area != oauth.AreaClient {
				continue // a certificate authenticates a client and stands nowhere else
			}
			switch fault {
			case credential.FaultNoBinding, credential.FaultImmutable, credential.FaultAmbiguous:
				if area == oauth.AreaSubject {
					continue // exchange.…: nothing is wrong with the token itself
				}
			}
			if fault == credential.FaultReviewUnavailable {
				want = oauth.TemporarilyUnavailable
			}
			if got := oauth.TokenFault(area, fault).Definition(); got.Code != want {
				t.Errorf("%s.%s is %s %d, want %s", area, fault, got.Code, got.Status, want)
			}
		}
	}
	// Keys that cannot be had have one name wherever the token stands.
	if got := oauth.ReasonIssuerUnavailable.Definition(); got.Code != oauth.TemporarilyUnavailable || got.Status != http.StatusServiceUnavailable {
		t.Errorf("%s is %s %d", got.Reason, got.Code, got.Status)
	}
}

// TestClientFaultsLookAlike: which part of an authentication failed is not for
// outsiders.
func TestClientFaultsLookAlike(t *testing.T) {
	t.Parallel()
	for _, d := range oauth.Definitions() {
		if d.Code == oauth.InvalidClient && d.Reason.Public() != oauth.ReasonClientAuth {
			t.Errorf("%s is public", d.Reason)
		}
	}
}

func TestUnforeseenErrorsSayNothing(t *testing.T) {
	t.Parallel()
	e := oauth.AsError(errors.New("password=hunter2"))
	if e.Code != oauth.ServerError || e.Reason != oauth.ReasonInternal {
		t.Errorf("got %s, %s", e.Code, e.Reason)
	}
	d := oauth.Reason("no.such").Definition()
	if d.Code != oauth.ServerError || d.Status != http.StatusInternalServerError {
		t.Errorf("an unknown reason is %s %d", d.Code, d.Status)
	}
	cause := oauth.Refuse(oauth.ReasonScope, nil)
	if oauth.AsError(errors.Join(errors.New("x"), cause)) != cause {
		t.Error("a refusal inside a chain was not found")
	}
}

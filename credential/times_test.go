package credential_test

import (
	"testing"
	"time"

	"github.com/tokenry/tokenry/registry"
)

func TestTimes(t *testing.T) {
	t.Parallel()
	w, corp, _, _ := userWorld(t)
	now := t0.Unix()
	rows := []row{
		{"SEC-TM-01", drop("exp"), "exp_missing"},
		{"SEC-TM-02", set("exp", nil), "exp_missing"},
		{"SEC-TM-03_string", set("exp", "1795169000"), "claim_type"},
		{"SEC-TM-03_true", set("exp", true), "claim_type"},
		{"SEC-TM-03_array", set("exp", []any{}), "claim_type"},
		{"SEC-TM-03_object", set("exp", object{}), "claim_type"},
		{"SEC-TM-04_zero", set("exp", 0), "expired"},
		{"SEC-TM-04_negative", set("exp", -1), "expired"},
		{"SEC-TM-05_1e30", set("exp", rawJSON("1e30")), "claim_type"},
		{"SEC-TM-05_int64", set("exp", rawJSON("9223372036854775808")), "claim_type"},
		{"SEC-TM-05_1e19", set("exp", rawJSON("1e19")), "claim_type"},
		{"SEC-TM-06", set("exp", rawJSON("1795169000.9")), ""},
		{"SEC-TM-06_floored", set("exp", rawJSON("1795168800.9")), "expired"},
		{"SEC-TM-08", set("exp", now), "expired"},
		{"one_second_left", set("exp", now+1), ""},
		{"SEC-TM-09", set("exp", now-29), "expired"},
		{"SEC-TM-10", set("exp", now-31), "expired"},
		{"nbf_in_skew", set("nbf", now+30), ""},
		{"SEC-TM-11", set("nbf", now+31), "not_yet_valid"},
		{"SEC-TM-12", set("nbf", rawJSON("1e18")), "not_yet_valid"},
		{"nbf_string", set("nbf", "1795168800"), "claim_type"},
		{"SEC-TM-13", set("nbf", now+600), "claim_conflict"},
		{"SEC-TM-13_in_skew", func(_, c object) { c["exp"], c["nbf"] = now+10, now+20 }, "claim_conflict"},
		{"SEC-TM-24_in_skew", set("iat", now+29), ""},
		{"SEC-TM-14", set("iat", now+31), "iat_future"},
		{"iat_string", set("iat", "1795168800"), "claim_type"},
		{"SEC-TM-18", func(_, c object) { c["iat"], c["nbf"], c["exp"] = now*1000, now*1000, (now+3600)*1000 }, "lifetime"},
		{"SEC-TM-19_9999", set("exp", int64(253402300799)), "lifetime"},
		{"SEC-TM-19_2038", set("exp", 2147483648), "lifetime"},
		{"SEC-TM-19_no_iat", func(_, c object) { c["exp"] = now + 3601; delete(c, "iat") }, "lifetime"},
		{"cap", func(_, c object) { c["iat"], c["exp"] = now-10, now+3590 }, ""},
		{"over_cap", func(_, c object) { c["iat"], c["exp"] = now-10, now+3591 }, "lifetime"},
		{"age_over_cap", func(_, c object) { c["iat"], c["exp"] = now-3601, now+1 }, "lifetime"},
	}
	good := func() (object, object) { return object{}, userClaims(corp.URL) }
	run(t, rows, good, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), corp.sign(t, h, c), jwtURI))
	})
}

func TestMaxTokenAge(t *testing.T) {
	t.Parallel()
	w, spire, _ := svidWorld(t)
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{
		Type: registry.SPIFFE, TrustDomain: "td.example", Keys: registry.KeySource{BundleURL: spire.URL + "/bundle"},
		MaxTokenAge: registry.Duration(5 * time.Minute),
	})
	rows := []row{
		{"at_cap", nil, ""}, // 300 s
		{"over_cap", set("exp", t0.Unix()+281), "lifetime"},
		{"too_old", set("iat", t0.Unix()-301), "lifetime"},
	}
	run(t, rows, goodSVID, func(t *testing.T, h, c object) error {
		return second(w.Subject(t.Context(), spire.sign(t, h, c), jwtURI))
	})
}

package jose_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

// TestParseRefuses: the rows of the catalogue that end before a key is looked
// for. Each row is one token; what is not said about it is in order.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const es256, claims = `{"alg":"ES256"}`, `{"sub":"a"}`
	good := parts(es256, claims)
	part := strings.Split(good, ".")
	head := func(more string) string { return parts(`{"alg":"ES256",`+more+`}`, claims) }
	alg := func(value string) string { return parts(`{"alg":`+value+`}`, claims) }
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	for _, row := range []struct {
		id, token string
		want      jose.Fault
	}{
		{"good", good, ""},
		{"empty", "", jose.FaultNotCompactJWS},
		{"SEC-JP-01", b64([]byte(`{"alg":"none"}`)) + "." + part[1] + ".", jose.FaultAlgNotAllowed},
		{"SEC-JP-02_None", alg(`"None"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-02_nONE", alg(`"nONE"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-02_space", alg(`"NONE "`), jose.FaultAlgNotAllowed},
		{"SEC-JP-02_NUL", alg(`"none\u0000"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-03", alg(`"HS256"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-04", alg(`"HS512"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-11_missing", parts(`{"kid":"k"}`, claims), jose.FaultHeaderMalformed},
		{"SEC-JP-11_array", alg(`["ES256"]`), jose.FaultHeaderMalformed},
		{"SEC-JP-11_number", alg(`1`), jose.FaultHeaderMalformed},
		{"SEC-JP-11_null", alg(`null`), jose.FaultHeaderMalformed},
		{"SEC-JP-11_lower", alg(`"es256"`), jose.FaultHeaderMalformed},
		{"SEC-JP-11_NUL", alg(`"ES256\u0000"`), jose.FaultHeaderMalformed},
		{"SEC-JP-11_space", alg(`"ES256 "`), jose.FaultHeaderMalformed},
		{"SEC-JP-20_none", "opaque", jose.FaultNotCompactJWS},
		{"SEC-JP-20_1", part[0] + "." + part[1], jose.FaultNotCompactJWS},
		{"SEC-JP-20_2", "..", jose.FaultNotCompactJWS},
		{"SEC-JP-20_3", good + ".", jose.FaultNotCompactJWS},
		{"SEC-JP-20_4", "....", jose.FaultNotCompactJWS},
		{"SEC-JP-20_5", good + "...", jose.FaultNotCompactJWS},
		{"SEC-JP-20_many", strings.Repeat(".", 1<<20), jose.FaultNotCompactJWS},
		{"SEC-JP-21", `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`, jose.FaultNotCompactJWS},
		{"SEC-JP-22", `{"payload":"` + part[1] + `","signatures":[{"protected":"` + part[0] + `","signature":""},{}]}`, jose.FaultNotCompactJWS},
		{"SEC-JP-23", `{"payload":"` + part[1] + `","header":{"alg":"ES256"},"signature":"x.y.z"}`, jose.FaultNotCompactJWS},
		{"SEC-JP-24_header", part[0][:4] + "\n" + part[0][4:] + "." + part[1] + "." + part[2], jose.FaultNotCompactJWS},
		{"SEC-JP-24_payload", part[0] + "." + part[1][:4] + "\r\n" + part[1][4:] + "." + part[2], jose.FaultNotCompactJWS},
		{"SEC-JP-24_signature", part[0] + "." + part[1] + ".\r" + part[2], jose.FaultNotCompactJWS},
		{"SEC-JP-25_newline", good + "\n", jose.FaultNotCompactJWS},
		{"SEC-JP-25_space", " " + good, jose.FaultNotCompactJWS},
		{"SEC-JP-25_padding", good + "=", jose.FaultNotCompactJWS},
		{"SEC-JP-25_inner_padding", part[0] + "=." + part[1] + "." + part[2], jose.FaultNotCompactJWS},
		{"SEC-JP-26_signature", part[0] + "." + part[1] + ".YR", jose.FaultNotCanonical},
		{"SEC-JP-26_payload", part[0] + ".YR." + part[2], jose.FaultNotCanonical},
		{"cut", part[0] + "." + part[1] + ".Y", jose.FaultNotCanonical},
		{"SEC-JP-27", part[0] + "." + part[1] + ".ab+/", jose.FaultNotCompactJWS},
		{"SEC-JP-28", part[0] + ".." + part[2], jose.FaultNotCompactJWS},
		{"no_header", "." + part[1] + "." + part[2], jose.FaultNotCompactJWS},
		{"SEC-JP-15_empty", part[0] + "." + part[1] + ".", jose.FaultSignature},
		{"SEC-JP-29", head(`"b64":false,"crit":["b64"]`), jose.FaultCrit},
		{"b64_alone", head(`"b64":true`), jose.FaultHeaderForbidden},
		{"SEC-JP-30", parts(`{"alg":"ES256","cty":"JWT"}`, good), jose.FaultNested},
		{"SEC-JP-30_lower", head(`"cty":"jwt"`), jose.FaultNested},
		{"SEC-JP-30_long", head(`"cty":"Application/JWT"`), jose.FaultNested},
		{"cty_number", head(`"cty":1`), jose.FaultHeaderMalformed},
		{"cty_other", head(`"cty":"json"`), ""},
		{"SEC-JP-38", "AbCdEf0123456789", jose.FaultNotCompactJWS},
		{"SEC-JP-39_ES256K", alg(`"ES256K"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-39_RS1", alg(`"RS1"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-39_dir", alg(`"dir"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-39_A128KW", alg(`"A128KW"`), jose.FaultAlgNotAllowed},
		{"SEC-JP-40_comma", good + "," + good, jose.FaultNotCompactJWS},
		{"SEC-JP-40_space", good + " " + good, jose.FaultNotCompactJWS},

		{"SEC-KH-01", head(`"jwk":{"kty":"EC"}`), jose.FaultHeaderForbidden},
		{"SEC-KH-02", head(`"jku":"http://169.254.169.254/"`), jose.FaultHeaderForbidden},
		{"SEC-KH-04", head(`"x5u":"https://evil.example"`), jose.FaultHeaderForbidden},
		{"SEC-KH-05", head(`"x5c":["AAAA"]`), jose.FaultHeaderForbidden},
		{"SEC-KH-06_string", head(`"x5c":"AAAA"`), jose.FaultHeaderForbidden},
		{"SEC-KH-06_many", head(`"x5c":["` + strings.Repeat(`A","`, 1000) + `"]`), jose.FaultHeaderForbidden},
		{"x5t", head(`"x5t":"abc","x5t#S256":"def"`), ""}, // some providers set them; nothing is followed
		{"x5t_number", head(`"x5t":1`), jose.FaultHeaderMalformed},
		{"x5t#S256_null", head(`"x5t#S256":null`), jose.FaultHeaderMalformed},
		{"SEC-KH-08", head(`"kid":"../../../../dev/null"`), ""},
		{"SEC-KH-09", head(`"kid":"x' OR '1'='1"`), ""},
		{"SEC-KH-10_long", head(`"kid":"` + strings.Repeat("k", 10<<10) + `"`), jose.FaultKidMalformed},
		{"SEC-KH-10_257", head(`"kid":"` + strings.Repeat("k", 257) + `"`), jose.FaultKidMalformed},
		{"SEC-KH-10_256", head(`"kid":"` + strings.Repeat("k", 256) + `"`), ""},
		{"SEC-KH-10_CRLF", head(`"kid":"k\r\nfake"`), jose.FaultKidMalformed},
		{"SEC-KH-10_ANSI", head(`"kid":"k\u001b[2J"`), jose.FaultKidMalformed},
		{"SEC-KH-10_RTL", head(`"kid":"k\u202ek"`), jose.FaultKidMalformed},
		{"SEC-KH-10_NUL", head(`"kid":"k\u0000"`), jose.FaultKidMalformed},
		{"SEC-KH-11_number", head(`"kid":1`), jose.FaultHeaderMalformed},
		{"SEC-KH-11_null", head(`"kid":null`), jose.FaultHeaderMalformed},
		{"SEC-KH-11_array", head(`"kid":["k"]`), jose.FaultHeaderMalformed},
		{"SEC-KH-11_object", head(`"kid":{"k":1}`), jose.FaultHeaderMalformed},
		{"kid_empty", head(`"kid":""`), jose.FaultKidMalformed},
		{"SEC-KH-17", head(`"crit":["x"],"x":1`), jose.FaultCrit},
		{"SEC-KH-18", head(`"crit":[]`), jose.FaultCrit},
		{"SEC-KH-19_alg", head(`"crit":["alg"]`), jose.FaultCrit},
		{"SEC-KH-19_string", head(`"crit":"exp"`), jose.FaultCrit},
		{"SEC-KH-19_null", head(`"crit":null`), jose.FaultCrit},
		{"nonce", head(`"nonce":"x"`), jose.FaultHeaderForbidden},
		{"SEC-KH-20", head(`"zip":"DEF"`), jose.FaultHeaderForbidden},
		{"SEC-KH-21_enc", head(`"enc":"A128GCM"`), jose.FaultHeaderForbidden},
		{"SEC-KH-21_epk", head(`"epk":{}`), jose.FaultHeaderForbidden},
		{"SEC-KH-21_p2c", head(`"p2c":2147483647`), jose.FaultHeaderForbidden},
		{"SEC-KH-22_size", head(`"m":"` + strings.Repeat("x", 4<<10) + `"`), jose.FaultHeaderTooLarge},
		{"SEC-KH-22_members", head(strings.Join(many[:32], ",")), jose.FaultHeaderTooLarge},
		{"SEC-KH-22_fits", head(strings.Join(many[:31], ",")), ""},
		{"SEC-KH-22", head(strings.Join(many, ",") + `,"m":"` + strings.Repeat("x", 1<<10) + `"`), jose.FaultHeaderTooLarge},
		{"SEC-KH-23_number", head(`"typ":1`), jose.FaultTyp},
		{"SEC-KH-23_array", head(`"typ":["JWT"]`), jose.FaultTyp},
		{"SEC-KH-23_null", head(`"typ":null`), jose.FaultTyp},
		{"SEC-KH-23_long", head(`"typ":"` + strings.Repeat("x", 1<<10) + `"`), jose.FaultTyp},
		{"typ_empty", head(`"typ":""`), jose.FaultTyp},
		{"SEC-KH-24_iss", head(`"iss":"https://a.example"`), jose.FaultHeaderForbidden},
		{"SEC-KH-24_sub", head(`"sub":"a"`), jose.FaultHeaderForbidden},
		{"SEC-KH-24_aud", head(`"aud":"a"`), jose.FaultHeaderForbidden},
		{"SEC-KH-25_alg", head(`"alg":"ES256"`), jose.FaultHeaderMalformed},
		{"SEC-KH-25_kid", head(`"kid":"a","kid":"a"`), jose.FaultHeaderMalformed},
		{"header_array", parts(`[]`, claims), jose.FaultHeaderMalformed},
		{"header_case", parts(`{"ALG":"ES256"}`, claims), jose.FaultHeaderMalformed},

		{"SEC-JE-01", part[0] + "." + part[1] + "." + part[2] + ".YQ.YQ", jose.FaultJWEUnsupported},
		{"SEC-JE-04", part[0] + "..YQ.YQ.YQ", jose.FaultJWEUnsupported},

		{"SEC-JS-01", parts(es256, `{"sub":"user","sub":"admin"}`), jose.FaultJSONDuplicate},
		{"SEC-TM-07", parts(es256, `{"exp":NaN}`), jose.FaultJSONMalformed},
		{"SEC-JS-08", parts(es256, `{"sub":"a\u0000b"}`), jose.FaultControlChar},
		{"SEC-JS-13", parts(es256, `"x"`), jose.FaultJSONMalformed},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			_, err := jose.Parse(row.token)
			wantFault(t, err, row.want)
		})
	}
}

// TestParseSize: SEC-JP-35 and SEC-JS-10, and the largest token that passes.
func TestParseSize(t *testing.T) {
	t.Parallel()
	sized := func(length int) string {
		head, tail := b64([]byte(`{"alg":"ES256"}`))+".", ".YQ"
		room := length - len(head) - len(tail)
		claims := `{"x":"` + strings.Repeat("x", room*3/4-8) + `"}`
		token := head + b64([]byte(claims)) + tail
		return token + strings.Repeat("A", length-len(token)) // the signature grows
	}
	if n := len(sized(16384)); n != 16384 {
		t.Fatalf("the test makes a token of %d bytes", n)
	}
	_, err := jose.Parse(sized(16384))
	wantFault(t, err, "")
	_, err = jose.Parse(sized(16388))
	wantFault(t, err, jose.FaultTooLarge)
	_, err = jose.Parse(parts(`{"alg":"ES256"}`, `{"`+strings.Repeat("x", 1<<20)+`":1}`))
	wantFault(t, err, jose.FaultTooLarge)
}

// TestParseOneSpelling: of all strings that differ from a token in one
// character, none is another spelling of the same token (SEC-JP-26, SEC-JP-32).
func TestParseOneSpelling(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, "k1", "ES256")
	compact, err := signer.Sign("JWT", []byte(`{"sub":"alice","n":12}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := range compact {
		for _, c := range []byte("AQgw_-.= \n") {
			if compact[i] == c {
				continue
			}
			other := compact[:i] + string(c) + compact[i+1:]
			token, err := jose.Parse(other)
			if err == nil && token.Verify(signer.Key()) == nil {
				t.Fatalf("byte %d: another spelling was taken", i)
			}
		}
	}
}

func TestParseReads(t *testing.T) {
	t.Parallel()
	token := mustParse(t, parts(`{"typ":"at+jwt","kid":"schlüssel 1","alg":"PS384"}`, ` {"sub":"a"} `))
	if token.Alg != "PS384" || token.Kid != "schlüssel 1" || token.Typ != "at+jwt" || token.Claims["sub"] != "a" {
		t.Errorf("read %+v", token)
	}
	if string(token.Payload()) != ` {"sub":"a"} ` {
		t.Errorf("payload %q", token.Payload())
	}
}

// TestErrorsQuoteNothing: what is refused may be a token that somebody can use.
func TestErrorsQuoteNothing(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, token := range []string{
		secret,
		parts(`{"alg":"`+secret+`"}`, `{}`),
		parts(`{"alg":"ES256","kid":"`+secret+`\n"}`, `{}`),
		parts(`{"alg":"ES256","cty":["`+secret+`"]}`, `{}`),
		parts(`{"alg":"ES256"}`, `{"`+secret+`":1,"`+secret+`":2}`),
		parts(`{"alg":"ES256"}`, `{"sub":"`+secret+`}`),
	} {
		_, err := jose.Parse(token)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f).Tokens {
		f.Add(v.Compact)
	}
	f.Add(parts(`{"alg":"none"}`, `{}`))
	f.Add(parts(`{"alg":"ES256","crit":[]}`, `{"a":1}`))
	f.Add("a.b.c.d.e")
	f.Add(parts(`{"alg":"ES256","kid":"k1","x5t":"a","x5t#S256":"b"}`, `{"a":1}`))
	f.Add(parts(`{"alg":"ES256","alg":"none","kid":["k1"]}`, `{"a":1}`))
	f.Add(parts(`{"alg":"ES256","b64":false,"crit":["b64"]}`, `{"a":1,"a":2}`) + "=")
	f.Add(parts(`{"alg":"PBES2-HS256+A128KW","enc":"A128CBC-HS256","p2c":2147483647,"p2s":"AA"}`, `{}`) + ".YQ.YQ")
	f.Add(parts(`{"alg":"EdDSA","cty":"JWT"}`, parts(`{"alg":"EdDSA"}`, `{}`)))
	key := newSigner(f, "k1", "ES256").Key()
	f.Fuzz(func(t *testing.T, compact string) {
		token, err := jose.Parse(compact)
		if err != nil {
			if !slices.Contains(jose.Faults(), fault(t, err)) {
				t.Errorf("%v is in no list", err)
			}
			return
		}
		if strings.Count(compact, ".") != 2 || !json.Valid(token.Payload()) {
			t.Errorf("accepted %q", compact)
		}
		part := strings.Split(compact, ".")
		if b64(token.Payload()) != part[1] {
			t.Error("a second spelling of the payload")
		}
		if token.Verify(key) == nil {
			t.Error("a stranger's key verifies it")
		}
	})
}

// TestMalleable shows why nothing is keyed by the text of a token: SEC-JP-13.
func TestMalleable(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ES256").(*ecdsa.PrivateKey)
	compact := signed(t, "ES256", key, `{"sub":"a"}`)
	other := negateS(t, compact, key)
	if err := mustParse(t, other).Verify(jose.Key{Public: &key.PublicKey}); err != nil || other == compact {
		t.Errorf("the twin of a signature: %v", err)
	}
}

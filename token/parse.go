package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Parse reads the claims of one of our own tokens: payload is what was signed,
// o the same, parsed strictly. It is as strict as Marshal: a claim that is
// missing or of another type is a *Error with ReasonClaims. Claims that it does
// not know are ignored, for a newer replica may have written them.
func Parse(o jose.Object, payload []byte) (*Claims, error) {
	r := reader{object: o}
	c := &Claims{
		Issuer:   r.required("iss"), // RFC 9068, Section 2.2
		Subject:  r.required("sub"),
		Audience: r.required("aud"),
		ClientID: r.required("client_id"),
		JTI:      r.required("jti"),
		Scope:    r.string("scope"),
		Txn:      r.string("txn"),
		ACR:      r.string("acr"),
		AMR:      r.strings("amr"),
		IssuedAt: r.time("iat"),
		Expires:  r.time("exp"),
	}
	// What restricts a token cannot be ignored: a newer replica may have written
	// it. Each is refused until it is enforced.
	r.forbid("may_act", "authorization_details")
	if cnf, ok, err := o.Object("cnf"); err != nil {
		r.fail(err)
	} else if ok {
		c.Confirmation = r.confirmation(cnf)
	}
	if n, ok := o["auth_time"]; ok {
		number, isNumber := n.(json.Number)
		if !isNumber {
			r.fail(errors.New(`"auth_time" is not a number`))
		}
		c.AuthTime = json.RawMessage(number)
	}
	if agent, ok, err := o.Object("agent"); err != nil {
		r.fail(err)
	} else if ok {
		c.Agent = r.agent(agent)
	}
	if _, ok := o["act"]; ok {
		if raw := r.raw(payload, "act"); raw != nil {
			act, err := ParseActor(raw)
			if err != nil {
				r.fail(err)
			}
			c.Act = act
		}
	}
	if r.err != nil {
		return nil, &Error{Reason: ReasonClaims, Err: r.err}
	}
	return c, nil
}

// reader takes members out of an object. The first error stays.
type reader struct {
	object jose.Object
	err    error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) string(name string) string {
	s, _, err := r.object.String(name)
	if err != nil {
		r.fail(err)
	}
	return s
}

func (r *reader) required(name string) string {
	s := r.string(name)
	if s == "" {
		r.fail(fmt.Errorf("%q is missing or empty", name))
	}
	return s
}

func (r *reader) strings(name string) []string {
	list, _, err := r.object.Strings(name)
	if err != nil {
		r.fail(err)
	}
	return list
}

func (r *reader) time(name string) time.Time {
	t, ok, err := r.object.Time(name)
	switch {
	case err != nil:
		r.fail(err)
	case !ok:
		r.fail(fmt.Errorf("%q is missing", name))
	}
	return t.UTC()
}

func (r *reader) forbid(names ...string) {
	for _, name := range names {
		if _, ok := r.object[name]; ok {
			r.fail(fmt.Errorf("%q must not be there", name))
		}
	}
}

// raw is the bytes of a member of payload, which the object was parsed from.
func (r *reader) raw(payload []byte, name string) json.RawMessage {
	// A map, because a struct would take "Act" for "act".
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		r.fail(err)
		return nil
	}
	raw, ok := members[name]
	if !ok {
		r.fail(fmt.Errorf("%q is not in the payload", name))
	}
	return raw
}

func (r *reader) agent(o jose.Object) *AgentInfo {
	inner := reader{object: o}
	info := &AgentInfo{Blueprint: inner.string("blueprint"), SPIFFEID: inner.string("spiffe_id")}
	if v, ok := o["version"]; ok {
		number, _ := v.(json.Number)
		n, err := number.Int64()
		if err != nil || n < 0 || n > math.MaxInt32 {
			inner.fail(errors.New(`"agent.version" is not a version`))
		}
		info.Version = int(n)
	}
	if inner.err != nil {
		r.fail(inner.err)
	}
	return info
}

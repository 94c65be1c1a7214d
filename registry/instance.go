package registry

import (
	"errors"
	"strings"
	"time"
)

var (
	// ErrInstanceCap says that a credential has made as many instances as it may.
	ErrInstanceCap = errors.New("the credential has as many instances as maxInstances allows")

	// ErrInstanceTaken says that the name, or the issuer and subject, belongs to
	// another agent.
	ErrInstanceTaken = errors.New("the name or the subject belongs to another agent")

	// ErrInstanceOrphan says that the blueprint, its credential or their state
	// do not allow the instance any more.
	ErrInstanceOrphan = errors.New("the blueprint does not allow the instance any more")
)

// Bounds of an instance.
const (
	maxSuffix = 200

	// MaxAgentName is the longest name of an agent in bytes: that of an
	// instance, "<blueprint>/<suffix>".
	MaxAgentName = MaxName + len("/") + maxSuffix

	// DefaultCollectAfter is CollectAfter where a credential does not say it,
	// or is gone.
	DefaultCollectAfter = 7 * 24 * time.Hour
)

// Idle is the time without use after which an instance of the credential is
// forgotten.
func (c *PatternCredential) Idle() time.Duration {
	if c.CollectAfter <= 0 {
		return DefaultCollectAfter
	}
	return time.Duration(c.CollectAfter)
}

// InstanceOf says what an instance was made from. It belongs for ever to this
// issuer and subject: the name of an instance never means another workload.
type InstanceOf struct {
	Credential string     `json:"credential"` // of its blueprint
	Issuer     IssuerName `json:"issuer"`
	Subject    string     `json:"subject"`
}

// Candidate is an instance that a request would be the first use of, as far as
// the model knows: another replica may have made it meanwhile, or it was
// forgotten after an idle time.
type Candidate struct {
	Name      AgentName // "<blueprint>/<suffix>"
	Blueprint BlueprintName
	InstanceOf
	Labels map[string]string // from the claims that the credential maps
}

// Admission is what became of a Candidate.
type Admission struct {
	Object *Object // the agent as it is now, in whatever state; nil with Err
	Err    error   // ErrInstanceCap, ErrInstanceTaken or ErrInstanceOrphan
}

// IsInstance says that an object is an instance: an agent that nobody
// registered.
func (o *Object) IsInstance() bool {
	a, ok := o.Spec.(*Agent)
	return ok && a != nil && a.Instance != nil
}

// ValidInstanceName says that name may be that of an instance. No name of any
// other object is one: they have no slash.
func ValidInstanceName(name string) bool {
	_, _, ok := SplitInstanceName(name)
	return ok
}

// SplitInstanceName takes the name of an instance apart; ok is false when it is
// not one.
func SplitInstanceName(name string) (blueprint BlueprintName, suffix string, ok bool) {
	before, suffix, found := strings.Cut(name, "/")
	if !found || CheckName(before) != nil || suffix == "" || len(suffix) > maxSuffix {
		return "", "", false
	}
	for segment := range strings.SplitSeq(suffix, "/") {
		if segment == "" || segment == "." || segment == ".." { // a proxy might resolve them in a URL
			return "", "", false
		}
	}
	for i := range len(suffix) {
		c := suffix[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._:/-", rune(c)) {
			return "", "", false
		}
	}
	return BlueprintName(before), suffix, true
}

// CheckAgentName reports why name cannot be the name of an agent, registered or
// an instance, or nil.
func CheckAgentName(name string) error {
	if ValidInstanceName(name) {
		return nil
	}
	return CheckName(name)
}

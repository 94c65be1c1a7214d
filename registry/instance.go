package registry

import (
	"errors"
	"strings"
)

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
	Err    error   // ErrInstanceCap or ErrInstanceTaken
}

// Why a Candidate was not admitted.
var (
	ErrInstanceCap    = errors.New("the credential has made as many instances as it may")
	ErrInstanceTaken  = errors.New("the name or the subject belongs to another agent")
	ErrInstanceOrphan = errors.New("the blueprint or its credential makes no instances any more")
)

// maxSuffix is the longest suffix of an instance's name.
const maxSuffix = 200

// ValidInstanceName reports whether name is that of an instance:
// "<blueprint>/<suffix>".
func ValidInstanceName(name string) bool {
	_, _, ok := SplitInstanceName(name)
	return ok
}

// SplitInstanceName takes the name of an instance apart.
func SplitInstanceName(name string) (blueprint BlueprintName, suffix string, ok bool) {
	first, suffix, found := strings.Cut(name, "/")
	if !found || CheckName(first) != nil || suffix == "" || len(suffix) > maxSuffix {
		return "", "", false
	}
	for i := range len(suffix) {
		c := suffix[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._:/-", rune(c)) {
			return "", "", false
		}
	}
	return BlueprintName(first), suffix, true
}

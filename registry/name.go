package registry

import (
	"fmt"
	"strings"
)

// MaxName is the longest name in bytes.
const MaxName = 63

// Kinds returns the kinds in the order in which `apply` writes them: what is
// referred to comes before what refers to it.
func Kinds() []Kind {
	return []Kind{KindTrustedIssuer, KindResource, KindBlueprint, KindAgent, KindDelegationRule}
}

func kindList() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// IDPrefix returns how ids of a kind begin: "agt_".
func IDPrefix(k Kind) string {
	switch k {
	case KindTrustedIssuer:
		return "iss_"
	case KindResource:
		return "res_"
	case KindBlueprint:
		return "bp_"
	case KindAgent:
		return "agt_"
	case KindDelegationRule:
		return "rul_"
	}
	return ""
}

// CheckName reports why name cannot be the name of an object, or nil.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is missing")
	case len(name) > MaxName:
		return fmt.Errorf("is longer than %d characters", MaxName)
	}
	for i := range len(name) {
		c := name[i]
		inner := i > 0 && i < len(name)-1
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (!inner || !strings.ContainsRune("._-", rune(c))) {
			return fmt.Errorf("must be made of a-z, 0-9, '.', '_' and '-', and begin and end with a letter or a digit")
		}
	}
	// Wherever a URL takes a name it also takes an id.
	for _, k := range Kinds() {
		if p := IDPrefix(k); strings.HasPrefix(name, p) {
			return fmt.Errorf("must not begin with %q: ids begin like that", p)
		}
	}
	return nil
}

package credential

import (
	"fmt"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// slip says in words by what small thing shown misses wanted, of the kind that
// eyes pass over; empty when it is none of these. All are compared byte for byte
// by what decides, so none of them is harmless.
func slip(shown, wanted string) string {
	switch {
	case shown == wanted:
		return ""
	case strings.TrimSpace(shown) == wanted:
		return "it has a space at its " + side(shown)
	case shown == strings.TrimSpace(wanted):
		return "it lacks the space at the " + side(wanted)
	case strings.EqualFold(shown, wanted):
		return "it differs only in case"
	case shown == wanted+"/":
		return "it has a slash at its end"
	case shown+"/" == wanted:
		return "it lacks the slash at the end"
	case shown == strings.TrimSuffix(wanted, "/")+"/token":
		return "it is the token endpoint, and wanted is the issuer identifier (RFC 10070)"
	}
	from, rest, isURL := strings.Cut(shown, "://")
	to, other, _ := strings.Cut(wanted, "://")
	switch {
	case !isURL:
		return ""
	case rest == other && from != to:
		return fmt.Sprintf("it begins with %s:// instead of %s://", from, to)
	case from == to && withoutPort(from, rest) == other:
		return "it names the port, which goes without saying"
	case from == to && rest == withoutPort(to, other):
		return "it lacks the port"
	}
	return ""
}

func side(text string) string {
	if strings.TrimLeft(text, " \t\r\n") != text {
		return "beginning"
	}
	return "end"
}

// withoutPort leaves the default port of a scheme out of an authority and what
// follows it.
func withoutPort(scheme, rest string) string {
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	authority, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		path = "/" + path
	}
	if port == "" {
		return rest
	}
	return strings.TrimSuffix(authority, port) + path
}

// difference says in words where shown parts from wanted: a slip, or else the
// part of its structure that is another one; empty when they have nothing to do
// with each other.
func difference(shown, wanted string) string {
	if text := slip(shown, wanted); text != "" || shown == wanted {
		return text
	}
	switch {
	case strings.HasPrefix(shown, serviceAccountPrefix) && strings.HasPrefix(wanted, serviceAccountPrefix):
		return otherAccount(shown, wanted)
	case strings.HasPrefix(shown, "spiffe://") && strings.HasPrefix(wanted, "spiffe://"):
		return otherPath(shown, wanted, "trust domain")
	case strings.Contains(shown, "://") && strings.Contains(wanted, "://"):
		return otherPath(shown, wanted, "host")
	}
	return otherSegment(shown, wanted)
}

// otherAccount compares two service accounts of Kubernetes.
func otherAccount(shown, wanted string) string {
	namespace, name, _ := strings.Cut(shown[len(serviceAccountPrefix):], ":")
	wantedNamespace, wantedName, _ := strings.Cut(wanted[len(serviceAccountPrefix):], ":")
	var texts []string
	if namespace != wantedNamespace {
		texts = append(texts, fmt.Sprintf("the namespace is %q instead of %q", namespace, wantedNamespace))
	}
	if name != wantedName {
		texts = append(texts, fmt.Sprintf("the service account is %q instead of %q", name, wantedName))
	}
	return strings.Join(texts, " and ")
}

// otherPath compares two URLs of one scheme, or SPIFFE IDs; authority is what
// their first part is called.
func otherPath(shown, wanted, authority string) string {
	from, rest, _ := strings.Cut(shown, "://")
	to, other, _ := strings.Cut(wanted, "://")
	host, path, _ := strings.Cut(rest, "/")
	wantedHost, wantedPath, _ := strings.Cut(other, "/")
	switch {
	case from != to:
		return ""
	case host != wantedHost:
		return fmt.Sprintf("the %s is %q instead of %q", authority, host, wantedHost)
	}
	return otherSegment("/"+path, "/"+wantedPath)
}

// otherSegment compares texts that are made of segments.
func otherSegment(shown, wanted string) string {
	switch {
	case len(shown) > len(wanted) && strings.HasPrefix(shown, wanted):
		return fmt.Sprintf("it goes on with %q", shown[len(wanted):])
	case len(wanted) > len(shown) && strings.HasPrefix(wanted, shown):
		return fmt.Sprintf("it ends before %q", wanted[len(shown):])
	}
	segments, others := split(shown), split(wanted)
	if len(segments) != len(others) {
		return ""
	}
	at, differing := 0, 0
	for i := range segments {
		if segments[i] != others[i] {
			at = i
			differing++
		}
	}
	if differing != 1 || len(segments) == 1 {
		return ""
	}
	return fmt.Sprintf("one segment is %q instead of %q", segments[at], others[at])
}

// split takes a subject apart where wildcards stop.
func split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '/' || r == ':' })
}

// mismatch says in words why subject is none that m matches.
func mismatch(m registry.SubjectMatch, subject string) string {
	switch {
	case m.Prefix != "":
		return notBelow(m.Prefix, subject)
	case m.Glob != "":
		return notLike(m.Glob, subject)
	}
	return difference(subject, m.Exact)
}

func notBelow(prefix, subject string) string {
	switch lead := subject[:min(len(subject), len(prefix))]; {
	case subject == prefix || subject+"/" == prefix || subject+":" == prefix:
		return "it ends where the prefix does, and something must follow"
	case strings.EqualFold(lead, prefix):
		return "it differs only in case"
	}
	// The authority that both share is not what is wrong.
	if rest, both := strings.CutPrefix(subject, "spiffe://"); both && strings.HasPrefix(prefix, "spiffe://") {
		host, path, _ := strings.Cut(rest, "/")
		wantedHost, wantedPath, _ := strings.Cut(strings.TrimPrefix(prefix, "spiffe://"), "/")
		if host != wantedHost {
			return fmt.Sprintf("the trust domain is %q instead of %q", host, wantedHost)
		}
		subject, prefix = "/"+path, "/"+wantedPath
	}
	return fmt.Sprintf("%q does not begin with %q", subject, prefix)
}

func notLike(glob, subject string) string {
	segments, wanted := split(subject), split(glob)
	if len(segments) != len(wanted) {
		return fmt.Sprintf("it has %d segments, and the glob %d", len(segments), len(wanted))
	}
	for i := range segments {
		if !(registry.SubjectMatch{Glob: wanted[i]}).Matches(segments[i]) {
			return fmt.Sprintf("its segment %q is not %q", segments[i], wanted[i])
		}
	}
	return ""
}

// likeness is how much of a subject is as m has it: the length of what is equal
// at both ends, whatever its case. It is linear, so that a hundred thousand
// credentials can be gone through.
func likeness(m registry.SubjectMatch, subject string) int {
	head := m.Literal()
	tail := head
	if m.Prefix != "" {
		tail = ""
	} else if i := strings.LastIndexAny(m.Glob, "*?"); i >= 0 {
		tail = m.Glob[i+1:]
	}
	n := 0
	for n < len(head) && n < len(subject) && lower(head[n]) == lower(subject[n]) {
		n++
	}
	end := 0
	for end < len(tail) && end < len(subject)-n && lower(tail[len(tail)-1-end]) == lower(subject[len(subject)-1-end]) {
		end++
	}
	return n + end
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

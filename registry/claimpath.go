package registry

import (
	"encoding/json"
	"strings"

	"github.com/tokenry/tokenry/condition"
)

// ClaimAt returns the text of a claim by its path: names from the outside in,
// separated by "/", in which "~1" stands for "/" and "~0" for "~" as in RFC
// 6901, Section 3: "kubernetes.io/serviceaccount/uid", "https:~1~1example~1org".
//
// A number is its own decimal text, never a float: 12345678901234567890 is not
// 12345678901234567168. What is neither text, number nor boolean has no text.
func ClaimAt(claims map[string]any, path string) (text string, ok bool) {
	var at any = claims
	for name := range strings.SplitSeq(path, "/") {
		object, isObject := at.(map[string]any)
		if !isObject {
			return "", false
		}
		if at, ok = object[unescape(name)]; !ok {
			return "", false
		}
	}
	switch v := at.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

// claimPath reads a path that checkClaimPath has seen.
func claimPath(path string) condition.Path {
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = unescape(name)
	}
	return names
}

// unescape reads a name of a path: RFC 6901, Section 4, in this order, so that
// "~01" is "~1".
func unescape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
}

// checkClaimPath checks the form of a path.
func checkClaimPath(ps *problems, at, path string) {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			ps.add(at, `must be a path of claim names like "kubernetes.io/serviceaccount/uid"; a "/" within a name is written "~1"`)
			return
		}
		for i := range len(name) {
			if name[i] == '~' && (i+1 == len(name) || name[i+1] != '0' && name[i+1] != '1') {
				ps.add(at, `has a "~" that is neither "~0" for "~" nor "~1" for "/"`)
				return
			}
		}
	}
	checkText(ps, at, path, maxText)
}

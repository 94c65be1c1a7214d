package credential

import "strings"

// wrongReview: all that the token says is right, and its cluster does not vouch
// for it.
func (e *exam) wrongReview(f *Fault) (sentence, fix string) {
	server := "the API server of " + e.signer()
	switch f.Name {
	case FaultReviewUnavailable:
		return is("the answer of "+server, "", "one that says whether the token lives", cut(errorText(f.Err))), ""
	case FaultInactive:
		return is("what "+server+" says", "that the token lives no more", f.Wanted, "its pod, account or namespace was deleted or made anew"), ""
	case FaultTooOld:
		age := strings.TrimSuffix(strings.TrimPrefix(f.Shown, "offline, "), " old")
		return is("the age of the token", age, f.Wanted, server+" cannot be asked"), ""
	case FaultAudience:
		why := ""
		if f.Shown == "" {
			why = "one that knows nothing of audiences would vouch for every token of its cluster"
		}
		return is("the audience for which "+server+" vouches", quoted(f.Shown), quoted(f.Wanted), why), "See that tokenReview.url is the API server that made the token, and that it supports audiences in a TokenReview."
	case FaultClaimConflict:
		const mend = "See that tokenReview.url is the API server that made the token; an account that was made anew has another uid."
		switch f.Field {
		case "user":
			return is("the account for which "+server+" vouches", "", f.Wanted, ""), mend
		case "uid":
			return is("the uid of the account for which "+server+" vouches", quoted(f.Shown), quoted(f.Wanted), "so says kubernetes.io"), mend
		}
		return is("the account for which "+server+" vouches", quoted(f.Shown), quoted(f.Wanted), "so says sub"), mend
	}
	return unnamed(f)
}

package credential

// Sentence is what a report says of a fault that was found at check in a token,
// and whether it is a sentence of that fault's own.
func (v *Verifier) Sentence(raw, check string, f *Fault) (said string, own bool) {
	e, err := v.read(raw, asSubject)
	if err == nil {
		err = e.route()
	}
	if err != nil {
		return err.Error(), false
	}
	f.Checks = []Check{{Name: check}}
	r := &Report{}
	if check == CheckForm {
		e = nil // as nothing is known of a text that is no token
	} else {
		r.claims(e)
	}
	r.failed(e, f)
	other, _ := unnamed(f)
	return r.Wrong, r.Wrong != "" && r.Wrong != other
}

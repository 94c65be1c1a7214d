package registry

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

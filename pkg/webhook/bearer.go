package webhook

import "time"

// bearer proves requests by "Authorization: Bearer <token>" (RFC 6750).
type bearer struct {
	keys staticKeys
}

// buildBearer makes the verifier.
func buildBearer(cfg Config, rep *report) Verifier {
	return &bearer{keys: newStaticKeys(rep.secrets(cfg, fromOperator, "raw"))}
}

// Challenge implements Challenger.
func (v *bearer) Challenge() string { return `Bearer realm="webhooks"` }

// Missing implements Verifier.
func (v *bearer) Missing(r *Request) error {
	_, err := authorization("bearer", "Bearer", r)
	return err
}

// verify implements Verifier.
func (v *bearer) verify(r *Request) (Proof, error) {
	token, err := authorization("bearer", "Bearer", r)
	if err != nil {
		return Proof{}, err
	}
	return v.keys.prove("bearer", "header Authorization", r, "", token)
}

// sign implements signer.
func (v *bearer) sign(s Secret, r *Request, _ time.Time) {
	r.Header["Authorization"] = []string{"Bearer " + string(s.Value)}
}

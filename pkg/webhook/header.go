package webhook

import "time"

// header proves requests by a header whose value is the secret.
type header struct {
	name  string // canonical
	where string // for refusals
	keys  staticKeys
}

// buildHeader makes the verifier.
func buildHeader(cfg Config, rep *report) Verifier {
	name := rep.header("header", cfg.Header, true)
	return &header{
		name:  name,
		where: "header " + name,
		keys:  newStaticKeys(rep.secrets(cfg, fromOperator, "raw")),
	}
}

// Missing implements Verifier.
func (v *header) Missing(r *Request) error {
	_, err := oneHeader("header", r.Header, v.name)
	return err
}

// verify implements Verifier.
func (v *header) verify(r *Request) (Proof, error) {
	value, err := oneHeader("header", r.Header, v.name)
	if err != nil {
		return Proof{}, err
	}
	return v.keys.prove("header", v.where, r, "", value)
}

// credentials implements credentialed.
func (v *header) credentials(r *Request) []string { return r.Header[v.name] }

// sign implements signer.
func (v *header) sign(s Secret, r *Request, _ time.Time) {
	r.Header[v.name] = []string{string(s.Value)}
}

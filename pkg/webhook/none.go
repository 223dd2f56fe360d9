package webhook

import "time"

// none accepts everything. It exists so that the choice is written out.
type none struct{}

// buildNone makes the verifier.
func buildNone(cfg Config, rep *report) Verifier {
	if len(cfg.Secrets) > 0 {
		rep.problem("secrets", "type none takes no secret; remove it or choose a type that proves something")
	}
	rep.warning("type", "none: anybody who finds the address can send events, and bounces that stop your mail")
	return none{}
}

// Missing implements Verifier.
func (none) Missing(*Request) error { return nil }

// verify implements Verifier.
func (none) verify(*Request) (Proof, error) { return Proof{Scheme: "none"}, nil }

// sign implements signer.
func (none) sign(Secret, *Request, time.Time) {}

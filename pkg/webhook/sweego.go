package webhook

// buildSweego makes Sweego's webhooks as its page says
// (https://learn.sweego.io/docs/webhooks/webhook_signature): what Standard Webhooks
// signs, under the same headers, but with a bare base64 signature instead of a
// list of "v1," ones. The secret is base64.
func buildSweego(cfg Config, rep *report) Verifier {
	v := standard("sweego", cfg, "base64", rep)
	v.list = listing{single: true}
	return v
}

package webhook

// buildAhaSend makes AhaSend's webhooks as its page on security says
// (https://ahasend.com/docs/api-reference/webhooks/security, source
// https://github.com/AhaSend/docs, api-reference/webhooks/security.mdx): Standard
// Webhooks, but keyed with the secret as it is shown, "aha-whsec-" included, and
// never decoded. Five minutes is the tolerance of the provider's own libraries.
func buildAhaSend(cfg Config, rep *report) Verifier {
	return standard("ahasend", cfg, "raw", rep)
}

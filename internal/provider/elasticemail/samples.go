package elasticemail

import "github.com/postrider/postrider/internal/provider"

// samples returns one notification or more for every status: called by GET, and one
// posted as a form.
func samples() []provider.Sample {
	const common = "date={{time}}&to={{recipient}}&from={{sender}}&subject=Your+invoice&account={{sender}}&channel=invoices&messageid={{hex}}&transaction={{uuid}}"
	all := []struct{ name, status, more string }{
		{"sent", "Sent", ""},
		{"opened", "Opened", ""},
		{"clicked", "Clicked", "&target=https%3A%2F%2Fexample.com%2Finvoices%3Fid%3D4711"},
		{"error_no_mailbox", "Error", "&category=NoMailbox"},
		{"error_greylisted", "Error", "&category=GreyListed"},
		{"error_ignore", "Error", "&category=Ignore"},
		{"error_code", "Error", "&category=CodeError"},
		{"abuse_report", "AbuseReport", ""},
		{"unsubscribed", "Unsubscribed", ""},
	}
	out := make([]provider.Sample, 0, len(all)+1)
	for _, s := range all {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.status, Method: "GET", Body: "status=" + s.status + "&" + common + s.more})
	}
	return append(out, provider.Sample{
		Name: "sent_form", ProviderType: "Sent", ContentType: provider.ContentForm, Body: "status=Sent&" + common,
	})
}

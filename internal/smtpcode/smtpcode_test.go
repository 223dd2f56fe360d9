package smtpcode_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

func TestRead(t *testing.T) {
	for reply, want := range map[string]smtpcode.Reply{
		"550 User unknown":                    {Code: 550},
		"550 5.1.1 User unknown":              {550, "5.1.1"},
		"550-5.1.1 first\r\n550 5.1.2 second": {550, "5.1.1"},
		"smtp; 550 5.1.1 x":                   {550, "5.1.1"},
		"SMTP;550":                            {Code: 550},
		"  451 4.7.1 Try again later":         {451, "4.7.1"},
		"250 2.0.0 OK":                        {250, "2.0.0"},
		"250 OK":                              {Code: 250},
		"250":                                 {Code: 250},
		"421 4.7.28":                          {421, "4.7.28"},
		"550 #5.1.0 Address rejected":         {550, "5.1.0"},
		"550 Requested action not taken: 4.2.2 full": {550, "4.2.2"},
		"550 User unknown (5.1.1)":                   {550, "5.1.1"},
		"554 5.7.1: blocked":                         {554, "5.7.1"},
		"550 5.7.606. Access denied":                 {550, "5.7.606"},
		"5.1.1 no such user":                         {Enhanced: "5.1.1"},
		"550 2.1.5 says a broken server":             {550, "2.1.5"},
		"554 Postfix 2.11.3 says no":                 {Code: 554}, // a version
		"550 host 5.6.7.8 is listed":                 {Code: 550}, // an address
		"550 relay 192.5.1.1 denied":                 {Code: 550},
		"550 v5.1.1":                                 {Code: 550},
		"550 5.1":                                    {Code: 550},
		"550 5.1.1234":                               {Code: 550},
		"550 5.1.x":                                  {Code: 550},
		"550 3.1.1 no such class":                    {Code: 550},
		"Virus detected: Eicar-Test-Signature":       {},
		"5501 messages":                              {},
		"550.5 seconds":                              {},
		"650 5.1.1":                                  {},
		"199":                                        {},
		"Timed out after 450 seconds":                {},
		"":                                           {},
		"55":                                         {},
		"smtp;":                                      {},
		"5.":                                         {},
		"550 5.1.1":                                  {550, "5.1.1"},
	} {
		if got := smtpcode.Read(reply); got != want {
			t.Errorf("%q: %+v, want %+v", reply, got, want)
		}
	}
}

func TestEnhanced(t *testing.T) {
	for s, want := range map[string]bool{
		"5.1.1": true, "4.7.999": true, "2.0.0": true,
		"100.0.0": false, "5.1": false, "5.1.1 x": false, "5.1.1.": false, "": false, "3.1.1": false, "5..1": false, " 5.1.1": false, "5.1.1000": false,
	} {
		if got := smtpcode.Enhanced(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// Every row is one rule of precedence or one line of a table.
func TestBounce(t *testing.T) {
	const hard, soft, open = event.Hard, event.Soft, event.UndeterminedClass
	for _, c := range []struct {
		said     event.BounceClass
		reply    string
		class    event.BounceClass
		category event.BounceCategory
	}{
		// Class: the provider's word, then the enhanced code, then the reply code.
		{soft, "550 5.1.1", soft, event.InvalidRecipient},
		{hard, "451 4.2.2", hard, event.MailboxFull},
		{"", "550 4.2.2", soft, event.MailboxFull},
		{open, "450 5.1.1", hard, event.InvalidRecipient},
		{"", "550 no", hard, event.Generic},
		{"", "450 no", soft, event.Transient},
		{"", "", open, event.UndeterminedCategory},
		{hard, "", hard, event.UndeterminedCategory},

		// A code of success on a refusal says nothing.
		{"", "250 2.0.0 OK", open, event.UndeterminedCategory},
		{"", "250 OK", open, event.UndeterminedCategory},
		{"", "250 user unknown", open, event.UndeterminedCategory},
		{hard, "250 2.0.0 OK", hard, event.UndeterminedCategory},
		{"", "550 2.1.5 OK", open, event.UndeterminedCategory},

		// x.0.0.
		{"", "550 5.0.0", hard, event.Generic},
		{"", "450 4.0.0", soft, event.Transient},
		{soft, "550 5.0.0", soft, event.Transient},
		{hard, "450 4.0.0", hard, event.Transient},

		// Subjects of RFC 3463.
		{"", "550 5.1.0", hard, event.Generic},
		{"", "550 5.1.2", hard, event.BadDomain},
		{"", "550 5.1.3", hard, event.InvalidRecipient},
		{"", "550 5.1.8", hard, event.SenderInvalid},
		{"", "550 5.1.10", hard, event.BadDomain},
		{"", "550 5.1.99", hard, event.Generic},
		{"", "550 5.2.1", hard, event.MailboxInactive},
		{"", "552 5.2.3", hard, event.MessageTooLarge},
		{"", "552 5.3.4", hard, event.MessageTooLarge},
		{"", "550 5.3.5", hard, event.RemoteConfiguration},
		{"", "451 4.3.2", soft, event.RemoteConfiguration},
		{"", "451 4.4.1", soft, event.NoAnswer},
		{"", "451 4.4.2", soft, event.ConnectionFailure},
		{"", "451 4.4.3", soft, event.DNSFailure},
		{"", "451 4.4.4", soft, event.Routing},
		{"", "451 4.4.5", soft, event.RateLimited},
		{"", "550 5.4.6", hard, event.Routing},
		{"", "550 4.4.7", soft, event.Timeout},
		{"", "550 5.5.0", hard, event.Protocol},
		{"", "452 4.5.3", soft, event.Protocol},
		{"", "550 5.6.0", hard, event.Content},
		{"", "550 5.6.1", hard, event.Attachment},
		{"", "550 5.7.0", hard, event.Policy},
		{"", "550 5.7.1", hard, event.Policy},
		{"", "421 4.7.0", soft, event.Policy},
		{"", "550 5.7.20", hard, event.Authentication},
		{"", "550 5.7.26", hard, event.Authentication},
		{"", "550 5.7.27", hard, event.SenderInvalid},
		{"", "550 5.1.4", hard, event.InvalidRecipient},
		{"", "551 5.1.6", hard, event.InvalidRecipient},
		{"", "553 5.1.7", hard, event.SenderInvalid},
		{"", "550 5.1.9", hard, event.Generic},
		{"", "550 5.2.0", hard, event.Generic},
		{"", "552 5.2.2", hard, event.MailboxFull},
		{"", "550 5.2.4", hard, event.RemoteConfiguration},
		{"", "550 5.3.0", hard, event.RemoteConfiguration},
		{"", "451 4.4.0", soft, event.ConnectionFailure},
		{"", "550 5.5.9", hard, event.Protocol},
		{"", "550 5.6.9", hard, event.Content},
		{"", "550 5.7.2", hard, event.Policy},
		{"", "535 5.7.8", hard, event.Authentication},
		{"", "534 5.7.9", hard, event.Authentication},
		{"", "550 5.7.17", hard, event.InvalidRecipient},
		{"", "550 5.7.18", hard, event.BadDomain},
		{"", "550 5.7.19", hard, event.Policy},
		{"", "550 5.7.21", hard, event.Authentication},
		{"", "550 5.7.22", hard, event.Authentication},
		{"", "550 5.7.23", hard, event.Authentication},
		{"", "451 4.7.24", soft, event.Authentication},
		{"", "550 5.7.25", hard, event.Authentication},
		{"", "450 4.7.28", soft, event.RateLimited},
		{"", "550 5.7.29", hard, event.Authentication},
		{"", "550 5.7.30", hard, event.Policy},
		{"", "550 5.7.606", hard, event.Policy},
		{"", "550 5.9.1", hard, event.UndeterminedCategory},
		{"", "550 5.100.1", hard, event.UndeterminedCategory},

		// An enhanced code keeps words out.
		{"", "550 5.7.1 user unknown", hard, event.Policy},
		{"", "550 5.0.0 mailbox full", hard, event.Generic},

		// A reply code with one meaning, then words.
		{"", "551 spam", hard, event.InvalidRecipient},
		{"", "503 bad sequence", hard, event.Protocol},
		{"", "556 no", hard, event.BadDomain},
		{"", "535 no", hard, event.Authentication},
		{"", "550 User unknown", hard, event.InvalidRecipient},
		{"", "550 Unknown domain, user does not exist", hard, event.BadDomain},
		{"", "552 Mailbox full", hard, event.MailboxFull},
		{"", "550 Message rejected as SPAM", hard, event.SpamContent},
		{"", "554 listed at zen.spamhaus.org", hard, event.SpamBlock},
		{"", "550 SPF check failed", hard, event.Authentication},
		{"", "554 Relay access denied", hard, event.RelayDenied},
		{"", "450 Greylisted", soft, event.Transient},
		{"", "421 too many connections", soft, event.RateLimited},
		{soft, "User unknown", soft, event.InvalidRecipient},
		{"", "connection timed out", open, event.Timeout},
		{"", "550 " + strings.Repeat("x", 2_000) + " user unknown", hard, event.Generic}, // beyond what is searched
	} {
		got := smtpcode.Read(c.reply).Bounce(c.said, c.reply)
		if got.Class != c.class || got.Category != c.category || got.CodeAssumed != "" || got.WillRetry != nil {
			t.Errorf("%q, said %q: %+v, want %s %s", c.reply, c.said, got, c.class, c.category)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"550 5.1.1 x", "smtp; 450-4.2.2", "5.1.1", "550 1.2.3.4 5.1.1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		got := smtpcode.Read(reply)
		if got.Code != 0 && (got.Code < 200 || got.Code > 599) {
			t.Errorf("code %d", got.Code)
		}
		if got.Enhanced != "" && (!smtpcode.Enhanced(got.Enhanced) || !strings.Contains(reply, got.Enhanced)) {
			t.Errorf("enhanced %q of %q", got.Enhanced, reply)
		}
		b := got.Bounce("", reply)
		if !b.Class.Valid() || !b.Category.Valid() {
			t.Errorf("%q: %+v", reply, b)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	const reply = "550-5.7.26 Unauthenticated mail is not accepted due to the domain's DMARC policy"
	b.ReportAllocs()
	for b.Loop() {
		r := smtpcode.Read(reply)
		if r.Bounce("", reply).Category != event.Authentication {
			b.Fatal(r)
		}
	}
}

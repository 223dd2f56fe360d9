package vocabulary

import (
	"strings"
	"unicode"

	"github.com/postrider/postrider/pkg/event"
)

// Meaning is what a sender's word says.
type Meaning struct {
	Type      event.Type
	Direction event.Direction
	Class     event.BounceClass // of a bounce, where the word says it
	Drop      event.DropReason  // of a drop, where the word says it
}

// Meaning returns what a word says: its last segments decide, the longest ones that
// are known first, without words that say nothing such as "email". Segments are
// separated by whatever is no letter or digit, and by capitals; a version at the end
// does not count. What is not known is event.Unknown, and so is what a segment before
// the known ones denies ("not sent"), or says of something else than mail ("sms").
func (r *Reader) Meaning(word string) Meaning {
	parts := split(word)
	m := Meaning{Type: event.Unknown, Direction: event.Outbound}
	for n := min(len(parts), longest); n > 0; n-- {
		if known, ok := r.words[join(parts[len(parts)-n:])]; ok {
			if !denied(parts[:len(parts)-n]) && !elsewhere(parts) {
				m = known
			}
			break
		}
	}
	if inbound(parts) || m.Type == event.Received {
		m.Direction = event.Inbound
	} else {
		m.Direction = event.Outbound
	}
	if !m.Type.Allowed(m.Direction) {
		return Meaning{Type: event.Unknown, Direction: m.Direction}
	}
	return m
}

// longest is how many segments a known word has at most.
const longest = 4

// split returns the segments of a word in lower case, without a version at the end.
func split(word string) []string {
	var parts []string
	var b strings.Builder
	end := func() {
		if b.Len() > 0 {
			parts = append(parts, b.String())
			b.Reset()
		}
	}
	lower := false // the letter before was a small one
	for _, c := range word {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end()
			lower = false
			continue
		case unicode.IsUpper(c) && lower:
			end()
		}
		lower = !unicode.IsUpper(c)
		b.WriteRune(unicode.ToLower(c))
	}
	end()
	for len(parts) > 1 && version(parts[len(parts)-1]) {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// version reports whether a segment is v1, 2 and the like.
func version(s string) bool {
	return strings.Trim(strings.TrimPrefix(s, "v"), "0123456789") == ""
}

// join puts segments together, without those at the start that say nothing.
func join(parts []string) string {
	for len(parts) > 1 && neutral(parts[0]) {
		parts = parts[1:]
	}
	return strings.Join(parts, "")
}

// neutral reports whether a segment before others says nothing of what happened.
func neutral(s string) bool {
	switch s {
	case "email", "emails", "mail", "message", "messages", "msg", "recipient", "event", "events", "transactional",
		"outbound", "inbound", "incoming", "outgoing", "was", "is", "has", "been":
		return true
	}
	return false
}

// denied reports whether one of the segments before a known word says that it did not
// happen.
func denied(parts []string) bool {
	for _, s := range parts {
		switch s {
		case "not", "non", "no", "never", "cannot", "without", "isnt", "wasnt":
			return true
		}
	}
	return false
}

// elsewhere reports whether a word is about another channel than mail: the last segment
// that names one decides.
func elsewhere(parts []string) (other bool) {
	for i, s := range parts {
		switch s {
		case "email", "emails", "mail":
			other = false
		case "sms", "mms", "rcs", "whatsapp", "viber", "push", "inapp", "voice", "fax", "slack":
			other = true
		case "app":
			other = other || i > 0 && parts[i-1] == "in"
		}
	}
	return other
}

// inbound reports whether a word is about mail that came in.
func inbound(parts []string) bool {
	for _, s := range parts {
		if s == "inbound" || s == "incoming" {
			return true
		}
	}
	return false
}

// words maps what senders say, folded, to what it means. What one of them calls
// dropped and another bounced, such as rejected, is dropped: only a refusal by the
// recipient's side is a bounce, and such a word does not say that it was one.
func words() map[string]Meaning {
	out := make(map[string]Meaning)
	for _, row := range []struct {
		meaning Meaning
		words   string
	}{
		{Meaning{Type: event.Queued}, "queued queue enqueued accepted accept submitted scheduled processed processing injection"},
		{Meaning{Type: event.Sent}, "sent send dispatched"},
		{Meaning{Type: event.Deferred}, "deferred defer deferral delayed delay deliverydelayed deliverydelay deliverydeferred " +
			"transienterror transientfailure temporaryfailure temporarilyfailed temporarilyrejected temporaryerror tempfail tempfailed retrying"},
		{Meaning{Type: event.Delivered}, "delivered delivery deliver deliverysuccess deliverysucceeded deliverysuccessful"},
		{Meaning{Type: event.Bounced}, "bounced bounce deliveryfailed deliveryfailure undelivered undeliverable notdelivered"},
		{Meaning{Type: event.Bounced, Class: event.Hard}, "hardbounced hardbounce bouncedhard bouncehard permanentbounce bouncepermanent " +
			"bouncedpermanent permanentfailure permanentlyfailed permanenterror permfail hardfail"},
		{Meaning{Type: event.Bounced, Class: event.Soft}, "softbounced softbounce bouncedsoft bouncesoft transientbounce bouncetransient " +
			"bouncedtransient temporarybounce"},
		{Meaning{Type: event.Bounced, Class: event.UndeterminedClass}, "undeterminedbounce bounceundetermined bouncedundetermined"},
		{Meaning{Type: event.Dropped}, "dropped drop rejected reject blocked block discarded skipped"},
		{Meaning{Type: event.Dropped, Drop: event.DropVirus}, "virus infected virusdetected"},
		{Meaning{Type: event.Dropped, Drop: event.DropInvalidRecipient}, "invalidemail invalidrecipient invalidaddress"},
		{Meaning{Type: event.Failed}, "failed failure fail error errored sendfailed sendingfailed sendingerror renderingfailure renderingfailed templatefailure generationfailure"},
		{Meaning{Type: event.Opened}, "opened open viewed read uniqueopened uniqueopen firstopened firstopen initialopen"},
		{Meaning{Type: event.Clicked}, "clicked click linkclicked linkclick urlclicked uniqueclicked uniqueclick firstclicked firstclick"},
		{Meaning{Type: event.Complained}, "complained complaint complain spamcomplaint spamreport spamreported markedasspam markedspam " +
			"reportedspam reportedasspam abuse abusereport feedbackloop fbl spam junk"},
		{Meaning{Type: event.Unsubscribed}, "unsubscribed unsubscribe unsub optout optedout listunsubscribe groupunsubscribe linkunsubscribe"},
		{Meaning{Type: event.Subscribed}, "subscribed subscribe resubscribed resubscribe optin optedin groupresubscribe"},
		{Meaning{Type: event.Suppressed}, "suppressed suppression suppressioncreated suppressionadded blacklisted blocklisted denylisted"},
		{Meaning{Type: event.Autoresponded}, "autoresponded autorespond autoresponse autoresponder autoreply autoreplied outofoffice"},
		{Meaning{Type: event.Received}, "received receive inbound incoming inboundreceived inboundemail"},
		{Meaning{Type: event.Unknown}, "unknown"},
	} {
		for word := range strings.FieldsSeq(row.words) {
			out[word] = row.meaning
		}
	}
	return out
}

// classes maps what senders call a bounce, folded, to how long it holds.
func classes() map[string]event.BounceClass {
	return map[string]event.BounceClass{
		"hard": event.Hard, "hardbounce": event.Hard, "hardbounced": event.Hard, "permanent": event.Hard, "permanentfailure": event.Hard,
		"soft": event.Soft, "softbounce": event.Soft, "softbounced": event.Soft, "transient": event.Soft, "temporary": event.Soft,
		"temporaryfailure": event.Soft, "transientfailure": event.Soft,
		"undetermined": event.UndeterminedClass, "unknown": event.UndeterminedClass,
	}
}

// drops maps what senders give as the reason of a drop, folded, to the reason.
func drops() map[string]event.DropReason {
	out := map[string]event.DropReason{
		"suppression": event.DropSuppressed, "suppressionlist": event.DropSuppressed, "onsuppressionlist": event.DropSuppressed,
		"onaccountsuppressionlist": event.DropSuppressed, "blacklisted": event.DropSuppressed, "blocklisted": event.DropSuppressed,
		"spamcontent": event.DropSpam, "infected": event.DropVirus,
		"invalid": event.DropInvalidRecipient, "invalidemail": event.DropInvalidRecipient, "invalidaddress": event.DropInvalidRecipient,
		"ratelimited": event.DropRateLimit, "throttled": event.DropRateLimit, "quota": event.DropRateLimit, "quotaexceeded": event.DropRateLimit,
		"unsubscribe": event.DropUnsubscribed, "unsubscribedaddress": event.DropUnsubscribed, "unsub": event.DropUnsubscribed,
		"complaint": event.DropComplained, "spamcomplaint": event.DropComplained, "spamreportingaddress": event.DropComplained,
		"bounced": event.DropPreviousBounce, "bouncedaddress": event.DropPreviousBounce, "hardbounce": event.DropPreviousBounce,
		"bounce": event.DropPreviousBounce,
	}
	for _, r := range event.DropReasons() {
		out[strings.ReplaceAll(string(r), "_", "")] = r
	}
	return out
}

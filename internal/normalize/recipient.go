package normalize

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// RecipientHash returns the pseudonym of an address: HMAC-SHA256, keyed with
// pepper, of event.NormalizeAddress, as 64 lower-case hex digits.
func RecipientHash(pepper []byte, address string) string {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(event.NormalizeAddress(address)))
	return hex.EncodeToString(mac.Sum(nil))
}

// protectRecipient adds recipient_hash where there is a pepper and, in hash
// mode, takes the address out of the event:
//
//   - recipient and recipients are cleared. An event with one recipient has
//     recipient_hash; of several recipients nothing is left.
//   - the address, in any letter case and also with an escaped @ (%40), is
//     replaced by its hash wherever it stands in message and reference ids,
//     subject, tags, metadata values, reason, the SMTP reply, the drop's detail,
//     the complaint's type, the link and the provider's sub-type.
//   - raw is left out, since an item nobody knows may hold an address anywhere.
//
// It leaves alone: the sender, addresses of other people, and the request
// itself, which the raw topic (named by raw_id) and dead letters hold as
// received. Without a pepper, hash mode only takes out: "[recipient]" stands in
// the address's place.
func protectRecipient(e *event.Event, s *Source) {
	if len(s.Pepper) > 0 && e.Recipient != "" {
		e.RecipientHash = RecipientHash(s.Pepper, e.Recipient)
	}
	if !s.HashRecipient {
		return
	}
	addresses := e.Recipients
	if e.Recipient != "" {
		addresses = append(slices.Clone(addresses), e.Recipient)
	}
	e.Recipient, e.Recipients, e.Raw = "", nil, nil
	for _, address := range addresses {
		mask := "[recipient]"
		if len(s.Pepper) > 0 {
			mask = RecipientHash(s.Pepper, address)
		}
		hide(e, address, mask)
	}
}

// hide replaces the address by mask in every text of the event that may hold it.
func hide(e *event.Event, address, mask string) {
	h := hider{address: event.NormalizeAddress(address), mask: mask}
	if h.address == "" {
		return
	}
	for _, field := range []*string{
		&e.ProviderSubtype, &e.ProviderEventID, &e.MessageID, &e.SMTPMessageID, &e.BatchID, &e.CustomerRef, &e.Subject, &e.Reason,
	} {
		*field = h.clean(*field)
	}
	e.Tags = h.list(e.Tags)
	e.Metadata = h.values(e.Metadata)
	if e.SMTP != nil {
		smtp := *e.SMTP
		smtp.Response = h.clean(smtp.Response)
		e.SMTP = &smtp
	}
	if e.Drop != nil {
		e.Drop = &event.Drop{Reason: e.Drop.Reason, Detail: h.clean(e.Drop.Detail)}
	}
	if e.Complaint != nil {
		e.Complaint = &event.Complaint{Type: h.clean(e.Complaint.Type)}
	}
	if e.Engagement != nil {
		engagement := *e.Engagement
		engagement.URL = h.clean(engagement.URL)
		e.Engagement = &engagement
	}
}

// hider replaces one address.
type hider struct{ address, mask string }

func (h hider) clean(s string) string {
	s = replaceFold(s, h.address, h.mask)
	if strings.Contains(s, "%40") {
		s = replaceFold(s, strings.Replace(h.address, "@", "%40", 1), h.mask)
	}
	return s
}

func (h hider) list(items []string) []string {
	if len(items) == 0 {
		return items
	}
	items = slices.Clone(items)
	for i := range items {
		items[i] = h.clean(items[i])
	}
	return items
}

func (h hider) values(m map[string]string) map[string]string {
	copied := false
	for k, v := range m {
		c := h.clean(v)
		if c == v {
			continue
		}
		if !copied {
			m, copied = maps.Clone(m), true
		}
		m[k] = c
	}
	return m
}

// replaceFold replaces every occurrence of old in s, whatever its letter case,
// by replacement.
func replaceFold(s, old, replacement string) string {
	var b strings.Builder
	from := 0
	for i := 0; i+len(old) <= len(s); {
		if s[i]|0x20 == old[0]|0x20 && strings.EqualFold(s[i:i+len(old)], old) {
			b.WriteString(s[from:i])
			b.WriteString(replacement)
			i += len(old)
			from = i
			continue
		}
		i++
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

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
//   - the address, in any letter case and also with an escaped @ (%40, \u0040),
//     is replaced by its hash wherever it stands in message and reference ids,
//     subject, tags, names and values of metadata, reason, the SMTP reply, the
//     drop's detail, the complaint's type, the link and the provider's sub-type.
//   - under names of metadata that list the recipients of a message (see
//     listsRecipients), every address but the sender's is replaced by its hash.
//   - where the address to look for is not known for certain, every such text but
//     the ids that still holds an @ goes as a whole, but for the sender's own address:
//     one that is nothing but an address becomes its hash, any other "[recipient]".
//     That is so without a recipient (the provider sent none, or not in the form
//     we know: then it stands in the metadata), with one that is no single
//     address of at most 320 bytes, with more than 16, and with one that only the
//     query names (addressed): the payload may do so in its own way.
//   - raw is left out, since an item nobody knows may hold an address anywhere.
//
// It leaves alone: the sender, addresses of other people elsewhere beside a known
// recipient, and the body and headers of the request, which the raw topic (named by raw_id)
// and dead letters hold as received; what becomes of its query is said at
// storedQuery. Without a pepper, hash mode only takes out: "[recipient]" stands
// in the address's place.
func protectRecipient(e *event.Event, s *Source, addressed bool) {
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
	h := newHider(addresses, s.Pepper)
	h.coarse = h.coarse || addressed || len(h.addresses) == 0
	h.sender = event.NormalizeAddress(e.Sender)
	h.hide(e)
}

// What stands for an address that has no hash, and bounds of the search.
const (
	noHash        = "[recipient]"
	maxAddress    = 320 // bytes: 64 for the local part, @, 255 for the domain (RFC 5321 section 4.5.3.1)
	maxRecipients = 16  // that are searched for one by one
)

// spellings of the @ as it may stand in a link or in the JSON text of a nested value.
const (
	plainAt   = "@"
	percentAt = "%40"
	jsonAt    = `\u0040`
)

// hider replaces the recipients of one event.
type hider struct {
	pepper    []byte
	addresses []hidden
	sender    string // in the form for comparing; it stays readable
	coarse    bool   // whom to look for is not certain: texts with an @ go as a whole
}

// hidden is one address and what stands for it.
type hidden struct{ address, local, domain, mask string }

func newHider(addresses []string, pepper []byte) *hider {
	h := &hider{pepper: pepper, coarse: len(addresses) > maxRecipients}
	for _, address := range addresses {
		a := hidden{address: event.NormalizeAddress(address), mask: h.mask(address)}
		if a.address == "" {
			continue
		}
		if at := strings.LastIndexByte(a.address, '@'); at >= 0 && len(a.address) <= maxAddress {
			a.local, a.domain = a.address[:at], a.address[at+1:]
		}
		h.coarse = h.coarse || !isAddress(a.address)
		h.addresses = append(h.addresses, a)
	}
	return h
}

// isAddress reports whether s, in the form for comparing, is plainly one address
// and nothing more. An unusual one (a quoted local part) may be judged to be none.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, plainAt)
	return ok && local != "" && domain != "" && len(s) <= maxAddress &&
		!strings.ContainsAny(domain, "@") && !strings.ContainsAny(s, " \t\r\n,;:<>()[]{}\"\\%")
}

// mask is what stands for an address.
func (h *hider) mask(address string) string {
	if len(h.pepper) == 0 {
		return noHash
	}
	return RecipientHash(h.pepper, address)
}

// hide replaces the addresses in every text of the event that may hold them.
// Objects and lists are copied: a parser may share them between items.
func (h *hider) hide(e *event.Event) {
	for _, id := range []*string{&e.ProviderEventID, &e.MessageID, &e.SMTPMessageID, &e.BatchID, &e.CustomerRef} {
		*id = h.exact(*id)
	}
	for _, text := range []*string{&e.ProviderSubtype, &e.Subject, &e.Reason} {
		*text = h.text(*text)
	}
	e.Tags = h.list(e.Tags)
	e.Metadata = h.values(e.Metadata)
	if e.SMTP != nil {
		smtp := *e.SMTP
		smtp.Response = h.text(smtp.Response)
		e.SMTP = &smtp
	}
	if e.Drop != nil {
		e.Drop = &event.Drop{Reason: e.Drop.Reason, Detail: h.text(e.Drop.Detail)}
	}
	if e.Complaint != nil {
		e.Complaint = &event.Complaint{Type: h.text(e.Complaint.Type)}
	}
	if e.Engagement != nil {
		engagement := *e.Engagement
		engagement.URL = h.text(engagement.URL)
		e.Engagement = &engagement
	}
}

func (h *hider) text(s string) string {
	if len(h.addresses) <= maxRecipients {
		s = h.exact(s)
	}
	if !h.coarse || !holdsAt(s) {
		return s
	}
	address := event.NormalizeAddress(s)
	switch {
	case h.sender != "" && strings.EqualFold(address, h.sender):
		return s
	case isAddress(address):
		return h.mask(s) // what keys are made of (metadata.entity_value) stays apart
	}
	return noHash
}

// holdsAt reports whether s may hold an address.
func holdsAt(s string) bool {
	return strings.Contains(s, plainAt) || strings.Contains(s, percentAt) || strings.Contains(s, jsonAt)
}

func (h *hider) exact(s string) string {
	for i := range h.addresses {
		a := &h.addresses[i]
		if a.domain == "" || a.local == "" {
			if strings.EqualFold(s, a.address) {
				return a.mask
			}
			continue
		}
		s = a.replace(a.replace(a.replace(s, plainAt), percentAt), jsonAt)
	}
	return s
}

func (h *hider) list(items []string) []string {
	if len(items) == 0 {
		return items
	}
	items = slices.Clone(items)
	for i := range items {
		items[i] = h.text(items[i])
	}
	return items
}

// values replaces in names and values. Of names that become the same, the entry
// that is first in the order of the names stays.
func (h *hider) values(m map[string]string) map[string]string {
	if !h.changes(m) {
		return m
	}
	out := make(map[string]string, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if name := h.text(k); out[name] == "" {
			out[name] = h.value(k, m[k])
		}
	}
	return out
}

// value is a value of metadata: under a name that lists recipients, all of them go.
func (h *hider) value(name, s string) string {
	s = h.text(s)
	if holdsAt(s) && listsRecipients(name) {
		return h.everybody(s)
	}
	return s
}

func (h *hider) changes(m map[string]string) bool {
	for k, v := range m {
		if h.text(k) != k || h.value(k, v) != v {
			return true
		}
	}
	return false
}

// replace replaces every occurrence of the address, whatever its letter case,
// with at standing for the @. It looks at the domain first, in which there is
// no other @, so that the time is about linear in s.
func (a *hidden) replace(s, at string) string {
	var b strings.Builder
	from, next := 0, 0
	for {
		i := strings.Index(s[next:], at)
		if i < 0 {
			break
		}
		i += next
		next = i + len(at)
		begin, end := i-len(a.local), next+len(a.domain)
		if begin < from || end > len(s) || !strings.EqualFold(s[next:end], a.domain) || !strings.EqualFold(s[begin:i], a.local) {
			continue
		}
		b.WriteString(s[from:begin])
		b.WriteString(a.mask)
		from, next = end, end
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/postrider/postrider/internal/dedupe"
	"github.com/postrider/postrider/internal/metrics"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// claims is what a batch knows of what came before it.
type claims struct {
	claim   *dedupe.Claim // nil: nobody looked
	claimed []dedupe.Event
	known   bool // the request's nonce is known with another body, which its signature covers

	failed  []bool // items of which a record is known not to be safe; nil while there are none
	rawSafe bool
	whole   bool // all of the batch is safe

	conflicts, marked int // events that are published as such
}

// claim looks up what of the request came before, and holds the rest of it. The
// request's nonce is claimed with its items: where the signature does not cover
// the body, a known one with another body is a *webhook.RefusedError, also where
// nobody wants to know of repeats.
func (p *Pipeline) claim(ctx context.Context, b *batch) error {
	proof := b.verified.Proof()
	bind := proof.Nonce != "" && (b.src.Dedupe != dedupe.Off || !proof.Covered)
	if p.opt.Window == nil || b.src.Dedupe == dedupe.Off && !bind {
		return nil
	}
	b.identify(bind)
	c, err := p.opt.Window.Claim(ctx, b.claimed, b.src.DedupeWindow)
	if err != nil {
		return err
	}
	b.claim = c
	if b.known = c.Reused(); !bind || c.Verdict(len(b.claimed)-1) != dedupe.Conflict {
		return nil
	}
	if b.known = true; proof.Covered {
		return nil
	}
	c.Abort()
	for i := range b.fates {
		b.fates[i] = metrics.Refused
	}
	return webhook.Replayed(proof)
}

// identify makes the list of what is claimed: the items, unless nobody wants to
// know of repeats, and the nonce, last.
func (b *batch) identify(bind bool) {
	b.claimed = slices.Grow(b.claimed, b.items()+1)
	if b.src.Dedupe != dedupe.Off {
		for i := range b.events {
			b.claimed = append(b.claimed, dedupe.Event{ID: idOf(&b.events[i].Event), Content: b.events[i].Content(), Item: b.events[i].Index})
		}
		for i := range b.dead {
			id := b.dead[i].Identity(&b.src.Normalize)
			b.claimed = append(b.claimed, dedupe.Event{ID: id, Content: id, Item: b.dead[i].Index})
		}
	}
	if bind {
		b.claimed = append(b.claimed, nonceOf(b.src, &b.verified))
	}
}

// idOf is an event's id as bytes.
func idOf(e *event.Event) (id [16]byte) {
	var digits [32]byte
	copy(digits[:], e.ID)
	_, _ = hex.Decode(id[:], digits[:]) // normalize makes no others than of 32 hex digits
	return id
}

// nonceOf is the identity of a request's nonce, and the body it came with. Where the
// signature does not cover the body, it is one for all sources, which may share a
// secret: what came to one of them must not prove another body at the next.
func nonceOf(src *Source, v *webhook.Verified) dedupe.Event {
	proof := v.Proof()
	text := append(make([]byte, 0, 256), "nonce\x00"...)
	if proof.Unique && !proof.Covered {
		text = append(append(text, "scheme\x00"...), proof.Scheme...)
	} else {
		text = append(append(append(text, src.Normalize.Provider...), 0), src.Normalize.ID...)
	}
	id := sha256.Sum256(append(append(text, 0), proof.Nonce...))
	body := sha256.Sum256(v.Request().Body)
	return dedupe.Event{ID: [16]byte(id[:16]), Content: [16]byte(body[:16]), Whole: true}
}

// looked reports whether an item's repeats were looked for.
func (b *batch) looked() bool { return b.claim != nil && b.src.Dedupe != dedupe.Off }

// repeated reports whether an item of the payload came before.
func (b *batch) repeated(item int) bool {
	return b.looked() && b.claim.Verdict(item) == dedupe.Repeat
}

// changedID is the id of an event that has to have another than its own.
func (b *batch) changedID(item int) (id [16]byte, changed bool) {
	if !b.looked() {
		return id, false
	}
	return b.claim.ID(item)
}

// leaveOut gives the repeats their fate, where they are to be left out, and
// counts.
func (b *batch) leaveOut() normalize.Counts {
	n := normalize.Counts{Reused: b.known}
	for i := range b.fates {
		if b.repeated(i) {
			if b.src.Dedupe == dedupe.Drop {
				b.fates[i] = metrics.Duplicate
				n.Repeats++
				n.LeftOut = append(n.LeftOut, b.index(i))
				continue
			}
			n.Duplicates = append(n.Duplicates, b.index(i))
		}
		b.countItem(i, &n)
	}
	for _, items := range [...]normalize.Items{n.LeftOut, n.Duplicates} {
		slices.Sort(items) // the dead letters stand behind the events
	}
	return n
}

// countItem counts an item that is published.
func (b *batch) countItem(i int, n *normalize.Counts) {
	if i >= len(b.events) {
		n.DeadLetters++
		n.Dead = append(n.Dead, b.index(i))
		return
	}
	n.Events++
	if b.looked() && b.claim.Changed(i) {
		n.Conflicts = append(n.Conflicts, b.index(i))
	}
}

// index is an item's place in the payload.
func (b *batch) index(item int) int {
	if item < len(b.events) {
		return b.events[item].Index
	}
	return b.dead[item-len(b.events)].Index
}

// count counts an event by its stamp.
func (b *batch) count(s event.Stamp) {
	if s.Conflict {
		b.conflicts++
	}
	if s.Duplicate {
		b.marked++
	}
}

// safe gives the items of the entries that are safe their fate; errs is nil if
// all are.
func (b *batch) safe(sent []entry, spooled []bool, errs []error) {
	for i := range sent {
		if errs != nil && errs[i] != nil {
			continue
		}
		switch e := &sent[i]; e.kind {
		case kindEvent:
			b.fates[e.item] = metrics.Published
			if spooled != nil && spooled[i] {
				b.fates[e.item] = metrics.Spooled
			}
		case kindDeadLetter:
			b.fates[e.item] = metrics.DeadLettered
		case kindRaw:
			b.rawSafe = true
		case kindCopy:
		}
	}
}

// fail notes the entries that are not safe; errs is nil if none is.
func (b *batch) fail(sent []entry, errs []error) {
	if b.failed == nil {
		b.failed = make([]bool, b.items())
	}
	for i := range sent {
		if item := sent[i].item; item != noItem && (errs == nil || errs[i] != nil) {
			b.failed[item] = true
		}
	}
}

// commit remembers all of the batch.
func (b *batch) commit() {
	b.whole = true
	if b.claim != nil {
		b.claim.Commit()
	}
}

// release lets others have what the batch still holds, after a failure or a
// panic. Items that are safe all the same, with every record of theirs and the
// request itself, are remembered: when it comes again only the others are
// published. Everything else is unpublished.
func (b *batch) release() {
	if b.whole {
		return
	}
	if b.claim != nil {
		b.claim.CommitOnly(b.safeItem)
	}
	for i := range b.fates {
		if b.fates[i] != metrics.Duplicate && !b.safeItem(i) {
			b.fates[i] = metrics.Unpublished
		}
	}
}

// safeItem reports that a claimed item of a batch that failed is safe.
func (b *batch) safeItem(i int) bool {
	return b.looked() && i < len(b.fates) && (b.rawSafe || b.rawOmitted) &&
		(b.failed == nil || !b.failed[i]) && b.fates[i] != metrics.Unpublished
}

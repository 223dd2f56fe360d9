package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
)

// tailOutput writes records as a table or as JSON lines.
type tailOutput struct {
	cli             *cli
	table           *table
	raw, deadletter string
	clock           string // layout of the first column
}

func newTailOutput(c *cli, cfg *config.Config) *tailOutput {
	clock := "2006-01-02T15:04:05.000Z"
	if terminal(c.out) {
		clock = "15:04:05.000" // UTC, too; width is dear
	}
	t := newTable(c, column{title: "TIME", width: len(clock)}, column{title: "RECORD", width: 28}, column{title: "SOURCE", width: 8},
		column{title: "TYPE", width: 18}, column{title: "RECIPIENT", width: 21}, column{title: "ID", width: 32}, column{title: "DETAIL"})
	return &tailOutput{cli: c, table: t, raw: cfg.Kafka.Topics.Raw(), deadletter: cfg.Kafka.Topics.Deadletter(), clock: clock}
}

// message writes one record.
func (o *tailOutput) message(m *broker.Message) error {
	special := m.Topic == o.raw || m.Topic == o.deadletter
	switch {
	case !o.cli.json():
		return o.row(m, special)
	case special:
		return json.NewEncoder(o.cli.out).Encode(recordJSON(m, m.Topic == o.deadletter)) //nolint:wrapcheck // standard output
	}
	_, err := o.cli.out.Write(append(m.Value, '\n'))
	return err //nolint:wrapcheck // standard output
}

// row writes one line of the table.
func (o *tailOutput) row(m *broker.Message, special bool) error {
	place := fmt.Sprintf("%s[%d]@%d", m.Topic, m.Partition, m.Offset)
	cells := []cell{{m.Time.UTC().Format(o.clock), o.cli.style.dim}, plain(place), plain(event.HeaderText(m.Headers, "source"))}
	if special {
		return o.table.row(append(cells, o.special(m)...)...)
	}
	e, err := event.Decode(m.Value)
	if err != nil {
		return o.table.row(append(cells, plain("?"), plain(""), plain(event.HeaderText(m.Headers, "ce_id")), plain("no event: "+err.Error()))...)
	}
	return o.table.row(append(cells, cell{e.ProviderType, o.mood(&e)}, plain(who(&e)), plain(e.ID), plain(detail(&e)))...)
}

// special is the rest of the row of a raw request or a dead letter.
func (o *tailOutput) special(m *broker.Message) []cell {
	id := plain(event.HeaderText(m.Headers, "id"))
	if m.Topic == o.raw {
		what := strings.TrimSpace(event.HeaderText(m.Headers, "method") + " " + event.HeaderText(m.Headers, "content-type"))
		return []cell{plain("request"), plain(""), id, plain(what + ", " + strconv.Itoa(len(m.Value)) + " bytes")}
	}
	var d struct {
		Detail string `json:"detail"`
	}
	_ = json.Unmarshal(m.Value, &d) // without it there is none
	return []cell{
		{"dead letter", o.cli.style.bad},
		plain(""), id,
		plain(event.HeaderText(m.Headers, "reason") + " at " + event.HeaderText(m.Headers, "stage") + ": " + d.Detail),
	}
}

// mood is the colour of an event's type.
func (o *tailOutput) mood(e *event.Event) paint {
	st := o.cli.style
	switch e.Type {
	case event.Delivered, event.Opened, event.Clicked, event.Subscribed:
		return st.good
	case event.Bounced, event.Dropped, event.Failed, event.Complained:
		return st.bad
	case event.Deferred, event.Unsubscribed, event.Suppressed, event.Unknown:
		return st.warn
	case event.Queued, event.Sent, event.Received, event.Autoresponded:
	}
	return st.none
}

// who names the recipient, or how many there are, or the hash.
func who(e *event.Event) string {
	switch {
	case e.Recipient != "":
		return e.Recipient
	case len(e.Recipients) > 0:
		return fmt.Sprintf("one of %d", len(e.Recipients))
	case e.RecipientHash != "":
		return e.RecipientHash[:min(16, len(e.RecipientHash))] + "…"
	}
	return "-"
}

// detail is what is most worth knowing of an event, in a few words.
func detail(e *event.Event) string {
	var parts []string
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	if b := e.Bounce; b != nil {
		add(string(b.Class) + " " + string(b.Category))
	}
	if e.Drop != nil {
		add(string(e.Drop.Reason))
	}
	if e.Engagement != nil {
		add(e.Engagement.URL)
	}
	response := ""
	if e.SMTP != nil {
		response = e.SMTP.Response
	}
	switch { // many providers give the answer as the reason, or the other way round
	case strings.Contains(response, e.Reason):
		add(response)
	case strings.Contains(e.Reason, response):
		add(e.Reason)
	default:
		add(response)
		add(e.Reason)
	}
	return strings.Join(parts, ": ")
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/postrider/postrider/internal/sender"
)

// barFrom is the number of requests from which a person rather sees a progress
// bar than lines.
const barFrom = 200

// sendOutput tells what became of webhooks, as they are answered.
type sendOutput struct {
	cli   *cli
	table *table
	bar   *progressbar.ProgressBar // nil: a line each

	requests, events, found, refused, failed int

	unsent  int  // sources that no webhook could be made for
	unread  bool // Kafka could not be read
	stopped bool // a webhook had no answer; Run says why
}

// newSendOutput chooses the form: JSON lines, a table, or a progress bar and
// only what went wrong.
func newSendOutput(c *cli, p sender.Plan) *sendOutput {
	o := &sendOutput{cli: c, table: newTable(c, sendColumns(p)...)}
	if p.Total() >= barFrom && !c.json() && terminal(c.out) && terminal(c.errOut) {
		o.bar = progressbar.NewOptions(p.Total(), progressbar.OptionSetWriter(c.errOut), progressbar.OptionShowIts(),
			progressbar.OptionShowCount(), progressbar.OptionSetItsString("webhooks"), progressbar.OptionClearOnFinish())
	}
	return o
}

// sendColumns are the table's columns, wide enough for what is sent.
func sendColumns(p sender.Plan) []column {
	source, typ := column{title: "SOURCE"}, column{title: "TYPE"}
	for _, s := range p.Steps {
		source.width = max(source.width, len(s.Target.Source.Name))
		typ.width = max(typ.width, len(s.Sample.ProviderType))
	}
	return []column{source, typ, {title: "STATUS"}, {title: "LANDED AT", width: 28}, {title: "ID"}}
}

// noKafka says that topics cannot be read.
func (o *sendOutput) noKafka(err error) {
	o.unread = true
	fmt.Fprintf(o.cli.errOut, "note: Kafka cannot be read, so only the answers are shown: %v\n", err)
}

// sendLine is one event of one webhook, as JSON shows it.
type sendLine struct {
	Source       string `json:"source"`
	Provider     string `json:"provider"`
	Sample       string `json:"sample"`
	ProviderType string `json:"provider_type"`
	Copy         int    `json:"copy,omitempty"`
	Status       int    `json:"status"` // 0: no answer
	Millis       int64  `json:"milliseconds"`
	Type         string `json:"type,omitempty"`
	ID           string `json:"id,omitempty"`
	Topic        string `json:"topic,omitempty"`
	Partition    *int   `json:"partition,omitempty"`
	Offset       *int64 `json:"offset,omitempty"`
	Found        *bool  `json:"found,omitempty"`
	Earlier      bool   `json:"earlier,omitempty"`
	Problem      string `json:"problem,omitempty"`
	Error        string `json:"error,omitempty"`
}

// result tells one result. A source that cannot be sent to leaves the others
// alone; an unanswered webhook ends the run, since the next would not fare better.
func (o *sendOutput) result(r sender.Result) error {
	if r.Unsent {
		return o.cannotSend(&r)
	}
	o.count(&r)
	if o.bar != nil {
		_ = o.bar.Add(1)
	}
	if o.bar == nil || r.Problem() != "" {
		for _, l := range lines(&r) {
			if err := o.line(&r, l); err != nil {
				return err
			}
		}
	}
	if r.Status == 0 {
		o.stopped = true
		return r.Err
	}
	return nil
}

// cannotSend says why a source got no webhook.
func (o *sendOutput) cannotSend(r *sender.Result) error {
	o.unsent++
	name := r.Webhook.Target.Source.Name
	reason := strings.TrimPrefix(r.Err.Error(), "sender: source "+name+": ")
	fmt.Fprintf(o.cli.errOut, "note: source %s is left out: %s\n", name, printable(reason))
	if o.cli.json() {
		return o.line(r, lines(r)[0])
	}
	return nil
}

// lines are what there is to tell of one result, an event each.
func lines(r *sender.Result) []sendLine {
	w := r.Webhook
	line := sendLine{
		Source: w.Target.Source.Name, Provider: w.Target.Provider.ID, Sample: w.Sample.Name, ProviderType: w.Sample.ProviderType,
		Copy: r.Copy, Status: r.Status, Millis: r.Took.Milliseconds(), Problem: r.Problem(),
	}
	if r.Err != nil {
		line.Error = r.Err.Error()
	}
	all := make([]sendLine, 0, len(r.Landings)+len(w.DeadLetters))
	for i := range r.Landings {
		all = append(all, landed(line, r, &r.Landings[i]))
	}
	for _, reason := range w.DeadLetters {
		dead := line
		dead.Problem = "dead letter: " + reason
		all = append(all, dead)
	}
	if len(all) == 0 {
		all = append(all, line)
	}
	return all
}

// landed completes a line with one event.
func landed(line sendLine, r *sender.Result, l *sender.Landing) sendLine {
	line.Type, line.ProviderType, line.ID, line.Topic = sender.RouteWord(l.Route), l.ProviderType, l.ID, l.Topic
	if r.Sought {
		line.Found = &l.Found
	}
	if l.Found {
		line.Partition, line.Offset, line.Earlier = &l.Position.Partition, &l.Position.Offset, l.Earlier
	}
	return line
}

// line writes one line.
func (o *sendOutput) line(r *sender.Result, l sendLine) error {
	if o.cli.json() {
		return json.NewEncoder(o.cli.out).Encode(l) //nolint:wrapcheck // standard output
	}
	st := o.cli.style
	status := fmt.Sprintf("%6d", l.Status)
	paint := st.good
	if l.Problem != "" {
		paint = st.bad
	}
	return o.table.row(plain(l.Source), plain(l.ProviderType), cell{status, paint}, cell{place(r, l), placePaint(st, l)}, plain(l.ID))
}

// place says where the event is, or why it is nowhere.
func place(r *sender.Result, l sendLine) string {
	switch {
	case l.Partition != nil && l.Earlier:
		return fmt.Sprintf("%s[%d]@%d (repeat)", l.Topic, *l.Partition, *l.Offset)
	case l.Partition != nil:
		return fmt.Sprintf("%s[%d]@%d", l.Topic, *l.Partition, *l.Offset)
	case l.Error != "" && l.Status == 0:
		return "no answer"
	case l.Found != nil:
		return strings.TrimSpace("not found in " + l.Topic + " " + l.Error)
	case l.Problem != "":
		return l.Problem
	case r.Webhook.Variant != sender.Genuine:
		return "refused, " + r.Webhook.Variant.String()
	case l.Topic != "":
		return l.Topic + " (not looked for)"
	}
	return "nothing to publish"
}

// placePaint paints what went wrong.
func placePaint(st style, l sendLine) paint {
	if l.Problem != "" {
		return st.bad
	}
	return st.none
}

// count keeps the sums of the last line.
func (o *sendOutput) count(r *sender.Result) {
	o.requests++
	o.events += len(r.Landings)
	for i := range r.Landings {
		if r.Landings[i].Found {
			o.found++
		}
	}
	if r.Webhook.Variant != sender.Genuine && r.Problem() == "" {
		o.refused++
	}
	if r.Problem() != "" {
		o.failed++
	}
}

// finish writes the summary.
func (o *sendOutput) finish() error {
	if o.bar != nil {
		_ = o.bar.Finish()
	}
	if o.cli.json() {
		return nil
	}
	_, err := fmt.Fprintf(o.cli.out, "\n%s\n", o.summary())
	return err //nolint:wrapcheck // standard output
}

// summary is the last line.
func (o *sendOutput) summary() string {
	s := plural(o.requests, "webhook") + " sent"
	switch {
	case o.refused > 0:
		s += fmt.Sprintf(", %d refused as they should be", o.refused)
	case o.unread || (o.found == 0 && o.failed == 0):
		s += fmt.Sprintf(", %s not looked for", plural(o.events, "event"))
	default:
		s += fmt.Sprintf(", %d of %s found in their topics", o.found, plural(o.events, "event"))
	}
	if o.failed > 0 {
		s += fmt.Sprintf(", %d not as they should be", o.failed)
	}
	if o.unsent > 0 {
		s += fmt.Sprintf(", %s could not be sent to", plural(o.unsent, "source"))
	}
	return s
}

// verdict is the error of the command; sure says that events have to be found.
func (o *sendOutput) verdict(sure bool) error {
	switch {
	case o.stopped:
	case o.failed > 0:
		return fmt.Errorf("send: %s not as they should be", plural(o.failed, "webhook"))
	case o.unsent > 0:
		return fmt.Errorf("send: %s could not be sent to", plural(o.unsent, "source"))
	case sure && o.unread:
		return errors.New("send: Kafka cannot be read, so nobody knows whether the events are in their topics (--no-wait asks for the answers alone)")
	}
	return nil
}

// plural is "1 event", "2 events".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

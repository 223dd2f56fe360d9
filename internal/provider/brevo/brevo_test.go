package brevo_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/brevo"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, brevo.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, brevo.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, brevo.Definition(), "delivered") }

// text writes a flag that may be unknown.
func text(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

// testdata/types.tsv is every word that Brevo sends, or has for what it sends.
func TestEveryType(t *testing.T) {
	def := brevo.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("testdata/types.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(file)), "\n")[1:]
	for _, row := range rows {
		word, _, _ := strings.Cut(row, "\t")
		e := providertest.Parse(t, def, p, []byte(`{"event":"`+word+`","email":"a@example.com","ts_event":1604933654}`))[0].Event
		got := []string{word, string(e.Type), "", "", "", "", ""} // word, type, class, category, drop, first, bot
		if e.Bounce != nil {
			got[2], got[3] = string(e.Bounce.Class), string(e.Bounce.Category)
		}
		if e.Drop != nil {
			got[4] = string(e.Drop.Reason)
		}
		if e.Engagement != nil {
			got[5], got[6] = text(e.Engagement.First), text(e.Engagement.Bot)
		}
		if have := strings.TrimRight(strings.Join(got, "\t"), "\t"); have != strings.TrimRight(row, "\t") {
			t.Errorf("got  %q\nwant %q", have, row)
		}
	}
	if len(rows) != 26 {
		t.Errorf("%d words, want 26", len(rows))
	}
}

// Only ts_epoch and ts_event are UTC, and ts_epoch is in seconds in some examples.
func TestTimes(t *testing.T) {
	def := brevo.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for fields, want := range map[string]string{
		`"ts_epoch":1724322809710,"ts_event":1,"ts":2`:         "2024-08-22T10:33:29.710Z",
		`"ts_epoch":1604933654,"ts_event":1604933655,"ts":2`:   "2020-11-09T14:54:15Z",
		`"ts":1604933654,"date":"2020-10-09 00:00:00"`:         "",
		`"ts_event":1604933737,"date_sent":"2020-10-09 00:00"`: "2020-11-09T14:55:37Z",
	} {
		e := providertest.Parse(t, def, p, []byte(`{"event":"delivered",`+fields+`}`))[0].Event
		got := ""
		if e.OccurredAt != (event.Time{}) {
			got = e.OccurredAt.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", fields, got, want)
		}
	}
}

// The page's request has the message id without brackets, its delivered and opened with
// them: all events of a message share its key.
func TestMessageKey(t *testing.T) {
	def := brevo.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"201798300811.5787683@relay.domain.com", "<201798300811.5787683@relay.domain.com>"} {
		e := providertest.Parse(t, def, p, []byte(`{"event":"opened","email":"a@example.com","message-id":"`+id+`"}`))[0].Event
		if want := "201798300811.5787683@relay.domain.com"; e.MessageID != want || e.SMTPMessageID != want {
			t.Errorf("%s: %q and %q", id, e.MessageID, e.SMTPMessageID)
		}
	}
}

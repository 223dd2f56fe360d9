package app

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// lines is a log in memory.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns the lines since the last take.
func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSuffix(l.b.String(), "\n")
	l.b.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// watched runs outages with a log in memory.
func watched(t *testing.T) (*outages, *lines) {
	t.Helper()
	l := &lines{}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", EncodeDuration: zapcore.StringDurationEncoder}), zapcore.AddSync(l), zap.DebugLevel)
	o := newOutages(time.Now, zap.New(core))
	ctx, cancel := context.WithCancel(t.Context())
	go o.watch(ctx)
	t.Cleanup(cancel)
	return o, l
}

// said checks that the log has one line since, with all of the parts.
func said(t *testing.T, l *lines, parts ...string) {
	t.Helper()
	got := l.take()
	if len(got) != 1 {
		t.Errorf("%d lines %q, want one with %q", len(got), got, parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(got[0], p) {
			t.Errorf("%s: does not say %s", got[0], p)
		}
	}
}

func TestAnOutageSaysHowLongTheProviderGoesOnTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, l := watched(t)
		s := o.of("jet", 100*time.Second)
		s.Answered(true)
		if got := o.present(); len(got) != 0 || l.take() != nil {
			t.Errorf("an outage without a refusal: %+v", got)
		}
		<-time.After(time.Second) // begins between two reminders
		s.Answered(false)
		said(t, l, `"reason_code":"outage"`, `"source":"jet"`, `"seconds_left":100`)
		<-time.After(31 * time.Second)
		synctest.Wait()
		said(t, l, "still", `"seconds_left":71`)
		if got := o.present(); len(got) != 1 || got[0].SecondsLeft != 69 || !got[0].Documented || got[0].Source != "jet" {
			t.Errorf("got %+v", got)
		}
		if got := o.measured(); len(got) != 1 || got[0].Left != 69*time.Second {
			t.Errorf("got %+v", got)
		}
		s.Answered(false)
		s.Answered(true)
		said(t, l, `"reason_code":"outage_over"`, `"lasted":"31s"`, `"refused":2`)
		if got := o.present(); len(got) != 0 {
			t.Errorf("got %+v after the end", got)
		}
		s.Answered(true)
		<-time.After(time.Minute)
		synctest.Wait()
		if got := l.take(); got != nil {
			t.Errorf("said after the end: %q", got)
		}
	})
}

func TestAnOutageOfAProviderThatIsNotKnownToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, l := watched(t)
		s := o.of("vfs", 0)
		s.Answered(false)
		said(t, l, `"seconds_left":0`, "may be lost")
		if got := o.present(); len(got) != 1 || got[0].SecondsLeft != 0 || got[0].Documented {
			t.Errorf("got %+v", got)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if got := l.take(); got != nil {
			t.Errorf("nothing happened, and it said %q", got)
		}
		s.Answered(false)
		<-time.After(time.Minute)
		synctest.Wait()
		said(t, l, "still", `"refused":2`)
	})
}

func TestAnOutageOutlivesAReloadButNotItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := watched(t)
		o.of("a", time.Hour).Answered(false)
		o.of("b", time.Hour).Answered(false)
		o.of("a", 2*time.Hour)
		o.keep([]string{"a"})
		if got := o.present(); len(got) != 1 || got[0].Source != "a" || got[0].SecondsLeft != 7200 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAnOutageEndsWithoutARequestOfItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, l := watched(t)
		spooled, strict, other := o.of("spooled", time.Hour), o.of("strict", time.Hour), o.of("other", time.Hour)
		open := func(want ...string) {
			t.Helper()
			var got []string
			for _, p := range o.present() {
				got = append(got, p.Source)
			}
			if !slices.Equal(got, want) {
				t.Errorf("outages of %q, want %q", got, want)
			}
		}
		o.brokerOnly([]string{"strict"})
		other.Answered(true)
		<-time.After(time.Second)
		spooled.Answered(false)
		strict.Answered(false)
		<-time.After(quiet)
		o.review(false) // what was accepted before says nothing
		open("spooled", "strict")

		l.take()
		other.Answered(true) // perhaps by the spool
		o.review(false)
		said(t, l, `"reason_code":"outage_over"`, `"source":"spooled"`, "can be accepted")
		open("strict")

		strict.Answered(false)
		<-time.After(quiet - 1)
		o.review(true) // it was refused a moment ago
		open("strict")
		<-time.After(1)
		o.review(true)
		open()

		strict.Answered(false)
		another := o.of("another", 0)
		o.brokerOnly([]string{"strict", "another"})
		<-time.After(quiet)
		another.Answered(true)
		o.review(false)
		open()
	})
}

package main

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/segmentio/kafka-go"
)

// member is a consumer of the scripts' groups.
type member struct {
	group  string
	reader *kafka.Reader
}

type memberKey struct{}

// cmdMember lets a consumer join a group, reads and commits one record of the topic
// and stays.
func cmdMember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: member GROUP TOPIC")
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{ts.Getenv("KAFKA")}, GroupID: args[0], Topic: args[1], StartOffset: kafka.FirstOffset, MaxWait: 50 * time.Millisecond,
		Dialer: &kafka.Dialer{ClientID: "member-of-the-script", Timeout: startTimeout},
	})
	m := &member{args[0], r}
	ts.Defer(m.close)
	held, ok := ts.Value(memberKey{}).(*[]*member)
	if !ok {
		ts.Fatalf("setupScript was not called")
	}
	*held = append(*held, m)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	msg, err := r.FetchMessage(ctx)
	ts.Check(err)
	ts.Check(r.CommitMessages(ctx, msg))
}

func (m *member) close() {
	if m.reader != nil {
		_ = m.reader.Close() // the group tells
	}
	m.reader = nil
}

// cmdLeave lets every consumer leave, and waits until their groups are empty.
func cmdLeave(ts *testscript.TestScript, neg bool, args []string) {
	held, ok := ts.Value(memberKey{}).(*[]*member)
	if neg || len(args) > 0 || !ok {
		ts.Fatalf("usage: leave")
	}
	for _, m := range *held {
		m.close()
		deadline := time.Now().Add(startTimeout)
		for state := ""; state != "Empty"; state = groupState(ts, m.group) {
			if time.Now().After(deadline) {
				ts.Fatalf("group %s is still %s", m.group, state)
			}
		}
	}
	*held = nil
}

// groupState asks the program under test.
func groupState(ts *testscript.TestScript, group string) string {
	cmd := exec.CommandContext(context.Background(), filepath.Join(binary, "postrider"), "group", "show", group, "--output", "json")
	cmd.Dir, cmd.Env = ts.MkAbs("."), scriptEnv(ts)
	out, err := cmd.Output()
	ts.Check(err)
	var shown struct{ State string }
	ts.Check(json.NewDecoder(strings.NewReader(string(out))).Decode(&shown))
	return shown.State
}

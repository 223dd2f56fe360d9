package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/replay"
	"github.com/postrider/postrider/internal/selection"
)

// copyReplay replays every record into the target, as a process of its own would:
// with marks, checkpoints, and at most as many in flight as by default.
func (c *copying) copyReplay(ctx context.Context, target string) (err error) {
	p := broker.NewPublisher(c.client, broker.PublisherOptions{Now: time.Now, Budget: time.Minute})
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	engine := replay.New(replay.Options{
		Client: c.client, Publisher: p, Journal: c.journal, State: []string{c.journal}, KeyKind: selection.KeyMessage,
		Host: "bench", PID: os.Getpid(), Alive: func(int) bool { return true }, Now: time.Now,
		NewID: func() string { return uuid.Must(uuid.NewV7()).String() },
	})
	plan, err := engine.Plan(ctx, replay.Request{
		Select: selection.Selection{Topics: []string{c.source}, All: true},
		To:     replay.Target{Kind: replay.ToTopic, Topic: target}, By: "bench",
	}, replay.PlanOptions{})
	if err != nil {
		return err
	}
	run, err := engine.Execute(ctx, plan, nil)
	if err == nil && run.State != replay.Completed {
		err = fmt.Errorf("the replay is %s", run.State)
	}
	return err
}

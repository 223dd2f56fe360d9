package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/dedupe"
)

// fillPart is how many ids are written at a time.
const fillPart = 100_000

// writeIDs writes n ids to the topic in which receivers keep what they have seen, in the
// way a receiver does.
func writeIDs(ctx context.Context, brokers []string, prefix string, n int) (err error) {
	client, err := broker.Dial(broker.Options{Brokers: brokers, Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer client.Close()
	publisher := broker.NewPublisher(client, broker.PublisherOptions{Now: time.Now, Budget: time.Minute})
	defer func() { err = errors.Join(err, publisher.Close(context.WithoutCancel(ctx))) }()
	window := dedupe.New(dedupe.Options{Window: 72 * time.Hour, MaxIDs: 2 * fillPart, Now: time.Now})
	journal := dedupe.NewJournal(window, dedupe.JournalOptions{Topic: prefix + ".seen", Publisher: publisher, Reader: client, Now: time.Now, Log: zap.NewNop()})
	for from := 0; from < n; from += fillPart {
		claim, err := window.Claim(ctx, inventedEvents(from, min(from+fillPart, n)), 0)
		if err != nil {
			return fmt.Errorf("bench: ids: %w", err)
		}
		claim.Commit()
		if err := journal.Flush(ctx); err != nil {
			return fmt.Errorf("bench: ids: %w", err)
		}
	}
	return nil
}

// inventedEvents have ids as events have them: the head of a hash.
func inventedEvents(from, to int) []dedupe.Event {
	events := make([]dedupe.Event, 0, to-from)
	for i := from; i < to; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("bench"), uint64(i)))
		events = append(events, dedupe.Event{ID: [16]byte(sum[:16]), Content: [16]byte(sum[16:])})
	}
	return events
}

// awaitIDs waits until a receiver has read the topic of ids, and says how many it knows.
func awaitIDs(ctx context.Context, admin string) (ids int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		g, err := scrape(ctx, admin)
		if err != nil {
			return 0, err
		}
		if g["postrider_dedupe_loaded"] == 1 {
			return int(g["postrider_dedupe_ids"]), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("bench: wait for the ids: %w", ctx.Err())
		}
	}
}

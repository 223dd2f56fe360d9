// Command postgres counts events in PostgreSQL: how many of each type came from each
// source on each day. Every event counts once, whatever is delivered twice: its id is
// remembered in the transaction that counts it.
//
//	eval "$(internal/kafkatest/postgres-up.sh)"; export POSTRIDER_TEST_POSTGRES
//	DATABASE_URL=$POSTRIDER_TEST_POSTGRES go run -C examples/postgres .
//
// It reads from POSTRIDER_KAFKA_BROKERS, by default 127.0.0.1:9092, where `postrider
// serve` has its broker, until it is interrupted.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/zap"

	"github.com/postrider/postrider/examples/postgres/pgstore"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// group is the consumer group, and the name under which ids are remembered.
const group = "event-counts"

// keep is how long ids are remembered: the topics keep events for thirty days, and an
// outage of this program may have it read the oldest of them.
const keep = 40 * 24 * time.Hour

const table = `CREATE TABLE IF NOT EXISTS event_counts (
	day    date   NOT NULL,
	source text   NOT NULL,
	type   text   NOT NULL,
	n      bigint NOT NULL,
	PRIMARY KEY (day, source, type)
)`

const add = `INSERT INTO event_counts VALUES ($1, $2, $3, 1)
	ON CONFLICT (day, source, type) DO UPDATE SET n = event_counts.n + 1`

// count is what becomes of an event.
func count(ctx context.Context, tx *sql.Tx, e *event.Event) error {
	day := e.OccurredAt
	if day.IsZero() {
		day = e.ReceivedAt
	}
	_, err := tx.ExecContext(ctx, add, day.Time(), e.Source, e.Type)
	return err
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("DATABASE_URL"), strings.Split(cmp.Or(os.Getenv("POSTRIDER_KAFKA_BROKERS"), "127.0.0.1:9092"), ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

// run counts until ctx ends.
func run(ctx context.Context, dsn string, brokers []string) error {
	if dsn == "" {
		return errors.New("DATABASE_URL is not set: name a database as postgres://user:password@host:5432/name")
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, pgstore.Schema+table); err != nil {
		return err
	}
	log, err := zap.NewProduction()
	if err != nil {
		return err
	}
	store := pgstore.New(db, group)
	go forget(ctx, store, log)
	c, err := consumer.New(consumer.Config{
		Kafka:       consumer.Kafka{Brokers: brokers},
		Group:       group,
		Topics:      consumer.EventTopics("email"),
		Concurrency: 8, // each needs a connection
		Log:         log,
	}, consumer.Chain(pgstore.Events(count), consumer.Once(store)))
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// forget removes old ids once an hour, until ctx ends.
func forget(ctx context.Context, store *pgstore.Store, log *zap.Logger) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
			if n, err := store.Forget(ctx, keep); err != nil {
				log.Warn("old ids are not removed", zap.Error(err))
			} else {
				log.Info("old ids are removed", zap.Int64("ids", n))
			}
		}
	}
}

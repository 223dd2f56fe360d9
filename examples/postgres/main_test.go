package main

import (
	"database/sql"
	"os"
	"testing"

	"github.com/postrider/postrider/examples/postgres/pgstore"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestCount(t *testing.T) {
	dsn := os.Getenv("POSTRIDER_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("needs POSTRIDER_TEST_POSTGRES; internal/kafkatest/postgres-up.sh starts a server and prints it")
	}
	db, err := sql.Open("pgx", dsn+"&search_path=test_counts")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const drop = "DROP SCHEMA IF EXISTS test_counts CASCADE"
	if _, err := db.Exec(drop + "; CREATE SCHEMA test_counts; " + pgstore.Schema + table); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = db.Exec(drop) }()

	at, err := event.ParseTime("2026-11-20T23:59:59Z")
	if err != nil {
		t.Fatal(err)
	}
	opened := consumertest.Message(event.Event{Type: event.Opened, MessageID: "1", OccurredAt: at})
	another := consumertest.Message(event.Event{Type: event.Opened, MessageID: "2", OccurredAt: at})
	undated := consumertest.Message(event.Event{Type: event.Opened, MessageID: "1"})
	h := consumer.Chain(pgstore.Events(count), consumer.Once(pgstore.New(db, group)))
	for i, err := range consumertest.Feed(t.Context(), h, opened, another, opened, undated, another) {
		if err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	for day, want := range map[string]int{"2026-11-20": 2, "2026-01-02": 1} {
		var n int
		if err := db.QueryRow("SELECT n FROM event_counts WHERE day = $1 AND source = 'test' AND type = 'opened'", day).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d opens, %v; want %d", day, n, err, want)
		}
	}
}

// Package pgstore remembers in PostgreSQL what a consumer has handled, in the
// transaction of its effect: either both are there or neither, so that every event
// has one effect, whatever is delivered twice and wherever a process dies.
//
//	store := pgstore.New(db, "suppression")
//	handler := consumer.Chain(
//		pgstore.Events(func(ctx context.Context, tx *sql.Tx, e *event.Event) error {
//			_, err := tx.ExecContext(ctx, `INSERT INTO suppressed (address) VALUES ($1) ON CONFLICT DO NOTHING`, e.Recipient)
//			return err
//		}),
//		consumer.Once(store),
//	)
//
// It is an example to copy and change; with another database, only the SQL differs.
package pgstore

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// Schema makes the table, where it is not there.
//
//go:embed schema.sql
var Schema string

// Store is a consumer.Store. Safe for concurrent use.
type Store struct {
	db   *sql.DB
	name string
}

var _ consumer.Store = (*Store)(nil)

// New makes a Store for the consumer of that name, usually that of its group: what
// one consumer has handled is new to another.
func New(db *sql.DB, name string) *Store { return &Store{db: db, name: name} }

// txKey is where a Handler's context has its transaction.
type txKey struct{}

// Tx returns the transaction of a Handler behind consumer.Once with a Store: what is
// done in it is done if the Handler returns nil, and else undone. A Handler neither
// commits it nor rolls it back. false: there is no such Store.
func Tx(ctx context.Context) (*sql.Tx, bool) {
	tx, ok := ctx.Value(txKey{}).(*sql.Tx)
	return tx, ok
}

// ErrNoTransaction is what Events ends Run with where there is no Store.
var ErrNoTransaction = errors.New("pgstore: the handler has no transaction: wrap it in consumer.Once with a Store")

// Events makes a Handler of a function of events that works in the transaction.
func Events(fn func(ctx context.Context, tx *sql.Tx, e *event.Event) error) consumer.Handler {
	return consumer.Events(func(ctx context.Context, e *event.Event) error {
		tx, ok := Tx(ctx)
		if !ok {
			return consumer.Stop(ErrNoTransaction)
		}
		return fn(ctx, tx, e)
	})
}

const insert = `INSERT INTO handled_events (consumer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// Begin implements consumer.Store. It begins a transaction and marks the id in it;
// where another transaction is just doing that, it waits for its end. The transaction
// ends with ctx, too, so that a Handler that takes too long has no effect.
func (s *Store) Begin(ctx context.Context, id string) (context.Context, bool, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return ctx, false, trouble(ctx, "begin", err)
	}
	result, err := tx.ExecContext(ctx, insert, s.name, id)
	if err != nil {
		return ctx, false, trouble(ctx, "mark", errors.Join(err, rollback(tx)))
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return ctx, err == nil, errors.Join(err, rollback(tx))
	}
	return context.WithValue(ctx, txKey{}, tx), false, nil
}

// End implements consumer.Store. Where a commit fails, nobody knows whether it was
// made: the record is handled again, and Begin finds its id if it was.
func (s *Store) End(ctx context.Context, _ string, failed error) error {
	tx, ok := Tx(ctx)
	switch {
	case !ok:
		return ErrNoTransaction
	case failed != nil:
		return rollback(tx)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("pgstore: commit: %w", err)
	}
	return nil
}

// Forget removes what was handled longer ago than keep, and returns how much. Call it
// now and then. keep has to outlast whatever may bring a record again: the topics'
// retention, the delays of the retry topics, and replays of old records.
func (s *Store) Forget(ctx context.Context, keep time.Duration) (int64, error) {
	const remove = `DELETE FROM handled_events WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM handled_events WHERE consumer = $1 AND handled_at < now() - make_interval(secs => $2) LIMIT 10000))`
	var removed int64
	for {
		result, err := s.db.ExecContext(ctx, remove, s.name, keep.Seconds())
		if err != nil {
			return removed, fmt.Errorf("pgstore: forget: %w", err)
		}
		n, err := result.RowsAffected()
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}

// trouble says what an error before the Handler asks for. Where there is no answer, or
// one about the server, no record is to blame: the consumer pauses until the database
// is back, or somebody has made the table.
func trouble(ctx context.Context, doing string, err error) error {
	err = fmt.Errorf("pgstore: %s: %w", doing, err)
	if ctx.Err() != nil || ofRecord(err) {
		return err
	}
	return consumer.Unavailable(err)
}

// ofRecord tells the classes of SQLSTATE that another record may not meet: 22 is an id
// that is no text, 40 a deadlock or a serialization failure.
func ofRecord(err error) bool {
	var answer interface{ SQLState() string }
	if !errors.As(err, &answer) {
		return false
	}
	return strings.HasPrefix(answer.SQLState(), "22") || strings.HasPrefix(answer.SQLState(), "40")
}

// rollback ends a transaction that may have ended with its context.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("pgstore: rollback: %w", err)
	}
	return nil
}

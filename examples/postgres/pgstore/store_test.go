package pgstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/postrider/postrider/examples/postgres/pgstore"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// crash names the schema in which a child process of TestCrashBeforeTheCommit dies.
const crash = "PGSTORE_TEST_CRASH"

// connect opens the test's schema; the pool has as many connections as are asked for.
func connect(t *testing.T, schema string) *sql.DB {
	t.Helper()
	dsn := os.Getenv("POSTRIDER_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("needs POSTRIDER_TEST_POSTGRES; internal/kafkatest/postgres-up.sh starts a server and prints it")
	}
	db, err := sql.Open("pgx", dsn+"&search_path="+schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// fresh makes an empty schema with the store's table and one for effects.
func fresh(t *testing.T) (db *sql.DB, schema string) {
	t.Helper()
	schema = "test_" + strings.ToLower(t.Name())
	db = connect(t, schema)
	do(t, db, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
	do(t, db, "CREATE SCHEMA "+schema)
	do(t, db, pgstore.Schema)
	do(t, db, pgstore.Schema) // it is there
	do(t, db, "CREATE TABLE effects (id text)")
	t.Cleanup(func() { do(t, db, "DROP SCHEMA "+schema+" CASCADE") })
	return db, schema
}

func do(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// effects counts what handlers did; remembered counts the ids.
func effects(t *testing.T, db *sql.DB) int {
	t.Helper()
	return count(t, db, "effects")
}

func remembered(t *testing.T, db *sql.DB) int {
	t.Helper()
	return count(t, db, "handled_events")
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// write has its effect in the transaction.
func write(ctx context.Context, tx *sql.Tx, e *event.Event) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effects VALUES ($1)", e.ID)
	return err
}

// handler is write, then more, behind a Store of the name.
func handler(db *sql.DB, name string, more func(ctx context.Context, tx *sql.Tx) error) consumer.Handler {
	inner := pgstore.Events(func(ctx context.Context, tx *sql.Tx, e *event.Event) error {
		if err := write(ctx, tx, e); err != nil {
			return err
		}
		return more(ctx, tx)
	})
	return consumer.Chain(inner, consumer.Once(pgstore.New(db, name)))
}

func nothing(context.Context, *sql.Tx) error { return nil }

func message(n int) *consumer.Message {
	return consumertest.Message(event.Event{Type: event.Bounced, MessageID: fmt.Sprint("m", n)})
}

func wantNil(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func TestOneEffectOverDuplicates(t *testing.T) {
	db, _ := fresh(t)
	h := handler(db, "a", nothing)
	wantNil(t, consumertest.Feed(t.Context(), h, message(1), message(2), message(1), message(2), message(1))...)
	if effects(t, db) != 2 || remembered(t, db) != 2 {
		t.Errorf("%d effects, %d ids; want 2 each", effects(t, db), remembered(t, db))
	}
	wantNil(t, consumertest.Feed(t.Context(), handler(db, "b", nothing), message(1))...)
	if got := effects(t, db); got != 3 {
		t.Errorf("%d effects with another consumer, want 3: what one has handled is new to another", got)
	}
}

// Two processes get the same record at once: one has the effect, and the other waits
// for how that ends.
func TestEqualIDsAtOnce(t *testing.T) {
	for name, firstFails := range map[string]error{"first succeeds": nil, "first fails": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			schema := "test_equal_" + strings.ReplaceAll(name, " ", "_")
			one, other := connect(t, schema), connect(t, schema)
			do(t, one, "CREATE SCHEMA "+schema)
			defer do(t, one, "DROP SCHEMA "+schema+" CASCADE")
			do(t, one, pgstore.Schema+"; CREATE TABLE effects (id text)")
			inside, leave := make(chan struct{}), make(chan struct{})
			first := handler(one, "a", func(context.Context, *sql.Tx) error {
				close(inside)
				<-leave
				return firstFails
			})
			var wg sync.WaitGroup
			var errs [2]error
			wg.Go(func() { errs[0] = first(t.Context(), message(1)) })
			<-inside
			wg.Go(func() { errs[1] = handler(other, "a", nothing)(t.Context(), message(1)) })
			waitForLock(t, one)
			close(leave)
			wg.Wait()
			if !errors.Is(errs[0], firstFails) || errs[1] != nil {
				t.Errorf("errors %v, want %v and nil", errs, firstFails)
			}
			if got := effects(t, one); got != 1 {
				t.Errorf("%d effects, want 1", got)
			}
		})
	}
}

// waitForLock waits until a session waits for another's transaction.
func waitForLock(t *testing.T, db *sql.DB) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		if count(t, db, "pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%handled_events%' AND pid <> pg_backend_pid()") > 0 {
			return
		}
	}
	t.Error("nobody waits") // and the first may go on
}

func TestAFailureLeavesNothing(t *testing.T) {
	db, _ := fresh(t)
	bad := errors.New("no")
	for name, more := range map[string]func(ctx context.Context, tx *sql.Tx) error{
		"an error":                      func(context.Context, *sql.Tx) error { return bad },
		"a panic":                       func(context.Context, *sql.Tx) error { panic("no") },
		"a statement that is hushed up": func(ctx context.Context, tx *sql.Tx) error { _, _ = tx.ExecContext(ctx, "SELECT 1/0"); return nil },
		"the connection goes": func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			return err
		},
		"it goes, and that is hushed up": func(ctx context.Context, tx *sql.Tx) error {
			_, _ = tx.ExecContext(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
			return nil
		},
		"it takes too long": func(ctx context.Context, _ *sql.Tx) error { <-ctx.Done(); return nil },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := safely(ctx, handler(db, "a", more), message(1))
		cancel()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if effects(t, db) != 0 || remembered(t, db) != 0 {
			t.Errorf("%s: %d effects, %d ids; want none", name, effects(t, db), remembered(t, db))
		}
	}
	wantNil(t, handler(db, "a", nothing)(t.Context(), message(1)))
	if got := effects(t, db); got != 1 {
		t.Errorf("%d effects in the end, want 1", got)
	}
}

// safely calls a Handler as Run does.
func safely(ctx context.Context, h consumer.Handler, m *consumer.Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return h(ctx, m)
}

// A process that dies after its effect and before the commit leaves neither.
func TestCrashBeforeTheCommit(t *testing.T) {
	if schema := os.Getenv(crash); schema != "" {
		h := handler(connect(t, schema), "a", func(context.Context, *sql.Tx) error {
			os.Exit(7)
			return nil
		})
		t.Fatal(h(t.Context(), message(1)))
	}
	db, schema := fresh(t)
	for range 3 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashBeforeTheCommit$")
		child.Env = append(os.Environ(), crash+"="+schema)
		said, err := child.CombinedOutput()
		if child.ProcessState.ExitCode() != 7 {
			t.Fatalf("the child did not die in its handler: %v\n%s", err, said)
		}
		if effects(t, db) != 0 {
			t.Fatal("an effect without a commit")
		}
	}
	h := handler(db, "a", nothing)
	wantNil(t, consumertest.Feed(t.Context(), h, message(1), message(1))...)
	if got := effects(t, db); got != 1 {
		t.Errorf("%d effects, want 1", got)
	}
}

// A conflict is another event under a known id, and a replay for repair repeats nothing.
func TestConflictsAndReplays(t *testing.T) {
	db, _ := fresh(t)
	e := event.Event{Type: event.Bounced, MessageID: "m"}
	at := consumer.Place{Topic: "email.bounced", Partition: 1, Offset: 7}
	conflict := consumertest.Message(e, consumertest.Conflict(), consumertest.At(at))
	wantNil(t, consumertest.Feed(
		t.Context(), handler(db, "a", nothing),
		consumertest.Message(e), conflict, conflict,
		consumertest.Message(e, consumertest.Replayed(consumer.Replay{ID: "r1", Of: consumer.Place{Topic: "email.bounced"}})),
	)...)
	if got := effects(t, db); got != 2 {
		t.Errorf("%d effects, want 2", got)
	}
}

// The record is blamed only for what is its own: else it would go to a retry topic,
// and the next after it, until all of them are dead letters.
func TestWhoIsToBlame(t *testing.T) {
	db, schema := fresh(t)
	store := pgstore.New(db, "a")
	_, _, err := store.Begin(t.Context(), "not\x00text")
	if err == nil || !retriedAlone(err) {
		t.Errorf("an id that is no text: %v; want an error of that record", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err = store.Begin(ctx, "1"); err == nil || !retriedAlone(err) {
		t.Errorf("a context that is over: %v; want an error of that record", err)
	}
	gone := connect(t, schema+"_without_tables")
	if _, _, err = pgstore.New(gone, "a").Begin(t.Context(), "1"); err == nil || retriedAlone(err) {
		t.Errorf("no table: %v; want a pause", err)
	}
	nobody, err := sql.Open("pgx", "postgres://nobody@127.0.0.1:1/none?sslmode=disable&connect_timeout=5")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	if _, _, err = pgstore.New(nobody, "a").Begin(t.Context(), "1"); err == nil || retriedAlone(err) {
		t.Errorf("no server: %v; want a pause", err)
	}
}

// retriedAlone reports whether an error is that of a record: it is not of the form
// that consumer.Unavailable gives.
func retriedAlone(err error) bool {
	unavailable := consumer.Unavailable(errors.New("x"))
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == fmt.Sprintf("%T", unavailable) {
			return false
		}
	}
	return true
}

func TestWithoutOnce(t *testing.T) {
	db, _ := fresh(t)
	if err := pgstore.Events(write)(t.Context(), message(1)); !errors.Is(err, pgstore.ErrNoTransaction) {
		t.Errorf("err = %v, want ErrNoTransaction", err)
	}
	if err := pgstore.New(db, "a").End(t.Context(), "1", nil); !errors.Is(err, pgstore.ErrNoTransaction) {
		t.Errorf("err = %v, want ErrNoTransaction", err)
	}
}

func TestForget(t *testing.T) {
	db, _ := fresh(t)
	wantNil(t, handler(db, "b", nothing)(t.Context(), message(1)))
	do(t, db, "INSERT INTO handled_events SELECT 'a', n, now() - interval '2 hours' FROM generate_series(1, 25000) n")
	do(t, db, "INSERT INTO handled_events VALUES ('a', 'new', now()), ('b', 'old', now() - interval '1 year')")
	n, err := pgstore.New(db, "a").Forget(t.Context(), time.Hour)
	if err != nil || n != 25000 {
		t.Errorf("Forget() = %d, %v; want 25000", n, err)
	}
	if got := remembered(t, db); got != 3 {
		t.Errorf("%d ids are left, want 3", got)
	}
}

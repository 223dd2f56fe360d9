package downstream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
)

// What the members of a group say to the store, one JSON text a line. A connection is
// one transaction at a time, as with a database: what breaks it rolls back.
const (
	opBegin    = "begin"    // claims an id; answered
	opEffect   = "effect"   // what the handler does, when it begins to do it
	opCommit   = "commit"   // answered once the effect and the id are kept, together
	opRollback = "rollback" // answered
)

// request is one line to the store.
type request struct {
	Op     string  `json:"op"`
	ID     string  `json:"id,omitempty"` // what Once calls the record
	Effect *effect `json:"effect,omitempty"`
}

// answer is one line back.
type answer struct {
	Handled bool `json:"handled,omitempty"`
}

// effect is what a handler did for a record.
type effect struct {
	Mark   string `json:"mark"` // of what was published, however often
	Topic  string `json:"topic"`
	Key    string `json:"key"`
	N      int    `json:"n"` // counts the marks of a key in a topic
	Member string `json:"member"`
}

// store is a database with transactions, and the only witness: the processes that talk
// to it are killed at any moment. It does not itself care whether a mark comes twice.
type store struct {
	listener net.Listener
	served   sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	claims  map[string]chan struct{} // ids that are being handled; closed at the end
	known   map[string]bool          // ids that were handled
	effects map[string]int           // by mark
	log     []effect                 // in the order of the commits
	busy    map[string]effect        // keys that are being handled, by the last that began
	begun   int                      // handlers that began to work
	skipped int                      // records that were told to be handled already
	undone  int                      // transactions that broke or were rolled back
	overlap []string                 // keys that two handlers worked on at once
}

func newStore(t *testing.T) *store {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &store{
		listener: l, conns: map[net.Conn]bool{}, claims: map[string]chan struct{}{}, known: map[string]bool{},
		effects: map[string]int{}, busy: map[string]effect{},
	}
	s.served.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *store) addr() string { return s.listener.Addr().String() }

func (s *store) close() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.served.Wait()
}

func (s *store) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.served.Go(func() { s.serve(c) })
	}
}

// transaction is what a connection has begun.
type transaction struct {
	id     string
	effect *effect
}

// serve answers a connection until it ends, and rolls back what it left.
func (s *store) serve(c net.Conn) {
	var tx transaction
	gone, over := make(chan struct{}), make(chan struct{})
	lines := make(chan request)
	s.served.Go(func() { // reads on while a claim is waited for: a killed process waits for none
		defer close(gone)
		for in := json.NewDecoder(c); ; {
			var r request
			if in.Decode(&r) != nil {
				return
			}
			select {
			case lines <- r:
			case <-over:
				return
			}
		}
	})
	defer func() {
		close(over)
		s.rollback(&tx)
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	out := json.NewEncoder(c)
	for {
		select {
		case <-gone:
			return
		case r := <-lines:
			a, answered := s.do(&tx, &r, gone)
			if answered && out.Encode(a) != nil {
				return
			}
		}
	}
}

// do carries a request out; it reports whether there is an answer.
func (s *store) do(tx *transaction, r *request, gone <-chan struct{}) (a answer, answered bool) {
	switch r.Op {
	case opBegin:
		a.Handled = !s.claim(r.ID, gone)
		if !a.Handled {
			tx.id = r.ID
		}
	case opEffect:
		s.work(tx, r.Effect)
		return a, false
	case opCommit:
		s.commit(tx)
	case opRollback:
		s.rollback(tx)
	}
	return a, true
}

// claim waits until nobody handles id. It reports false if that was done.
func (s *store) claim(id string, gone <-chan struct{}) bool {
	for {
		s.mu.Lock()
		other, claimed := s.claims[id]
		switch {
		case s.known[id]:
			s.skipped++
			s.mu.Unlock()
			return false
		case !claimed:
			s.claims[id] = make(chan struct{})
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-gone:
			return false // to nobody
		}
	}
}

// work notes that a handler works.
func (s *store) work(tx *transaction, e *effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	if other, busy := s.busy[e.Key]; busy {
		s.overlap = append(s.overlap, fmt.Sprintf("%s: %s in %s by %s, %s in %s by %s", e.Key, other.Mark, other.Topic, other.Member, e.Mark, e.Topic, e.Member))
	}
	s.busy[e.Key] = *e
	tx.effect = e
}

// commit keeps the id and the effect.
func (s *store) commit(tx *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[tx.id] = true
	if tx.effect != nil {
		s.effects[tx.effect.Mark]++
		s.log = append(s.log, *tx.effect)
	}
	s.release(tx)
}

// rollback forgets both.
func (s *store) rollback(tx *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx.id != "" {
		s.undone++
	}
	s.release(tx)
}

// release ends a transaction. The caller holds mu.
func (s *store) release(tx *transaction) {
	if tx.effect != nil && s.busy[tx.effect.Key] == *tx.effect {
		delete(s.busy, tx.effect.Key)
	}
	if tx.id != "" {
		close(s.claims[tx.id])
		delete(s.claims, tx.id)
	}
	*tx = transaction{}
}

// figures are what the store counted.
type figures struct{ effects, begun, skipped, undone int }

func (s *store) figures() figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	return figures{effects: len(s.log), begun: s.begun, skipped: s.skipped, undone: s.undone}
}

// done is a copy of how many effects each mark had.
func (s *store) done() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.effects)
}

// story is a copy of the log, and of the keys that were handled twice at once.
func (s *store) story() ([]effect, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log), slices.Clone(s.overlap)
}

// remote is the store as a member has it: a consumer.Store over loopback. Connections
// are kept for the next transaction.
type remote struct {
	addr string
	mu   sync.Mutex
	idle []*session
}

// session is one connection.
type session struct {
	conn net.Conn
	in   *bufio.Reader
}

// inSession is where a Handler finds its transaction.
type inSession struct{}

// errNoSession says that a record's transaction did not come along.
var errNoSession = errors.New("the handler's context has no transaction")

// Begin implements consumer.Store.
func (r *remote) Begin(ctx context.Context, id string) (context.Context, bool, error) {
	s, err := r.take(ctx)
	if err != nil {
		return ctx, false, err
	}
	a, err := s.ask(ctx, request{Op: opBegin, ID: id})
	if err != nil {
		s.conn.Close()
		return ctx, false, err
	}
	if a.Handled {
		r.put(s)
		return ctx, true, nil
	}
	return context.WithValue(ctx, inSession{}, s), false, nil
}

// End implements consumer.Store.
func (r *remote) End(ctx context.Context, _ string, err error) error {
	s, ok := ctx.Value(inSession{}).(*session)
	if !ok {
		return errNoSession
	}
	op := opCommit
	if err != nil {
		op = opRollback
	}
	if _, err := s.ask(context.WithoutCancel(ctx), request{Op: op}); err != nil {
		s.conn.Close()
		return err
	}
	r.put(s)
	return nil
}

// tell sends what the handler of ctx begins to do.
func tell(ctx context.Context, e effect) error {
	s, ok := ctx.Value(inSession{}).(*session)
	if !ok {
		return errNoSession
	}
	return s.send(request{Op: opEffect, Effect: &e})
}

func (r *remote) take(ctx context.Context) (*session, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return s, nil
	}
	r.mu.Unlock()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	return &session{conn: c, in: bufio.NewReader(c)}, nil
}

func (r *remote) put(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, s)
}

// ask sends a request and waits for the answer, or the end of ctx.
func (s *session) ask(ctx context.Context, r request) (a answer, err error) {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer func() {
		if !stop() && err == nil {
			err = context.Cause(ctx)
		}
	}()
	if err := s.send(r); err != nil {
		return a, err
	}
	line, err := s.in.ReadBytes('\n')
	if err != nil {
		return a, errors.Join(err, ctx.Err())
	}
	return a, json.Unmarshal(line, &a)
}

func (s *session) send(r request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.conn.Write(append(b, '\n'))
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

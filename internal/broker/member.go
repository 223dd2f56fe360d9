package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
)

// ErrRevoked says that partitions are another member's by now: what was to be
// committed was not.
var ErrRevoked = errors.New("the partitions were given to another member of the group")

// errLeft says that a Member is closed.
var errLeft = errors.New("this member has left the group")

// Defaults of JoinOptions.
const (
	defaultSession = 30 * time.Second
	defaultDrain   = 15 * time.Second
)

// JoinOptions says which group to join, and for what. Group and Topics are required.
type JoinOptions struct {
	Group  string
	Topics []string // those that do not exist yet are read once they do
	// FromEnd has partitions of which the group has committed nothing begin at their
	// end; else they begin at their first record.
	FromEnd bool
	// Whole are those of the topics that begin at their first record whatever FromEnd
	// says: what lies in them before anybody has asked is meant for the group, too.
	Whole []string
	// SessionTimeout is how long the group waits for a member that fell silent;
	// default 30 s. Drain, by default 15 s, is how long a member may take between Revoked and
	// Release; it is below SessionTimeout.
	SessionTimeout, Drain time.Duration
	Now                   func() time.Time
	Log                   *zap.Logger // default none
}

// check fills in the defaults.
func (o *JoinOptions) check() error {
	o.SessionTimeout = orDefault(o.SessionTimeout, defaultSession)
	o.Drain = orDefault(o.Drain, min(defaultDrain, o.SessionTimeout/2))
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Topics = slices.Compact(slices.Sorted(slices.Values(o.Topics)))
	switch {
	case o.Group == "":
		return errors.New("broker: join a group: it has no name")
	case len(o.Topics) == 0:
		return fmt.Errorf("broker: join group %s: no topics to read", strconv.Quote(o.Group))
	case o.Drain >= o.SessionTimeout:
		return fmt.Errorf("broker: join group %s: draining (%s) must take less than the session timeout (%s)", strconv.Quote(o.Group), o.Drain, o.SessionTimeout)
	}
	return nil
}

// Member is this process in a consumer group. Next is for one goroutine; Close may
// be called from any.
type Member struct {
	c    *Client
	o    JoinOptions
	log  *zap.Logger
	quit context.Context //nolint:containedctx // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex
	group  *membership // nil: not joined
	joined bool        // at least once
}

// Join makes a Member. It does not connect yet. Close it.
func (c *Client) Join(o JoinOptions) (*Member, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &Member{c: c, o: o, log: o.Log.With(zap.String("group", o.Group))}
	m.quit, m.end = context.WithCancel(context.Background())
	return m, nil
}

// Next waits for the partitions that are this member's from now on; there may be
// none. The Assignment before must have been released. It rides out brokers that
// are away and coordinators that move, and says so in the log; its errors are what
// somebody has to change (missing rights, settings that the group refuses), and the
// end of ctx.
func (m *Member) Next(ctx context.Context) (*Assignment, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.quit, cancel)() //nolint:contextcheck // it is the other end of it
	for n := 1; ; n++ {
		a, err := m.next(ctx)
		switch {
		case err == nil:
			return a, nil
		case m.quit.Err() != nil:
			return nil, fmt.Errorf("broker: group %s: %w", strconv.Quote(m.o.Group), errLeft)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("broker: group %s: %w (the last failure was: %v)", strconv.Quote(m.o.Group), ctx.Err(), err) //nolint:errorlint // the failure is told, the end of ctx is what happened
		case !m.again(err):
			return nil, m.joinError(err)
		}
		m.tell(n, err)
		_ = sleep(ctx, backoff(n))
	}
}

// tell logs why the group was not joined: at once, and then now and then.
func (m *Member) tell(n int, err error) {
	level := m.log.Debug
	if n&(n-1) == 0 && !errors.Is(err, errEnded) {
		level = m.log.Warn
	}
	level("the consumer group is not joined yet", zap.Int("attempt", n), zap.Error(explain(err)))
}

// next makes one attempt.
func (m *Member) next(ctx context.Context) (*Assignment, error) {
	g, err := m.membership(ctx)
	if err != nil {
		return nil, err
	}
	a, err := g.next(ctx)
	if err != nil {
		return nil, err
	}
	m.joined = true
	if err := a.place(ctx); err != nil {
		a.Release()
		return nil, err
	}
	return a, nil
}

// Close leaves the group, which shares out the partitions among the others at once.
// Release the Assignment first.
func (m *Member) Close() error {
	m.end()
	return m.leave()
}

// leave ends the membership there is.
func (m *Member) leave() error {
	m.mu.Lock()
	old := m.group
	m.group = nil
	m.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.close()
}

package broker

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// ErrRevoked says that partitions are another member's by now: what was to be
// committed was not.
var ErrRevoked = errors.New("the partitions were given to another member of the group")

// JoinOptions says which group to join, and for what. Group and Topics are required.
type JoinOptions struct {
	Group  string
	Topics []string // those that do not exist yet are read once they do
	// FromEnd has partitions of which the group has committed nothing begin at their
	// end; else they begin at their first record.
	FromEnd bool
	// SessionTimeout is how long the group waits for a member that fell silent;
	// default 30 s. Drain, by default 15 s, is how long a member may take between Revoked and
	// Release; it is below SessionTimeout.
	SessionTimeout, Drain time.Duration
	Now                   func() time.Time
	Log                   *zap.Logger // default none
}

// Member is this process in a consumer group.
type Member struct{}

// Join makes a Member. It does not connect yet. Close it.
func (c *Client) Join(o JoinOptions) (*Member, error) { return &Member{}, nil }

// Next waits for the partitions that are this member's from now on; there may be
// none. The Assignment before must have been released. It rides out brokers that
// are away and coordinators that move, and says so in the log; its errors are what
// somebody has to change (missing rights, settings that the group refuses), and the
// end of ctx.
func (m *Member) Next(ctx context.Context) (*Assignment, error) { return nil, ctx.Err() }

// Close leaves the group, which shares out the partitions among the others at once.
// Release the Assignment first.
func (m *Member) Close() error { return nil }

// Assignment is the partitions of a member for a while.
type Assignment struct {
	Generation int32
	// Partitions are where to go on: the offset of the next record, resolved (never
	// negative).
	Partitions []Position
}

// Revoked is closed when the partitions are to be given back: finish what runs,
// Commit, Release.
func (a *Assignment) Revoked() <-chan struct{} { return nil }

// Commit stores how far the group is: the next offset by topic and partition. It may
// be called until Release, also after Revoked. The error wraps ErrRevoked when the
// partitions are not this member's any more.
func (a *Assignment) Commit(ctx context.Context, offsets map[string]map[int]int64) error { return nil }

// Release gives the partitions back. Calling it again does nothing.
func (a *Assignment) Release() {}

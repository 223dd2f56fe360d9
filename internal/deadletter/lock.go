package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/internal/broker"
)

// One redrive publishes at a time, wherever it runs: two that took the same letter
// in the half second before one of them knows what the other has published would
// publish it twice. The lock is one key of the journal's topic; who holds it is
// what its records say in their order, which is the same for every reader:
//
//   - a record takes the lock if nobody holds it, or whoever does has given no sign
//     for leaseTime, by the times in the records;
//   - the holder's own record is a sign that it is there;
//   - a record without a value gives it back;
//   - anything else is an attempt that failed.
//
// It holds as well as the clocks of the machines agree, within leaseTime, and as
// long as no holder publishes after it was silent for so long: Renew looks at that
// before each letter. What gets past it is published twice under one id, as
// everything here may be.
const (
	lockKey   = "lock"
	leaseTime = time.Minute
	signEvery = 10 * time.Second
)

// Owner is who holds the lock, for people.
type Owner struct {
	ID   string `json:"id"` // of the run; unique
	By   string `json:"by"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// lease is the lock as the records tell it; no ID: nobody holds it.
type lease struct {
	Owner

	sign time.Time // when the holder was last heard of
}

// learnLease takes in a record of the lock.
func (j *Journal) learnLease(m *broker.Message) {
	if len(m.Value) == 0 {
		j.holder = lease{}
		return
	}
	var o Owner
	if err := json.Unmarshal(m.Value, &o); err != nil || o.ID == "" {
		return
	}
	if j.holder.ID == "" || j.holder.ID == o.ID || m.Time.Sub(j.holder.sign) > leaseTime {
		j.holder = lease{Owner: o, sign: m.Time}
	}
}

// LockedError says that another redrive is at work.
type LockedError struct {
	Owner

	Sign time.Time // when it was last heard of
}

// Error implements error.
func (e *LockedError) Error() string {
	return fmt.Sprintf("deadletter: another redrive is at work: process %d of %s on %s, last heard of at %s; "+
		"wait until it ends (if it was killed, it counts as gone at %s)", e.PID, e.By, e.Host,
		e.Sign.UTC().Format(time.RFC3339), e.Sign.Add(leaseTime).UTC().Format(time.RFC3339))
}

// ErrLockLost says that the redrive was stopped for so long that another one may
// have begun.
var ErrLockLost = errors.New("deadletter: this redrive was held up for more than a minute, so that another one may have begun: run the command again")

// Lock takes the lock for a run, or says who has it. Marks that others have made
// until then are known afterwards.
func (j *Journal) Lock(ctx context.Context, p Publisher, o Owner) error {
	if err := j.catchUp(ctx); err != nil {
		return err
	}
	if h := j.holder; h.ID != "" && j.now().Sub(h.sign) <= leaseTime {
		return &LockedError{Owner: h.Owner, Sign: h.sign}
	}
	if err := j.sign(ctx, p, o); err != nil {
		return err
	}
	if err := j.catchUp(ctx); err != nil {
		return err
	}
	if j.holder.ID != o.ID {
		return &LockedError{Owner: j.holder.Owner, Sign: j.holder.sign}
	}
	return nil
}

// Renew gives a sign that the holder is at work, if it is time for one. Call it
// before each letter; ErrLockLost says not to go on.
func (j *Journal) Renew(ctx context.Context, p Publisher) error {
	silent := j.now().Sub(j.holder.sign)
	switch {
	case silent > leaseTime:
		return ErrLockLost
	case silent < signEvery:
		return nil
	}
	return j.sign(ctx, p, j.holder.Owner)
}

// sign publishes a record of the lock.
func (j *Journal) sign(ctx context.Context, p Publisher, o Owner) error {
	value, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("deadletter: lock: %w", err)
	}
	now := j.now()
	if err := j.writeLock(ctx, p, now, value); err != nil {
		return err
	}
	if j.holder.ID == o.ID {
		j.holder.sign = now
	}
	return nil
}

// Unlock gives the lock back, unless it was lost: somebody else may have it by now.
func (j *Journal) Unlock(ctx context.Context, p Publisher) error {
	lost := j.now().Sub(j.holder.sign) > leaseTime
	if j.holder = (lease{}); lost {
		return nil
	}
	return j.writeLock(ctx, p, j.now(), nil)
}

func (j *Journal) writeLock(ctx context.Context, p Publisher, at time.Time, value []byte) error {
	rec := broker.Record{Topic: j.topic, Key: []byte(keyPrefix + lockKey), Value: value, Time: at}
	if err := p.Publish(ctx, []broker.Record{rec}); err != nil {
		return fmt.Errorf("deadletter: lock in %s: %w", j.topic, err)
	}
	return nil
}

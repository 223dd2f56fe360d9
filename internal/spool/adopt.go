package spool

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/spool/segment"
)

// Bounds of one file that Adopt writes.
const (
	adoptRecords = 1000
	adoptBytes   = 4 << 20
)

// Adopt moves the records that wait in the folder of a receiver that is gone to
// where the receiver that uses the other folder, or will, takes them from
// (TakeRequeued). It takes the lock of the first and none of the second. Every
// record is durable in its new place before the old one lets go of it; if the
// process ends in between, some may be there twice. It returns how many were
// moved. What lies in its requeue/ goes too, behind the others; what was set aside in
// dead/ stays where it is.
func Adopt(from Options, into string) (moved int, err error) {
	if err := makeFolders(filepath.Join(into, requeueDir)); err != nil {
		return 0, fmt.Errorf("spool: adopt: %w", err)
	}
	s, err := Open(from)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closed := s.Close(); err == nil {
			err = closed
		}
	}()
	a := adoption{from: s, into: &Spool{vol: disk{into}}, salt: newSalt()}
	err = a.move(s.Pending())
	if err == nil { // behind them, and into the room they have made
		var requeued []broker.Stored
		requeued, err = s.TakeRequeued()
		err = errors.Join(a.move(requeued), err)
	}
	if err != nil {
		err = fmt.Errorf("spool: adopt: %w", err)
	}
	return a.moved, err
}

// adoption gathers records for one file.
type adoption struct {
	from, into *Spool
	salt       uint32
	refs       []broker.Ref
	file       []byte
	moved      int
}

// move moves records.
func (a *adoption) move(records []broker.Stored) error {
	for i := range records {
		if err := a.add(records[i].Ref); err != nil {
			return err
		}
	}
	return a.write()
}

// add takes one record in. One that cannot be read was given up by Load.
func (a *adoption) add(ref broker.Ref) error {
	seg, err := a.from.find(ref)
	if err != nil {
		return err
	}
	_, payload, err := seg.read(ref)
	if err != nil {
		_, _ = a.from.Load(ref)
		return nil //nolint:nilerr // counted and logged; the others are moved all the same
	}
	if len(a.refs) == 0 {
		a.file = segment.AppendHeader(nil, segment.Header{Salt: a.salt, Base: ref.Seq, Created: a.from.opts.Now()})
	}
	a.file = segment.AppendFrame(a.file, a.salt, segment.KindRecord, ref.Seq, payload)
	a.refs = append(a.refs, ref)
	if len(a.refs) < adoptRecords && len(a.file) < adoptBytes {
		return nil
	}
	return a.write()
}

// write makes a file of what was gathered and settles it where it comes from.
func (a *adoption) write() error {
	if len(a.refs) == 0 {
		return nil
	}
	name := requeueDir + "/" + adoptedName(a.salt, a.refs[0].Seq, len(a.refs))
	if err := a.into.writeFile(name, a.file); err != nil {
		return err
	}
	a.from.Settle(a.refs, nil)
	a.moved += len(a.refs)
	a.refs = nil
	return nil
}

// adoptedName returns the name of a file of moved records: its salt, the number
// that the first record had where it comes from, and how many there are.
func adoptedName(salt uint32, first uint64, count int) string {
	return fmt.Sprintf("adopted-%08x-%020d-%d%s", salt, first, count, recordExt)
}

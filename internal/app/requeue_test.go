package app

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/postrider/postrider/internal/spool"
)

// TestRequeueTellsTroubleOnce: a file that cannot be read is looked at every two
// seconds, and said when that begins.
func TestRequeueTellsTroubleOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		core, logged := observer.New(zapcore.ErrorLevel)
		log := zap.New(core)
		s, err := spool.Open(spool.Options{Dir: dir, Now: time.Now, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); (&App{spool: s, log: log}).requeue(ctx) }()
		unreadable := filepath.Join(dir, "requeue", "00000000000000000001.rec")
		for want := range 3 {
			if got := logged.FilterMessageSnippet("cannot be tried again").Len(); got != want {
				t.Errorf("said %d times, want %d", got, want)
			}
			if err := os.Mkdir(unreadable, 0o700); err != nil { // a folder cannot be read as a file, not even by root
				t.Fatal(err)
			}
			<-time.After(5 * requeueInterval)
			synctest.Wait()
			if err := os.Remove(unreadable); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * requeueInterval)
			synctest.Wait()
		}
		stop()
		<-ended
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

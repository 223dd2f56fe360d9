package rawconn_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/rawconn"
)

// pair is a connection and its other end.
func pair(t *testing.T) (conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dialed.Close(), accepted.Close() })
	conn, _ = accepted.(*net.TCPConn)
	other, _ = dialed.(*net.TCPConn)
	return conn, other
}

var ports = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// said is a result as a caller sees it: how much, and which error.
func said(n int, err error) string {
	var timeout net.Error
	var op *net.OpError
	return fmt.Sprintf("%d, %s, timeout %t, %T, closed %t, op %t", n, ports.ReplaceAllString(fmt.Sprint(err), "host"),
		errors.As(err, &timeout) && timeout.Timeout(), err, errors.Is(err, net.ErrClosed), errors.As(err, &op))
}

// TestWrappedIsLikeAnyConnection: what callers see of it is what they see of net.TCPConn,
// errors included, on which net/http decides how to go on.
func TestWrappedIsLikeAnyConnection(t *testing.T) {
	past := time.Unix(1, 0)
	for name, play := range map[string]func(c net.Conn, other *net.TCPConn) string{
		"reads what is there": func(c net.Conn, other *net.TCPConn) string {
			_, _ = other.Write([]byte("abc"))
			p := make([]byte, 10)
			n, err := c.Read(p)
			return said(n, err) + string(p[:n])
		},
		"waits for bytes": func(c net.Conn, other *net.TCPConn) string {
			go func() { _, _ = other.Write([]byte("late")) }()
			p := make([]byte, 4)
			n, err := io.ReadFull(c, p)
			return said(n, err) + string(p)
		},
		"reads nothing": func(c net.Conn, other *net.TCPConn) string { return said(c.Read(nil)) },
		"writes nothing": func(c net.Conn, other *net.TCPConn) string {
			return said(c.Write(nil))
		},
		"the end": func(c net.Conn, other *net.TCPConn) string {
			_ = other.CloseWrite()
			return said(c.Read(make([]byte, 1)))
		},
		"a reset": func(c net.Conn, other *net.TCPConn) string {
			_ = other.SetLinger(0)
			_ = other.Close()
			return said(c.Read(make([]byte, 1)))
		},
		"a write after a reset": func(c net.Conn, other *net.TCPConn) string {
			_ = other.SetLinger(0)
			_ = other.Close()
			_, _ = c.Read(make([]byte, 1))
			return said(c.Write([]byte("a")))
		},
		"read after its close": func(c net.Conn, other *net.TCPConn) string {
			_ = c.Close()
			return said(c.Read(make([]byte, 1)))
		},
		"written after its close": func(c net.Conn, other *net.TCPConn) string {
			_ = c.Close()
			return said(c.Write([]byte("a")))
		},
		"closed while it reads": func(c net.Conn, other *net.TCPConn) string {
			go func() { _, _ = other.Write([]byte("a")); _, _ = other.Read(make([]byte, 1)); _ = c.Close() }()
			_, _ = c.Read(make([]byte, 1))
			_, _ = c.Write([]byte("b")) // the next read begins about now
			return said(c.Read(make([]byte, 1)))
		},
		"a read deadline in the past": func(c net.Conn, other *net.TCPConn) string {
			_ = c.SetReadDeadline(past)
			return said(c.Read(make([]byte, 1)))
		},
		"a read deadline that comes": func(c net.Conn, other *net.TCPConn) string {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			return said(c.Read(make([]byte, 1)))
		},
		"a write deadline in the past": func(c net.Conn, other *net.TCPConn) string {
			_ = c.SetWriteDeadline(past)
			return said(c.Write([]byte("a")))
		},
		"a write deadline that comes": func(c net.Conn, other *net.TCPConn) string {
			all := make([]byte, 64<<20)
			_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			n, err := c.Write(all)
			_ = c.Close()
			arrived, _ := io.Copy(io.Discard, other)
			return fmt.Sprintf("all that was written arrived: %t; %s", arrived == int64(n), said(0, err))
		},
		"half closed": func(c net.Conn, other *net.TCPConn) string {
			half, ok := c.(interface{ CloseWrite() error })
			if !ok || half.CloseWrite() != nil {
				return "not closed"
			}
			return said(other.Read(make([]byte, 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, other := pair(t)
			want := play(plain, other)
			conn, other := pair(t)
			if got := play(rawconn.Wrap(conn), other); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestWrappedMovesAll: more than the buffers of the system hold, in both directions at once.
func TestWrappedMovesAll(t *testing.T) {
	conn, other := pair(t)
	c := rawconn.Wrap(conn)
	out, back := make([]byte, 16<<20), make([]byte, 16<<20)
	for i := range out {
		out[i], back[i] = byte(i*7), byte(i*11)
	}
	var g sync.WaitGroup
	for _, way := range []struct {
		from, to net.Conn
		bytes    []byte
	}{{c, other, out}, {other, c, back}} {
		g.Go(func() {
			if n, err := way.from.Write(way.bytes); n != len(way.bytes) || err != nil {
				t.Errorf("%d bytes were written of %d: %v", n, len(way.bytes), err)
			}
		})
		g.Go(func() {
			got := make([]byte, len(way.bytes))
			if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, way.bytes) {
				t.Errorf("other bytes arrived than were sent (%v)", err)
			}
		})
	}
	g.Wait()
}

// TestOthersStayWhatTheyAre: what is no connection of TCP stays what it is.
func TestOthersStayWhatTheyAre(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	if got := rawconn.Wrap(a); got != a {
		t.Errorf("a pipe became %T", got)
	}
	_ = a.Close()
}

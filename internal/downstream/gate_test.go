//go:build unix

package downstream_test

import (
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
)

// gate is an address in front of a target. Until it is opened, connections meet what
// greets them, or, without that, nobody.
type gate struct {
	t     *testing.T
	addr  string
	greet func(*net.TCPConn) (keep bool)

	mu       sync.Mutex
	listener net.Listener
	behind   *target // nil: closed
	kept     []net.Conn
	count    int
	served   sync.WaitGroup
}

func newGate(t *testing.T, greet func(*net.TCPConn) bool) *gate {
	t.Helper()
	g := &gate{t: t, greet: greet}
	g.listen("127.0.0.1:0")
	if greet == nil {
		g.listener.Close()
	}
	t.Cleanup(g.close)
	return g
}

func (g *gate) url() string { return "http://" + g.addr + "/" }

// listen begins to accept.
func (g *gate) listen(addr string) {
	g.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.addr = l.Addr().String()
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	g.served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.meet(c)
		}
	})
}

// meet greets a connection, or joins it with the target.
func (g *gate) meet(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	if g.behind == nil {
		if g.greet(tcp) {
			g.kept = append(g.kept, c)
		}
		return
	}
	inner, err := net.Dial("tcp", g.behind.listener.Addr().String())
	if err != nil {
		c.Close()
		return
	}
	g.kept = append(g.kept, c, inner)
	for _, way := range [][2]net.Conn{{c, inner}, {inner, c}} {
		g.served.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			way[0].Close()
		})
	}
}

// open has the target stand behind it.
func (g *gate) open(behind *target) {
	g.t.Helper()
	g.mu.Lock()
	g.behind = behind
	g.mu.Unlock()
	if g.greet == nil {
		g.listen(g.addr)
	}
}

// connections is how often it was called.
func (g *gate) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

func (g *gate) close() {
	g.mu.Lock()
	g.listener.Close()
	for _, c := range g.kept {
		c.Close()
	}
	g.mu.Unlock()
	g.served.Wait()
}

// sortedKeys are a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

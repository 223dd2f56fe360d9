package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// A request on the wire is a length (4 bytes, big endian) followed by an API
// key, an API version (2 bytes each) and a correlation id (4 bytes). See
// https://kafka.apache.org/protocol.html#protocol_common.
const (
	frameHead = 8         // length, key and version
	minFrame  = 8         // key, version and correlation id
	maxFrame  = 100 << 20 // bytes; socket.request.max.bytes of Apache Kafka
	maxAPIKey = 92        // the highest that the embedded broker can decode
)

// guardListener hands out guarded connections, the first when gate is closed.
type guardListener struct {
	net.Listener
	gate <-chan struct{}
}

// Accept implements net.Listener.
func (l guardListener) Accept() (net.Conn, error) {
	<-l.gate
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardConn{Conn: c}, nil
}

// guardConn ends a connection at the first frame that is not a Kafka request
// in form: kfake allocates whatever length it is told and panics at an API key
// it does not know, so a port scan or a browser could end the process. Like any
// net.Conn it has one reader at a time.
type guardConn struct {
	net.Conn
	head [frameHead]byte
	seen []byte // the part of head not handed out yet
	body int64  // bytes of the current frame still to come
}

// Read implements net.Conn.
func (c *guardConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.seen) == 0 && c.body == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.seen) > 0 {
		n := copy(p, c.seen)
		c.seen = c.seen[n:]
		return n, nil
	}
	if int64(len(p)) > c.body {
		p = p[:c.body]
	}
	n, err := c.Conn.Read(p)
	c.body -= int64(n)
	return n, err
}

// next reads and judges the head of the next frame.
func (c *guardConn) next() error {
	if _, err := io.ReadFull(c.Conn, c.head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(c.head[0:4])
	key := binary.BigEndian.Uint16(c.head[4:6])
	if size < minFrame || size > maxFrame || key > maxAPIKey {
		return fmt.Errorf("embedded broker: not a Kafka request: length %d, api key %d", size, key)
	}
	c.seen = c.head[:]
	c.body = int64(size) - (frameHead - 4)
	return nil
}

//go:build linux && !race

package rawconn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// conn is a connection as Wrap makes it.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// Wrap makes the system calls of a connection of TCP as the package says. Nothing else
// about it changes, errors included. Other connections are returned as they are.
func Wrap(of net.Conn) net.Conn {
	tcp, ok := of.(*net.TCPConn)
	if !ok {
		return of
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return of // what is wrong with it shows when it is used
	}
	c := &conn{TCPConn: tcp, raw: raw}
	c.in.ready, c.out.ready = c.in.read, c.out.write
	return c
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.run(p, c.raw.Read)
	if err != nil {
		return n, c.failed("read", err)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.run(p, c.raw.Write)
	if err != nil {
		return n, c.failed("write", err)
	}
	return n, nil
}

// failed is an error as net.TCPConn words it, by which servers know what it means.
func (c *conn) failed(op string, err error) error {
	switch e := err.(type) { //nolint:errorlint // neither comes wrapped
	case *net.OpError:
		err = e.Err
	case syscall.Errno:
		err = os.NewSyscallError(op, e)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// transfer moves bytes in one direction. Safe for concurrent use: one call at a time.
type transfer struct {
	mu    sync.Mutex
	ready func(fd uintptr) (done bool) // read or write, bound once
	rest  []byte
	moved int
	errno syscall.Errno
}

// run moves p, or as much of it as there is to read. It waits by way of on until the
// socket is ready.
func (t *transfer) run(p []byte, on func(func(uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest, t.moved, t.errno = p, 0, 0
	err := on(t.ready)
	t.rest = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.moved, err
}

// read reads once, if there is anything to read into.
func (t *transfer) read(fd uintptr) (done bool) {
	return len(t.rest) == 0 || !t.call(syscall.SYS_READ, fd)
}

// write writes until nothing is left.
func (t *transfer) write(fd uintptr) (done bool) {
	for len(t.rest) > 0 && t.errno == 0 {
		if t.call(syscall.SYS_WRITE, fd) {
			return false
		}
	}
	return true
}

// call makes one system call on the rest. It reports whether the socket is not ready.
func (t *transfer) call(number, fd uintptr) (again bool) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.rest))), uintptr(len(t.rest))) //nolint:gosec // how a system call gets its bytes; see the package's comment
		if errno == syscall.EINTR {
			continue
		}
		if errno == syscall.EAGAIN {
			return true
		}
		if t.errno = errno; errno == 0 {
			t.moved, t.rest = t.moved+int(n), t.rest[n:]
		}
		return false
	}
}

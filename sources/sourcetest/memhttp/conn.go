package memhttp

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one end of a connection in memory. Reads take from in, writes go to
// out, which is the other end's in.
type conn struct {
	in, out *stream
	reset   atomic.Bool
	onClose func() // set before the conn is used, or nil
}

// newPipe returns the two ends of a new connection.
func newPipe() (server, client *conn) {
	up, down := newStream(), newStream()
	return &conn{in: up, out: down}, &conn{in: down, out: up}
}

// Read waits for bytes, for the other end's close, or for the read deadline.
func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write never waits: the buffer has no bound.
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions. The other end reads what is still buffered and
// then EOF, or ECONNRESET at once after SetLinger(0).
func (c *conn) Close() error {
	c.in.close(net.ErrClosed, syscall.EPIPE, true)
	if c.reset.Load() {
		c.out.close(syscall.ECONNRESET, net.ErrClosed, true)
	} else {
		c.out.close(io.EOF, net.ErrClosed, false)
	}
	if c.onClose != nil {
		c.onClose()
	}
	return nil
}

// SetLinger chooses, as that of [net.TCPConn], what Close does: 0 makes it a
// reset, every other value an orderly close.
func (c *conn) SetLinger(sec int) error {
	c.reset.Store(sec == 0)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return address{} }
func (c *conn) RemoteAddr() net.Addr { return address{} }

// SetDeadline bounds reads; writes do not wait.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline makes reads fail from t on; the zero time lifts it.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

// SetWriteDeadline does nothing, as writes do not wait.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

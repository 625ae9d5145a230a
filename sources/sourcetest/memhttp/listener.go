package memhttp

import (
	"context"
	"net"
	"sync"
)

// address is the name of both ends of every connection.
type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return host }

// listener hands dialed connections to the server's accept loop.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	live map[*conn]struct{} // server ends that are open; nil once cut
}

func newListener() *listener {
	return &listener{
		conns:  make(chan net.Conn),
		closed: make(chan struct{}),
		live:   make(map[*conn]struct{}),
	}
}

// Accept waits for the next dialed connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: address{}.Network(), Addr: address{}, Err: net.ErrClosed}
	}
}

// Close makes Accept and dial fail.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the one address there is.
func (l *listener) Addr() net.Addr { return address{} }

// dial is the DialContext of the client; it connects whatever the address.
func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	server, client := newPipe()
	if !l.add(server) {
		return nil, dialError(net.ErrClosed)
	}
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		l.remove(server)
		return nil, dialError(ctx.Err())
	case <-l.closed:
		l.remove(server)
		return nil, dialError(net.ErrClosed)
	}
}

// cut closes every server end there is, also those that were accepted too late
// for the server to know them when it closed.
func (l *listener) cut() {
	l.mu.Lock()
	live := l.live
	l.live = nil
	l.mu.Unlock()
	for c := range live {
		_ = c.Close() // cannot fail
	}
}

func (l *listener) add(server *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		return false
	}
	l.live[server] = struct{}{}
	server.onClose = func() { l.remove(server) }
	return true
}

func (l *listener) remove(server *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, server)
}

func dialError(err error) error {
	return &net.OpError{Op: "dial", Net: address{}.Network(), Addr: address{}, Err: err}
}

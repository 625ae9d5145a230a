// Package memhttp serves HTTP/1.1 over connections that are buffers in memory,
// so that the wire fakes of services need no port and run inside a
// [testing/synctest] bubble: whoever waits for such a connection is durably
// blocked, and the bubble's clock goes on.
//
// Everything above the connection is net/http as it is: keep-alive, the
// cancellation of a request's context when its client goes away, hijacking. A
// handler cuts a connection by panicking with [http.ErrAbortHandler], or by
// hijacking and closing it; its client sees an EOF, or ECONNRESET after
// SetLinger(0) on the hijacked connection.
package memhttp

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"sync"
)

// host is the name in the server's URL. It is never resolved.
const host = "memhttp.test"

// Server is an HTTP/1.1 server in memory. Make one with [New], inside the
// bubble if there is one. Its methods may be called concurrently.
type Server struct {
	server   http.Server
	listener *listener
	client   *http.Client
	cancel   context.CancelFunc
	running  sync.WaitGroup // the accept loop, every served connection, every handler
	err      error          // of the accept loop, read after running is done
}

// New starts a server that answers with handler. The caller closes it.
func New(handler http.Handler) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	listener := newListener()
	s := &Server{listener: listener, cancel: cancel}
	s.server = http.Server{
		Handler:     s.follow(handler),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState:   s.count,
	}
	s.client = &http.Client{Transport: transport{&http.Transport{
		DialContext:         listener.dial,
		MaxIdleConnsPerHost: math.MaxInt,
		DisableCompression:  true,
	}}}
	s.running.Go(func() { s.err = s.server.Serve(listener) })
	return s
}

// Client returns the client that reaches the server, under any host name. It
// keeps every idle connection, uses no proxy, has no timeout, and is the same
// at every call.
func (s *Server) Client() *http.Client { return s.client }

// URL returns the server's base URL, without a slash at its end.
func (s *Server) URL() string { return "http://" + host }

// Close cuts all connections, cancels the contexts of the requests under way,
// and returns when every handler has. It must not be called by a handler.
// Closing again is harmless.
func (s *Server) Close() error {
	s.cancel()
	err := s.server.Close()
	s.listener.cut()
	s.running.Wait()
	s.client.CloseIdleConnections()
	if !errors.Is(s.err, http.ErrServerClosed) {
		err = errors.Join(err, s.err)
	}
	return err
}

// follow counts the handlers, which outlive a connection that they hijacked.
func (s *Server) follow(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.Add(1) // not the first: the connection is counted still
		defer s.running.Done()
		handler.ServeHTTP(w, r)
	})
}

// count follows the connections that net/http serves. New comes from the
// accept loop, which running counts, so running cannot be zero then.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	case http.StateActive, http.StateIdle:
	}
}

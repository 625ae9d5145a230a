package dynamodbstreamstest

import (
	"context"
	"time"
)

// Gate decides when calls happen in a server, so that a simulation can have
// them happen one at a time and in an order of its own. See [Server.SetGate].
type Gate interface {
	// Pass is called for each call, by the call's goroutine and with no lock
	// held. The call takes effect while do runs: with the fault that do is
	// given, at most once, in whatever goroutine, and before Pass returns. If
	// do is not called the connection is cut, and nothing has happened. ctx is
	// done when the caller goes away.
	Pass(ctx context.Context, c Call, do func(Fault))
	// After is never called: nothing happens by itself in this server.
	After(d time.Duration, what string, run func())
}

// SetGate has the server ask gate, before the first call. The hook of SetFault
// and the faults of Inject are not asked then.
func (s *Server) SetGate(gate Gate) { s.wire.SetGate(gate) }

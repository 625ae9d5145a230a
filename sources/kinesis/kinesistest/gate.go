package kinesistest

import (
	"context"
	"time"
)

// Gate decides when things happen in a server, so that a simulation can have
// them happen one at a time and in an order of its own. See [Server.SetGate].
type Gate interface {
	// Pass is called for each call, by the call's goroutine and with no lock
	// held. The call takes effect while do runs: with the fault that do is
	// given, at most once, in whatever goroutine, and before Pass returns. If
	// do is not called the connection is cut, and nothing has happened. ctx is
	// done when the caller goes away.
	Pass(ctx context.Context, c Call, do func(Fault))
	// After has run called once, d later, in whatever goroutine: an event of a
	// subscription is pushed ("push"), its heartbeat is due ("heartbeat"), or it
	// expires ("expire"). what tells such things apart. The server's mutex is
	// held, so After must not wait and must not call run itself. What is not run
	// before Close need not be run at all.
	After(d time.Duration, what string, run func())
}

// SetGate has the server ask gate, before the first call. The hook of SetFault
// and the faults of Inject are not asked then.
func (s *Server) SetGate(gate Gate) { s.wire.SetGate(gate) }

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
func (s *Server) SetGate(gate Gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
	s.faults.SetGate(gate)
}

// attempt is one call on its way through the gate.
type attempt struct {
	req   request
	x     exchange
	done  bool
	body  []byte
	err   error
	fault Fault
}

// do has the call take effect.
func (a *attempt) do(fault Fault) {
	a.done, a.fault, a.x.fault = true, fault, fault
	switch {
	case fault.Cut == CutBefore:
	case fault.Err != nil:
		a.err = fault.Err
	case fault.Answer != nil:
		a.body = []byte(*fault.Answer)
	default:
		a.body, a.err = a.req.run(a.x)
	}
}

// cut says whether the connection is to be cut.
func (a *attempt) cut() bool {
	return !a.done || a.fault.Cut == CutBefore || a.fault.Cut == CutAfter && a.fault.Err == nil
}

// sub is the subscription that the call made, nil for none.
func (a *attempt) sub() *subscription {
	if r, ok := a.req.(*subscribeToShard); ok {
		return r.sub
	}
	return nil
}

// leave ends the subscription that the call made.
func (a *attempt) leave() {
	if sub := a.sub(); sub != nil {
		a.x.server.mu.Lock()
		defer a.x.server.mu.Unlock()
		sub.leave()
	}
}

// later has run called d later. The mutex is held. A timer that does it is
// returned, nil if the gate does.
func (s *Server) later(d time.Duration, what string, run func()) *time.Timer {
	if s.gate == nil {
		return time.AfterFunc(d, run)
	}
	s.gate.After(d, what, run)
	return nil
}

package wirefake

import (
	"context"
	"time"
)

// Gate decides when things happen in a fake. C is the fake's call, F its fault.
type Gate[C, F any] interface {
	// Pass lets one call through: it takes effect while do runs.
	Pass(ctx context.Context, call C, do func(F))
	// After has run called once, d later. The fake's mutex is held.
	After(d time.Duration, what string, run func())
}

// Inject adds faults for the next calls of action, one each.
func (s *Server[R, C, F]) Inject(action string, list ...F) {
	s.service.Mutex.Lock()
	defer s.service.Mutex.Unlock()
	s.script[action] = append(s.script[action], list...)
}

// SetHook has hook choose the fault of every call that no injected one is
// left for; nil chooses none. It is asked with no lock held.
func (s *Server[R, C, F]) SetHook(hook func(C) F) {
	s.service.Mutex.Lock()
	defer s.service.Mutex.Unlock()
	s.hook = hook
}

// SetGate has gate let the calls through, without a fault of Inject or of the
// hook, and decide when Later is; nil has none. It is asked with no lock held.
func (s *Server[R, C, F]) SetGate(gate Gate[C, F]) {
	s.service.Mutex.Lock()
	defer s.service.Mutex.Unlock()
	s.gate = gate
}

// Calls returns how many calls of action there were.
func (s *Server[R, C, F]) Calls(action string) int {
	s.service.Mutex.Lock()
	defer s.service.Mutex.Unlock()
	return s.calls[action]
}

// Gated says whether there is a gate. The fake's mutex is held.
func (s *Server[R, C, F]) Gated() bool { return s.gate != nil }

// Later has run called d later; what tells such things apart. The fake's mutex is
// held. A timer that does it is returned, nil if the gate does.
func (s *Server[R, C, F]) Later(d time.Duration, what string, run func()) *time.Timer {
	if s.gate == nil {
		return time.AfterFunc(d, run)
	}
	s.gate.After(d, what, run)
	return nil
}

// pass counts the call and has it take effect: when the gate lets it through, or,
// without a gate, with the fault that is chosen for it.
func (s *Server[R, C, F]) pass(ctx context.Context, a *attempt[R, C, F]) {
	s.service.Mutex.Lock()
	action := a.from.Action
	s.calls[action]++
	a.from.Number = s.calls[action]
	gate, hook := s.gate, s.hook
	var call C
	var fault F
	if script := s.script[action]; gate == nil && len(script) > 0 {
		fault, s.script[action], hook = script[0], script[1:], nil
	} else if gate != nil || hook != nil {
		call = s.service.Describe(a.from, a.req)
	}
	s.service.Mutex.Unlock()
	switch {
	case gate != nil:
		gate.Pass(ctx, call, func(fault F) { a.do(ctx, fault) })
		return
	case hook != nil:
		fault = hook(call)
	}
	a.do(ctx, fault)
}

// pause waits for d, or until the caller or the fake is gone.
func (s *Server[R, C, F]) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.closed:
	}
}

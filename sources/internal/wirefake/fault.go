package wirefake

import (
	"context"
	"sync"
	"time"
)

// Gate lets calls take effect, in an order of its own. C is a fake's call, F
// its fault.
type Gate[C, F any] interface {
	// Pass lets one call through: it takes effect while do runs.
	Pass(ctx context.Context, call C, do func(F))
}

// Attempt is one call on its way to take effect.
type Attempt[C, F any] struct {
	// Action is the API action.
	Action string
	// Describe tells what the call is; number counts the calls of the action
	// from 1. The fake's mutex is held.
	Describe func(number int) C
	// Do has the call take effect, with the fault that was chosen for it.
	Do func(F)
}

// Faults are what is to go wrong with the calls of a fake, and the count of
// its calls by action. The fake's mutex guards all of it.
type Faults[C, F any] struct {
	mu     *sync.Mutex
	calls  map[string]int
	script map[string][]F
	hook   func(C) F
	gate   Gate[C, F]
}

// NewFaults returns faults that mu, the fake's mutex, guards.
func NewFaults[C, F any](mu *sync.Mutex) *Faults[C, F] {
	return &Faults[C, F]{mu: mu, calls: make(map[string]int), script: make(map[string][]F)}
}

// Inject adds faults for the next calls of action, one each.
func (f *Faults[C, F]) Inject(action string, list ...F) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script[action] = append(f.script[action], list...)
}

// SetHook has hook choose the fault of every call that no injected one is
// left for; nil chooses none.
func (f *Faults[C, F]) SetHook(hook func(C) F) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// SetGate has gate let the calls through, without a fault of Inject or of the
// hook; nil has none. The fake's mutex is held.
func (f *Faults[C, F]) SetGate(gate Gate[C, F]) { f.gate = gate }

// Calls returns how many calls of action there were.
func (f *Faults[C, F]) Calls(action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[action]
}

// Pass counts the call and has it take effect: when the gate lets it through, or,
// without a gate, with the fault that is chosen for it. The hook and the gate
// are asked with no lock held.
func (f *Faults[C, F]) Pass(ctx context.Context, a Attempt[C, F]) {
	f.mu.Lock()
	f.calls[a.Action]++
	number := f.calls[a.Action]
	if gate := f.gate; gate != nil {
		call := a.Describe(number)
		f.mu.Unlock()
		gate.Pass(ctx, call, a.Do)
		return
	}
	var fault F
	if script := f.script[a.Action]; len(script) > 0 {
		fault, f.script[a.Action] = script[0], script[1:]
		f.mu.Unlock()
	} else if hook := f.hook; hook != nil {
		call := a.Describe(number)
		f.mu.Unlock()
		fault = hook(call)
	} else {
		f.mu.Unlock()
	}
	a.Do(fault)
}

// Pause waits for d, or until the caller or the fake is gone.
func Pause(ctx context.Context, closed <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-closed:
	}
}

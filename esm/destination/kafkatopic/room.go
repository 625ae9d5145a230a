package kafkatopic

import (
	"context"
	"sync"
)

// room is a lock that many hold, or one alone. Whoever waits for being alone has
// those who come later wait, and waits for the messages that others left under way.
type room struct {
	mu      sync.Mutex
	inside  int
	sent    int // messages that are not answered
	alone   bool
	waiting int           // to be alone
	changed chan struct{} // closed at the next change; nil if nobody waits
}

// enter waits until there is room, or ctx ends.
func (r *room) enter(ctx context.Context, alone bool) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if alone {
		r.waiting++
		defer func() { r.waiting--; r.change() }()
	}
	for r.alone || alone && r.inside+r.sent > 0 || !alone && r.waiting > 0 {
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	r.inside++
	r.alone = alone
	return r.leave, nil
}

// wait waits for a change. The caller holds the mutex, which is free meanwhile.
func (r *room) wait(ctx context.Context) error {
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	changed := r.changed
	r.mu.Unlock()
	defer r.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	r.alone = false
	r.change()
}

// send takes note of a message that is sent, answered of the answer to one.
func (r *room) send() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
}

func (r *room) answered() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent--; r.sent == 0 {
		r.change()
	}
}

// change wakes all who wait. The caller holds the mutex.
func (r *room) change() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

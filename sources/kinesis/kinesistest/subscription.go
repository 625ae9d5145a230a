package kinesistest

import (
	"slices"
	"time"
)

// subscription is a consumer's reading of a shard. The server's mutex guards
// it, but for wake.
type subscription struct {
	shard    *shard
	consumer *consumer
	host     string
	lost     bool // the fault cuts the answer off
	next     uint64
	wake     chan struct{}          // has room for one
	timers   map[string]*time.Timer // by what they are for
	left     bool                   // nobody reads it any more

	beat  bool      // a heartbeat is due
	over  bool      // its time is over
	err   *Error    // ends it
	free  time.Time // when the next event may come, with the limits on
	queue []pushed  // events that a gate let through
	due   bool      // the gate was asked for the next event
}

// pushed is what a subscription gets: an event, or its end.
type pushed struct {
	chunk

	continuation string
	children     []child
	err          *Error // ends the stream
	over         bool   // the stream ends without an event
}

// timer has do done later, unless the subscription is left before.
func (sub *subscription) timer(d time.Duration, what string, do func()) {
	s := sub.shard.stream.server
	timer := s.wire.Later(d, what, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !sub.left {
			do()
			sub.stir()
		}
	})
	if timer != nil {
		sub.timers[what] = timer
	}
}

// pulse has heartbeats come from now on.
func (sub *subscription) pulse() {
	sub.timer(heartbeat, "heartbeat", func() {
		sub.beat = true
		sub.pulse()
	})
}

// fail ends the subscription.
func (sub *subscription) fail(e *Error) {
	if sub.err == nil {
		sub.err = e
	}
	sub.stir()
}

// leave says that nobody reads the subscription any more.
func (sub *subscription) leave() {
	if sub.left {
		return
	}
	sub.left = true
	sh := sub.shard
	sh.subs = slices.DeleteFunc(sh.subs, func(other *subscription) bool { return other == sub })
	for _, timer := range sub.timers {
		timer.Stop()
	}
}

// abandon leaves the subscription because its call is over.
func (sub *subscription) abandon() {
	s := sub.shard.stream.server
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.leave()
}

// stir looks whether there is something to push: without a gate the handler
// does it, else the gate has it done.
func (sub *subscription) stir() {
	s := sub.shard.stream.server
	if !s.wire.Gated() || sub.left {
		sub.ring()
		return
	}
	if sub.due || !sub.ready(time.Now()) {
		return
	}
	sub.due = true
	s.wire.Later(0, "push", func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sub.due = false
		if p, ok := sub.take(time.Now()); ok {
			sub.queue = append(sub.queue, p)
			sub.ring()
			sub.stir()
		}
	})
}

// ring wakes the handler.
func (sub *subscription) ring() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// ready says whether there is something to push.
func (sub *subscription) ready(now time.Time) bool {
	switch {
	case sub.left:
		return false
	case sub.err != nil || sub.over || sub.beat:
		return true
	case now.Before(sub.free):
		return false
	}
	return sub.shard.at(sub.next) < len(sub.shard.records) || sub.shard.isClosed()
}

// take returns what is to be pushed now. What ends the stream is the last.
func (sub *subscription) take(now time.Time) (pushed, bool) {
	if !sub.ready(now) {
		return pushed{}, false
	}
	if sub.err != nil || sub.over {
		p := pushed{err: sub.err, over: true}
		sub.leave()
		return p, true
	}
	limit := maxPushed
	if now.Before(sub.free) {
		limit = 0 // a heartbeat only
	}
	sh := sub.shard
	p := pushed{chunk: sh.read(sub.next, limit, maxPushedBytes, now)}
	sub.next, sub.beat = p.next, false
	switch {
	case p.end:
		p.children = sh.offspring()
		p.over = true
		sub.leave()
	case len(p.records) > 0:
		p.continuation = p.records[len(p.records)-1].number
	case limit > 0:
		// Nothing is left, so that every later record is beyond the next number.
		sub.next = max(sub.next, sh.stream.take()+1)
		p.continuation = sh.stream.numbers.text(sub.next - 1)
	default:
		p.continuation = sh.stream.numbers.text(max(sub.next, sh.first+1) - 1)
	}
	sub.slow(p.records, now)
	if len(p.records) > 0 || p.end {
		sh.tell(Event{What: Read, Host: sub.host, Consumer: sub.consumer.name, End: p.end, Lost: sub.lost}, p.records)
	}
	return p, true
}

// slow keeps to the bytes a second, if the limits are on (KIN-80).
func (sub *subscription) slow(records []record, now time.Time) {
	if !sub.shard.stream.server.limits || len(records) == 0 || sub.left {
		return
	}
	bytes := 0
	for i := range records {
		bytes += records[i].size()
	}
	sub.free = now.Add(pace(bytes))
	sub.timer(pace(bytes), "push", func() {})
}

package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// poll is a receive that waits for messages, and the Fetch that waits for it. It may
// outlast the Fetch, and its process.
type poll struct {
	partition *queuePartition
	call      *call
	buf       []sources.Record
	n         *int
	sent      time.Time
	until     time.Time // when the service ends it
}

// Stop begins no further receive. Those that wait go on until the service ends them.
func (p *queuePartition) Stop() { p.ending.Store(true) }

// Fetch receives messages. It returns when its wait has passed, though the call that
// it made hangs or is answered late: what that brings goes to a later Fetch.
func (p *queuePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n := 0
	sent := time.Now()
	label := fmt.Sprintf("fetch %d %v", len(buf), wait)
	stopped := p.ending.Load()
	err := p.life.wait(ctx, label, latency, func(c *call) {
		w := &poll{partition: p, call: c, buf: buf, n: &n, sent: sent, until: time.Now().Add(wait)}
		switch {
		case w.late():
		case stopped && len(p.coming) > 0:
			w.expect(wait)
		case stopped:
			p.life.finish(c, sources.ErrEnd)
		case !w.hangs(wait):
			w.ask(wait)
		}
	})
	return n, err
}

// ask receives, and ends the Fetch or has it wait for messages.
func (w *poll) ask(wait time.Duration) {
	p, s := w.partition, w.partition.life.sim
	var records []sources.Record
	err := s.Faulty(OpFetch, func() error {
		records = p.queue.take(p, len(w.buf), w.sent)
		return nil
	})
	if err != nil {
		p.lostAnswer(records)
		p.life.fail(w.call, err)
		return
	}
	if len(records) > 0 {
		if d := s.Late(); d > 0 {
			p.coming = append(p.coming, records...)
			s.gate.after(d, func() { p.arrive(records) })
			w.expect(wait)
			return
		}
	}
	*w.n = copy(w.buf, records)
	if *w.n > 0 || wait <= 0 {
		p.life.finish(w.call, nil)
		return
	}
	p.queue.waiting = append(p.queue.waiting, w)
	s.gate.after(wait, func() { p.life.finish(w.call, nil) })
}

// late ends a Fetch with what an earlier call has brought meanwhile.
func (w *poll) late() bool {
	p := w.partition
	if err := p.failed; err != nil {
		p.failed = nil
		p.life.fail(w.call, err)
		return true
	}
	if *w.n = p.hand(w.buf); *w.n == 0 {
		return false
	}
	p.life.finish(w.call, nil)
	return true
}

// hand hands out what came late, and is still the mapping's.
func (p *queuePartition) hand(buf []sources.Record) int {
	p.arrived = slices.DeleteFunc(p.arrived, func(r sources.Record) bool {
		given := receiptOf(&r)
		expired := !r.Expires.IsZero() && !r.Expires.After(time.Now())
		if expired && given.handle == given.message.handle && !given.message.gone {
			p.queue.sim.observer.Returned(given.message.Number)
		}
		return expired || given.handle != given.message.handle || given.message.gone
	})
	if p.queue.sim.kind.Grouped && len(buf) < len(p.arrived) {
		return 0 // what came together is handed out together
	}
	n := copy(buf, p.arrived)
	p.arrived = slices.Delete(p.arrived, 0, n)
	if n > 0 {
		p.life.sim.cover("late answer")
	}
	return n
}

// hangs draws whether the call gets no answer, whatever it took.
func (w *poll) hangs(wait time.Duration) bool {
	p := w.partition
	d, hung := p.life.sim.Hung(OpFetch)
	if !hung {
		return false
	}
	if p.life.sim.rng.IntN(2) == 0 {
		p.lostAnswer(p.queue.take(p, len(w.buf), w.sent))
	}
	p.life.sim.gate.after(d, func() { p.gaveUp(w.call) })
	w.expect(wait)
	return true
}

// expect ends the Fetch when its wait has passed. Meanwhile it gets what comes.
func (w *poll) expect(wait time.Duration) {
	p := w.partition
	p.late = append(p.late, w)
	p.life.sim.gate.after(max(wait, 0), func() { p.life.finish(w.call, nil) })
}

// gaveUp tells that a call has passed its deadline: its Fetch, or else another one.
func (p *queuePartition) gaveUp(c *call) {
	if p.life.over(c) {
		p.failed = errHung
	} else {
		p.life.fail(c, errHung)
	}
}

// arrive gives the records of a late answer to a Fetch that waits, or keeps them.
func (p *queuePartition) arrive(records []sources.Record) {
	if p.life.dead.Load() || p.closed {
		return // Close gave them back, or they are lost
	}
	p.coming = slices.DeleteFunc(p.coming, func(r sources.Record) bool {
		return slices.ContainsFunc(records, func(other sources.Record) bool { return other.Native == r.Native })
	})
	p.arrived = append(p.arrived, records...)
	p.pass()
}

// pass gives what arrived to the first Fetch that waits for it, and to the next ones
// later.
func (p *queuePartition) pass() {
	for len(p.late) > 0 && len(p.arrived) > 0 {
		w := p.late[0]
		p.late = p.late[1:]
		if p.life.over(w.call) {
			continue
		}
		if *w.n = p.hand(w.buf); *w.n > 0 {
			p.life.finish(w.call, nil)
			p.life.sim.gate.after(0, p.pass)
			return
		}
	}
}

// serve gives the first poll what there is, and the next ones later: each wakes a
// lane, and no two may be awake at once.
func (q *queue) serve() {
	for len(q.waiting) > 0 {
		w := q.waiting[0]
		p := w.partition
		if p.life.over(w.call) && !w.forsaken() {
			q.waiting = q.waiting[1:]
			continue
		}
		records := q.take(p, len(w.buf), w.sent)
		if len(records) == 0 {
			return
		}
		q.waiting = q.waiting[1:]
		if p.life.over(w.call) {
			q.sim.cover("poll forsaken")
			p.lostAnswer(records)
		} else {
			*w.n = copy(w.buf, records)
			p.life.finish(w.call, nil)
		}
		if len(q.waiting) > 0 {
			q.sim.gate.after(0, q.serve)
		}
		return
	}
}

// forsaken reports whether the service still holds a poll that nobody waits for any
// more: it may not know yet that the connection was cut.
func (w *poll) forsaken() bool {
	s := w.partition.queue.sim
	return s.Scenario.Polls && s.kind.Redelivers && time.Now().Before(w.until)
}

// lostAnswer is what becomes of messages whose answer was lost: the visibility
// timeout brings them back, or the end of the connection that was cut.
func (p *queuePartition) lostAnswer(records []sources.Record) {
	for i := range records {
		m := receiptOf(&records[i]).message
		p.queue.sim.observer.Returned(m.Number)
		if !p.queue.sim.kind.Redelivers {
			p.queue.show(m)
		}
	}
}

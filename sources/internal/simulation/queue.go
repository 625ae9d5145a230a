package simulation

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

// Queue is a model of a queue: messages that are settled in any order. A
// message that was received is hidden until its visibility timeout ends, if the
// queue redelivers, or else until its receiver is gone.
func Queue(s *Sim) World { return &queue{model: model{s}} }

type queue struct {
	model

	messages []*message // in the order they were sent
	waiting  []*poll
	open     []*queuePartition
}

func (q *queue) Open(life *Life) sources.Source { return &queueSource{queue: q, life: life} }

func (q *queue) Close() {}

func (q *queue) Send(r Record) {
	q.messages = append(q.messages, &message{Record: r, sent: time.Now()})
	q.sim.observer.Entered(r, "queue", len(r.Data)+1)
	q.serve()
}

// Disturb cuts the connection of a receiver whose messages are not redelivered
// otherwise: they are, and it is left with receipts that are worth nothing.
func (q *queue) Disturb() {}

func (q *queue) Killed(life *Life) {
	for _, p := range slices.Clone(q.open) {
		if p.life == life {
			p.letGo()
		}
	}
}

// take receives up to so many messages, for a call that was sent then.
func (q *queue) take(p *queuePartition, most int, sent time.Time) []sources.Record {
	s := q.sim
	now := time.Now()
	blocked := make(map[string]bool) // groups of which something is in flight (SQS-32)
	if s.kind.Grouped {
		for _, m := range q.messages {
			blocked[m.Key] = blocked[m.Key] || m.hidden.After(now)
		}
	}
	var records []sources.Record
	for _, m := range slices.Clone(q.messages) {
		if len(records) == most {
			break
		}
		if m.hidden.After(now) || blocked[m.Key] {
			continue
		}
		if s.Scenario.Redrive > 0 && m.receives >= s.Scenario.Redrive {
			q.remove(m)
			s.observer.Redriven(m.Number)
			continue
		}
		records = append(records, q.receive(m, p, sent))
	}
	return records
}

func (q *queue) receive(m *message, p *queuePartition, sent time.Time) sources.Record {
	s := q.sim
	m.receives++
	m.handle++
	m.holder = p
	s.observer.Handed(p.life, m.Number)
	r := m.record()
	if !s.kind.Redelivers {
		m.hidden = time.Now().Add(forever)
		return r
	}
	r.Expires = q.hide(m, sent)
	if !s.kind.Grouped && s.Chance(FaultDuplicate) {
		m.hidden = time.Time{} // somebody gets it again
	}
	return r
}

// hide hides a message from now on, for a call that was sent then, and returns the
// moment from which the caller counts it as lost: so long before that it can still
// settle what a handler does in its whole time limit.
func (q *queue) hide(m *message, sent time.Time) time.Time {
	visibility := q.sim.Scenario.Visibility
	m.hidden = time.Now().Add(visibility)
	q.sim.gate.after(visibility, q.serve)
	expires := sent.Add(visibility - margin - q.sim.Scenario.Settles)
	q.sim.observer.Hidden(m.Number, expires)
	return expires
}

// margin is how long before the visibility timeout ends, counted from when the call
// was sent, the model's records expire.
const margin = 4 * time.Second

const forever = 1000 * time.Hour

func (q *queue) remove(m *message) {
	m.gone = true
	q.messages = slices.DeleteFunc(q.messages, func(other *message) bool { return other == m })
}

// show makes a message visible.
func (q *queue) show(m *message) {
	m.hidden, m.holder = time.Time{}, nil
	q.sim.observer.Returned(m.Number)
}

type queueSource struct {
	queue    *queue
	life     *Life
	accepted bool
}

func (s *queueSource) Traits() sources.Traits { return s.queue.traits() }

func (s *queueSource) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	s.life.delayHandler(records)
	return s.queue.AppendEvent(dst, partition, records)
}

func (s *queueSource) Start(ctx context.Context, _ sources.Settings) error {
	return s.queue.start(ctx, s.life)
}

func (s *queueSource) Accept(ctx context.Context) (sources.Partition, error) {
	if s.accepted {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := &queuePartition{queue: s.queue, life: s.life}
	err := s.life.attempt(ctx, OpAccept, "accept", func() error {
		s.queue.open = append(s.queue.open, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.accepted = true
	return p, nil
}

func (s *queueSource) Close(ctx context.Context) error {
	return s.life.Call(ctx, "close source", func() error { return nil })
}

type queuePartition struct {
	queue *queue
	life  *Life

	coming  []sources.Record // in answers that are late
	arrived []sources.Record // late, and not fetched yet
	late    []*poll          // Fetches whose calls are not answered in time
	failed  error            // of a call that hung, and not told yet
	closed  bool
	ending  atomic.Bool // Stop was called
}

var (
	_ sources.Releaser = (*queuePartition)(nil)
	_ sources.Failer   = (*queuePartition)(nil)
	_ sources.Extender = (*queuePartition)(nil)
	_ sources.Stopper  = (*queuePartition)(nil)
)

func (*queuePartition) ID() string { return "queue" }

func (p *queuePartition) Ack(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)
	return p.life.wait(ctx, labels("ack", records), p.life.sim.settling, func(c *call) {
		p.life.try(c, OpAck, func() error { return p.settle(records) })
	})
}

func (p *queuePartition) settle(records []sources.Record) error {
	s := p.life.sim
	var partly sources.AckError
	for i := range records {
		r := receiptOf(&records[i])
		switch {
		case r.message.gone: // twice is harmless
		case s.Chance(FaultPartialAck):
			partly.Unsettled = append(partly.Unsettled, records[i])
		case r.handle != r.message.handle && !s.Chance(FaultStaleTaken):
			partly.Stale = append(partly.Stale, records[i])
			s.cover("stale receipt")
		default:
			p.queue.remove(r.message)
			s.observer.Settled(p.life, r.message.Number)
			p.queue.serve() // its group may be free
		}
	}
	if len(partly.Unsettled)+len(partly.Stale) == 0 {
		return nil
	}
	partly.Err = errors.New("some are not settled")
	return &partly
}

func (p *queuePartition) Release(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)
	return p.life.attempt(ctx, OpRelease, labels("release", records), func() error {
		p.giveBack(records)
		return nil
	})
}

func (p *queuePartition) giveBack(records []sources.Record) {
	for i := range records {
		if r := receiptOf(&records[i]); !r.message.gone && r.handle == r.message.handle {
			p.queue.sim.observer.Released(r.message.Number)
			p.queue.show(r.message)
		}
	}
	p.queue.serve()
}

// Fail lets go of the messages: they come back with their visibility timeout.
func (p *queuePartition) Fail(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)
	return p.life.attempt(ctx, OpFail, labels("fail", records), func() error {
		for i := range records {
			p.queue.sim.observer.Returned(receiptOf(&records[i]).message.Number)
		}
		return nil
	})
}

// Extend hides messages for the whole visibility timeout again.
func (p *queuePartition) Extend(ctx context.Context, records []sources.Record) error {
	sent := time.Now()
	return p.life.attempt(ctx, OpExtend, labels("extend", records), func() error {
		if p.life.sim.Enabled(FaultDenied) {
			p.life.sim.cover(string(FaultDenied))
			return errFault
		}
		return p.extend(records, sent)
	})
}

func (p *queuePartition) extend(records []sources.Record, sent time.Time) error {
	var err error
	for i := range records {
		r := receiptOf(&records[i])
		if r.message.gone || r.handle != r.message.handle || !r.message.hidden.After(time.Now()) {
			err = errors.New("a record is somebody else's")
			continue
		}
		records[i].Expires = p.queue.hide(r.message, sent)
		p.life.sim.cover("extended")
	}
	return err
}

func (p *queuePartition) Close(ctx context.Context) error {
	err := p.life.attempt(ctx, OpClose, "close", func() error { return nil })
	_ = p.life.rest("closed", promptly(ctx), func(c *call) {
		p.giveBack(append(p.arrived, p.coming...))
		p.letGo()
		p.life.finish(c, nil)
	})
	return err
}

// letGo ends the connection.
func (p *queuePartition) letGo() {
	p.closed = true
	p.queue.open = slices.DeleteFunc(p.queue.open, func(other *queuePartition) bool { return other == p })
	if p.queue.sim.kind.Redelivers {
		return
	}
	for _, m := range p.queue.messages {
		if m.holder == p {
			p.queue.show(m)
		}
	}
	p.queue.serve()
}

package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// poll is a Fetch that waits for messages.
type poll struct {
	partition *queuePartition
	call      *call
	buf       []sources.Record
	n         *int
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

// serve gives the first poll what there is, and the next ones later: each wakes a
// lane, and no two may be awake at once.
func (q *queue) serve() {
	for len(q.waiting) > 0 {
		w := q.waiting[0]
		if w.partition.life.over(w.call) {
			q.waiting = q.waiting[1:]

			continue
		}

		records := q.take(w.partition, len(w.buf))
		if len(records) == 0 {
			return
		}

		q.waiting = q.waiting[1:]
		*w.n = copy(w.buf, records)
		w.partition.life.finish(w.call, nil)

		if len(q.waiting) > 0 {
			q.sim.gate.after(0, q.serve)
		}

		return
	}
}

// take receives up to so many messages.
func (q *queue) take(p *queuePartition, most int) []sources.Record {
	s := q.sim
	now := time.Now()
	blocked := make(map[string]bool)

	var records []sources.Record

	for _, m := range slices.Clone(q.messages) {
		if len(records) == most {
			break
		}

		if m.hidden.After(now) || s.kind.Grouped && blocked[m.Key] {
			blocked[m.Key] = true

			continue
		}

		if s.Scenario.Redrive > 0 && m.receives >= s.Scenario.Redrive {
			q.remove(m)
			s.observer.Redriven(m.Number)

			continue
		}

		records = append(records, q.receive(m, p))
	}

	return records
}

func (q *queue) receive(m *message, p *queuePartition) sources.Record {
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

	m.hidden = time.Now().Add(s.Scenario.Visibility)
	r.Expires = m.hidden.Add(-s.Scenario.Visibility / 50) //nolint:mnd // the adapter's margin

	if !s.kind.Grouped && s.Chance(FaultDuplicate) {
		m.hidden = time.Time{} // somebody gets it again
	} else {
		s.gate.after(s.Scenario.Visibility, q.serve)
	}

	return r
}

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

	err := s.life.Call(ctx, "accept", func() error {
		return s.life.sim.Faulty(OpAccept, func() error {
			s.queue.open = append(s.queue.open, p)

			return nil
		})
	})
	if err != nil {
		return nil, err
	}

	s.accepted = true

	return p, nil
}

func (s *queueSource) Close(ctx context.Context) error {
	s.life.closed.Store(true)

	return s.life.Call(ctx, "close source", func() error { return nil })
}

type queuePartition struct {
	queue *queue
	life  *Life
}

var (
	_ sources.Releaser = (*queuePartition)(nil)
	_ sources.Failer   = (*queuePartition)(nil)
)

func (*queuePartition) ID() string { return "queue" }

func (p *queuePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n := 0
	label := fmt.Sprintf("fetch %d %v", len(buf), wait)

	err := p.life.wait(ctx, label, latency, func(c *call) {
		err := p.life.sim.Faulty(OpFetch, func() error {
			n = copy(buf, p.queue.take(p, len(buf)))

			return nil
		})

		if err != nil {
			p.lostAnswer(buf[:n])
			n = 0
		}

		if n > 0 || wait <= 0 || err != nil {
			p.life.finish(c, err)

			return
		}

		p.queue.waiting = append(p.queue.waiting, &poll{p, c, buf, &n})
		p.life.sim.gate.after(wait, func() { p.life.finish(c, nil) })
	})

	return n, err
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

func (p *queuePartition) Ack(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)

	return p.life.Call(ctx, labels("ack", records), func() error {
		return p.life.sim.Faulty(OpAck, func() error { return p.settle(records) })
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

	return p.life.Call(ctx, labels("release", records), func() error {
		return p.life.sim.Faulty(OpRelease, func() error {
			p.giveBack(records)

			return nil
		})
	})
}

func (p *queuePartition) giveBack(records []sources.Record) {
	for i := range records {
		if r := receiptOf(&records[i]); !r.message.gone && r.handle == r.message.handle {
			p.queue.show(r.message)
		}
	}

	p.queue.serve()
}

// Fail lets go of the messages: they come back with their visibility timeout.
func (p *queuePartition) Fail(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)

	return p.life.Call(ctx, labels("fail", records), func() error {
		return p.life.sim.Faulty(OpFail, func() error {
			for i := range records {
				p.queue.sim.observer.Returned(receiptOf(&records[i]).message.Number)
			}

			return nil
		})
	})
}

func (p *queuePartition) Close(ctx context.Context) error {
	err := p.life.Call(ctx, "close", func() error { return p.life.sim.Faulty(OpClose, func() error { return nil }) })
	_ = p.life.rest("closed", latency, func(c *call) {
		p.letGo()
		p.life.finish(c, nil)
	})

	return err
}

// letGo ends the connection.
func (p *queuePartition) letGo() {
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

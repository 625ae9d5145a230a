package simulation

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

// Stream is a model of a stream or topic: shards that are settled by position,
// are split and merged, and may be lost to another owner.
func Stream(s *Sim) World {
	w := &stream{model: model{s}}
	for range s.Scenario.Partitions {
		w.roots = append(w.roots, w.grow())
	}

	// Which is no fault: also in calm runs.
	for range s.Scenario.Revocations {
		s.gate.after(time.Duration(s.rng.Int64N(int64(s.Scenario.Spread+calmAfter))), w.revoke)
	}
	return w
}

type stream struct {
	model

	shards    []*shard
	roots     []*shard
	accepting []*offer
}

// shard is one partition of the stream. It and its stored position outlive the
// processes that read it.
type shard struct {
	id       string
	messages []*message
	position int // how many are settled
	closed   bool
	parents  []*shard
	children []*shard
	owner    *streamPartition
	busy     bool // owned by somebody else
}

// offer is an Accept that waits for a shard.
type offer struct {
	life  *Life
	call  *call
	given **streamPartition
}

func (w *stream) grow(parents ...*shard) *shard {
	s := &shard{id: fmt.Sprintf("shard-%d", len(w.shards)), parents: parents}
	w.shards = append(w.shards, s)
	names := make([]string, 0, len(parents))
	for _, p := range parents {
		p.closed = true
		p.children = append(p.children, s)
		names = append(names, p.id)
	}
	if len(parents) > 0 {
		w.sim.observer.Child(s.id, names...)
	}
	return s
}

func (w *stream) Open(life *Life) sources.Source { return &streamSource{stream: w, life: life} }

func (*stream) Close() {}

func (w *stream) Send(r Record) {
	hash := fnv.New32()
	_, _ = hash.Write([]byte(r.Key))
	sum := int(hash.Sum32() >> 1)
	s := w.roots[sum%len(w.roots)]
	for s.closed {
		sum /= 3
		s = s.children[sum%len(s.children)]
	}
	s.messages = append(s.messages, &message{Record: r, sent: time.Now()})
	w.sim.observer.Entered(r, s.id, len(r.Data)+1)
	s.owner.serve()
}

// Disturb splits, merges or takes a shard away, or nothing if there is none.
func (w *stream) Disturb() {
	var open []*shard
	for _, s := range w.shards {
		if !s.closed {
			open = append(open, s)
		}
	}
	rng := w.sim.rng
	s := open[rng.IntN(len(open))]
	const most = 12
	switch choice := rng.IntN(3); {
	case choice == 0 && w.sim.Enabled(FaultReshard) && len(w.shards) < most:
		w.sim.cover("shard split")
		w.grow(s)
		w.grow(s)
		s.owner.serve()
	case choice == 1 && w.sim.Enabled(FaultReshard) && len(open) > 1:
		other := open[(slices.Index(open, s)+1)%len(open)]
		w.sim.cover("shards merged")
		w.grow(s, other)
		s.owner.serve()
		other.owner.serve()
	case w.sim.Enabled(FaultLost) && s.owner != nil:
		w.sim.cover("shard lost")
		w.take(s, 10*time.Second) //nolint:mnd // how long somebody else owns it
	}
	w.offer()
}

// take has somebody else own a shard for a while, who does nothing with it.
func (w *stream) take(s *shard, d time.Duration) {
	if p := s.owner; p != nil {
		p.lost = true
		w.sim.observer.Lost(p.life, s.id)
		if t := p.told.Load(); t != nil { // else the process was killed as it got the shard
			t.lost()
		}
		p.serve()
	}
	w.give(s, d)
}

// give makes somebody else the owner of a shard for a while.
func (w *stream) give(s *shard, d time.Duration) {
	s.owner, s.busy = nil, true
	w.sim.gate.after(d, func() {
		s.busy = false
		w.offer()
	})
}

// revoke asks a shard back, if one is owned, and takes it away when that lasts too
// long. In a calm run it does not.
func (w *stream) revoke() {
	var owned []*streamPartition
	for _, s := range w.shards {
		if s.owner != nil && s.owner.told.Load() != nil && s.owner.revoked == 0 {
			owned = append(owned, s.owner)
		}
	}
	if len(owned) == 0 {
		return
	}
	rng := w.sim.rng
	p := owned[rng.IntN(len(owned))]
	p.revoked = time.Duration(1 + rng.Int64N(int64(10*time.Second))) //nolint:mnd // how long somebody else owns it
	patience := w.sim.revocation()
	if !w.sim.Scenario.Calm {
		patience = pick(dice{rng}, 0, time.Second, 10*time.Second, patience)
	}
	w.sim.observer.Revoked(p.life, p.shard.id, patience)
	p.told.Load().revoked()
	w.sim.gate.after(patience, func() {
		if p.shard.owner == p {
			w.sim.cover("revoked and lost")
			w.take(p.shard, p.revoked)
		}
	})
}

func (w *stream) Killed(life *Life) {
	const failover = 5 * time.Second
	for _, s := range w.shards {
		if s.owner != nil && s.owner.life == life {
			w.take(s, failover)
		}
	}
}

// offer gives shards to those who wait for one.
func (w *stream) offer() {
	for len(w.accepting) > 0 {
		o := w.accepting[0]
		if !o.life.over(o.call) {
			s := w.free()
			if s == nil {
				return
			}
			*o.given = w.own(s, o.life)
			o.life.finish(o.call, nil)
		}
		w.accepting = w.accepting[1:]
	}
}

// free is a shard that may be read: its parents are finished.
func (w *stream) free() *shard {
	for _, s := range w.shards {
		if s.owner == nil && !s.busy && !s.finished() && s.first() {
			return s
		}
	}
	return nil
}

// first reports whether all that comes before the shard is finished: its parents
// and theirs, for a parent may have been closed without a record.
func (s *shard) first() bool {
	return !slices.ContainsFunc(s.parents, func(p *shard) bool {
		return !p.finished() || p.owner != nil || !p.first()
	})
}

func (s *shard) finished() bool { return s.closed && s.position == len(s.messages) }

func (w *stream) own(s *shard, life *Life) *streamPartition {
	s.owner = &streamPartition{stream: w, shard: s, life: life, cursor: s.position}
	w.sim.observer.Opened(life, s.id)
	return s.owner
}

type streamSource struct {
	stream *stream
	life   *Life
}

func (s *streamSource) Traits() sources.Traits { return s.stream.traits() }

func (s *streamSource) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	s.life.delayHandler(records)
	return s.stream.AppendEvent(dst, partition, records)
}

func (s *streamSource) Start(ctx context.Context, _ sources.Settings) error {
	return s.stream.start(ctx, s.life)
}

func (s *streamSource) Accept(ctx context.Context) (sources.Partition, error) {
	var given *streamPartition
	err := s.life.wait(ctx, "accept", latency, func(c *call) {
		if s.life.failing(c, OpAccept) {
			return
		}
		s.stream.accepting = append(s.stream.accepting, &offer{s.life, c, &given})
		s.stream.offer()
	})
	if err != nil {
		return nil, err
	}
	return given, nil
}

func (s *streamSource) Close(ctx context.Context) error {
	return s.life.Call(ctx, "close source", func() error { return nil })
}

type streamPartition struct {
	stream *stream
	shard  *shard
	life   *Life
	cursor int
	lost   bool
	poll   *reading
	failed error // of a read that hung, and not told yet

	revoked time.Duration // who asked it back has it for so long; 0 if nobody did
	told    atomic.Pointer[told]
}

// told is whom a partition tells that it goes.
type told struct{ revoked, lost func() }

var _ sources.Revocable = (*streamPartition)(nil)

// reading is the Fetch that waits for records.
type reading struct {
	call *call
	buf  []sources.Record
	n    *int
}

func (p *streamPartition) ID() string { return p.shard.id }

func (p *streamPartition) OnRevoke(revoked, lost func()) {
	p.told.Store(&told{revoked, lost})
}

func (p *streamPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n := 0
	label := fmt.Sprintf("fetch %s %d %v", p.shard.id, len(buf), wait)
	err := p.life.wait(ctx, label, latency, func(c *call) {
		if err := p.failed; err != nil {
			p.failed = nil
			p.life.fail(c, err)
			return
		}
		if p.hangs(c, wait) {
			return
		}

		// A read whose answer is lost is made again: nothing has moved.
		if err := p.life.sim.Faulty(OpFetch, func() error { return nil }); err != nil {
			p.life.fail(c, err)
			return
		}
		p.read(c, buf, &n, wait)
	})
	return n, err
}

// hangs draws whether a read gets no answer. Its Fetch ends when its wait has passed,
// and a later one hears of it.
func (p *streamPartition) hangs(c *call, wait time.Duration) bool {
	d, hung := p.life.sim.Hung(OpFetch)
	if !hung {
		return false
	}
	p.life.sim.gate.after(d, func() {
		if p.life.over(c) {
			p.failed = errHung
		} else {
			p.life.fail(c, errHung)
		}
	})
	p.life.sim.gate.after(max(wait, 0), func() { p.life.finish(c, nil) })
	return true
}

// read waits for records, which may come late.
func (p *streamPartition) read(c *call, buf []sources.Record, n *int, wait time.Duration) {
	r := &reading{c, buf, n}
	if d := p.life.sim.Late(); d > 0 {
		p.life.sim.gate.after(d, func() {
			if !p.life.over(c) { // else a later read finds what there is
				p.poll = r
				p.serve()
			}
		})
	} else {
		p.poll = r
		p.serve()
	}
	if !p.life.over(c) {
		p.life.sim.gate.after(max(wait, 0), func() { p.life.finish(c, nil) })
	}
}

// serve ends the Fetch that waits if there is something to tell.
func (p *streamPartition) serve() {
	if p == nil || p.poll == nil || p.life.over(p.poll.call) {
		return
	}
	messages := p.shard.messages
	switch {
	case p.lost:
		p.end(sources.ErrLost)
	case p.cursor < len(messages):
		n := 1 + p.life.sim.rng.IntN(min(len(p.poll.buf), len(messages)-p.cursor))
		for i, m := range messages[p.cursor : p.cursor+n] {
			m.handle = p.cursor + i
			p.poll.buf[i] = m.record()
			p.life.sim.observer.Handed(p.life, m.Number)
		}
		*p.poll.n = n
		p.cursor += n
		p.end(nil)
	case p.shard.closed:
		p.end(sources.ErrEnd)
	}
}

func (p *streamPartition) end(err error) {
	p.life.finish(p.poll.call, err)
	p.poll = nil
}

func (p *streamPartition) Ack(ctx context.Context, records []sources.Record) error {
	records = slices.Clone(records)
	return p.life.wait(ctx, labels("ack "+p.shard.id, records), p.life.sim.settling, func(c *call) {
		if p.lost {
			p.life.finish(c, sources.ErrLost)
			return
		}
		p.life.try(c, OpAck, func() error {
			p.move(receiptOf(&records[len(records)-1]).handle + 1)
			return nil
		})
	})
}

// move stores the position.
func (p *streamPartition) move(to int) {
	s := p.shard
	var passed []int
	for i := s.position; i < to; i++ {
		passed = append(passed, s.messages[i].Number)
	}
	p.life.sim.observer.Passed(p.life, s.id, passed, to-s.position)
	s.position = max(to, s.position)
	p.stream.offer()
}

func (p *streamPartition) Close(ctx context.Context) error {
	err := p.life.attempt(ctx, OpClose, "close "+p.shard.id, func() error { return nil })
	_ = p.life.rest("closed "+p.shard.id, promptly(ctx), func(c *call) {
		if p.shard.owner == p {
			p.life.sim.observer.Lost(p.life, p.shard.id)
			p.leave()
		}
		p.life.finish(c, nil)
	})
	return err
}

// leave lets others have the shard.
func (p *streamPartition) leave() {
	if p.revoked > 0 {
		p.life.sim.cover("revoked and closed")
		p.stream.give(p.shard, p.revoked)
		return
	}
	p.shard.owner = nil
	p.stream.offer()
}

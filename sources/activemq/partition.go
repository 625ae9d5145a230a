package activemq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

const (
	// These bound an attempt to connect, a settlement, and the end of a link.
	attachTimeout = 15 * time.Second
	settleTimeout = 15 * time.Second
	closeTimeout  = 10 * time.Second
	// A link that is lost as soon as that makes the next attempt wait.
	soon                   = 10 * time.Second
	firstRest, longestRest = 500 * time.Millisecond, 30 * time.Second
	// promptly is how long a Fetch that may not wait waits for what it asks for.
	promptly = 50 * time.Millisecond
)

var (
	errStale = errors.New("activemq: the link over which the messages came is lost, the broker delivers them again")
	errShut  = errors.New("activemq: partition closed")
)

// life is one link from its opening to its end. A message can be settled in the life in
// which it came alone.
type life struct {
	link   Link
	opened time.Time
	lost   atomic.Bool
}

func newLife(link Link) *life { return &life{link: link, opened: time.Now()} }

func (l *life) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return l.link.Close(ctx)
}

// partition is the queue. It has one link at a time, opened by whichever Fetch finds none.
type partition struct {
	source  *Source
	ctx     context.Context //nolint:containedctx // of all that goes on until Close
	end     context.CancelFunc
	workers sync.WaitGroup
	timer   *time.Timer // wakes those who wait for a group that was held up by a lost link

	mu         sync.Mutex // of all below; nothing blocks under it
	life       *life      // nil while there is no link
	connecting bool
	buffer     *buffer
	waiting    []*fetch
	demand     demand
	arrived    uint64
	brief      int  // links in a row that were lost soon
	asked      int  // credit that the broker has not used
	short      bool // less was asked for than those who wait have places for
	closed     bool
}

// fetch is a Fetch that waits.
type fetch struct {
	held   []sources.Record // by its lane
	places int
	wake   chan struct{}
	err    error // guarded by the mutex of its partition
}

func newPartition(s *Source, first *life) *partition {
	p := &partition{source: s, buffer: newBuffer(), demand: newDemand(s.settings, s.options.PrefetchBytes), life: first}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.timer = time.AfterFunc(time.Hour, p.lapse)
	p.timer.Stop()
	if first != nil {
		p.workers.Go(func() { p.read(first) })
	}
	return p
}

// ID is the name of the queue.
func (p *partition) ID() string { return p.source.options.Queue }

// Fetch takes what came, and has the broker send as much as it has places for.
func (p *partition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	return p.FetchFor(ctx, nil, buf, wait)
}

// FetchFor is Fetch for a lane that holds records: more of their groups may join them.
func (p *partition) FetchFor(ctx context.Context, held, buf []sources.Record, wait time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f := &fetch{held: held, places: len(buf), wake: make(chan struct{}, 1)}
	n, err := p.begin(f, buf)
	if n > 0 || err != nil {
		return n, err
	}
	timer := time.NewTimer(max(wait, promptly))
	defer timer.Stop()
	for {
		done := false
		select {
		case <-ctx.Done():
			err, done = ctx.Err(), true
		case <-timer.C:
			done = true
		case <-f.wake:
		}
		if n, failed := p.look(f, buf, done); n > 0 || failed != nil || done {
			if n > 0 {
				return n, failed
			}
			return 0, cmp.Or(failed, err)
		}
	}
}

// begin takes what is at hand; if that is nothing f waits from then on.
func (p *partition) begin(f *fetch, buf []sources.Record) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, errShut
	}
	if n := p.hand(f, buf); n > 0 {
		return n, nil
	}
	p.waiting = append(p.waiting, f)
	return 0, p.askLocked(f)
}

// look takes what is at hand, and unless that is nothing f waits no more, as if done.
func (p *partition) look(f *fetch, buf []sources.Record, done bool) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.hand(f, buf)
	if n == 0 && !done && f.err == nil {
		return 0, p.askLocked(f)
	}
	p.leave(f)
	p.wakeNext()
	return n, f.err
}

// leave has f wait no more.
func (p *partition) leave(f *fetch) {
	p.waiting = slices.DeleteFunc(p.waiting, func(other *fetch) bool { return other == f })
}

// hand hands out what may be.
func (p *partition) hand(f *fetch, buf []sources.Record) int {
	if len(p.buffer.messages) == 0 {
		return 0
	}
	p.join(f.held)
	messages := p.buffer.take(make([]*Message, 0, min(len(buf), len(p.buffer.messages))), len(buf), time.Now())
	for i, m := range messages {
		buf[i] = m.record()
	}
	return len(messages)
}

// join has the groups of records that a lane holds be open to its next take.
func (p *partition) join(held []sources.Record) {
	p.buffer.turn++
	for i := range held {
		if m := native(&held[i]); m != nil && m.life == p.life && m.out {
			p.buffer.hold(m)
		}
	}
}

// record is a message as the engine has it.
func (m *Message) record() sources.Record {
	r := sources.Record{
		ID: m.document.MessageID, Key: m.groupName(), Data: m.document.Data, Native: m, Expires: m.expires, Size: m.size,
	}
	if m.document.Timestamp > 0 {
		r.Time = time.UnixMilli(m.document.Timestamp)
	}
	return r
}

// askLocked has the broker send what those who wait have places for, or opens a link.
func (p *partition) askLocked(f *fetch) error {
	if p.life == nil {
		p.connectLocked()
		return nil
	}
	places := 0
	for _, w := range p.waiting {
		places += p.demand.share(w.places)
	}
	room := p.demand.room(p.buffer)
	p.short = room < places
	more := min(places, room) - p.asked
	if more <= 0 {
		return nil
	}
	if err := p.life.link.Credit(more); err != nil {
		p.leave(f)
		return fmt.Errorf("activemq: ask for messages: %w", err)
	}
	p.asked += more
	return nil
}

// connectLocked begins an attempt to open a link, unless one is under way.
func (p *partition) connectLocked() {
	if p.connecting || p.closed {
		return
	}
	p.connecting = true
	p.workers.Go(p.connect)
}

// connect makes one attempt, and reads the link as long as that lives. If it fails so does
// one Fetch that waits: the engine calls again, when it may.
func (p *partition) connect() {
	p.rest()
	link, err := p.source.attach(p.ctx)
	p.mu.Lock()
	p.connecting = false
	switch {
	case err != nil:
		p.failLocked(err)
		p.mu.Unlock()
		return
	case p.closed:
		p.mu.Unlock()
		_ = link.Close(p.ctx) // which is done: nothing came
		return
	}
	l := newLife(link)
	p.life = l
	p.wakeLocked()
	p.mu.Unlock()
	p.read(l)
}

// rest waits before an attempt, if links break soon after they were opened: because of a
// message that the client cannot read, say.
func (p *partition) rest() {
	p.mu.Lock()
	delay := retry.Backoff{Initial: firstRest, Max: longestRest}.Delay(p.brief, p.source.jitter())
	p.mu.Unlock()
	if delay <= 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
	}
}

// failLocked has one of those who wait fail, and reports whether there is anybody. It is
// one failure, and the others wait on.
func (p *partition) failLocked(err error) bool {
	for _, f := range p.waiting {
		if f.err == nil {
			f.err = err
			f.rouse()
			return true
		}
	}
	return false
}

// lapse has those who wait look whether a group is free again that a lost link held up.
func (p *partition) lapse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.buffer.heldUntil(time.Now()); !until.IsZero() && !p.closed {
		p.timer.Reset(time.Until(until))
	}
	p.wakeLocked()
}

func (p *partition) wakeLocked() {
	for _, f := range p.waiting {
		f.rouse()
	}
}

// wakeNext has somebody look if something is there: who lacks least for a full batch, so
// that batches are full one after the other, and some are handled while others gather.
func (p *partition) wakeNext() {
	if len(p.waiting) > 0 && len(p.buffer.messages) > 0 {
		slices.MinFunc(p.waiting, func(a, b *fetch) int { return cmp.Compare(a.places, b.places) }).rouse()
	}
}

func (f *fetch) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// read takes what comes over a link until that breaks or the partition is closed.
func (p *partition) read(l *life) {
	const most = 256
	buf := make([]*amqp.Message, most)
	for {
		n, err := l.link.Receive(p.ctx, buf)
		if n > 0 {
			p.arrive(l, buf[:n])
			clear(buf[:n])
		}
		if err != nil {
			p.broken(l, err)
			return
		}
	}
}

// arrive puts messages into the buffer.
func (p *partition) arrive(l *life, raw []*amqp.Message) {
	came := time.Now()
	slab := make([]Message, len(raw))
	messages := make([]*Message, len(raw))
	for i := range raw {
		m := &slab[i]
		m.Message, m.life = raw[i], l
		m.read(came, p.source.options.Queue, p.source.unnamed)
		messages[i] = m
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.lost.Load() {
		return
	}
	for _, m := range messages {
		p.arrived++
		m.number = p.arrived
		p.demand.saw(m.size)
	}
	p.asked = max(p.asked-len(messages), 0)
	p.buffer.add(messages)
	if len(p.buffer.groups) > 0 {
		p.wakeLocked() // some may be for one lane alone
	} else {
		p.wakeNext()
	}
}

// broken ends the life of a link. What came over it is the queue's again.
func (p *partition) broken(l *life, err error) {
	if !p.lose(l, fmt.Errorf("activemq: link to %s is lost: %w", p.source.options.Queue, err)) {
		return
	}
	p.workers.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, promptly)
		defer cancel()
		_ = l.link.Close(ctx) // of what is broken
	})
}

// lose has nobody use a link any more, and reports whether it was in use.
func (p *partition) lose(l *life, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != l || l.lost.Swap(true) {
		return false
	}
	if p.closed {
		return false
	}
	now := time.Now()
	if p.brief++; now.Sub(l.opened) > soon {
		p.brief = 0
	}
	p.life, p.asked = nil, 0
	p.buffer.lose(now, now.Add(p.source.settings.Timeout))
	p.timer.Reset(0)
	if !p.failLocked(err) {
		p.source.report(err)
	}
	return true
}

// Close gives back what is not settled, and ends the link.
func (p *partition) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	l := p.life
	p.life = nil
	p.wakeLocked()
	p.mu.Unlock()
	p.timer.Stop()
	p.end()
	var err error
	if l != nil {
		l.lost.Store(true)
		err = l.close(ctx)
	}
	p.workers.Wait()
	p.source.free <- struct{}{}
	return err
}

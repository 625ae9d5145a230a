//go:build synctests

package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	errCut         = errors.New("simulation: connection reset")
	errUnreachable = errors.New("simulation: connection refused")
	errNoAnswer    = errors.New("simulation: no answer to the dial")
)

// wire is a connection of a process to a broker. Each request and each answer passes the
// simulation's gate, one at a time, after a latency that its label decides; so what the
// brokers and the clients do depends on the seed alone, as far as each does one thing at a
// time.
type wire struct {
	process *process
	address string
	label   string
	inner   net.Conn

	reads  deadline
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	out     [][]byte // requests that wait for their turn
	back    [][]byte // answers that do
	in      []byte   // answers that were let through
	arrived chan struct{}
	asked   map[int32]kmsg.Key // what answers are to, by correlation
	deaf    bool               // no answer comes any more
	joined  time.Time          // when the broker answered the last request to join
	held    time.Time          // until when answers wait; of the simulation's goroutine

	requests, answers chan []byte
}

// dial is what the client dials by.
func (p *process) dial(ctx context.Context, network, address string) (net.Conn, error) {
	const limit = 10 * time.Second // as the client's own dialer
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	if p.dead.Load() {
		return nil, errUnreachable
	}
	label := p.dials(address)
	for wait := p.latency("dial " + address); wait > 0; wait = p.frozen() {
		turn := make(chan struct{})
		p.world.sim.After(wait, label, func() { close(turn) })
		select {
		case <-turn:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if p.dead.Load() || p.world.isAway(address) {
		return nil, errUnreachable
	}
	conn, err := p.world.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return p.connect(&wire{
		process: p, address: address, label: label, inner: conn, closed: make(chan struct{}), arrived: make(chan struct{}, 1),
		asked: make(map[int32]kmsg.Key), reads: deadline{changed: make(chan struct{})},
		requests: make(chan []byte, 1<<10), answers: make(chan []byte, 1<<10),
	})
}

// dials names the next connection to a broker.
func (p *process) dials(address string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialed[address]++
	return fmt.Sprintf("%s %s %d", p.name, address, p.dialed[address])
}

func (p *process) connect(w *wire) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead.Load() {
		_ = w.inner.Close()
		return nil, errUnreachable
	}
	p.wires[w] = struct{}{}
	p.world.work.Go(w.send)
	p.world.work.Go(w.receive)
	return w, nil
}

// latency is how long something takes on the network of the process. It is the same each
// time, so that it matters little which of two things that begin at one instant the client
// does first.
func (p *process) latency(label string) time.Duration {
	const longest = 4 * time.Millisecond
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.name + label))
	return 1 + time.Duration(rand.New(rand.NewPCG(p.world.sim.Scenario.Seed, h.Sum64())).Int64N(int64(longest)))
}

// frozen is for how long the process' network stands still.
func (p *process) frozen() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(time.Until(p.thaws), 0)
}

// freeze has nothing get through until the time.
func (p *process) freeze(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thaws = until
}

// cut breaks connections, and returns how many.
func (p *process) cut(which func(*wire) bool) int {
	var cut []*wire
	p.mu.Lock()
	for w := range p.wires {
		if which(w) {
			cut = append(cut, w)
		}
	}
	p.mu.Unlock()
	for _, w := range cut {
		_ = w.Close()
	}
	return len(cut)
}

// Write sends a request, which takes its turn when those before it have had theirs.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.closed:
		return 0, errCut
	default:
	}
	w.out = append(w.out, append([]byte(nil), b...))
	w.process.world.sim.After(w.process.latency("request"), w.label+" request", w.pass)
	return len(b), nil
}

// pass is the turn of the first request that waits.
func (w *wire) pass() {
	if w.isClosed() {
		return
	}
	if wait := max(w.process.frozen(), w.precedence()); wait > 0 {
		w.process.world.sim.After(wait, w.label+" request", w.pass)
		return
	}
	w.mu.Lock()
	frame := w.out[0]
	w.out = w.out[1:]
	key, correlation := kmsg.Key(binary.BigEndian.Uint16(frame[4:])), int32(binary.BigEndian.Uint32(frame[8:]))
	w.asked[correlation] = key
	w.mu.Unlock()
	fate := w.process.asks(w, key, frame)
	if fate.cutBefore {
		_ = w.Close()
		return
	}
	w.requests <- frame
	if fate.cutAfter {
		w.process.world.sim.After(time.Millisecond, w.label+" cut", func() { _ = w.Close() })
	}
	w.mu.Lock()
	w.deaf = w.deaf || fate.hangs
	w.mu.Unlock()
}

// precedence is for how long the first request that waits lets those of others go first: the
// plan of a group's leader, which is drawn by the embedded broker. Members get it at one
// instant, whoever is the leader.
func (w *wire) precedence() time.Duration {
	const longest = 20 * time.Millisecond // more than a join's answer and a request take together
	w.mu.Lock()
	defer w.mu.Unlock()
	if kmsg.Key(binary.BigEndian.Uint16(w.out[0][4:])) != kmsg.SyncGroup {
		return 0
	}
	if r, _ := requestIn(w.out[0]).(*kmsg.SyncGroupRequest); len(r.GroupAssignment) == 0 {
		return 0
	}
	return time.Until(w.joined.Add(longest))
}

// send gives the broker what had its turn.
func (w *wire) send() {
	for {
		select {
		case frame := <-w.requests:
			if _, err := w.inner.Write(frame); err != nil {
				_ = w.Close()
				return
			}
		case <-w.closed:
			return
		}
	}
}

// receive lets the broker's answers through, in their turn.
func (w *wire) receive() {
	for size := make([]byte, 4); ; {
		if _, err := io.ReadFull(w.inner, size); err != nil {
			break
		}
		frame := make([]byte, 4+binary.BigEndian.Uint32(size))
		copy(frame, size)
		if _, err := io.ReadFull(w.inner, frame[4:]); err != nil {
			break
		}
		w.mu.Lock()
		w.back = append(w.back, frame)
		if w.asked[int32(binary.BigEndian.Uint32(frame[4:]))] == kmsg.JoinGroup {
			w.joined = time.Now()
		}
		w.mu.Unlock()
		w.process.world.sim.After(w.process.latency("answer"), w.label+" answer", func() { w.arrive(false) })
	}
	_ = w.Close()
}

// arrive is the turn of the first answer that waits.
func (w *wire) arrive(late bool) {
	wait := w.process.frozen()
	if wait == 0 && !late {
		wait, late = w.process.delay(w), true
	}

	// Those behind it wait too.
	if held := time.Until(w.held); held > wait {
		wait = held
	}
	if wait > 0 && !w.isClosed() {
		w.held = time.Now().Add(wait)
		w.process.world.sim.After(wait, w.label+" answer", func() { w.arrive(late) })
		return
	}
	w.mu.Lock()
	frame := w.back[0]
	w.back = w.back[1:]
	correlation := int32(binary.BigEndian.Uint32(frame[4:]))
	key := w.asked[correlation]
	delete(w.asked, correlation)
	w.mu.Unlock()
	w.process.world.answers(key)
	w.mu.Lock()
	if !w.deaf {
		w.in = append(w.in, frame...)
	}
	w.mu.Unlock()
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// Read gets answers.
func (w *wire) Read(b []byte) (int, error) {
	for {
		w.mu.Lock()
		n := copy(b, w.in)
		w.in = w.in[n:]
		w.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		err := wait(&w.reads, w.arrived, w.closed)
		if err != nil {
			return 0, err
		}
	}
}

func (w *wire) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// Close breaks the connection.
func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)
		w.process.mu.Lock()
		delete(w.process.wires, w)
		w.process.mu.Unlock()
	})
	return w.inner.Close()
}

// LocalAddr and RemoteAddr are the connection's ends.
func (w *wire) LocalAddr() net.Addr  { return w.inner.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr { return w.inner.RemoteAddr() }

// SetDeadline bounds reads; writes do not wait.
func (w *wire) SetDeadline(t time.Time) error {
	w.reads.set(t)
	return nil
}

// SetReadDeadline bounds reads.
func (w *wire) SetReadDeadline(t time.Time) error { return w.SetDeadline(t) }

// SetWriteDeadline bounds nothing: writes do not wait.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// deadline ends a wait at a time that may change meanwhile.
type deadline struct {
	mu      sync.Mutex
	at      time.Time
	changed chan struct{}
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	close(d.changed)
	d.changed = make(chan struct{})
}

// wait waits for over, or fails at the deadline or when the connection is closed.
func wait[T any](d *deadline, over <-chan T, closed <-chan struct{}) error {
	for {
		d.mu.Lock()
		at, changed := d.at, d.changed
		d.mu.Unlock()
		var due <-chan time.Time
		if !at.IsZero() {
			timer := time.NewTimer(time.Until(at))
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-over:
			return nil
		case <-closed:
			return errCut
		case <-due:
			return fmt.Errorf("simulation: %w", os.ErrDeadlineExceeded)
		case <-changed:
		}
	}
}

// requestIn reads the request of a frame.
func requestIn(frame []byte) kmsg.Request {
	reader := kbin.Reader{Src: frame[4:]}
	request := kmsg.RequestForKey(reader.Int16())
	request.SetVersion(reader.Int16())
	_, _ = reader.Int32(), reader.NullableString()
	if request.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	if err := request.ReadFrom(reader.Src); err != nil {
		panic(err)
	}
	return request
}

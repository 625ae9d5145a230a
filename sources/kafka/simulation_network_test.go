//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Faults of single requests and answers, and of deliveries to the destination.
const (
	cutBefore     = "cut before a request"
	cutAfter      = "cut after a request"
	slowAnswer    = "slow answer"
	deliverBefore = "a delivery fails"
	deliverAfter  = "a delivery fails after it"
)

var (
	errCut         = errors.New("simulation: connection reset")
	errUnreachable = errors.New("simulation: connection refused")
	errNoAnswer    = errors.New("simulation: no answer to the dial")
)

// host is a process' end of the network. What it sends and gets takes a while, or
// longer, or is lost with its connection; and all of it may stand still.
type host struct {
	sim *sim

	mu     sync.Mutex
	random *rand.Rand
	wires  map[*wire]struct{}
	dead   bool
	frozen chan struct{} // closed when it thaws; nil if it is not frozen
}

func newHost(s *sim, number int) *host {
	return &host{
		sim: s, wires: make(map[*wire]struct{}),
		random: rand.New(rand.NewPCG(s.seed, uint64(1000+number))),
	}
}

// chance draws whether a fault strikes. It never does in good weather.
func (h *host) chance(fault string) bool {
	rate := h.sim.wires[fault]
	if rate == 0 || !h.sim.bad() {
		return false
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	return h.random.Float64() < rate
}

func (h *host) latency() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()

	return time.Duration(h.random.Int64N(int64(4 * time.Millisecond)))
}

// delay is that of a slow answer: often longer than a client waits for one.
func (h *host) delay() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()

	return time.Duration(h.random.Int64N(int64([]time.Duration{time.Second, 8 * time.Second, time.Minute}[h.random.IntN(3)])))
}

// dial is what the client dials by.
func (h *host) dial(ctx context.Context, network, address string) (net.Conn, error) {
	const limit = 10 * time.Second // as the client's own dialer

	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()

	for frozen := h.freezing(); frozen != nil; frozen = h.freezing() {
		select {
		case <-frozen:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}

	select {
	case <-time.After(h.latency()):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}

	if h.sim.isDown(address) {
		return nil, errUnreachable
	}

	conn, err := h.sim.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}

	w := &wire{Conn: conn, host: h, address: address, closed: make(chan struct{})}
	w.reads.changed, w.writes.changed = make(chan struct{}), make(chan struct{})

	h.mu.Lock()
	defer h.mu.Unlock()

	if h.dead {
		_ = conn.Close()

		return nil, errUnreachable
	}

	h.wires[w] = struct{}{}

	return w, nil
}

func (h *host) freezing() chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.frozen
}

// die cuts the process off for good.
func (h *host) die() {
	h.mu.Lock()
	h.dead = true
	h.mu.Unlock()

	h.thaw()
	h.cut(func(*wire) bool { return true })
}

// cut breaks connections, and returns how many.
func (h *host) cut(which func(*wire) bool) int {
	var cut []*wire

	h.mu.Lock()
	for w := range h.wires {
		if which(w) {
			cut = append(cut, w)
		}
	}
	h.mu.Unlock()

	for _, w := range cut {
		_ = w.Close()
	}

	return len(cut)
}

// freeze has nothing get through any more.
func (h *host) freeze() {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.frozen == nil && !h.dead {
		h.frozen = make(chan struct{})
	}
}

func (h *host) thaw() {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.frozen != nil {
		close(h.frozen)
		h.frozen = nil
	}
}

// wire is a connection.
type wire struct {
	net.Conn

	host          *host
	address       string
	reads, writes deadline
	once          sync.Once
	closed        chan struct{}
}

// Write sends a request.
func (w *wire) Write(b []byte) (int, error) {
	err := w.pass(&w.writes, w.host.latency())
	if err != nil {
		return 0, err
	}

	if w.host.chance(cutBefore) {
		w.host.sim.cover(cutBefore)
		_ = w.Close()

		return 0, errCut
	}

	n, err := w.Conn.Write(b)
	if err == nil && w.host.chance(cutAfter) {
		w.host.sim.cover(cutAfter)
		w.host.sim.after(time.Millisecond, func() { _ = w.Close() })
	}

	return n, err
}

// Read gets an answer, or a part of it.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		return n, err
	}

	delay := time.Duration(0)

	if w.host.chance(slowAnswer) {
		w.host.sim.cover(slowAnswer)

		delay = w.host.delay()
	}

	err = w.pass(&w.reads, delay)
	if err != nil {
		return 0, err
	}

	return n, nil
}

// pass waits for a while, and until nothing stands still.
func (w *wire) pass(d *deadline, delay time.Duration) error {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()

		err := wait(d, timer.C, w.closed)
		if err != nil {
			return err
		}
	}

	for frozen := w.host.freezing(); frozen != nil; frozen = w.host.freezing() {
		err := wait(d, frozen, w.closed)
		if err != nil {
			return err
		}
	}

	return nil
}

// Close breaks the connection.
func (w *wire) Close() error {
	w.once.Do(func() {
		close(w.closed)

		w.host.mu.Lock()
		delete(w.host.wires, w)
		w.host.mu.Unlock()
	})

	return w.Conn.Close()
}

// SetDeadline bounds reads and writes.
func (w *wire) SetDeadline(t time.Time) error {
	w.reads.set(t)
	w.writes.set(t)

	return w.Conn.SetDeadline(t)
}

// SetReadDeadline bounds reads.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.reads.set(t)

	return w.Conn.SetReadDeadline(t)
}

// SetWriteDeadline bounds writes.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.writes.set(t)

	return w.Conn.SetWriteDeadline(t)
}

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

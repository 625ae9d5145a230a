package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// river is a stream: its shards, which split, merge and expire.
type river struct {
	mu     sync.Mutex
	shards map[string]Shard
	length map[string]int // records of a closed shard
	closed map[string]time.Time
	hide   map[string]bool
	err    error
	lists  int
	delay  time.Duration
}

func newRiver(n int) *river {
	r := &river{shards: make(map[string]Shard), length: make(map[string]int), hide: make(map[string]bool), closed: make(map[string]time.Time)}
	for i := range n {
		r.add(fmt.Sprintf("s%03d", i))
	}
	return r
}

func (r *river) add(id string, parents ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range parents {
		if s, ok := r.shards[p]; ok {
			s.Open = false
			r.closed[p] = time.Now()
			r.shards[p] = s
		}
	}
	r.shards[id] = Shard{ID: id, Parents: parents, Open: true}
}

func (r *river) list(ctx context.Context, since time.Time) ([]Shard, error) {
	if !sleep(ctx, 3*time.Millisecond+r.delay) {
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists++
	if r.err != nil {
		return nil, r.err
	}
	var all []Shard
	for _, id := range slices.Sorted(maps.Keys(r.shards)) {
		if !r.hide[id] && (r.shards[id].Open || r.closed[id].After(since)) {
			all = append(all, r.shards[id])
		}
	}
	return all, nil
}

// ids are the shards that there are.
func (r *river) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.shards))
}

func (r *river) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// count is how often the shards were listed, since forget.
func (r *river) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lists
}

func (r *river) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists = 0
}

func (r *river) expire(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shards, id)
}

// children are what a reader learns at the end of a shard; open tells that it
// has not come to one.
func (r *river) children(id string) (children []Shard, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range slices.Sorted(maps.Keys(r.shards)) {
		if slices.Contains(r.shards[c].Parents, id) {
			children = append(children, r.shards[c])
		}
	}
	return children, r.shards[id].Open
}

// reader is an adapter: it accepts shards, commits positions, and ends them.
type reader struct {
	m      *Manager
	w      *worker
	r      *river
	every  time.Duration // between commits; 0 to read nothing
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu   sync.Mutex
	held map[string]*Held
	lost int
	gave int // shards that were handed over
}

func testOptions(name string) Options {
	return Options{
		Worker: name, Start: checkpoint.Position{Sequence: checkpoint.TrimHorizon},
		Jitter: func() float64 { return 0.5 },
	}
}

func startReader(t *testing.T, w *worker, r *river, options Options, every time.Duration) *reader {
	t.Helper()
	m, err := New(w, r.list, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &reader{m: m, w: w, r: r, every: every, cancel: cancel, held: make(map[string]*Held)}
	x.wait.Go(func() { x.accept(ctx) })
	return x
}

func (x *reader) accept(ctx context.Context) {
	for {
		h, err := x.m.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			continue
		}
		x.mu.Lock()
		if x.held[h.Shard()] != nil {
			x.w.table.mu.Lock()
			x.w.violatedf("%s: handed out twice", h.Shard())
			x.w.table.mu.Unlock()
		}
		x.held[h.Shard()] = h
		x.mu.Unlock()
		x.wait.Go(func() { x.read(ctx, h) })
	}
}

func (x *reader) read(ctx context.Context, h *Held) {
	defer func() { //nolint:contextcheck // lets go of the shard also when ctx is done
		// Like Partition.Close: also when the mapping stops.
		bound, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = h.Release(bound)
		x.mu.Lock()
		delete(x.held, h.Shard())
		x.mu.Unlock()
	}()
	every := x.every
	if every == 0 {
		every = time.Hour
	}
	asked := make(chan struct{}, 1)
	h.OnAsked(func() { signal(asked) })
	settled, _ := strconv.Atoi(h.Lease().Position.Sequence) // 0 of a mark
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.Lost():
			x.mu.Lock()
			x.lost++
			x.mu.Unlock()
			return
		case <-asked:
			asked = nil
			if x.w.deaf {
				continue
			}
			time.Sleep(x.every) // what was begun
			_ = x.step(ctx, h, &settled)
			x.mu.Lock()
			x.gave++
			x.mu.Unlock()
			return
		case <-time.After(every):
		}
		if x.every == 0 {
			continue
		}
		switch err := x.step(ctx, h, &settled); {
		case errors.Is(err, errEnded):
			return
		case errors.Is(err, sources.ErrLost):
			x.mu.Lock()
			x.lost++
			x.mu.Unlock()
			return
		}
	}
}

var errEnded = errors.New("shard ended")

func (x *reader) step(ctx context.Context, h *Held, settled *int) error {
	children, open := x.r.children(h.Shard())
	if !open {
		if err := h.End(ctx, children); err != nil {
			return err
		}
		return errEnded
	}
	err := h.Commit(ctx, at(*settled+1), []byte{byte(*settled)})
	if err == nil {
		*settled++
	}
	return err
}

// at is a position that compares as text.
func at(n int) checkpoint.Position { return checkpoint.Position{Sequence: fmt.Sprintf("%09d", n)} }

// stop ends reading, like the end of a mapping.
func (x *reader) stop(t *testing.T) {
	t.Helper()
	x.cancel()
	x.wait.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := x.m.Close(ctx); err != nil && !errors.Is(err, errFault) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
}

// kill ends the process: no call has an effect from now on.
func (x *reader) kill() {
	x.w.kill()
	x.cancel()
	x.wait.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = x.m.Close(ctx)
}

func (x *reader) holds() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.held)
}

func (x *reader) losses() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lost
}

// verify fails the test on what the table saw.
func verify(t *testing.T, tb *table) {
	t.Helper()
	all := tb.violations()
	for _, v := range all[:min(5, len(all))] {
		t.Error(v)
	}
}

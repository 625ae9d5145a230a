package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

var errFault = errors.New("store: injected fault")

// fault is what is to happen to one call.
type fault int

const (
	none   fault = iota
	before       // fails without effect
	after        // takes effect, and the answer is lost
	hang         // without effect; waits for its context
	late         // waits for its context, and takes effect after that
)

// call is one call of a worker.
type call struct {
	worker, method, shard string
	number                int // of the worker's calls of this method on this shard
}

// roll is a number that depends on the seed and the call alone, not on the order
// in which goroutines run.
func (c call) roll(seed uint64, of string, n uint64) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, seed, of, c.worker, c.method, c.shard, c.number)
	x := h.Sum64()
	x ^= x >> 31
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 29
	return x % n
}

// table is a store that workers share, in memory.
type table struct {
	seed  uint64
	plan  func(call) fault // nil for no faults
	pause func(call) time.Duration
	pace  time.Duration // of positions

	mu     sync.Mutex
	leases map[string]checkpoint.Lease
	broken []string // violations
	trace  []string
	writer map[string]*worker     // by owner
	listed func(string) bool      // whether the service knows a shard; nil for unknown
	begin  func(checkpoint.Lease) // called before the first lease is created; nil for nothing
	calls  map[string]int
	ended  map[string]bool
}

func newTable() *table {
	return &table{leases: make(map[string]checkpoint.Lease), calls: make(map[string]int), ended: make(map[string]bool), writer: make(map[string]*worker)}
}

// Interval makes the table one that is paced, unless it is 0.
func (t *table) Interval() time.Duration { return t.pace }

// worker is the table as one worker sees it. Dead, no call has an effect.
type worker struct {
	*table
	name string
	deaf bool // its reader does not hear that it is asked for a shard

	mu     sync.Mutex
	dead   bool
	frozen time.Time // until then the process stands still
	counts map[call]int
}

// freeze has all calls wait until then, whatever their contexts say.
func (w *worker) freeze(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = until
}

func (w *worker) thaw() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.frozen)
}

func (t *table) worker(name string) *worker {
	return &worker{table: t, name: name, counts: make(map[call]int)}
}

func (w *worker) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
}

func (w *worker) enter(method, shard string) (call, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := call{worker: w.name, method: method, shard: shard}
	w.counts[c]++
	n := w.counts[c]
	c.number = n
	if shard == "" { // several may be made at once, in any order
		c.number = int(time.Now().UnixNano())
	}
	return c, w.dead
}

// do makes a call: it waits, and has its effect in the middle of that.
func (w *worker) do(ctx context.Context, method, shard string, effect func() error) error {
	c, dead := w.enter(method, shard)
	w.table.mu.Lock()
	w.calls[method]++
	w.table.mu.Unlock()
	f := none
	if w.plan != nil {
		f = w.plan(c)
	}
	delay := time.Duration(c.roll(w.seed, "delay", uint64(4*time.Millisecond)))
	if w.pause != nil {
		delay += w.pause(c)
	}
	if dead {
		f = before
	}
	if d := w.thaw(); d > 0 {
		time.Sleep(d + delay)
		_ = w.apply(c, effect)
		return errFault
	}
	if f == hang || f == late {
		<-ctx.Done()
		if f == late {
			time.Sleep(delay) // the caller's goroutine stands for the network
			_ = w.apply(c, effect)
		}
		return ctx.Err()
	}
	if !sleep(ctx, delay/2) {
		return ctx.Err()
	}
	err := errFault
	if f != before {
		if err = w.apply(c, effect); f == after && err == nil {
			err = errFault
		}
	}
	if !sleep(ctx, delay/2) {
		return ctx.Err()
	}
	return err
}

func (w *worker) apply(c call, effect func() error) error {
	w.mu.Lock()
	dead := w.dead
	w.mu.Unlock()
	if dead {
		return errFault
	}
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	err := effect()
	w.trace = append(w.trace, fmt.Sprint(time.Now().UnixNano(), c, err))
	return err
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func clone(l checkpoint.Lease) checkpoint.Lease {
	l.Parents, l.Children, l.Window = slices.Clone(l.Parents), slices.Clone(l.Children), slices.Clone(l.Window)
	return l
}

func (w *worker) Leases(ctx context.Context) (all []checkpoint.Lease, err error) {
	err = w.do(ctx, "Leases", "", func() error {
		for _, l := range w.leases {
			all = append(all, clone(l))
		}
		slices.SortFunc(all, func(a, b checkpoint.Lease) int { return cmp.Compare(a.Shard, b.Shard) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (w *worker) Create(ctx context.Context, l checkpoint.Lease) error {
	return w.do(ctx, "Create", l.Shard, func() error {
		if _, ok := w.leases[l.Shard]; ok {
			return checkpoint.ErrConflict
		}
		if w.begin != nil {
			w.begin(l)
			w.begin = nil
		}
		if w.ended[l.Shard] {
			w.violatedf("%s: created again after its end by %s", l.Shard, w.name)
		}
		w.leases[l.Shard] = clone(l)
		return nil
	})
}

func (w *worker) Update(ctx context.Context, last, next checkpoint.Lease) error {
	return w.do(ctx, "Update", last.Shard, func() error {
		stored, ok := w.leases[last.Shard]
		if !ok || stored.Owner != last.Owner || stored.Counter != last.Counter {
			return checkpoint.ErrConflict
		}
		w.check(stored, next)
		w.writes(stored, next)
		w.leases[last.Shard] = clone(next)
		return nil
	})
}

// writes holds a write to whose it may be: of the one that takes or asks for a lease, or
// gives its own one away.
func (w *worker) writes(stored, next checkpoint.Lease) {
	as := []string{stored.Owner, stored.CheckpointOwner} // a hand-over ends by either
	if next.Owner != stored.Owner && next.Owner != "" {
		as = []string{next.Owner}
	} else if next.CheckpointOwner != "" && next.Owner == stored.Owner {
		as = []string{next.CheckpointOwner}
	}
	for _, owner := range as {
		if first := w.writer[owner]; owner != "" && (first == nil || first == w) {
			w.writer[owner] = w
			return
		}
	}
	if len(as) == 1 || cmp.Or(as...) != "" {
		w.violatedf("%s: %s writes as %v", next.Shard, w.name, as)
	}
}

func (w *worker) Delete(ctx context.Context, last checkpoint.Lease) error {
	return w.do(ctx, "Delete", last.Shard, func() error {
		stored, ok := w.leases[last.Shard]
		if !ok {
			return nil
		}
		if stored.Owner != last.Owner || stored.Counter != last.Counter {
			return checkpoint.ErrConflict
		}
		if !stored.Position.Ended() {
			w.violatedf("%s: deleted at %v", last.Shard, stored.Position)
		}
		delete(w.leases, last.Shard)
		return nil
	})
}

// check holds a write to what always holds: the counter grows by one, nobody
// writes in another's name, the position never goes back, an ended shard stays.
func (t *table) check(stored, next checkpoint.Lease) {
	id := next.Shard
	if next.Counter != stored.Counter+1 {
		t.violatedf("%s: counter %d after %d", id, next.Counter, stored.Counter)
	}
	if next.Owner != "" && stored.Owner != "" && next.Owner != stored.Owner && place(next.Position) != place(stored.Position) {
		t.violatedf("%s: taken with position %v after %v", id, next.Position, stored.Position)
	}
	if place(next.Position) < place(stored.Position) {
		t.violatedf("%s: position %v after %v", id, next.Position, stored.Position)
	}
	if begun(next) && !begun(stored) {
		for _, parent := range stored.Parents {
			p, ok := t.leases[parent]
			if ok && !p.Position.Ended() || !ok && !t.ended[parent] && t.listed != nil && t.listed(parent) {
				t.violatedf("%s: begun before its parent %s ended", id, parent)
			}
		}
	}
	if next.Position.Ended() {
		t.ended[id] = true
	}
}

// place orders the positions of these tests: marks, numbers, the end.
func place(p checkpoint.Position) string {
	switch {
	case p.Ended():
		return "~"
	case !begun(checkpoint.Lease{Position: p}):
		return ""
	default:
		return p.Sequence
	}
}

func (t *table) violatedf(format string, args ...any) {
	t.broken = append(t.broken, fmt.Sprintf(format, args...))
}

// lease returns a stored lease.
func (t *table) lease(id string) checkpoint.Lease {
	t.mu.Lock()
	defer t.mu.Unlock()
	return clone(t.leases[id])
}

// steal has another worker take a lease, whoever has it.
func (t *table) steal(id, owner string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.leases[id]
	l.Owner, l.Counter = owner, l.Counter+1
	t.leases[id] = l
}

// owners counts the leases that are not ended by the name of their owner.
func (t *table) owners() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[string]int)
	for _, l := range t.leases {
		if !l.Position.Ended() {
			name, _, _ := strings.Cut(l.Owner, mark)
			counts[name]++
		}
	}
	return counts
}

func (t *table) count(method string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[method]
}

func (t *table) violations() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.broken)
}

// exclusive is a store of one process.
type exclusive struct{ *worker }

func (exclusive) Exclusive() {}

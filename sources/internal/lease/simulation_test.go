package lease

import (
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

var (
	seeds = flag.Int("simulation.seeds", 8, "how many seeds to simulate")
	first = flag.Uint64("simulation.first", 0, "the first seed; 0 means what $SIMULATION_FIRST says")
	only  = flag.Int64("simulation.seed", -1, "the only seed to simulate; it logs what happens")
)

// firstSeed is as that of package simulation.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SIMULATION_FIRST")
	if *first > 0 || text == "" {
		return *first
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SIMULATION_FIRST is no seed: %v", err)
	}
	return seed
}

// TestSimulation simulates workers that share a stream, from seeds: they join,
// stop, die, stand still and go on, the store fails before and after its writes
// and hangs, lists fail, shards split, merge and expire. Then all gets well.
//
// What must hold always the table checks at every write. In the end every closed
// shard is settled to its end, every open one moves on, and shares are fair.
func TestSimulation(t *testing.T) {
	t.Parallel()
	from, n := firstSeed(t), max(1, *seeds/slower)
	if *only >= 0 {
		from, n = uint64(*only), 1
	}
	reached := make(map[string]int)
	for seed := from; seed < from+uint64(n); seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed)
			w.run()
			for name, n := range w.reached {
				reached[name] += n
			}
			if t.Failed() {
				t.Logf("go test -run TestSimulation -simulation.seed=%d", seed)
			}
		})
		if t.Failed() {
			return
		}
	}
	if n < 80 {
		return
	}
	for _, name := range []string{
		"join", "stop", "kill", "freeze", "split", "merge", "expire", "list fails", "store down",
		"before", "after", "hang", "late", "lost", "handed over", "restart", "deleted",
	} {
		if reached[name] == 0 {
			t.Errorf("no seed of %d reached %q", n, name)
		}
	}
	t.Log(reached)
}

// TestSimulationReplays holds seeds to their word: one takes the same course twice, but where
// the end of a call and its deadline fall into one instant.
func TestSimulationReplays(t *testing.T) {
	t.Parallel()
	maxStrays := 2 // of ten
	if slower > 1 {
		maxStrays = 10 // under the race detector the scheduler draws lots
	}
	from, strays := firstSeed(t), 0
	for seed := from; seed < from+10; seed++ {
		var traces [2]uint64
		for i := range traces {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				w.run()
				traces[i] = w.hash()
			})
		}
		if traces[0] != traces[1] {
			t.Logf("seed %d: two runs differ", seed)
			strays++
		}
	}
	if strays > maxStrays {
		t.Errorf("of ten seeds %d took two courses", strays)
	}
}

// world is one simulation.
type world struct {
	t       *testing.T
	seed    uint64
	rand    *rand.Rand
	tb      *table
	r       *river
	start   string
	workers []*reader
	born    int             // workers ever
	shards  int             // ever
	old     map[string]bool // shards that were closed before a start at Latest
	rates   map[fault]uint64
	began   time.Time
	down    time.Time // until then the store is down

	mu      sync.Mutex
	calm    bool
	reached map[string]int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		began: time.Now(), t: t, seed: seed, rand: r, tb: newTable(), r: newRiver(1 + r.IntN(6)),
		rates: make(map[fault]uint64), reached: make(map[string]int), old: make(map[string]bool),
	}
	w.start = []string{checkpoint.TrimHorizon, checkpoint.Latest}[r.IntN(2)]
	// Some faults only, so that each gets its chance alone.
	for _, f := range []fault{before, after, hang, late} {
		if r.IntN(2) == 0 {
			w.rates[f] = uint64(r.IntN(100))
		}
	}
	w.tb.seed, w.tb.plan = seed, w.fault
	w.tb.pace = []time.Duration{0, 10 * time.Second / 4}[r.IntN(2)] // longer than some readers' commits
	w.tb.listed = func(id string) bool {
		w.r.mu.Lock()
		defer w.r.mu.Unlock()
		_, ok := w.r.shards[id]
		return ok && !w.old[id]
	}
	w.tb.begin = func(l checkpoint.Lease) {
		if w.start == checkpoint.Latest {
			w.r.mu.Lock()
			defer w.r.mu.Unlock()
			for id, s := range w.r.shards {
				w.old[id] = !s.Open && !w.r.closed[id].After(l.Position.Timestamp)
			}
		}
	}
	return w
}

func (w *world) reach(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached[name]++
}

func (w *world) logf(format string, args ...any) {
	if *only >= 0 {
		w.t.Logf("%v %s", time.Now().Format("04:05.000"), fmt.Sprintf(format, args...))
	}
}

// fault is what happens to a call, by the call alone.
func (w *world) fault(c call) fault {
	w.mu.Lock()
	calm, down := w.calm, w.down
	w.mu.Unlock()
	switch {
	case calm:
		return none
	case time.Now().Before(down):
		return before
	}
	roll := c.roll(w.seed, "fault", 1000)
	for i, name := range []string{"before", "after", "hang", "late"} {
		rate := w.rates[before+fault(i)]
		if roll < rate {
			w.reach(name)
			w.logf("%v: %s", c, name)
			return before + fault(i)
		}
		roll -= rate
	}
	return none
}

func (w *world) run() {
	w.join("")
	for range 10 + w.rand.IntN(30) {
		time.Sleep(time.Duration(w.rand.Int64N(int64(15 * time.Second))))
		w.act()
	}
	w.recover()
	w.check()
	for _, x := range w.workers {
		x.stop(w.t)
	}
	synctest.Wait()
	for owner := range w.tb.owners() {
		if owner != "" {
			w.t.Errorf("seed %d: %q owns leases after all stopped", w.seed, owner)
		}
	}
	verify(w.t, w.tb)
	if w.tb.count("Delete") > 0 {
		w.reach("deleted")
	}
}

// act does one thing.
func (w *world) act() {
	switch w.rand.IntN(10) {
	case 0, 1:
		if len(w.workers) < 5 {
			w.join("")
		}
	case 2:
		if len(w.workers) > 1 {
			x := w.leave("stop")
			x.stop(w.t)
		}
	case 3:
		if len(w.workers) > 0 {
			x := w.leave("kill")
			name := x.m.options.Worker
			x.kill()
			if w.rand.IntN(2) == 0 {
				w.reach("restart")
				w.join(name)
			}
		}
	case 4:
		if len(w.workers) > 0 {
			x := w.workers[w.rand.IntN(len(w.workers))]
			d := time.Duration(w.rand.Int64N(int64(25 * time.Second)))
			w.reach("freeze")
			w.logf("%s freezes for %v", x.w.name, d)
			x.w.freeze(time.Now().Add(d))
		}
	case 5:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.down = time.Now().Add(time.Duration(w.rand.Int64N(int64(15 * time.Second))))
		w.reached["store down"]++
	case 6:
		w.reach("list fails")
		w.r.fail(errFault)
		time.Sleep(time.Duration(w.rand.Int64N(int64(90 * time.Second))))
		w.r.fail(nil)
	case 7, 8:
		w.reshard()
	default:
		w.expire()
	}
}

func (w *world) join(name string) {
	w.born++
	handle := fmt.Sprintf("w%02d", w.born)
	if name == "" {
		name = handle
	}
	w.reach("join")
	w.logf("%s joins as %s", handle, name)
	options := Options{
		Worker: name, Start: checkpoint.Position{Sequence: w.start}, ListInterval: 20 * time.Second,
		// By the moment and not by the order of draws, which one moment may see in any.
		Jitter: func() float64 {
			c := call{worker: handle, number: int(time.Since(w.began))}
			return float64(c.roll(w.seed, "jitter", 1<<32)) / (1 << 32)
		},
	}
	every := time.Duration(500+w.rand.IntN(3000))*time.Millisecond + time.Duration(w.born)
	own := w.tb.worker(handle)
	own.deaf = w.rand.IntN(5) == 0
	w.workers = append(w.workers, startReader(w.t, own, w.r, options, every))
}

func (w *world) leave(how string) *reader {
	i := w.rand.IntN(len(w.workers))
	x := w.workers[i]
	w.workers = slices.Delete(w.workers, i, i+1)
	w.reach(how)
	w.logf("%s of %s", how, x.w.name)
	x.mu.Lock()
	defer x.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached["lost"] += x.lost
	w.reached["handed over"] += x.gave
	return x
}

func (w *world) open() []string {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	var all []string
	for _, id := range slices.Sorted(maps.Keys(w.r.shards)) {
		if w.r.shards[id].Open {
			all = append(all, id)
		}
	}
	return all
}

func (w *world) reshard() {
	open := w.open()
	i := w.rand.IntN(len(open))
	w.shards++
	id := fmt.Sprintf("x%03d", w.shards)
	if w.rand.IntN(2) == 0 && len(open) > 1 {
		w.reach("merge")
		w.logf("%s of %s and %s", id, open[i], open[(i+1)%len(open)])
		w.r.add(id, open[i], open[(i+1)%len(open)])
		return
	}
	w.reach("split")
	w.logf("%s of %s", id, open[i])
	w.r.add(id+"a", open[i])
	w.r.add(id+"b", open[i])
}

// expire takes a closed shard off the list whose parents are off it.
func (w *world) expire() {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(w.r.shards)) {
		s := w.r.shards[id]
		kept := slices.ContainsFunc(s.Parents, func(p string) bool { return w.r.shards[p].ID != "" })
		if !s.Open && !kept {
			w.logf("%s expires", id)
			delete(w.r.shards, id)
			w.reach("expire")
			return
		}
	}
}

// recover ends all faults and gives the workers time.
func (w *world) recover() {
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	w.logf("calm")
	if len(w.workers) == 0 {
		w.join("")
	}
	time.Sleep(6 * time.Minute)
}

func (w *world) check() {
	open := w.open()
	before := make(map[string]string)
	for _, id := range open {
		before[id] = place(w.tb.lease(id).Position)
	}
	time.Sleep(20 * time.Second)
	for _, id := range open {
		if l := w.tb.lease(id); place(l.Position) <= before[id] || l.Owner == "" {
			w.t.Errorf("seed %d: open shard is not read: %+v", w.seed, l)
		}
	}
	for id, l := range w.tb.leases {
		if !slices.Contains(open, id) && !l.Position.Ended() {
			w.t.Errorf("seed %d: closed shard is not read to its end: %+v", w.seed, l)
		}
	}
	w.r.mu.Lock()
	for id, s := range w.r.shards {
		if !s.Open && !w.tb.ended[id] && !w.old[id] {
			w.t.Errorf("seed %d: closed shard was never read to its end: %s", w.seed, id)
		}
	}
	w.r.mu.Unlock()
	fewest, highest := len(open), 0
	for _, x := range w.workers {
		n := x.holds()
		fewest, highest = min(fewest, n), max(highest, n)
		if s := x.m.Stats(); s.Held != n {
			w.t.Errorf("seed %d: stats %+v while %d are read", w.seed, s, n)
		}
	}
	if highest > fewest+1 {
		w.t.Errorf("seed %d: from %d to %d of %d shards a worker", w.seed, fewest, highest, len(open))
		for id, l := range w.tb.leases {
			w.logf("%s: of %q, before %q, counter %d at %v", id, l.Owner, l.CheckpointOwner, l.Counter, l.Position)
		}
	}
}

func (w *world) hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(w.tb.trace, "\n")))
	return h.Sum64()
}

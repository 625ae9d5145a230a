package dynamodbstreams_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

type (
	item   = map[string]types.AttributeValue
	handle = func(ctx context.Context, records []sources.Record) (esm.Response, error)
	faults = func(c dynamodbstreamstest.Call) dynamodbstreamstest.Fault
	fault  = dynamodbstreamstest.Fault
)

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// world is a bubble with the fake service, the table orders, a store, and a journal of
// what mappings did.
type world struct {
	*dynamodbstreamstest.Server

	t     *testing.T
	began time.Time
	arn   string
	store *checkpoint.Memory

	mu       sync.Mutex
	faults   faults
	calls    int
	put      map[string][]string // numbers by shard
	keys     map[string][]string // numbers by item
	place    map[string]string   // shard by number
	started  []string            // numbers, in the order they were begun
	done     map[string]int      // successes and give-ups, by number
	errs     []error             // of observations
	counts   map[esm.Metric]int
	skipped  map[string]bool // numbers that need not be handled
	problems []string
}

// inWorld runs a test in a bubble with a stream of so many shards.
func inWorld(t *testing.T, shards int, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := &world{
			Server: dynamodbstreamstest.New(), t: t, began: time.Now(), store: checkpoint.NewMemory(), put: map[string][]string{},
			keys: map[string][]string{}, place: map[string]string{}, done: map[string]int{}, counts: map[esm.Metric]int{},
			skipped: map[string]bool{},
		}
		t.Cleanup(w.close)
		arn, err := w.AddTable("orders", dynamodbstreamstest.Setup{Shards: shards})
		if err != nil {
			t.Fatal(err)
		}
		w.arn = arn
		w.SetFault(w.fault)
		w.SetWatch(w.watch)
		test(t, w)
	})
}

// close ends the world, also when the test ended early.
func (w *world) close() {
	if err := w.Close(); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, problem := range w.problems {
		w.t.Error(problem)
	}
}

func (w *world) watch(e dynamodbstreamstest.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.What != dynamodbstreamstest.Put {
		return
	}
	w.put[e.Shard] = append(w.put[e.Shard], e.Numbers...)
	for _, n := range e.Numbers {
		w.place[n] = e.Shard
	}
}

// fault is what w.faults says. A loop without waits, in which virtual time would stand
// still, is told of and slowed down.
func (w *world) fault(c dynamodbstreamstest.Call) fault {
	const most = 100_000
	w.mu.Lock()
	w.calls++
	if w.calls == most {
		w.problems = append(w.problems, fmt.Sprintf("P9: %d calls, the last %s: a hot loop", most, c.Action))
	}
	hot, faults := w.calls > most, w.faults
	w.mu.Unlock()
	switch {
	case hot:
		return fault{Delay: time.Second}
	case faults == nil:
		return fault{}
	default:
		return faults(c)
	}
}

// called is how many calls there were.
func (w *world) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// begun reports whether a handler was given a record.
func (w *world) begun(n string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.started, n)
}

// setFaults changes the faults.
func (w *world) setFaults(to faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = to
}

func (w *world) observe(o esm.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[o.Metric] += o.Count
	if o.Err != nil {
		w.errs = append(w.errs, o.Err)
	}
}

// told are the errors that observers heard of so far.
func (w *world) told() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errs)
}

// losses are those of them that tell of a loss.
func (w *world) losses() []*dynamodbstreams.LossError {
	var all []*dynamodbstreams.LossError
	for _, err := range w.told() {
		if loss, ok := errors.AsType[*dynamodbstreams.LossError](err); ok {
			all = append(all, loss)
		}
	}
	return all
}

// journal makes a handler that keeps the journal around f; nil succeeds.
func (w *world) journal(f handle) esm.Handler {
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		w.enter(records)
		var response esm.Response
		var err error
		if f != nil {
			response, err = f(ctx, records)
		}
		if err == nil && ctx.Err() == nil {
			w.finish(records)
		}
		return response, err
	})
}

// enter notes the start of a batch, and holds it to DDB-04: the parents of its shard
// are done.
func (w *world) enter(records []sources.Record) {
	shards := w.Shards(w.arn)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range records {
		w.started = append(w.started, records[i].ID)
		for _, shard := range shards {
			if w.place[records[i].ID] != shard.ID {
				continue
			}
			for _, before := range w.put[shard.Parent] {
				if w.done[before] == 0 && !w.skipped[before] {
					w.problems = append(w.problems, "DDB-04: "+shard.ID+" begun before "+shard.Parent+" was done")
					return
				}
			}
		}
	}
}

func (w *world) finish(records []sources.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range records {
		w.done[records[i].ID]++
	}
}

// change changes each of these items once, and returns the sequence numbers.
func (w *world) change(ids ...string) []string {
	w.t.Helper()
	var numbers []string
	for _, id := range ids {
		w.mu.Lock()
		version := len(w.keys[id])
		w.mu.Unlock()
		change, err := w.Put("orders", item{"id": text(id), "version": number(strconv.Itoa(version))})
		if err != nil {
			w.t.Fatal(err)
		}
		w.mu.Lock()
		w.keys[id] = append(w.keys[id], change.Number)
		w.mu.Unlock()
		numbers = append(numbers, change.Number)
	}
	return numbers
}

// skip has it not matter what becomes of the changes of an item so far.
func (w *world) skip(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.keys[id] {
		w.skipped[n] = true
	}
	delete(w.keys, id)
}

// open are the IDs of the shards that are open.
func (w *world) open() []string {
	var ids []string
	for _, shard := range w.Shards(w.arn) {
		if !shard.Closed {
			ids = append(ids, shard.ID)
		}
	}
	return ids
}

// roll closes the first open shard for one child.
func (w *world) roll() (parent, child string) {
	w.t.Helper()
	parent = w.open()[0]
	child, err := w.Roll(w.arn, parent)
	if err != nil {
		w.t.Fatal(err)
	}
	return parent, child
}

// must fails the test for an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// source makes a source of the stream, whose client calls a host of its own.
func (w *world) source(options dynamodbstreams.Options) *dynamodbstreams.Source {
	w.t.Helper()
	return w.sourceOn(w.store, options)
}

// runningMapping is a mapping that runs.
type runningMapping struct {
	w      *world
	cancel context.CancelFunc
	ended  chan error
}

func (w *world) run(handler esm.Handler, options dynamodbstreams.Options, config esm.Config) *runningMapping {
	w.t.Helper()
	return w.runSource(w.source(options), handler, config)
}

func (w *world) runSource(source sources.Source, handler esm.Handler, config esm.Config) *runningMapping {
	w.t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	config.Observer = w.observe
	m, err := esm.New(source, handler, config)
	w.must(err)
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &runningMapping{w: w, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- m.Run(ctx) }()
	return r
}

// end stops the mapping, which must end well.
func (r *runningMapping) end() {
	r.w.t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.w.t.Errorf("Run: %v", err)
	}
}

// finished is how many records are done.
func (w *world) finished() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.done)
}

// until waits until so many records are done, and returns how long it took; it fails
// the test after the limit.
func (w *world) until(done int, limit time.Duration) time.Duration {
	w.t.Helper()
	return w.wait(limit, fmt.Sprintf("%d records done", done), func() bool { return w.finished() >= done })
}

func (w *world) wait(limit time.Duration, what string, is func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !is() {
		if time.Since(start) > limit {
			w.t.Fatalf("not %s after %v; %d records done; told %v", what, limit, w.finished(), w.told())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

// once looks that every record that was ever put was done exactly once, and those of an
// item in their order.
func (w *world) once() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ordered()
	for _, all := range w.keys {
		for _, n := range all {
			if times := w.done[n]; times != 1 {
				w.t.Errorf("record %s was done %d times", n, times)
			}
		}
	}
}

// ordered looks that no record was begun for the first time before one of its item that
// came before it. The mutex is held.
func (w *world) ordered() {
	w.t.Helper()
	order := map[string]int{}
	for i, n := range w.started {
		if _, seen := order[n]; !seen {
			order[n] = i
		}
	}
	for id, all := range w.keys {
		for i := 1; i < len(all); i++ {
			if order[all[i]] < order[all[i-1]] {
				w.t.Errorf("P4: item %q: %s was begun before %s", id, all[i], all[i-1])
			}
		}
	}
}

// lease is what the store has of a shard.
func (w *world) lease(shard string) (checkpoint.Lease, bool) {
	w.t.Helper()
	leases, err := w.store.Leases(w.t.Context())
	w.must(err)
	for _, l := range leases {
		if l.Shard == shard {
			return l, true
		}
	}
	return checkpoint.Lease{}, false
}

// ids are so many items.
func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "item-" + strconv.Itoa(i)
	}
	return all
}

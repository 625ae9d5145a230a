package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

const firstShard = "shardId-000000000000"

var (
	errHandler   = errors.New("handler failed")
	errStoreDown = errors.New("store is down")
)

type (
	handle = func(ctx context.Context, records []sources.Record) (esm.Response, error)
	faults = func(c kinesistest.Call) kinesistest.Fault
)

// world is a bubble with the fake service, one stream, a store, and a journal of what
// mappings did.
type world struct {
	*kinesistest.Server

	t     *testing.T
	began time.Time
	store checkpoint.Store // watchedStore

	mu       sync.Mutex
	faults   faults
	calls    int
	down     bool                // the store
	put      map[string][]string // numbers by shard
	keys     map[string][]string // numbers by key
	batches  []batch
	done     map[string]int // successes and give-ups, by number
	counts   map[esm.Metric]int
	errs     []error // of observations
	problems []string
}

// batch is one invocation.
type batch struct {
	shard   string
	numbers []string
	bodies  []string
	at      time.Duration
}

// inWorld runs a test in a bubble with a stream of so many shards.
func inWorld(t *testing.T, shards int, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := &world{
			Server: kinesistest.New(), t: t, began: time.Now(), put: map[string][]string{}, keys: map[string][]string{},
			done: map[string]int{}, counts: map[esm.Metric]int{},
		}
		w.store = &watchedStore{w: w, Store: checkpoint.NewMemory()}
		t.Cleanup(w.close)
		err := w.AddStream(telemetry, shards)
		if err != nil {
			t.Fatal(err)
		}
		w.SetFault(w.fault)
		w.SetWatch(w.watch)
		test(t, w)
	})
}

// close ends the world, also when the test ended early.
func (w *world) close() {
	err := w.Close()
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, problem := range w.problems {
		w.t.Error(problem)
	}
}

func (w *world) watch(e kinesistest.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.What == kinesistest.Put {
		w.put[e.Shard] = append(w.put[e.Shard], e.Numbers...)
	}
}

// fault draws what goes wrong. A loop without waits, in which virtual time would stand
// still, is told of and slowed down.
func (w *world) fault(c kinesistest.Call) kinesistest.Fault {
	const maxCalls = 50_000
	w.mu.Lock()
	w.calls++
	if w.calls == maxCalls {
		w.problems = append(w.problems, fmt.Sprintf("P9: %d calls, the last %s: a hot loop", maxCalls, c.Action))
	}
	hot, faults := w.calls > maxCalls, w.faults
	w.mu.Unlock()
	switch {
	case hot:
		return kinesistest.Fault{Delay: time.Second}
	case faults == nil:
		return kinesistest.Fault{}
	default:
		return faults(c)
	}
}

// setFault says what goes wrong from now on; nil for nothing.
func (w *world) setFault(to faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = to
}

// breakStore has the store fail, or work again.
func (w *world) breakStore(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *world) observe(o esm.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[o.Metric] += o.Count
	if o.Err != nil {
		w.errs = append(w.errs, o.Err)
	}
}

func (w *world) count(m esm.Metric) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[m]
}

// journal makes a handler that keeps the journal around f; nil succeeds.
func (w *world) journal(f handle) esm.Handler {
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		w.enter(records)
		var (
			response esm.Response
			err      error
		)
		if f != nil {
			response, err = f(ctx, records)
		}
		if err == nil && ctx.Err() == nil {
			done := records
			if len(response.BatchItemFailures) > 0 {
				done = records[:slices.IndexFunc(records, func(r sources.Record) bool {
					return slices.Contains(response.BatchItemFailures, r.ID)
				})]
			}
			w.finish(done)
		}
		return response, err
	})
}

// enter notes the start of a batch, and holds it to KIN-66: the parents of its shard
// are done.
func (w *world) enter(records []sources.Record) {
	shards := w.Shards(telemetry)
	w.mu.Lock()
	defer w.mu.Unlock()
	b := batch{at: time.Since(w.began)}
	for i := range records {
		b.numbers, b.bodies = append(b.numbers, records[i].ID), append(b.bodies, string(records[i].Data))
	}
	w.batches = append(w.batches, b)
	if len(records) == 0 {
		return
	}
	for _, shard := range shards {
		if !slices.Contains(w.put[shard.ID], records[0].ID) {
			continue
		}
		w.batches[len(w.batches)-1].shard = shard.ID
		for _, parent := range shard.Parents {
			for _, number := range w.put[parent] {
				if w.done[number] == 0 {
					w.problems = append(w.problems, "KIN-66: "+shard.ID+" begun before "+parent+" was done")
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

// destination takes what is given up.
func (w *world) destination(f func(*esm.FailureRecord)) esm.Destination {
	return esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
		w.finish(record.Records)
		if f != nil {
			f(record)
		}
		return nil
	})
}

// log returns the batches so far.
func (w *world) log() []batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.batches)
}

// send puts a record for each body, all of them with the key, or with the body as key.
func (w *world) send(key string, bodies ...string) []string {
	w.t.Helper()
	records := make([]kinesistest.Record, len(bodies))
	for i, body := range bodies {
		records[i] = kinesistest.Record{Key: key, Data: []byte(body)}
		if key == "" {
			records[i].Key = body
		}
	}
	return w.sendRecords(records)
}

func (w *world) sendRecords(records []kinesistest.Record) []string {
	w.t.Helper()
	err := w.PutRecords(telemetry, records)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r.Number
		w.keys[r.Key] = append(w.keys[r.Key], r.Number)
	}
	return all
}

// source makes a source of the stream.
func (w *world) source(options kinesis.Options) *kinesis.Source {
	w.t.Helper()
	source, err := kinesis.New(w.Client(), telemetry, w.store, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return source
}

// runningMapping is a mapping that runs.
type runningMapping struct {
	w      *world
	cancel context.CancelFunc
	ended  chan error
}

func (w *world) run(handler esm.Handler, options kinesis.Options, config esm.Config) *runningMapping {
	w.t.Helper()
	return w.runSource(w.source(options), handler, config)
}

func (w *world) runSource(source sources.Source, handler esm.Handler, config esm.Config) *runningMapping {
	w.t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	if config.Observer == nil {
		config.Observer = w.observe
	}
	m, err := esm.New(source, handler, config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &runningMapping{w: w, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- m.Run(ctx) }()
	return r
}

// stop stops the mapping and returns how long that took, and what Run said.
func (r *runningMapping) stop() (time.Duration, error) {
	start := time.Now()
	r.cancel()
	err := <-r.ended
	return time.Since(start), err
}

// end is stop of a mapping that ends well.
func (r *runningMapping) end() {
	r.w.t.Helper()
	_, err := r.stop()
	if err != nil {
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
			w.t.Fatalf("not %s after %v; %d records done", what, limit, w.finished())
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(start)
}

// once looks that every record that was ever put was done exactly once, and those of a
// key in their order.
func (w *world) once() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	order := map[string]int{}
	for _, b := range w.batches {
		for _, number := range b.numbers {
			order[number] = len(order)
		}
	}
	for key, all := range w.keys {
		for i, number := range all {
			if n := w.done[number]; n != 1 {
				w.t.Errorf("record %s was done %d times", number, n)
			}
			if i > 0 && order[number] < order[all[i-1]] {
				w.t.Errorf("P4: key %q: %s was handled before %s", key, number, all[i-1])
			}
		}
	}
}

// lease is what the store has of a shard.
func (w *world) lease(shard string) checkpoint.Lease {
	w.t.Helper()
	leases, err := w.store.(*watchedStore).Store.Leases(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range leases {
		if l.Shard == shard {
			return l
		}
	}
	return checkpoint.Lease{}
}

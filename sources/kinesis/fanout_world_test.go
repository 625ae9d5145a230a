package kinesis_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

const fanFirst = "shardId-000000000000"

// subscribed is a SubscribeToShard that was made.
type subscribed struct {
	at    time.Duration
	shard string
	from  string // the type of its starting position
	after string
}

// fan is a bubble with a fake server, one stream, and a store, for readers with
// enhanced fan-out.
type fan struct {
	*kinesistest.Server

	t     *testing.T
	api   *awskinesis.Client
	store *checkpoint.Memory
	began time.Time

	mu         sync.Mutex
	faults     func(c kinesistest.Call) kinesistest.Fault
	subscribes []subscribed
	errs       []error // that the engine was told of
	seen       map[string][]string
	handled    map[string]int
	sent       int
	opened     []fanShard
}

// inFan runs a test in a bubble with a stream of so many shards, whose server
// enforces its limits.
func inFan(t *testing.T, shards int, test func(t *testing.T, f *fan)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		server := kinesistest.New()
		t.Cleanup(func() { _ = server.Close() })
		err := server.AddStream(telemetry, shards)
		if err != nil {
			t.Fatal(err)
		}
		f := &fan{
			Server: server, t: t, api: server.Client(), store: checkpoint.NewMemory(), began: time.Now(),
			seen: make(map[string][]string), handled: make(map[string]int),
		}
		server.SetLimits(true)
		server.SetFault(f.fault)
		t.Cleanup(f.rest)
		test(t, f)
	})
}

// fault keeps the books of calls, holds them to KIN-82, and draws what goes wrong.
func (f *fan) fault(c kinesistest.Call) kinesistest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Action == "SubscribeToShard" {
		now := subscribed{time.Since(f.began), c.Shard, c.Type, c.After}
		f.subscribes = append(f.subscribes, now)
	}
	if f.faults == nil {
		return kinesistest.Fault{}
	}
	return f.faults(c)
}

func (f *fan) setFault(fault func(c kinesistest.Call) kinesistest.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = fault
}

// asked returns the SubscribeToShard calls so far.
func (f *fan) asked() []subscribed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.subscribes)
}

// apart holds the calls of each shard to KIN-82, for tests with one worker.
func (f *fan) apart() {
	f.t.Helper()
	last := make(map[string]time.Duration)
	for _, s := range f.asked() {
		if before, ok := last[s.shard]; ok && s.at-before < time.Second {
			f.t.Errorf("KIN-82: SubscribeToShard of %s at %v and %v", s.shard, before, s.at)
		}
		last[s.shard] = s.at
	}
}

// put puts n records with the numbers that follow as data, into keys by turns.
func (f *fan) put(n, keys int) {
	f.t.Helper()
	for range n {
		_, _, err := f.Put(telemetry, "key-"+strconv.Itoa(f.sent%keys), []byte(strconv.Itoa(f.sent)))
		if err != nil {
			f.t.Fatal(err)
		}
		f.sent++
	}
}

// source makes a source that reads by the consumer "reader", unless options name
// another one.
func (f *fan) source(options kinesis.Options) *kinesis.Source {
	f.t.Helper()
	if options.ConsumerName == "" {
		options.ConsumerName = "reader"
	}
	if options.Jitter == nil {
		options.Jitter = func() float64 { return 0.5 }
	}
	s, err := kinesis.New(f.api, telemetry, f.store, options)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// open starts a source and accepts its first shard.
func (f *fan) open(options kinesis.Options) (sources.Source, sources.Partition) {
	f.t.Helper()
	s := f.source(options)
	err := s.Start(f.t.Context(), sources.Settings{})
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := s.Accept(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, fanShard{s, p})
	return s, p
}

// rest closes what a test that failed left open.
func (f *fan) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.opened {
		_ = o.p.Close(context.Background())
		_ = o.s.Close(context.Background())
	}
}

// fanShard is a source and its first shard.
type fanShard struct {
	s sources.Source
	p sources.Partition
}

// shut closes both, and expects no virtual time to pass.
func (f *fan) shut(s sources.Source, p sources.Partition) {
	f.t.Helper()
	f.mu.Lock()
	f.opened = slices.DeleteFunc(f.opened, func(o fanShard) bool { return o.p == p })
	f.mu.Unlock()
	began := time.Now()
	ctx := context.WithoutCancel(f.t.Context())
	err := errors.Join(p.Close(ctx), s.Close(ctx))
	if err != nil || time.Since(began) > 0 {
		f.t.Errorf("Close: %v after %v", err, time.Since(began))
	}
	synctest.Wait()
	if n := f.subscribers(); n != 0 {
		f.t.Errorf("%d subscriptions are left", n)
	}
}

// subscribers is how many subscriptions are open.
func (f *fan) subscribers() int {
	n := 0
	for _, s := range f.Shards(telemetry) {
		n += s.Subscribers
	}
	return n
}

// take fetches until there are n records, an error, or wait has passed.
func (f *fan) take(p sources.Partition, n int, wait time.Duration) ([]sources.Record, error) {
	f.t.Helper()
	var all []sources.Record
	buf := make([]sources.Record, max(n, 1))
	for until := time.Now().Add(wait); ; {
		got, err := p.Fetch(f.t.Context(), buf[:max(n-len(all), 1)], time.Until(until))
		all = append(all, buf[:got]...)
		if err != nil || len(all) >= n && n > 0 || !time.Now().Before(until) {
			return all, err
		}
	}
}

// want takes what was put, with the numbers from one up to another.
func (f *fan) want(p sources.Partition, from, to int) []sources.Record {
	f.t.Helper()
	records, err := f.take(p, to-from, time.Minute)
	if err != nil {
		f.t.Fatalf("Fetch: %v", err)
	}
	f.are(records, from, to)
	return records
}

// are holds records to the numbers that they must have.
func (f *fan) are(records []sources.Record, from, to int) {
	f.t.Helper()
	got := make([]string, len(records))
	for i := range records {
		got[i] = string(records[i].Data)
	}
	want := make([]string, 0, to-from)
	for i := range to - from {
		want = append(want, strconv.Itoa(from+i))
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("got %q, want %q", got, want)
	}
}

// none expects no record and no error for a while.
func (f *fan) none(p sources.Partition, wait time.Duration) {
	f.t.Helper()
	records, err := f.take(p, 0, wait)
	if err != nil || len(records) > 0 {
		f.t.Fatalf("Fetch: %d records, error %v; want none", len(records), err)
	}
}

// worker is a mapping that runs.
type worker struct {
	f    *fan
	stop context.CancelFunc
	done chan struct{}
	err  error // once done
}

// run runs a mapping whose handler keeps books, and takes so long.
func (f *fan) run(options kinesis.Options, config esm.Config, takes func() time.Duration) *worker {
	f.t.Helper()
	config.Observer = func(o esm.Observation) {
		if o.Err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.errs = append(f.errs, o.Err)
		}
	}
	m, err := esm.New(f.source(options), esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		if takes != nil {
			select {
			case <-time.After(takes()):
			case <-ctx.Done():
				return esm.Response{}, ctx.Err()
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range records {
			key, body := records[i].Key, string(records[i].Data)
			if f.handled[body] == 0 {
				f.seen[key] = append(f.seen[key], body)
			}
			f.handled[body]++
		}
		return esm.Response{}, nil
	}), config)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(f.t.Context())
	w := &worker{f: f, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = m.Run(ctx)
	}()
	f.t.Cleanup(func() {
		stop()
		<-w.done
	})
	return w
}

// end stops the mapping, and expects it to be prompt.
func (w *worker) end(within time.Duration) {
	w.f.t.Helper()
	began := time.Now()
	w.stop()
	<-w.done
	if w.err != nil || time.Since(began) > within {
		w.f.t.Errorf("Run: %v, %v after the stop; want nil within %v", w.err, time.Since(began), within)
	}
}

// until waits until everything that was put was handled.
func (f *fan) until(limit time.Duration) {
	f.t.Helper()
	for until := time.Now().Add(limit); f.count() < f.sent; time.Sleep(limit / 1000) {
		if time.Now().After(until) {
			f.t.Fatalf("%d of %d records handled after %v", f.count(), f.sent, limit)
		}
	}
}

func (f *fan) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.handled)
}

// complete expects every record that was put to have been handled, in the order of
// its key, and just once if twice is false.
func (f *fan) complete(twice bool) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.sent {
		n := f.handled[strconv.Itoa(i)]
		if n == 0 || n > 1 && !twice {
			f.t.Fatalf("record %d was handled %d times", i, n)
		}
	}
	for key, bodies := range f.seen {
		last := -1
		for _, body := range bodies {
			n, err := strconv.Atoi(body)
			if err != nil || n <= last {
				f.t.Fatalf("P4: %s: record %s after %d", key, body, last)
			}
			last = n
		}
	}
}

// steal gives every lease another owner.
func (f *fan) steal(owner string) {
	f.t.Helper()
	err := own(f.t.Context(), f.store, owner)
	if err != nil {
		f.t.Fatal(err)
	}
}

// position is what is stored for the first shard.
func (f *fan) position(p checkpoint.Position) {
	f.t.Helper()
	err := f.store.Create(f.t.Context(), checkpoint.Lease{Shard: fanFirst, Position: p})
	if err != nil {
		f.t.Fatal(err)
	}
}

package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// patience is how long a test waits for what must come, before it fails.
const patience = 20 * time.Second

// world is a broker with one topic, and a client of it.
type world struct {
	t          *testing.T
	cluster    *kfake.Cluster // nil for a real broker
	servers    []string
	client     *kgo.Client
	admin      *kadm.Client
	topic      string
	partitions int
	reach      []kgo.Opt // of every client
}

// newWorld starts a broker with a topic of so many partitions.
func newWorld(t *testing.T, partitions int, options ...kfake.Opt) *world {
	t.Helper()
	return newWorldAt(t, partitions, nil, options...)
}

// newVirtualWorld is newWorld without a network, for bubbles. Their clock is put behind the
// years in which the simulation has names of members depend on the instant, as two of a test
// may join at the same one.
func newVirtualWorld(t *testing.T, partitions int, options ...kfake.Opt) *world {
	t.Helper()
	const port, bubbles = 9092, 2011
	time.Sleep(time.Until(time.Date(bubbles, 1, 1, 0, 0, 0, 0, time.UTC))) // real time: none, it is in the past
	network := new(kfake.VirtualNetwork)
	return newWorldAt(t, partitions, []kgo.Opt{kgo.Dialer(network.DialContext)},
		append([]kfake.Opt{kfake.Ports(port), kfake.ListenFn(network.Listen)}, options...)...)
}

func newWorldAt(t *testing.T, partitions int, reach []kgo.Opt, options ...kfake.Opt) *world {
	t.Helper()
	const topic = "orders"
	options = append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(int32(partitions), topic),
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.BrokerConfigs(map[string]string{
			"group.initial.rebalance.delay.ms": "0", "group.consumer.heartbeat.interval.ms": "50",
			"group.consumer.session.timeout.ms": "1000",
		}),
	}, options...)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := &world{t: t, cluster: cluster, servers: cluster.ListenAddrs(), topic: topic, partitions: partitions, reach: reach}
	w.client = w.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.admin = kadm.NewClient(w.client)
	return w
}

func (w *world) newClient(options ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(slices.Concat([]kgo.Opt{kgo.SeedBrokers(w.servers...)}, w.reach, options)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// send puts records with values from..to-1 into a partition.
func (w *world) send(partition, from, to int) {
	w.t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{
			Topic: w.topic, Partition: int32(partition), Key: fmt.Append(nil, "k", i%7), Value: fmt.Append(nil, i),
		})
	}
	err := w.client.ProduceSync(context.Background(), records...).FirstErr()
	if err != nil {
		w.t.Fatal(err)
	}
}

// put puts one record into a partition.
func (w *world) put(partition int32, key, value string) {
	w.t.Helper()
	err := w.client.ProduceSync(context.Background(), &kgo.Record{
		Topic: w.topic, Partition: partition, Key: []byte(key), Value: []byte(value),
	}).FirstErr()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fill is send of n records whose values take so many bytes and begin with their
// number.
func (w *world) fill(partition, n, size int) {
	w.t.Helper()
	for i := range n {
		value := fmt.Append(nil, i)
		value = append(value, bytes.Repeat([]byte{0}, max(size-len(value), 0))...)
		w.client.Produce(context.Background(), &kgo.Record{Topic: w.topic, Partition: int32(partition), Value: value}, nil)
	}
	err := w.client.Flush(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
}

// admit makes another topic, and has what follows be about that.
func (w *world) admit(topic string, partitions int) {
	w.t.Helper()
	err := w.cluster.CreateTopic(topic, int32(partitions), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.topic, w.partitions = topic, partitions
}

// run runs a mapping until its stop, or the end of the test.
func (w *world) run(options kafka.Options, handler esm.Handler, config esm.Config) (stop func() error) {
	w.t.Helper()
	source, err := kafka.New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	return background(w.t, source, handler, config)
}

// until waits until something is so.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	for began := time.Now(); !so(); <-time.After(time.Millisecond) {
		if time.Since(began) > patience {
			w.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// options are those of a member of a group.
func (w *world) options(group string) kafka.Options {
	return kafka.Options{
		BootstrapServers: w.servers,
		Topics:           []string{w.topic},
		ConsumerGroupID:  group,
		ClientOptions: append([]kgo.Opt{
			kgo.HeartbeatInterval(50 * time.Millisecond), kgo.SessionTimeout(5 * time.Second),
			kgo.FetchMaxWait(100 * time.Millisecond),
			kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		}, w.reach...),
	}
}

// committed is what a group has committed of the topic.
func (w *world) committed(group string) map[int32]int64 {
	w.t.Helper()
	fetched, err := w.admin.FetchOffsets(context.Background(), group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		w.t.Fatal(err)
	}
	all := make(map[int32]int64)
	for partition, o := range fetched[w.topic] {
		all[partition] = o.At
	}
	return all
}

// member is a running mapping.
type member struct {
	seen *ledger
	stop func() error
}

// ledger is what handlers got, in order.
type ledger struct {
	mu      sync.Mutex
	changed *sync.Cond
	values  map[string][]string // by partition
	count   int
	batches [][]sources.Record
}

func newLedger() *ledger {
	l := &ledger{values: make(map[string][]string)}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func partitionOf(r *sources.Record) string {
	n := r.Native.(*kgo.Record)
	return fmt.Sprintf("%s-%d", n.Topic, n.Partition)
}

func (l *ledger) add(records []sources.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range records {
		p := partitionOf(&records[i])
		l.values[p] = append(l.values[p], string(bytes.TrimRight(records[i].Data, "\x00")))
	}
	l.count += len(records)
	l.batches = append(l.batches, slices.Clone(records))
	l.changed.Broadcast()
}

// await waits until so many records were handled.
func (l *ledger) await(t *testing.T, n int) {
	t.Helper()
	timer := time.AfterFunc(patience, l.changed.Broadcast)
	defer timer.Stop()
	began := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count < n {
		if time.Since(began) >= patience {
			t.Fatalf("%d of %d records were handled: %v", l.count, n, l.sizes())
		}
		l.changed.Wait()
	}
}

func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

func (l *ledger) sizes() map[string]int {
	sizes := make(map[string]int)
	for p, values := range l.values {
		sizes[p] = len(values)
	}
	return sizes
}

// wantOnce checks that each partition's values are 0..n-1, once and in order.
func (l *ledger) wantOnce(t *testing.T, partitions, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.values) != partitions {
		t.Errorf("records of %d partitions, want %d: %v", len(l.values), partitions, slices.Sorted(maps.Keys(l.values)))
	}
	for p, values := range l.values {
		for i, value := range values {
			if value != strconv.Itoa(i) {
				t.Errorf("%s: value %s at place %d, behind %v", p, value, i, values[max(i-3, 0):i])
				break
			}
		}
		if len(values) != n {
			t.Errorf("%s: %d values, want %d", p, len(values), n)
		}
	}
}

// start runs a mapping whose handler keeps what it got, after handle, if there is one,
// took it.
func start(t *testing.T, options kafka.Options, config esm.Config, handle func(context.Context, []sources.Record) (esm.Response, error)) *member {
	t.Helper()
	source, err := kafka.New(options)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{seen: newLedger()}
	m.stop = background(t, source, esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		if handle != nil {
			response, err := handle(ctx, records)
			if err != nil || len(response.BatchItemFailures) > 0 {
				return response, err
			}
		}
		m.seen.add(records)
		return esm.Response{}, nil
	}), config)
	return m
}

// launch runs a mapping until cancel is called, or the end of the test, and tells how it
// ended.
func launch(t *testing.T, source sources.Source, handler esm.Handler, config esm.Config) (cancel func(), ended <-chan error) {
	t.Helper()
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	mapping, err := esm.New(source, handler, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	end := make(chan error, 1)
	go func() { end <- mapping.Run(ctx) }()
	return cancel, end
}

// background runs a mapping until its stop, or the end of the test.
func background(t *testing.T, source sources.Source, handler esm.Handler, config esm.Config) (stop func() error) {
	t.Helper()
	cancel, ended := launch(t, source, handler, config)
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the mapping ended with %v", err)
		}
	})
	return stop
}

// sample puts the records of the specification's example into the topic.
func (w *world) sample() {
	w.t.Helper()
	at := time.UnixMilli(1767225601123)
	records := []*kgo.Record{
		{
			Topic: w.topic, Partition: 0, Timestamp: at, Key: []byte("o-1"), Value: []byte(`{"price": 12}`),
			Headers: []kgo.RecordHeader{{Key: "traceId", Value: []byte("abc")}, {Key: "raw", Value: []byte{0, 127, 128, 255}}},
		},
		{Topic: w.topic, Partition: 0, Timestamp: at, Key: []byte{}, Value: nil, Headers: []kgo.RecordHeader{{Key: "none"}}},
	}
	err := w.client.ProduceSync(context.Background(), records...).FirstErr()
	if err != nil {
		w.t.Fatal(err)
	}
}

// handled are the values that a ledger has of a partition.
func (l *ledger) of(partition string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.values[partition])
}

func (w *world) commit(partition int32, at int64) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(w.topic, partition, at, -1)
	answers, err := w.admin.CommitOffsets(context.Background(), "g", offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

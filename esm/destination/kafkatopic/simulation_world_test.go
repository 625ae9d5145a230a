//go:build synctests

package kafkatopic_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// maxBytes is how long a batch of the topic may be.
const maxBytes = 4096

// size is what a record needs.
type size int

const (
	small       size = iota
	medium           // two do not share a batch
	tooLarge         // with its payload
	tooLargeKey      // with its key
	hopeless         // in any form
)

func (s size) String() string {
	return [...]string{"small", "medium", "too large with its payload", "too large with its key", "too large in any form"}[s]
}

// note is what is known of a delivery.
type note struct {
	began           time.Time
	attempts, ended int // those that ended with their context
	calm            int // attempts that met no fault
	delivered       bool
	passed          []int64 // the ends of the partitions when it was told
}

// message is what the topic has.
type message struct {
	partition    int32
	offset       int64
	payload, key bool
}

// world is one simulation.
type world struct {
	t           *testing.T
	seed        uint64
	network     kfake.VirtualNetwork
	cluster     *kfake.Cluster
	client      *kgo.Client
	destination esm.Destination
	partitions  int32
	idempotent  bool
	refusing    *kerr.Error // what brokers say now and then; nil for nothing
	rates       map[fate]float64
	calmAt      time.Time // when the last fault ends
	deleted     time.Time // when the topic was deleted for the last time
	sizes       map[string]size
	work        sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	lost    int  // answers to what may have been written
	split   bool // brokers refused a batch that was too large
	notes   map[*esm.FailureRecord]note
	reached map[string]int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), rates: make(map[fate]float64), sizes: make(map[string]size),
		notes: make(map[*esm.FailureRecord]note), reached: make(map[string]int),
	}
	w.partitions = 1 + w.random.Int32N(3)
	ports := []int{19300, 19301}[:1+w.random.IntN(2)]
	cluster, err := kfake.NewCluster(kfake.Ports(ports...), kfake.ListenFn(w.network.Listen), kfake.SeedTopics(w.partitions, topic),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4096"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w.cluster = cluster
	w.client = client(t, cluster, w.options()...)
	w.destination = newDestination(t, listening{w.client, w})
	return w
}

// listening is the client, whose answers the world hears.
type listening struct {
	*kgo.Client

	world *world
}

// Produce notes that the brokers refused a batch.
func (l listening) Produce(ctx context.Context, record *kgo.Record, promise func(*kgo.Record, error)) {
	l.Client.Produce(ctx, record, func(r *kgo.Record, err error) {
		if errors.Is(err, kerr.MessageTooLarge) {
			l.world.mu.Lock()
			l.world.split = true
			l.world.mu.Unlock()
		}
		promise(r, err)
	})
}

// options are those of the client that produces.
func (w *world) options() []kgo.Opt {
	options := []kgo.Opt{kgo.Dialer(w.dial), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(w.draw(0, 5*time.Millisecond, time.Second))}
	if w.random.IntN(4) == 0 {
		options = append(options, kgo.ProducerBatchMaxBytes(maxBytes)) // the client refuses what is too large
	}
	if w.idempotent = w.random.IntN(3) > 0; w.idempotent {
		w.reach("idempotent")
		return options
	}
	return append(options, kgo.DisableIdempotentWrite(), kgo.RecordRetries(w.random.IntN(4)))
}

func (w *world) draw(all ...time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return all[w.random.IntN(len(all))]
}

func (w *world) reach(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached[name]++
}

// patience draws how long an attempt may take, and how long to wait after it.
func (w *world) patience() (attempt, pause time.Duration) {
	pause = w.draw(0, 100*time.Millisecond, 5*time.Second)
	if time.Since(w.calmAt) > 0 {
		return time.Minute, max(pause, time.Second)
	}
	return w.draw(time.Millisecond, 100*time.Millisecond, 2*time.Second, 15*time.Second, time.Minute), pause
}

// failures are failure records of a mapping, as its destination gets them.
func (w *world) failures() []*esm.FailureRecord {
	stream := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
	count, often := 1+w.random.IntN(40), w.random.IntN(3)
	all := make([]size, count)
	for i := range all {
		all[i] = small
		if w.random.IntN(3) < often {
			all[i] = size(w.random.IntN(int(hopeless) + 1))
		}
		key, data := string(rune('a'+i%26)), "data"
		switch all[i] {
		case medium:
			data = strings.Repeat("x", 1200)
		case tooLarge:
			data = strings.Repeat("x", 5000)
		case tooLargeKey:
			key = strings.Repeat("k", 5000)
		case small, hopeless: // as it is
		}
		stream.Put(key, []byte(data))
	}
	stream.End()
	records := w.capture(stream, 1+w.random.IntN(12))
	i := 0
	for _, record := range records {
		for n := range record.Records {
			r := &record.Records[n]
			if all[i] == hopeless {
				native := *r.Native.(*memory.StreamRecord)
				native.SequenceNumber += strings.Repeat("0", 5000)
				r.ID, r.Native = native.SequenceNumber, &native
			}
			w.sizes[r.ID] = all[i]
			i++
		}
	}
	return records
}

// capture fails every record of a stream, in batches of that size.
func (w *world) capture(stream *memory.Stream, batch int) (records []*esm.FailureRecord) {
	mapping, err := esm.New(stream.Source("app"), esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, errors.New("poison")
	}), esm.Config{
		FunctionARN: "consumer", BatchSize: batch, MaximumBatchingWindow: time.Millisecond, MaximumRetryAttempts: new(0),
		OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
			records = append(records, record)
			return nil
		}),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := mapping.Run(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return records
}

func (w *world) isHopeless(record *esm.FailureRecord) bool {
	for i := range record.Records {
		if w.sizes[record.Records[i].ID] == hopeless {
			return true
		}
	}
	return false
}

// trouble draws what goes wrong, some of it only, so that each gets its chance alone.
func (w *world) trouble() {
	began := time.Now()
	w.calmAt = began.Add(time.Duration(w.random.IntN(90)) * time.Second)
	for f := cutBefore; f <= late; f++ {
		if w.random.IntN(3) == 0 {
			w.rates[f] = 0.3 * w.random.Float64()
		}
	}
	refusals := []*kerr.Error{nil, nil, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed, kerr.RequestTimedOut}
	if w.refusing = refusals[w.random.IntN(len(refusals))]; w.refusing != nil {
		refusal := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: w.refusing, Count: -1, When: w.isRefused})
		w.t.Cleanup(refusal.Remove)
	}

	// To the embedded broker an idempotent client's messages to a topic that was made anew are those it
	// has from it: no broker takes them for that.
	if !w.idempotent && w.random.IntN(3) == 0 {
		absence := time.Duration(1+w.random.IntN(20)) * time.Second
		w.deleted = began.Add(time.Duration(w.random.Int64N(int64(max(w.calmAt.Sub(began)-absence, 1)))))
		w.work.Go(func() { w.replace(absence) })
	}
}

// isRefused draws whether the brokers refuse a request.
func (w *world) isRefused(kmsg.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.calmAt) >= 0 || w.random.IntN(2) == 0 {
		return false
	}
	switch w.refusing {
	case kerr.RequestTimedOut: // the embedded broker has written it
		w.lost++
		w.reached["written and refused"]++
	case kerr.TopicAuthorizationFailed:
		w.reached["denied"]++
	default:
		w.reached["refused"]++
	}
	return true
}

// replace deletes the topic, and makes it anew a while later.
func (w *world) replace(absence time.Duration) {
	time.Sleep(time.Until(w.deleted))
	w.reach("topic deleted")
	if err := w.cluster.DeleteTopic(topic); err != nil {
		w.t.Error(err)
	}
	time.Sleep(absence)
	if err := w.cluster.CreateTopic(topic, w.partitions, nil); err != nil {
		w.t.Error(err)
	}
}

// marks are the ends of the topic's partitions.
func (w *world) marks() []int64 {
	all := make([]int64, w.partitions)
	for _, p := range w.cluster.PartitionInfos(topic) {
		all[p.Partition] = p.HighWatermark
	}
	return all
}

func (w *world) note(record *esm.FailureRecord, n note) {
	for i := range record.Records {
		switch w.sizes[record.Records[i].ID] {
		case tooLarge:
			w.reach("bare")
		case tooLargeKey:
			w.reach("keyless")
		case medium:
			if len(record.Records) > 1 {
				w.reach("too large together")
			}
		case small, hopeless:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes[record] = n
}

// topic reads all there is, by the ID of its record.
func (w *world) topic() map[string][]message {
	n := int64(0)
	for _, end := range w.marks() {
		n += end
	}
	k := client(w.t, w.cluster, kgo.Dialer(w.network.DialContext), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	found := make(map[string][]message)
	for n > 0 {
		fetches := k.PollFetches(w.t.Context())
		if err := fetches.Err(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var f failure
			if err := json.Unmarshal(r.Value, &f); err != nil {
				w.t.Fatalf("%v in %s", err, r.Value)
			}
			found[f.Info.First] = append(found[f.Info.First], message{
				partition: r.Partition, offset: r.Offset, payload: f.Payload != nil, key: r.Key != nil,
			})
			n--
		})
	}
	return found
}

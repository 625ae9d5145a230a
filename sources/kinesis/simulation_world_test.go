package kinesis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// service is Kinesis, and the store of positions, as the world of a simulation: the
// fake server, which does one thing at a time, when the simulation lets it. It
// draws what the scenario leaves open from the seed.
type service struct {
	sim     *simulation.Sim
	random  *rand.Rand // of the simulation's goroutine
	server  *kinesistest.Server
	store   *checkpoint.Memory
	options kinesis.Options
	odd     float64       // how likely an answer is odd
	pace    time.Duration // of positions
	renamed bool          // a process that is started again has another name
	fansOut bool          // shards are read with enhanced fan-out
	current *process
	owners  map[string]*process // by the name in leases
	thieves int
	outage  time.Time // until when the store is out of reach

	numbers   map[string][]int    // of the records of each shard
	places    map[string]int      // behind the record with a sequence number, in its shard
	positions map[string]int      // that are stored
	epochs    map[string]int      // how often each shard was opened
	reader    map[string]*process // who has each shard open

	mu    sync.Mutex          // of what the server's goroutines read
	lives map[string]*process // by host
}

func newService(s *simulation.Sim, fansOut bool) *service {
	w := &service{
		sim: s, random: rand.New(rand.NewPCG(s.Scenario.Seed, 3)), server: kinesistest.New(), store: checkpoint.NewMemory(),
		owners: make(map[string]*process), numbers: make(map[string][]int), places: make(map[string]int),
		positions: make(map[string]int), epochs: make(map[string]int), reader: make(map[string]*process),
		lives: make(map[string]*process), fansOut: fansOut,
	}
	w.configure()
	err := w.server.AddStream(telemetry, s.Scenario.Partitions)
	if err != nil {
		panic(err)
	}
	w.server.SetGate(w)
	return w
}

// plan has the stream split and merged, and other workers ask for shards, which is no
// fault: also in a scenario without faults.
func (w *service) plan() {
	span := int64(w.sim.Scenario.Spread + 5*time.Second)
	for n := range []int{0, 0, 2, 6}[w.random.IntN(4)] {
		at, which := time.Duration(w.random.Int64N(span)), w.random.IntN(1<<16)
		w.sim.After(at, fmt.Sprint("reshard ", n), func() { w.reshard(which) })
	}
	for n := range []int{0, 1, 3}[w.random.IntN(3)] {
		at, which := time.Duration(w.random.Int64N(span)), w.random.IntN(1<<16)
		w.sim.After(at, fmt.Sprint("ask ", n), func() { w.ask(which) })
	}
}

// configure makes the scenario one that Kinesis knows, and chooses the source's
// options.
func (w *service) configure() {
	s := &w.sim.Scenario
	c := &s.Config

	// Drawn in any case, so that a simpler scenario has the same ones.
	envelopes, lease, idle := w.random.IntN(5), w.random.IntN(4), w.random.IntN(4)
	slow, thin, dated := w.random.IntN(4) == 0, w.random.IntN(4) == 0, w.random.IntN(4) == 0
	odd, renamed := w.random.IntN(3), w.random.IntN(2) == 0
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes += envelopes * w.size("key-0", "shardId-000000000000", nil)
	}
	w.renamed = renamed
	w.pace = []time.Duration{0, time.Second}[w.random.IntN(2)]
	w.odd = []float64{0, 0.1, 0.3}[odd]
	w.options = kinesis.Options{
		LeaseDuration:   []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}[lease],
		HandoverTimeout: []time.Duration{5 * time.Second, 30 * time.Second, time.Hour}[w.random.IntN(3)],
		IdleInterval:    []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 20 * time.Second}[idle],
		// Of the instant only, so that it does not matter who asks first.
		Jitter: func() float64 {
			return rand.New(rand.NewPCG(s.Seed, uint64(time.Now().UnixNano()))).Float64()
		},
	}
	if s.Calm {
		w.options.LeaseDuration = time.Minute // no call takes so long
		w.options.HandoverTimeout = time.Hour // nor a handler
	}
	if w.fansOut {
		w.options.ConsumerName = "reader"
	}
	if s.Poison > 0 { // for hours
		w.options.LeaseDuration *= 30
		w.options.IdleInterval *= 30
		w.options.ListInterval = 5 * time.Minute
		c.RetryBackoff = retry.Backoff{Initial: time.Second, Max: 5 * time.Minute}
	}
	if slow {
		w.options.CallInterval = time.Second
	}
	if thin {
		w.options.BytesPerSecond = 10_000
	}
	if dated {
		w.options.StartingPosition, w.options.StartingPositionTimestamp = kinesis.AtTimestamp, time.Now()
	}
}

// Open returns the source of a new process.
func (w *service) Open(life *simulation.Life) sources.Source {
	p := &process{
		service: w, life: life, host: fmt.Sprintf("life-%d.test", len(w.lives)+1), next: w.server.HTTPClient().Transport,
		allowed: make(map[string]bool),
	}
	w.current = p
	w.mu.Lock()
	w.lives[p.host] = p
	w.mu.Unlock()
	endpoint := "http://" + p.host
	client := w.server.Client(func(o *awskinesis.Options) {
		o.BaseEndpoint = &endpoint
		o.HTTPClient = &http.Client{Transport: p}
	})
	options := w.options
	options.Worker = "worker"
	if w.renamed {
		options.Worker = p.host
	}
	if len(w.lives) > 1 {
		w.sim.Cover(map[bool]string{false: "same worker", true: "another worker"}[w.renamed])
	}
	source, err := kinesis.New(client, telemetry, &sharedStore{p}, options)
	if err != nil {
		panic(err)
	}
	return &watched{Source: source, process: p}
}

// Send puts a record into the stream.
func (w *service) Send(r simulation.Record) {
	shard, number, err := w.server.Put(telemetry, r.Key, r.Data)
	if err != nil {
		panic(err)
	}
	w.sim.Observer().Entered(r, shard, w.size(r.Key, shard, r.Data))
	w.numbers[shard] = append(w.numbers[shard], r.Number)
	w.places[number] = len(w.numbers[shard])
}

// size is the most that a record takes in an event document.
func (*service) size(key, shard string, data []byte) int {
	const longest = 1_893_456_000_123 // as the arrival of any record
	return eventjson.NewKinesis("aws:kinesis", telemetry, kinesistest.Region, "").Size(shard, &eventjson.KinesisRecord{
		PartitionKey: key, SequenceNumber: strings.Repeat("9", 56), Data: data,
		ApproximateArrivalTimestamp: time.UnixMilli(longest),
	}) + 1
}

// opened notes who reads a shard, and returns the how manieth time it is.
func (w *service) opened(p *process, shard string) int {
	if w.reader[shard] == p && w.epochs[shard] > 0 {
		w.sim.Cover("taken back")
	}
	w.epochs[shard]++
	w.reader[shard] = p
	w.sim.Observer().Opened(p.life, shard)
	return w.epochs[shard]
}

// lost notes that a process may read a shard no longer, unless it has opened it
// again meanwhile.
func (w *service) lost(p *process, shard string, epoch int) {
	if w.reader[shard] == p && w.epochs[shard] == epoch {
		w.sim.Observer().Lost(p.life, shard)
	}
}

// index is how many records of its shard a lease's position has passed.
func (w *service) index(l *checkpoint.Lease) int {
	switch at := l.Position.Sequence; at {
	case checkpoint.TrimHorizon, checkpoint.AtTimestamp:
		return 0
	case checkpoint.ShardEnd:
		return len(w.numbers[l.Shard])
	default:
		place, ok := w.places[at]
		if !ok {
			w.sim.Observer().Violate(3, "a position behind no record: "+at)
		}
		return place
	}
}

// listed reports whether the stream still has a shard.
func (w *service) listed(id string) bool {
	return slices.ContainsFunc(w.server.Shards(telemetry), func(s kinesistest.Shard) bool { return s.ID == id })
}

// moved tells that a position was stored.
func (w *service) moved(p *process, l *checkpoint.Lease) {
	from, to := w.positions[l.Shard], w.index(l)
	if from == to {
		return
	}

	// The lease of a shard that is gone may be created late, when it was deleted
	// already: nothing is read of it.
	if to == 0 && !w.listed(l.Shard) {
		return
	}
	w.sim.Observer().Passed(p.life, l.Shard, w.numbers[l.Shard][min(from, to):to], to-from)
	w.positions[l.Shard] = max(from, to)
}

// Killed cuts the process off.
func (w *service) Killed(*simulation.Life) { w.current.die() }

// Close ends the server.
func (w *service) Close() {
	err := w.server.Close()
	if err != nil {
		panic(err)
	}
}

// Decode reads an event document.
func (*service) Decode(payload []byte) []simulation.Item {
	var event struct {
		Records []struct {
			Kinesis struct {
				SequenceNumber string `json:"sequenceNumber"`
				Data           []byte `json:"data"`
			} `json:"kinesis"`
		} `json:"Records"`
	}
	err := json.NewDecoder(bytes.NewReader(payload)).Decode(&event)
	if err != nil {
		panic(err)
	}
	items := make([]simulation.Item, len(event.Records))
	for i, r := range event.Records {
		items[i] = simulation.Item{Number: simulation.Number(r.Kinesis.Data), ID: r.Kinesis.SequenceNumber}
	}
	return items
}

// leases are those stored, in the order of shards.
func (w *service) leases() []checkpoint.Lease {
	leases, err := w.store.Leases(context.Background())
	if err != nil {
		panic(err)
	}
	slices.SortFunc(leases, func(a, b checkpoint.Lease) int { return strings.Compare(a.Shard, b.Shard) })
	return leases
}

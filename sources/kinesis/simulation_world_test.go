package kinesis_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/shard/shardsim"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// service is Kinesis, and the store of positions, as the world of a simulation: the
// fake server, which does one thing at a time, when the simulation lets it. It
// draws what the scenario leaves open from the seed.
type service struct {
	*shardsim.World

	server  *kinesistest.Server
	options kinesis.Options
	odd     float64 // how likely an answer is odd
	fansOut bool    // shards are read with enhanced fan-out

	reshards bool // the stream is split and merged
}

// simulatedServer is the fake as package shardsim sees it.
type simulatedServer struct{ *kinesistest.Server }

func (s simulatedServer) Shards() []shardsim.Shard {
	var all []shardsim.Shard
	for _, shard := range s.Server.Shards(telemetry) {
		all = append(all, shardsim.Shard{ID: shard.ID, Closed: shard.Closed, Records: shard.Records, Put: shard.Put})
	}
	return all
}

func (s simulatedServer) Numbers(shard string) []string {
	var all []string
	for _, r := range s.Server.Records(telemetry, shard) {
		all = append(all, r.Number)
	}
	return all
}

func (s simulatedServer) Trim(shard, before string) error {
	return s.Server.Trim(telemetry, shard, before)
}

func (s simulatedServer) Expire(shard string) error { return s.Server.Expire(telemetry, shard) }

func newService(s *simulation.Sim, fansOut bool) *service {
	server := kinesistest.New()
	w := &service{
		World:  shardsim.New(s, simulatedServer{server}, func(r *sources.Record) []byte { return r.Data }),
		server: server, fansOut: fansOut,
	}
	w.configure()
	err := server.AddStream(telemetry, s.Scenario.Partitions)
	if err != nil {
		panic(err)
	}
	server.SetGate(w)
	return w
}

// plan has the stream split and merged, and other workers ask for shards, which is no
// fault: also in a scenario without faults.
func (w *service) plan() {
	span := int64(w.Sim.Scenario.Spread + 5*time.Second)
	reshards := []int{0, 0, 2, 6}[w.Random.IntN(4)]
	w.reshards = reshards > 0 || w.Sim.Scenario.Faults[simulation.FaultReshard] > 0
	for n := range reshards {
		at, which := time.Duration(w.Random.Int64N(span)), w.Random.IntN(1<<16)
		w.Sim.After(at, fmt.Sprint("reshard ", n), func() { w.reshard(which) })
	}
	for n := range []int{0, 1, 3}[w.Random.IntN(3)] {
		at, which := time.Duration(w.Random.Int64N(span)), w.Random.IntN(1<<16)
		w.Sim.After(at, fmt.Sprint("ask ", n), func() { w.Ask(which) })
	}
}

// configure makes the scenario one that Kinesis knows, and chooses the source's
// options.
func (w *service) configure() {
	s := &w.Sim.Scenario
	c := &s.Config

	// Drawn in any case, so that a simpler scenario has the same ones.
	envelopes, lease, idle := w.Random.IntN(5), w.Random.IntN(4), w.Random.IntN(4)
	slow, thin, dated := w.Random.IntN(4) == 0, w.Random.IntN(4) == 0, w.Random.IntN(4) == 0
	odd, renamed := w.Random.IntN(3), w.Random.IntN(2) == 0
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes += envelopes * w.size("key-0", "shardId-000000000000", nil)
	}
	w.Renamed = renamed
	w.Pace = []time.Duration{0, time.Second}[w.Random.IntN(2)]
	w.odd = []float64{0, 0.1, 0.3}[odd]
	w.LeaseDuration = []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}[lease]
	w.HandoverTimeout = []time.Duration{5 * time.Second, 30 * time.Second, time.Hour}[w.Random.IntN(3)]
	w.options = kinesis.Options{
		IdleInterval: []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 20 * time.Second}[idle],
		Jitter:       w.Jitter,
	}
	if s.Calm {
		w.LeaseDuration = time.Minute // no call takes so long
		w.HandoverTimeout = time.Hour // nor a handler
	}
	if w.fansOut {
		w.options.ConsumerName = "reader"
	}
	if s.Poison > 0 { // for hours
		w.LeaseDuration *= 30
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
	p := w.Begin(life, w.server.HTTPClient().Transport)
	client := w.server.Client(func(o *awskinesis.Options) {
		o.BaseEndpoint = new("http://" + p.Host())
		o.HTTPClient = &http.Client{Transport: p}
	})
	options := w.options
	options.Worker, options.LeaseDuration, options.HandoverTimeout = p.Worker(), w.LeaseDuration, w.HandoverTimeout
	source, err := kinesis.New(client, telemetry, p.Store(), options)
	if err != nil {
		panic(err)
	}
	return p.Watch(source)
}

// Send puts a record into the stream.
func (w *service) Send(r simulation.Record) {
	shard, number, err := w.server.Put(telemetry, r.Key, r.Data)
	if err != nil {
		panic(err)
	}
	w.Entered(r, shard, number, w.size(r.Key, shard, r.Data))
}

// size is the most that a record takes in an event document.
func (*service) size(key, shard string, data []byte) int {
	const longest = 1_893_456_000_123 // as the arrival of any record
	return eventjson.NewKinesis("aws:kinesis", telemetry, kinesistest.Region, "").Size(shard, &eventjson.KinesisRecord{
		PartitionKey: key, SequenceNumber: strings.Repeat("9", 56), Data: data,
		ApproximateArrivalTimestamp: time.UnixMilli(longest),
	}) + 1
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

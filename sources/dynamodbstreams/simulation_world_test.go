package dynamodbstreams_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	awsstreams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
	"github.com/openesm/openesm/sources/internal/shard/shardsim"
	"github.com/openesm/openesm/sources/internal/simulation"
)

const table = "orders"

// simulatedService is DynamoDB Streams, and the store of positions, as the world of a simulation:
// the fake server, which does one thing at a time, when the simulation lets it.
type simulatedService struct {
	*shardsim.World

	server  *dynamodbstreamstest.Server
	arn     string
	options dynamodbstreams.Options
	odd     float64 // how likely an answer is odd
}

// simulatedServer is the fake as package shardsim sees it.
type simulatedServer struct{ *dynamodbstreamstest.Server }

func (s simulatedServer) Shards() []shardsim.Shard {
	var all []shardsim.Shard
	for _, shard := range s.Server.Shards(table) {
		all = append(all, shardsim.Shard{ID: shard.ID, Closed: shard.Closed, Records: shard.Records, Put: shard.Put})
	}
	return all
}

func (s simulatedServer) Numbers(shard string) []string   { return s.Server.Numbers(table, shard) }
func (s simulatedServer) Trim(shard, before string) error { return s.Server.Trim(table, shard, before) }
func (s simulatedServer) Expire(shard string) error       { return s.Server.Vanish(table, shard) }

// sentData is what was sent as the data of a record.
func sentData(r *sources.Record) []byte {
	return r.Native.(*types.Record).Dynamodb.NewImage["data"].(*types.AttributeValueMemberB).Value
}

func newSimulatedService(s *simulation.Sim) *simulatedService {
	server := dynamodbstreamstest.New()
	w := &simulatedService{World: shardsim.New(s, simulatedServer{server}, sentData), server: server}
	w.configure()
	var err error
	if w.arn, err = server.AddTable(table, dynamodbstreamstest.Setup{Shards: s.Scenario.Partitions, View: types.StreamViewTypeNewImage}); err != nil {
		panic(err)
	}
	server.SetMilliseconds(true) // the simulation knows to the millisecond how old a record is
	server.SetAging(false)       // poison may hold up a shard for days, without a loss
	server.SetGate(w)
	return w
}

// plan has shards roll over and split, and other workers ask for shards, which is no
// fault: also in a scenario without faults.
func (w *simulatedService) plan() {
	span := int64(w.Sim.Scenario.Spread + 5*time.Second)
	for n := range []int{0, 0, 2, 6}[w.Random.IntN(4)] {
		at, which := time.Duration(w.Random.Int64N(span)), w.Random.IntN(1<<16)
		w.Sim.After(at, fmt.Sprint("reshard ", n), func() { w.reshard(which) })
	}
	for n := range []int{0, 1, 3}[w.Random.IntN(3)] {
		at, which := time.Duration(w.Random.Int64N(span)), w.Random.IntN(1<<16)
		w.Sim.After(at, fmt.Sprint("ask ", n), func() { w.Ask(which) })
	}
}

// configure makes the scenario one that DynamoDB Streams knows, and chooses the source's
// options.
func (w *simulatedService) configure() {
	s := &w.Sim.Scenario
	c := &s.Config

	// Drawn in any case, so that a simpler scenario has the same ones.
	envelopes, lease, idle := w.Random.IntN(5), w.Random.IntN(4), w.Random.IntN(4)
	slow, dated := w.Random.IntN(4) == 0, w.Random.IntN(4) == 0
	odd, renamed := w.Random.IntN(3), w.Random.IntN(2) == 0
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes += (1 + envelopes) * w.size("key-0", nil)
	}
	w.Renamed = renamed
	w.Pace = []time.Duration{0, time.Second}[w.Random.IntN(2)]
	w.odd = []float64{0, 0.1, 0.3}[odd]
	w.LeaseDuration = []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}[lease]
	w.HandoverTimeout = []time.Duration{5 * time.Second, 30 * time.Second, time.Hour}[w.Random.IntN(3)]
	w.options = dynamodbstreams.Options{
		IdleInterval: []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 20 * time.Second}[idle],
		Jitter:       w.Jitter,
	}
	if s.Calm {
		w.LeaseDuration = time.Minute // no call takes so long
		w.HandoverTimeout = time.Hour // nor a handler
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
	if dated {
		w.options.StartingPosition, w.options.StartingPositionTimestamp = dynamodbstreams.AtTimestamp, time.Now()
	}
}

// Open returns the source of a new process.
func (w *simulatedService) Open(life *simulation.Life) sources.Source {
	p := w.Begin(life, w.server.HTTPClient().Transport)
	client := w.server.Client(func(o *awsstreams.Options) {
		o.BaseEndpoint = new("http://" + p.Host())
		o.HTTPClient = &http.Client{Transport: p}
	})
	options := w.options
	options.Worker, options.LeaseDuration, options.HandoverTimeout = p.Worker(), w.LeaseDuration, w.HandoverTimeout
	source, err := dynamodbstreams.New(client, w.arn, p.Store(), options)
	if err != nil {
		panic(err)
	}
	return p.Watch(source)
}

// Send changes an item.
func (w *simulatedService) Send(r simulation.Record) {
	change, err := w.server.Put(table, item{
		"id": text(r.Key), "number": number(strconv.Itoa(r.Number)), "data": &types.AttributeValueMemberB{Value: r.Data},
	})
	if err != nil {
		panic(err)
	}
	w.Entered(r, change.Shard, change.Number, w.size(r.Key, r.Data))
}

// size is the most that a record takes in an event document.
func (*simulatedService) size(key string, data []byte) int {
	const envelope = 900 // as many bytes as members and attributes, the data aside, take at most
	return envelope + 2*len(key) + (len(data)+2)/3*4
}

// Decode reads an event document.
func (*simulatedService) Decode(payload []byte) []simulation.Item {
	var event struct {
		Records []struct {
			Dynamodb struct {
				SequenceNumber string `json:"SequenceNumber"`
				NewImage       struct {
					Data struct {
						B []byte `json:"B"`
					} `json:"data"`
				} `json:"NewImage"`
			} `json:"dynamodb"`
		} `json:"Records"`
	}
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&event); err != nil {
		panic(err)
	}
	items := make([]simulation.Item, len(event.Records))
	for i, r := range event.Records {
		items[i] = simulation.Item{Number: simulation.Number(r.Dynamodb.NewImage.Data.B), ID: r.Dynamodb.SequenceNumber}
	}
	return items
}

// Disturb has shards roll over or split, or what else may happen to a stream.
func (w *simulatedService) Disturb() {
	choice, which := w.Random.IntN(5), w.Random.IntN(1<<16)
	if choice < 2 && w.Sim.Enabled(simulation.FaultReshard) {
		w.reshard(which)
	}
	w.Trouble(choice, which)
}

// reshard has a shard roll over, or split.
func (w *simulatedService) reshard(which int) {
	const maxShards = 8
	open := w.World.Open()
	parent := open[which/2%len(open)].ID
	if delay := []time.Duration{0, 0, 2 * time.Second, 20 * time.Second}[which%4]; delay > 0 {
		w.Sim.Cover("late children")
		w.must(w.server.SetChildDelay(table, delay))
	} else {
		w.must(w.server.SetChildDelay(table, 0))
	}
	if which%2 == 0 || len(open) >= maxShards {
		child, err := w.server.Roll(table, parent)
		w.must(err)
		w.Sim.Cover("rolled over")
		w.Sim.Observer().Child(child, parent)
		return
	}
	children, err := w.server.Split(table, parent)
	w.must(err)
	w.Sim.Cover("split")
	for _, child := range children {
		w.Sim.Observer().Child(child, parent)
	}
}

func (*simulatedService) must(err error) {
	if err != nil && !strings.Contains(err.Error(), "ValidationException") {
		panic(err)
	}
}

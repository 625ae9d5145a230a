//go:build synctests

package kafka_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kafka"
)

const (
	simTopic = "orders"
	simGroup = "g"
	simPort  = 19200 // of the first broker, in a network of the simulation's own
)

// slowAnswer is a fault of the network.
const slowAnswer simulation.Fault = "slow answer"

// brokers is Kafka as the world of a simulation: the embedded broker, and what befalls it.
// It draws what the scenario leaves open from the seed.
type brokers struct {
	sim     *simulation.Sim
	random  *rand.Rand // of the simulation's goroutine
	network kfake.VirtualNetwork
	cluster *kfake.Cluster
	client  *kgo.Client // of the producer and the administrator, whom nothing befalls
	work    sync.WaitGroup

	options                        kafka.Options
	session, heartbeat, fetchWait  time.Duration
	static, transactions, timeless bool
	old                            bool     // brokers assign no partitions, and take commits by the names of topics
	disturbances                   []string // that may happen
	often                          string   // the one that does most of the time

	processes  []*process
	lanes      map[string][]*watchedLane // by what reads: the name of each partition
	partitions []*simPartition           // all there were
	current    []*simPartition           // those of the topic as it is now
	records    map[int]*sent             // by number
	joins      map[string]int            // how often a member ID joined with epoch 0 (KIP-848)
	began      bool                      // a mapping has started
	open       []*sent                   // of the transaction
	faults     []fault
	denials    []*denial
	closed     bool
	own        atomic.Bool         // what brokers are asked is the simulation's own
	calm       bool                // nothing disturbs any more
	absent     bool                // the topic is deleted
	waiting    []simulation.Record // that are to be sent when it is there again

	mu   sync.Mutex
	away map[string]time.Time // brokers by address, until when nobody reaches them
}

// simPartition is a partition of the topic, for as long as that was not made anew.
type simPartition struct {
	name    string // which tells it from those that had its place before
	number  int32
	records []*sent // in the order of their offsets
	// committed is what the group has, -1 for nothing.
	committed int64
	// start is where the group begins, -1 while that is not known; latest is the last
	// offset that it may be.
	start, latest int64
	// late says that it came when the group had begun: it is read from its beginning.
	late bool
	// anew says that its topic had been deleted before.
	anew bool
	// read says that a handler was given records of it.
	read bool
	// deleted is the offset up to which records may be gone.
	deleted int64
}

// sent is a record.
type sent struct {
	number    int
	partition *simPartition
	offset    int64
	handed    bool
	// gone says that it was deleted before it was finished, silent that nobody may be told.
	gone, silent bool
	aborted      bool
}

// simulated is the kind of this world.
func simulated() simulation.Kind {
	return simulation.Kind{
		Name: "kafka", Ordered: true, Members: 3, Patience: time.Hour, Drifts: true,
		New: func(s *simulation.Sim) simulation.World { return newBrokers(s) },
	}
}

func newBrokers(s *simulation.Sim) *brokers {
	w := &brokers{
		sim: s, random: rand.New(rand.NewPCG(s.Scenario.Seed, 3)), lanes: make(map[string][]*watchedLane),
		records: make(map[int]*sent), joins: make(map[string]int), away: make(map[string]time.Time),
	}
	seedNames()
	w.configure()
	w.drawFaults()
	w.build()
	w.sweep()
	return w
}

func choose[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// configure draws the group and its topic. All is drawn in any case, so that a simpler
// scenario has the same.
func (w *brokers) configure() {
	s, r := &w.sim.Scenario, w.random
	c := &s.Config
	w.options = kafka.Options{
		Topics: []string{simTopic}, ConsumerGroupID: simGroup,
		StartingPosition:     choose(r, kafka.TrimHorizon, kafka.TrimHorizon, kafka.Latest, kafka.AtTimestamp),
		ServerSideAssignment: r.IntN(10) < 4,
		RevokeTimeout:        choose(r, 0, 500*time.Millisecond, 3*time.Second, 10*time.Second),
		ReadCommitted:        r.IntN(5) == 0,
		MixPartitions:        r.IntN(10) < 3,
	}
	w.static, w.transactions, w.timeless = r.IntN(7) == 0, r.IntN(7) == 0, r.IntN(7) == 0
	w.session = choose(r, 6*time.Second, 10*time.Second, 45*time.Second)
	w.fetchWait = choose(r, 100*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond, 5*time.Second)
	w.old = rand.New(rand.NewPCG(s.Seed, 5)).IntN(3) == 0
	if w.options.StartingPosition == kafka.AtTimestamp {
		w.options.StartingPositionTimestamp = time.Now()
	}
	if s.Long { // for each of many records
		c.Timeout = min(c.Timeout, 30*time.Second)
	}
	if s.Calm { // nothing ends before it is done
		w.options.RevokeTimeout = max(w.options.RevokeTimeout, c.Timeout+20*time.Second)
	}
	if s.Poison > 0 { // for half an hour
		w.session, w.fetchWait = 45*time.Second, 10*time.Second
	}
	w.heartbeat = w.session / 5
	s.Mixed = w.options.MixPartitions
	s.Spread = min(s.Spread, 90*time.Second)
	c.Timeout = min(c.Timeout, 5*time.Minute)
	c.MaximumBatchingWindow = min(c.MaximumBatchingWindow, 20*time.Second)
	c.RetryBackoff = retry.Backoff{Initial: min(c.RetryBackoff.Initial, time.Second), Max: min(c.RetryBackoff.Max, time.Minute)}
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes = 600 + 2*c.MaximumBatchBytes
	}
}

// drawFaults draws what goes wrong.
func (w *brokers) drawFaults() {
	s, r := &w.sim.Scenario, w.random
	slow := choose(r, 0, 0, 0.002, 0.01, 0.05)
	for _, name := range slices.Sorted(maps.Keys(disturbances())) {
		if r.IntN(10) < 3 {
			w.disturbances = append(w.disturbances, name)
		}
	}
	denied := slices.Sorted(maps.Keys(denials()))
	w.often = choose(r, madeAnew, madeAnew, "partitions are added", "records are deleted", choose(r, denied...), choose(r, denied...))
	if s.Calm {
		return
	}
	s.Disturbances *= 4
	s.Faults = maps.Clone(s.Faults) // simpler scenarios begin with the same ones
	for f := range s.Faults {       // of each request, of which there are many
		op, _, _ := strings.Cut(string(f), " ")
		if op != string(simulation.OpDeliver) && op != string(simulation.OpClose) && !isCallback(f) {
			s.Faults[f] /= 10
		}
	}
	if slow > 0 {
		s.Faults[slowAnswer] = slow
	}
}

func isCallback(f simulation.Fault) bool { return strings.HasSuffix(string(f), "panics") }

// build starts the brokers, and the client that knows no drawFaults.
func (w *brokers) build() {
	ports := make([]int, 1+w.random.IntN(3))
	for i := range ports {
		ports[i] = simPort + i
	}
	brokers := []kfake.Opt{
		kfake.Ports(ports...), kfake.ListenFn(w.network.Listen), kfake.SeedTopics(int32(w.sim.Scenario.Partitions), simTopic),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"group.initial.rebalance.delay.ms":     choose(w.random, "0", "3000"),
			"group.consumer.heartbeat.interval.ms": strconv.FormatInt(w.heartbeat.Milliseconds(), 10),
			"group.consumer.session.timeout.ms":    strconv.FormatInt(w.session.Milliseconds(), 10),
		}),
	}
	if w.old {
		brokers = append(brokers, byName())
	}
	cluster, err := kfake.NewCluster(brokers...)
	if err != nil {
		panic(err)
	}
	w.cluster = cluster
	w.cluster.Control(w.control)
	options := []kgo.Opt{
		kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(w.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ClientID("producer"), kgo.MetadataMinAge(10 * time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if w.transactions {
		options = append(options, kgo.TransactionalID("tx"), kgo.TransactionTimeout(15*time.Minute))
	} else { // or what is sent to a topic that was made anew would be taken for what was sent before
		options = append(options, kgo.DisableIdempotentWrite())
	}
	w.client, err = kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
	w.settleDown(0)
	w.sim.Observer().Note(fmt.Sprintf("position %d, server-side %v, revoke %v, read-committed %v, mixed %v, static %v, transactions %v, timeless %v, old %v",
		w.options.StartingPosition, w.options.ServerSideAssignment, w.options.RevokeTimeout, w.options.ReadCommitted,
		w.options.MixPartitions, w.static, w.transactions, w.timeless, w.old))
}

// settleDown has the topic's partitions from the first of these on, which nobody knows
// yet, be where the seed says.
func (w *brokers) settleDown(first int) {
	for n, info := range w.cluster.PartitionInfos(simTopic) {
		if n < first {
			continue
		}
		w.must(w.cluster.MoveTopicPartition(simTopic, int32(n), int32(n%w.size())))
		p := &simPartition{
			name: fmt.Sprintf("%s-%d/%d", simTopic, n, len(w.partitions)), number: info.Partition,
			committed: -1, start: -1, latest: -1, late: w.began, anew: w.began && (first == 0 || w.current[0].anew),
		}
		w.partitions, w.current = append(w.partitions, p), append(w.current, p)
	}
}

// isServed reports whether brokers assign the partitions.
func (w *brokers) isServed() bool { return w.options.ServerSideAssignment && !w.old }

// size is how many brokers there are.
func (w *brokers) size() int { return len(w.cluster.ListenAddrs()) }

// must holds the simulation's own calls.
func (w *brokers) must(err error) {
	if err != nil {
		w.sim.Observer().Violate(0, fmt.Sprintf("the simulation itself fails: %v", err))
	}
}

// Open returns the source of a new process. What is denied from the start ends it, so
// nothing is.
func (w *brokers) Open(life *simulation.Life) sources.Source {
	w.permit(w.denials...)
	p := w.newProcess(life)
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	source, err := kafka.New(p.options())
	if err != nil {
		panic(err)
	}
	p.source = source
	return &watched{Source: source, process: p}
}

// Send puts a record into the topic.
func (w *brokers) Send(r simulation.Record) {
	if w.absent {
		w.waiting = append(w.waiting, r)
		return
	}
	h := fnv.New32()
	_, _ = h.Write([]byte(r.Key))
	p := w.current[int(h.Sum32()>>1)%len(w.current)]
	to := &kgo.Record{Topic: simTopic, Partition: p.number, Key: []byte(r.Key), Value: r.Data, Timestamp: time.Now()}
	s := &sent{number: r.Number, partition: p, offset: -1}
	w.records[r.Number] = s
	r.Key += "@" + p.name // in another partition nothing is in its order
	w.sim.Observer().Entered(r, p.name, 0)
	if w.timeless && r.Number%2 == 0 {
		to.Timestamp = time.UnixMilli(-1)
		w.sim.Observer().Ageless(r.Number)
		w.sim.Cover("record without a time")
	}
	if w.transactions && w.open == nil {
		w.must(w.client.BeginTransaction())
	}
	w.must(w.produce(to))
	synctest.Wait() // who waits for records gets this one, before what comes next
	s.offset = to.Offset
	p.records = append(p.records, s)
	w.place(p)
	if w.transactions {
		w.open = append(w.open, s)
		w.end(r.Number == w.sim.Scenario.Records-1)
	}
}

// produce sends a record. The client learns of new partitions a little later.
func (w *brokers) produce(r *kgo.Record) (err error) {
	w.own.Store(true)
	defer w.own.Store(false)
	for range 5 {
		again := *r
		if err = w.client.ProduceSync(context.Background(), &again).FirstErr(); err == nil {
			r.Offset = again.Offset
			return nil
		}
		w.client.ForceMetadataRefresh()
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// end ends the transaction now and then, and at last.
func (w *brokers) end(last bool) {
	commit, goesOn := w.random.IntN(3) > 0, w.random.IntN(3) == 0
	if goesOn && !last {
		return
	}
	for _, s := range w.open {
		s.aborted = !commit
		if s.aborted && w.options.ReadCommitted {
			w.sim.Observer().Gone(s.number, true)
		}
	}
	if w.open = nil; !commit {
		w.sim.Cover("aborted transaction")
	}
	w.must(w.client.EndTransaction(context.Background(), kgo.TransactionEndTry(commit)))
}

// Killed cuts the process off.
func (w *brokers) Killed(life *simulation.Life) {
	for _, p := range w.processes {
		if p.life == life {
			p.die()
		}
	}
}

// Close ends the brokers.
func (w *brokers) Close() {
	w.closed = true
	for _, p := range w.processes {
		p.die()
	}
	w.client.Close()
	w.cluster.Close()
	w.work.Wait()
}

// Decode reads an event document.
func (*brokers) Decode(payload []byte) []simulation.Item {
	var event struct {
		Records map[string][]struct {
			Offset int64  `json:"offset"`
			Value  []byte `json:"value"`
		} `json:"records"`
	}
	err := json.Unmarshal(payload, &event)
	if err != nil {
		panic(err)
	}
	var items []simulation.Item
	for _, name := range slices.Sorted(maps.Keys(event.Records)) {
		for _, r := range event.Records[name] {
			items = append(items, simulation.Item{Number: simulation.Number(r.Value), ID: fmt.Sprint(name, ":", r.Offset)})
		}
	}
	return items
}

// Identifier names a record as an event response does.
func (*brokers) Identifier(id string) string {
	name, offset, found := strings.Cut(id, ":")
	if !found {
		return strconv.Quote(id)
	}
	return fmt.Sprintf(`{"partition":%q,"offset":%s}`, name, offset)
}

// Observed hears of failures and losses.
func (w *brokers) Observed(life *simulation.Life, o esm.Observation) {
	p := w.of(life)
	if o.Err != nil && strings.Contains(o.Err.Error(), "AUTHORIZATION_FAILED") {
		p.heard.Store(time.Now().UnixNano())
	}
	if loss, ok := asLoss(o.Err); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.losses = append(p.losses, loss)
	}
}

// of is the process of a life.
func (w *brokers) of(life *simulation.Life) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.processes[slices.IndexFunc(w.processes, func(p *process) bool { return p.life == life })]
}

// ordered are the parts, the same way each time.
func ordered(parts map[*simPartition]bool) []*simPartition {
	return slices.SortedFunc(maps.Keys(parts), func(a, b *simPartition) int { return cmp.Compare(a.name, b.name) })
}

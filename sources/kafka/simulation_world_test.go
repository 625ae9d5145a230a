//go:build synctests

package kafka_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	simTopic = "orders"
	simGroup = "g"
	simPort  = 19200 // of the first broker, in a network of the simulation's own
)

// sim is one simulation: brokers, members of a group, and what befalls them.
type sim struct {
	scenario

	random   dice // of the plan, which is made before anything begins
	network  kfake.VirtualNetwork
	cluster  *kfake.Cluster
	client   *kgo.Client // of the producer and the administrator, out of reach of the weather
	observer *observer
	slots    []*slot
	over     chan struct{}  // closed in the end
	work     sync.WaitGroup // what goes on besides

	weather   atomic.Bool // is bad
	poisoning atomic.Bool
	sent      atomic.Int64
	verbose   bool

	mu       sync.Mutex
	faults   []fault
	down     map[string]time.Time // brokers by address, until when nobody reaches them
	lives    int
	coverage map[string]int
}

// fault is one that a broker was told of.
type fault struct {
	name   string
	handle *kfake.FaultHandle
}

// result is how a simulation ended.
type result struct {
	violation *violation
	history   []string
	coverage  map[string]int
}

// simulate runs a scenario in a bubble of its own, which panics if goroutines are
// left when it ends.
func simulate(t *testing.T, scenario scenario, verbose bool) (r result) {
	t.Helper()

	s := &sim{
		scenario: scenario, random: dice{rand.New(rand.NewPCG(scenario.seed, 2))}, verbose: verbose,
		down: make(map[string]time.Time), coverage: make(map[string]int),
	}
	s.observer = newObserver(s)

	guard := watch(s)
	defer guard.Stop()

	defer func() {
		value := recover()
		if value == nil {
			return
		}

		if text := fmt.Sprint(value); strings.HasPrefix(text, "deadlock") {
			s.observer.violated = nil // it belongs to the bubble
			s.observer.violate(11, "%s\n%s", text, stacks())
			r = s.result()

			return
		}

		panic(fmt.Sprintf("simulation: seed %d: %v\n%s", scenario.seed, value, tail(s.observer.history)))
	}()

	synctest.Test(t, func(*testing.T) { s.play() })

	return s.result()
}

func (s *sim) result() result {
	return result{s.observer.violation, s.observer.history, s.coverage}
}

// bad reports whether things go wrong that the environment does.
func (s *sim) bad() bool { return s.weather.Load() }

// cover counts that a fault or a rare branch was reached.
func (s *sim) cover(what string) { s.coverN(what, 1) }

func (s *sim) coverN(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if n > 0 {
		s.coverage[what] += n
	}
}

// after does something later, unless the simulation is over.
func (s *sim) after(d time.Duration, do func()) {
	s.work.Go(func() {
		if s.sleep(d) {
			do()
		}
	})
}

// sleep reports whether the simulation is not over yet.
func (s *sim) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-timer.C:
		return true
	case <-s.over:
		return false
	case <-s.observer.violated:
		return false
	}
}

// play runs the scenario: bad weather first, then good, in which everything must
// drain.
func (s *sim) play() {
	s.over = make(chan struct{})
	s.observer.begin()
	s.build()
	s.weather.Store(!s.calm)
	s.poisoning.Store(!s.calm)

	end := s.spread + 20*time.Second + s.random.upTo(40*time.Second)
	s.plan(end)
	s.work.Go(s.sweep)

	if s.sleep(end) && s.clearUp() && s.settle() {
		s.stopAll()
	}

	s.finish()
}

// build starts the brokers, and the clients that know no weather.
func (s *sim) build() {
	ports := make([]int, s.brokers)
	for i := range ports {
		ports[i] = simPort + i
	}

	cluster, err := kfake.NewCluster(
		kfake.Ports(ports...), kfake.ListenFn(s.network.Listen), kfake.SeedTopics(int32(s.partitions), simTopic),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"group.initial.rebalance.delay.ms":     pick(s.random, "0", "3000"),
			"group.consumer.heartbeat.interval.ms": strconv.FormatInt(s.heartbeat.Milliseconds(), 10),
			"group.consumer.session.timeout.ms":    strconv.FormatInt(s.sessionTimeout.Milliseconds(), 10),
		}),
	)
	if err != nil {
		panic(err)
	}

	s.cluster = cluster
	s.cluster.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		s.observer.asked(request)

		return s.control(request)
	})

	options := []kgo.Opt{
		kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(s.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ClientID("producer"), kgo.MetadataMinAge(100 * time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if s.transactions {
		options = append(options, kgo.TransactionalID("tx"), kgo.TransactionTimeout(15*time.Minute))
	}

	s.client, err = kgo.NewClient(options...)
	if err != nil {
		panic(err)
	}
}

// plan decides what happens when, besides what the mappings do.
func (s *sim) plan(end time.Duration) {
	d := s.random
	s.produce(s.messages(d))

	for i := range s.members {
		slot := &slot{sim: s, number: i + 1}
		s.slots = append(s.slots, slot)

		if i == 0 {
			s.after(d.upTo(time.Second), slot.start)
		} else {
			s.after(pick(d, d.upTo(time.Second), d.upTo(end)), slot.start)
		}
	}

	for range s.stops {
		slot, again := pick(d, s.slots...), d.upTo(20*time.Second)
		s.after(d.upTo(end), func() { slot.stop(again) })
	}

	for range s.kills {
		slot, again := pick(d, s.slots...), d.upTo(20*time.Second)
		s.after(d.upTo(end), func() { slot.kill(again) })
	}

	for range s.strikes {
		name, one, other := pick(d, s.scenario.faults...), d.IntN(1<<16), d.IntN(1<<16)
		s.after(d.upTo(end), func() { s.strike(name, one, other) })
	}
}

// message is a record that is to be sent.
type message struct {
	at        time.Duration
	partition int
	key       string
	size      int
	ends      string // "commit" or "abort" if its transaction ends with it
}

// messages draws what is to be sent, the first ones at once.
func (s *sim) messages(d dice) []message {
	all := make([]message, s.records)
	for i := range all {
		all[i] = message{
			partition: d.IntN(s.partitions), key: fmt.Sprint("key-", d.IntN(s.keys)), size: d.IntN(s.size + 1),
			ends: pick(d, "", "commit", "commit", "abort"),
		}

		if i >= s.backlog {
			all[i].at = d.upTo(s.spread)
		}
	}

	slices.SortStableFunc(all, func(a, b message) int { return cmp.Compare(a.at, b.at) })

	if len(all) > 0 && all[len(all)-1].ends == "" {
		all[len(all)-1].ends = "commit"
	}

	return all
}

// produce sends messages one after the other.
func (s *sim) produce(messages []message) {
	began := time.Now()

	s.work.Go(func() {
		open := []*record(nil) // of the transaction

		for i := range messages {
			m := &messages[i]

			if wait := time.Until(began.Add(m.at)); wait > 0 && !s.sleep(wait) {
				return
			}

			if s.transactions && open == nil {
				s.must(s.client.BeginTransaction())
			}

			open = append(open, s.send(m))

			if s.transactions && m.ends != "" {
				s.end(open, m.ends == "commit")

				open = nil
			}

			s.sent.Add(1)
		}
	})
}

// send sends one record.
func (s *sim) send(m *message) *record {
	r := s.observer.enters(m)
	sent := &kgo.Record{
		Topic: simTopic, Partition: int32(m.partition), Key: []byte(m.key), Value: body(r.number, m.size), Timestamp: time.Now(),
	}

	err := s.client.ProduceSync(context.Background(), sent).FirstErr()
	s.must(err)

	if err == nil {
		s.observer.placed(r, sent.Offset)
	}

	return r
}

// end ends a transaction.
func (s *sim) end(records []*record, commit bool) {
	if !commit {
		s.observer.aborts(records)
		s.cover("aborted transaction")
	}

	s.must(s.client.EndTransaction(context.Background(), kgo.TransactionEndTry(commit)))
	s.observer.shows(records)
}

// must holds the simulation's own calls.
func (s *sim) must(err error) {
	if err != nil {
		s.observer.violate(0, "the simulation itself fails: %v", err)
	}
}

// clearUp ends the bad weather. What poison does not hold up must be done soon.
func (s *sim) clearUp() bool {
	s.weather.Store(false)
	s.observer.logf("the weather is good")
	s.removeFaults()

	s.mu.Lock()
	clear(s.down)
	s.mu.Unlock()

	for _, slot := range s.slots {
		slot.recover()
	}

	if s.calm || s.poison == 0 {
		return true
	}

	const calm = 5 * time.Minute // sessions and rebalances that have to run out, and retries

	if !s.sleep(calm + time.Duration(s.records)*(s.slowest+time.Second)) {
		return false
	}

	s.look()
	s.observer.checkIsolation()

	return true
}

// settle waits until everything is done.
func (s *sim) settle() bool {
	const patience = 20 * time.Minute

	s.poisoning.Store(false)
	s.observer.logf("everything works")

	var late []message
	for p := range s.partitions {
		late = append(late, message{at: time.Duration(p) * time.Second, partition: p, key: "late", size: 1, ends: "commit"})
	}

	if !s.sleep(time.Second) {
		return false
	}

	for s.sent.Load() < int64(s.records) { // the transaction that is open
		if !s.sleep(time.Second) {
			return false
		}
	}

	s.produce(late)

	for began := time.Now(); ; {
		if !s.sleep(time.Second) {
			return false
		}

		s.look()

		switch {
		case s.sent.Load() == int64(s.records+len(late)) && s.observer.drained():
			return s.idle()
		case time.Since(began) > patience+time.Duration(s.records)*s.slowest:
			s.observer.checkEnd()
			s.observer.violate(1, "not drained after %v", time.Since(began))

			return false
		}
	}
}

// idle sees what the mappings do with nothing to do.
func (s *sim) idle() bool {
	const (
		span   = 20 * time.Second
		resent = 10 // requests a second of each member, besides fetches
	)

	s.observer.logf("everything is done")

	lives := s.running()
	before := make([]int, len(lives))

	for i, l := range lives {
		before[i] = l.requests()
	}

	if !s.sleep(span) {
		return false
	}

	most := int(span/time.Second)*resent + int(span/s.fetchMaxWait)*s.brokers*2

	for i, l := range lives {
		if n := l.requests() - before[i]; n > most {
			s.observer.violate(9, "%s makes %d requests within %v with nothing to do, the most is %d", l.name, n, span, most)
		}
	}

	return true
}

func (s *sim) running() []*life {
	var all []*life

	for _, slot := range s.slots {
		if l := slot.running(); l != nil {
			all = append(all, l)
		}
	}

	return all
}

// stopAll stops the members, one after the other or together.
func (s *sim) stopAll() {
	together := s.random.chance(0.5)

	var stops sync.WaitGroup

	for _, slot := range s.slots {
		stops.Go(func() { slot.last() })

		if !together {
			stops.Wait()
		}
	}

	stops.Wait()
	s.look()
	s.observer.checkEnd()
}

// finish ends everything, so that the bubble can end.
func (s *sim) finish() {
	close(s.over)

	for _, slot := range s.slots {
		slot.kill(-1)
	}

	s.removeFaults()

	for _, slot := range s.slots {
		slot.await()
	}

	s.work.Wait()
	s.client.Close()
	s.cluster.Close()
	synctest.Wait()
}

// look reads what the group has committed at the broker.
func (s *sim) look() {
	info := s.cluster.GroupInfo(simGroup)
	if info != nil {
		s.observer.looked(info)
	}
}

func (s *sim) isDown(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return time.Now().Before(s.down[address])
}

// control does what the embedded broker does otherwise than a real one.
func (s *sim) control(request kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as the broker wants it
	switch request := request.(type) {
	case *kmsg.OffsetForLeaderEpochRequest:
		return s.epochs(request), nil, true
	case *kmsg.SyncGroupRequest:
		s.keepAlive(request.MemberID, request.Generation)
	}

	return nil, nil, false
}

// epochs answers where epochs end. A real leader knows where its own began; the
// embedded one forgets all of them until something is produced, so that its clients
// have to think that everything is lost.
func (s *sim) epochs(request *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	response, _ := request.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)

	for _, t := range request.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic

		for _, p := range t.Partitions {
			partition := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			partition.Partition = p.Partition
			info := s.cluster.PartitionInfo(t.Topic, p.Partition)

			if info.Leader == s.cluster.CurrentNode() {
				partition.LeaderEpoch, partition.EndOffset = p.LeaderEpoch, info.HighWatermark
			} else {
				partition.ErrorCode = kerr.NotLeaderForPartition.Code
			}

			topic.Partitions = append(topic.Partitions, partition)
		}

		response.Topics = append(response.Topics, topic)
	}

	return response
}

// keepAlive keeps the session of a member that waits for the leader's plan, as a real
// broker does. The embedded one lets it run out, answers nothing, and counts wrongly
// from then on who has joined.
func (s *sim) keepAlive(member string, generation int32) {
	const share = 4

	s.work.Go(func() {
		for s.sleep(s.sessionTimeout / share) {
			info := s.cluster.GroupInfo(simGroup)
			if info == nil || info.State != "CompletingRebalance" || info.Epoch != generation || s.observer.isDead(member) {
				return
			}

			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Group, beat.MemberID, beat.Generation = simGroup, member, generation

			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_, _ = beat.RequestWith(ctx, s.client)

			cancel()
		}
	})
}

// sweep does away with what a real broker does not leave behind. The embedded one keeps a
// member for ever that was lost while it waited for others to join. And it may count
// wrongly who has joined, after one whose connection broke while it waited for the
// leader's plan has come back; then nobody's join is answered, and each one that is
// tried anew puts off the time when all would be.
func (s *sim) sweep() {
	const margin = 30*time.Second + 15*time.Second // the adapter's, and some more

	since, generation := time.Now(), int32(0)
	left := make(map[string]time.Time) // members that nobody is any more

	for s.sleep(time.Second) {
		info := s.cluster.GroupInfo(simGroup)
		if info == nil || s.serverSide {
			continue
		}

		if info.State != "PreparingRebalance" || info.Epoch != generation {
			since, generation = time.Now(), info.Epoch
		}

		stuck := time.Since(since) > s.patience()+margin

		for _, m := range info.Members {
			switch at, known := left[m.MemberID]; {
			case s.isSomebody(m):
				delete(left, m.MemberID)
			case !known:
				left[m.MemberID] = time.Now()
			case time.Since(at) > s.sessionTimeout+2*time.Second:
				s.expel(m)
			}

			if stuck {
				s.expel(m)
			}
		}
	}
}

// isSomebody reports whether a member is a process that runs.
func (s *sim) isSomebody(m kfake.GroupMember) bool {
	for _, slot := range s.slots {
		slot.mu.Lock()
		l := slot.life
		slot.mu.Unlock()

		if l != nil && !l.isOver() && l.name == m.ClientID {
			return l.member() == m.MemberID
		}
	}

	return false
}

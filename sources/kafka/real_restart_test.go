package kafka_test

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// brokerCommand has the broker under test killed or started.
func brokerCommand(t *testing.T, program, what string) {
	t.Helper()
	out, err := exec.Command(program, what).CombinedOutput()
	if err != nil {
		t.Errorf("broker %s: %v: %s", what, err, out)
	}
}

// sender sends numbers to all partitions until it is stopped.
type sender struct {
	client  *kgo.Client
	stop    func() int // how many were sent to each partition
	sent    atomic.Int64
	acked   atomic.Int64
	refused atomic.Value // an error
}

func (w *realWorld) startSender() *sender {
	w.t.Helper()

	// As any client that is to lose nothing: acks of all replicas, retries without end.
	l := &sender{client: w.newClient(
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	)}
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ending:
				return
			case <-tick.C:
			}
			n := l.sent.Load()
			for p := range w.partitions {
				l.client.Produce(context.Background(), &kgo.Record{
					Topic: w.topic, Partition: int32(p), Value: strconv.AppendInt(nil, n, 10),
				}, func(_ *kgo.Record, err error) {
					if err != nil {
						l.refused.Store(err)
						return
					}
					l.acked.Add(1)
				})
			}
			l.sent.Add(1)
		}
	}()
	l.stop = sync.OnceValue(func() int {
		close(ending)
		<-ended
		return int(l.sent.Load())
	})
	w.t.Cleanup(func() { l.stop() })
	return l
}

// cohort is mappings of one group, and what they handled.
type cohort struct {
	*realWorld

	seen    *ledger
	members []*member
	errs    atomic.Int32 // that the observer was told

	mu     sync.Mutex
	behind map[string]int // of each partition, how many records are committed
}

// committedNow is how many records of each partition were told to be committed.
func (c *cohort) committedNow() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.behind)
}

func (c *cohort) observe(o esm.Observation) {
	if o.Err != nil {
		c.errs.Add(1)
	}
	if o.Metric == esm.CommittedEventCount {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.behind[o.Partition] += o.Count
	}
}

// join starts the members of a group of its own.
func (w *realWorld) join(name string, count int, vary func(*kafka.Options)) *cohort {
	w.t.Helper()
	own := *w
	own.group += "-" + name
	c := &cohort{realWorld: &own, seen: newLedger(), behind: make(map[string]int)}
	options := c.member(vary)
	options.ClientOptions = append(options.ClientOptions, kgo.SessionTimeout(30*time.Second))
	config := unwindowed
	config.Observer = c.observe
	for i := range count {
		watched := w.journal.watch(fmt.Sprintf("%s %d", name, i), config)
		c.members = append(c.members, start(w.t, options, watched, func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			c.seen.add(batch)
			return esm.Response{}, nil
		}))
	}
	return c
}

// wantAll checks that all of n records of each partition were handled, in order, but
// for one step back at most, which is not before what from has of the partition.
func (l *ledger) wantAll(t *testing.T, partitions, n int, from map[string]int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.values) != partitions {
		t.Errorf("records of %d partitions were handled, want %d: %v", len(l.values), partitions, l.sizes())
	}
	for name, values := range l.values {
		next, highest := 0, 0
		var steps []string
		for i, value := range values {
			v, err := strconv.Atoi(value)
			if err != nil || v > next {
				t.Errorf("%s: %q was handled at place %d, behind %v: lost or out of order", name, value, i, values[max(i-3, 0):i])
				break
			}
			if v < next {
				steps = append(steps, fmt.Sprintf("from %d to %d", next, v))
				if least, ok := from[name]; !ok || v < least || len(steps) > 1 {
					t.Errorf("%s: records were handled again: %s; at most one step back to %d or later was to be", name, strings.Join(steps, ", "), least)
				}
			}
			next, highest = v+1, max(highest, v+1)
		}
		if highest != n {
			t.Errorf("%s: handled up to %d, %d were sent", name, highest, n)
		}
		if len(steps) > 0 {
			t.Logf("%s: %d of %d records were handled again: %s", name, len(values)-highest, highest, strings.Join(steps, ", "))
		}
	}
}

// The broker is killed under load and comes back: producers go on, and so do mappings,
// none of which ends, and those that were started meanwhile begin. Nothing is lost,
// the order is kept, and nothing is handled again that was committed.
//
//nolint:paralleltest // the broker is that of all tests (KAF-30, KAF-39, KAF-40).
func TestRealBrokerKilled(t *testing.T) {
	program := realBroker(t, "OPENESM_KAFKA_RESTART")
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	const partitions, members, some = 4, 2, 200
	w := newRealWorld(t, partitions, nil)
	w.patience = time.Minute // clients and the engine wait for longer with each attempt
	groups := []*cohort{
		w.join("classic", members, protocols["Classic"]),
		w.join("server-side", members, protocols["ServerSide"]),
	}
	for _, c := range groups {
		c.awaitMembers(members)
		c.setGroup(map[string]string{"consumer.session.timeout.ms": "30000"}) // of the second
	}
	l := w.startSender()
	for _, c := range groups {
		c.seen.await(t, partitions*some)
	}
	tell := func(what string) {
		t.Helper()
		t.Logf("%v: %s; %d sent to each partition", time.Since(w.journal.began).Round(time.Millisecond), what, l.sent.Load())
		w.journal.notef("%s", what)
	}
	t.Cleanup(func() { brokerCommand(t, program, "start") })
	brokerCommand(t, program, "kill")
	tell("the broker is killed")
	var committed []map[string]int
	for _, c := range groups {
		committed = append(committed, c.committedNow())
	}
	late := []*cohort{
		w.join("late-classic", 1, protocols["Classic"]),
		w.join("late-server-side", 1, protocols["ServerSide"]),
	}
	groups, committed = append(groups, late...), append(committed, nil, nil)
	sent, acked := l.sent.Load(), l.acked.Load()
	w.until("the producer sends, and the late mappings find nobody", func() bool {
		return l.sent.Load() > sent+some && late[0].errs.Load() > 0 && late[1].errs.Load() > 0
	})
	if got := l.acked.Load(); got != acked {
		t.Errorf("%d records were acked while the broker was killed", got-acked)
	}
	brokerCommand(t, program, "start")
	tell("the broker is back")
	w.until("the producer gets acks", func() bool { return l.acked.Load() > acked+partitions*some })
	tell("the producer gets acks")
	n := l.stop()
	if err := l.client.Flush(t.Context()); err != nil || l.refused.Load() != nil {
		t.Fatalf("sending: %v, %v", err, l.refused.Load())
	}
	for i, c := range groups {
		c.awaitCommitted(int64(n))
		tell("all is committed by " + c.group)
		for _, m := range c.members {
			if err := m.stop(); err != nil {
				t.Errorf("group %s: a mapping ended with %v", c.group, err)
			}
		}
		tell(fmt.Sprintf("stopped, after %d errors", c.errs.Load()))
		c.seen.wantAll(t, partitions, n, committed[i])
	}
}

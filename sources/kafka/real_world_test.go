package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
)

// realWorld is a real broker, with a topic and a group that are the test's own.
type realWorld struct {
	*world

	group    string
	patience time.Duration
	journal  *journal
}

// journal is what happened, in order. It is told when the test has failed.
type journal struct {
	began time.Time

	mu    sync.Mutex
	lines []string
}

func newJournal(t *testing.T) *journal {
	t.Helper()
	j := &journal{began: time.Now()}
	t.Cleanup(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if t.Failed() {
			t.Logf("what happened:\n%s", strings.Join(j.lines, "\n"))
		}
	})
	return j
}

func (j *journal) notef(format string, args ...any) {
	const most = 1000
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) < most {
		j.lines = append(j.lines, fmt.Sprintf("%9v ", time.Since(j.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

// watch has the errors that a mapping's observer is told of noted.
func (j *journal) watch(name string, config esm.Config) esm.Config {
	observe := config.Observer
	config.Observer = func(o esm.Observation) {
		if o.Err != nil {
			j.notef("%s: %s %s: %v", name, o.Metric, o.Partition, o.Err)
		}
		if observe != nil {
			observe(o)
		}
	}
	return config
}

// newRealWorld makes a topic of so many partitions, with configs; the test is skipped
// without a broker.
func newRealWorld(t *testing.T, partitions int, configs map[string]string) *realWorld {
	t.Helper()
	name := "orders-" + rand.Text()
	w := &realWorld{
		world: &world{t: t, servers: []string{realBroker(t, "OPENESM_KAFKA_BROKERS")}, topic: name, partitions: partitions},
		group: name, patience: patience, journal: newJournal(t),
	}
	w.client = w.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	w.admin = kadm.NewClient(w.client)
	values := make(map[string]*string)
	for config, value := range configs {
		values[config] = &value
	}
	_, err := w.admin.CreateTopic(t.Context(), int32(partitions), 1, values, name)
	if err != nil {
		t.Fatalf("creating topic %s: %v", name, err)
	}
	t.Cleanup(func() {
		_, err := w.admin.DeleteTopic(context.Background(), name)
		if err != nil {
			t.Errorf("deleting topic %s: %v", name, err)
		}
	})

	// The broker learns of it a moment later, and the first group of all waits for the
	// topic of the offsets.
	w.until("the topic can be written to, and the group asked for", func() bool {
		found, err := w.admin.ListTopics(t.Context(), name)
		if err != nil {
			t.Fatalf("looking for topic %s: %v", name, err)
		}
		led := 0
		for _, p := range found[name].Partitions {
			if p.Err == nil && p.Leader >= 0 {
				led++
			}
		}
		_, err = w.admin.FetchOffsets(t.Context(), name)
		return led == partitions && (err == nil || errors.Is(err, kerr.GroupIDNotFound))
	})
	return w
}

// realBroker is an address of the broker under test; the test is skipped without one.
func realBroker(tb testing.TB, variable string) string {
	tb.Helper()
	address := os.Getenv(variable)
	if address == "" {
		tb.Skip(variable + " is not set: no Kafka broker to test against")
	}
	return address
}

// member are the options of a member of the group.
func (w *realWorld) member(vary ...func(*kafka.Options)) kafka.Options {
	options := w.options(w.group)
	for _, v := range vary {
		v(&options)
	}
	return options
}

// until waits until something is so, and asks less often than with an embedded broker.
func (w *realWorld) until(what string, so func() bool) {
	w.t.Helper()
	for began := time.Now(); !so(); <-time.After(20 * time.Millisecond) {
		if time.Since(began) > w.patience {
			w.t.Fatalf("not within %v: %s; the group is %+v, committed %v", w.patience, what, w.describe(), w.committed(w.group))
		}
	}
	w.journal.notef("%s", what)
}

// group is what the broker tells of a group.
type group struct {
	kind     string // classic, consumer
	state    string
	epoch    int32    // of consumer groups
	members  []string // by ID
	assigned int      // partitions
	settled  bool     // all members have what they are to have
}

func (w *realWorld) describe() group {
	w.t.Helper()
	modern, err := w.admin.DescribeConsumerGroups(w.t.Context(), w.group)
	if err != nil {
		w.t.Logf("describing the group: %v", err)
		return group{}
	}
	if described := modern[w.group]; described.Err == nil {
		g := group{kind: "consumer", state: described.State, epoch: described.Epoch, settled: described.State == "Stable"}
		for _, m := range described.Members {
			g.members = append(g.members, m.MemberID)
			g.assigned += size(m.Assignment)
			g.settled = g.settled && size(m.Assignment) == size(m.TargetAssignment)
		}
		return g
	}
	classic, err := w.admin.DescribeGroups(w.t.Context(), w.group)
	if err != nil {
		w.t.Logf("describing the group: %v", err)
		return group{}
	}
	described := classic[w.group]
	g := group{kind: "classic", state: described.State, settled: described.State == "Stable"}
	for _, m := range described.Members {
		g.members = append(g.members, m.MemberID)
	}
	assigned := described.AssignedPartitions()
	g.assigned = size(assigned)
	return g
}

func size(topics kadm.TopicsSet) int {
	n := 0
	for _, partitions := range topics {
		n += len(partitions)
	}
	return n
}

// awaitMembers waits until the group has so many members, who have all partitions.
func (w *realWorld) awaitMembers(n int) {
	w.t.Helper()
	w.until("the group has its members, and they their partitions", func() bool {
		g := w.describe()
		return g.settled && len(g.members) == n && g.assigned == w.partitions
	})
}

// committed is what a group has committed of the topic. The first calls behind a
// restart of the broker may fail.
func (w *realWorld) committed(group string) map[int32]int64 {
	w.t.Helper()
	for began := time.Now(); ; <-time.After(20 * time.Millisecond) {
		fetched, err := w.admin.FetchOffsets(context.Background(), group)
		if err == nil || errors.Is(err, kerr.GroupIDNotFound) {
			all := make(map[int32]int64)
			for partition, o := range fetched[w.topic] {
				all[partition] = o.At
			}
			return all
		}
		if time.Since(began) > patience {
			w.t.Fatalf("asking for the offsets of group %s: %v", group, err)
		}
	}
}

// awaitCommitted waits until so much is committed of each partition.
func (w *realWorld) awaitCommitted(at int64) {
	w.t.Helper()
	w.until("all is committed", func() bool {
		committed := w.committed(w.group)
		for p := range w.partitions {
			if committed[int32(p)] != at {
				return false
			}
		}
		return true
	})
}

// evict throws a member out of the group, as an administrator does.
func (w *realWorld) evict(ctx context.Context, kind, member string) error {
	w.journal.notef("%s is thrown out", member)
	var err error
	if kind == "consumer" {
		leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		leave.Group, leave.MemberID, leave.MemberEpoch = w.group, member, -1
		var answer *kmsg.ConsumerGroupHeartbeatResponse
		answer, err = leave.RequestWith(ctx, w.client)
		if err == nil {
			err = kerr.ErrorForCode(answer.ErrorCode)
		}
	} else {
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group = w.group
		leaver := kmsg.NewLeaveGroupRequestMember()
		leaver.MemberID = member
		leave.Members = append(leave.Members, leaver)
		var answer *kmsg.LeaveGroupResponse
		answer, err = leave.RequestWith(ctx, w.client)
		if err == nil {
			err = kerr.ErrorForCode(answer.ErrorCode)
		}
	}
	if errors.Is(err, kerr.UnknownMemberID) {
		return nil // it has gone by itself
	}
	return err
}

// steal throws all members out. They come back, and have other partitions by the same
// names then.
func (w *realWorld) steal(ctx context.Context) (func(context.Context) error, error) {
	g := w.describe() //nolint:contextcheck // it has the test's
	for _, member := range g.members {
		err := w.evict(ctx, g.kind, member)
		if err != nil {
			return nil, err
		}
	}
	return func(context.Context) error { return nil }, nil
}

// setGroup configures the group, which need not exist yet.
func (w *realWorld) setGroup(configs map[string]string) {
	w.t.Helper()
	const group = 32
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = group, w.group
	for name, value := range configs {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = name, &value
		resource.Configs = append(resource.Configs, config)
	}
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = append(alter.Resources, resource)
	answer, err := alter.RequestWith(w.t.Context(), w.client)
	if err == nil {
		err = kerr.ErrorForCode(answer.Resources[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatalf("configuring group %s: %v", w.group, err)
	}
}

// generation is that of a classic group: the one with which a member's heartbeat is
// taken; the epoch of another group.
func (w *realWorld) generation() int32 {
	w.t.Helper()
	g := w.describe()
	if g.kind == "consumer" {
		return g.epoch
	}
	const most = 100
	for generation := range int32(most) {
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = w.group, g.members[0], generation
		answer, err := beat.RequestWith(w.t.Context(), w.client)
		if err == nil {
			err = kerr.ErrorForCode(answer.ErrorCode)
		}
		if err == nil {
			return generation
		}
		if !errors.Is(err, kerr.IllegalGeneration) {
			w.t.Fatalf("looking for the generation of %+v, at %d: %v", g, generation, err)
		}
	}
	w.t.Fatalf("no generation below %d is that of %+v", most, g)
	return -1
}

// deleteRecords deletes what is below an offset.
func (w *realWorld) deleteRecords(partition int32, below int64) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(w.topic, partition, below, -1)
	answers, err := w.admin.DeleteRecords(w.t.Context(), offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		w.t.Fatalf("deleting below %d of partition %d: %v", below, partition, err)
	}
}

// stored is what a partition holds, read by a client of its own.
func (w *realWorld) stored(n int) []*kgo.Record {
	w.t.Helper()
	client := w.newClient(kgo.ConsumeTopics(w.topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		err := fetches.Err()
		if err != nil {
			w.t.Fatalf("reading topic %s, %d of %d records so far: %v", w.topic, len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	slices.SortFunc(records, func(a, b *kgo.Record) int { return int(a.Offset - b.Offset) })
	return records
}

// counts is how many records were handled of each partition.
func (l *ledger) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sizes()
}

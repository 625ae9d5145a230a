package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

func valid() kafka.Options {
	return kafka.Options{
		BootstrapServers: []string{"k1.example.com:9092", "k2.example.com:9092"},
		Topics:           []string{"orders"},
		ConsumerGroupID:  "billing",
	}
}

// Every violation is named: field, value, bound (KAF-02, KAF-03, KAF-04, KAF-05).
func TestOptions(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*kafka.Options){
		"BootstrapServers: is empty":           func(o *kafka.Options) { o.BootstrapServers = nil },
		"BootstrapServers: has an empty entry": func(o *kafka.Options) { o.BootstrapServers = []string{"a:1", ""} },
		"BootstrapServers: entry 2 has a user, a scheme, a path or a blank, want host:port": func(o *kafka.Options) {
			o.BootstrapServers = []string{"a:1", "user:hidden@b.example.com:9092"}
		},
		"BootstrapServers: entry 1 has a user":                         func(o *kafka.Options) { o.BootstrapServers = []string{"kafka://hidden:9092"} },
		"Topics: exactly one of Topics and TopicPattern":               func(o *kafka.Options) { o.Topics = nil },
		"exactly one of Topics and TopicPattern":                       func(o *kafka.Options) { o.TopicPattern = "x" },
		"has 250 characters, which must be 1 to 249":                   func(o *kafka.Options) { o.Topics = []string{strings.Repeat("t", 250)} },
		`Topics: "" has 0 characters`:                                  func(o *kafka.Options) { o.Topics = []string{""} },
		"TopicPattern: error parsing":                                  func(o *kafka.Options) { o.Topics, o.TopicPattern = nil, "(" },
		`ConsumerGroupID: "" has 0 characters, which must be 1 to 255`: func(o *kafka.Options) { o.ConsumerGroupID = "" },
		"StartingPosition: 7 is not":                                   func(o *kafka.Options) { o.StartingPosition = 7 },
		"StartingPositionTimestamp: is set, which only AtTimestamp":    func(o *kafka.Options) { o.StartingPositionTimestamp = time.Now() },
		"StartingPositionTimestamp: is not set, which AtTimestamp":     func(o *kafka.Options) { o.StartingPosition = kafka.AtTimestamp },
		"StartingPositionTimestamp: 2999-01-01 00:00:00 +0000 UTC is in": func(o *kafka.Options) {
			o.StartingPosition, o.StartingPositionTimestamp = kafka.AtTimestamp, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
		},
		"RevokeTimeout: -1s must be between 0": func(o *kafka.Options) { o.RevokeTimeout = -time.Second },
		"RevokeTimeout: 16m0s must be between": func(o *kafka.Options) { o.RevokeTimeout = 16 * time.Minute },
		"Access:": func(o *kafka.Options) {
			o.Access = []access.Config{access.BasicAuth("a", "hidden-1"), access.SASLSCRAM512("b", "hidden-2")}
		},
	} {
		o := valid()
		spoil(&o)
		_, err := kafka.New(o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "kafka: ") {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("a secret shows in %v", err)
		}
	}
	_, err := kafka.New(kafka.Options{StartingPosition: -1})
	for _, field := range []string{"BootstrapServers", "Topics", "ConsumerGroupID", "StartingPosition"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

// The bounds and defaults of Kafka, through the engine that holds to them (KAF-01, KAF-10,
// KAF-11, KAF-12, KAF-14, KAF-62, KAF-189).
func TestTraits(t *testing.T) {
	t.Parallel()
	source, err := kafka.New(valid())
	if err != nil {
		t.Fatal(err)
	}
	traits := source.Traits()
	if traits.BatchSize.Default != 100 || traits.Window.Default != 500*time.Millisecond || !traits.WindowFromRecord {
		t.Errorf("%+v", traits)
	}
	if traits.EventSource != "SelfManagedKafka" || traits.ARN != "kafka://k1.example.com:9092/orders" {
		t.Errorf("%s, %s", traits.EventSource, traits.ARN)
	}
	managed := valid()
	managed.EventSourceARN = clusterARN
	if source, err := kafka.New(managed); err != nil || source.Traits().EventSource != "aws:kafka" || source.Traits().ARN != clusterARN+"/orders" {
		t.Errorf("%+v, %v", source.Traits(), err)
	}
	for field, config := range map[string]esm.Config{
		"":                      {BatchSize: 10_000, MaximumBatchingWindow: 300 * time.Second, Timeout: 14 * time.Minute, MaximumRecordAge: 604_800 * time.Second},
		"BatchSize":             {BatchSize: 10_001},
		"MaximumBatchingWindow": {MaximumBatchingWindow: 301 * time.Second},
		"Timeout":               {Timeout: 14*time.Minute + 1},
		"MaximumRecordAge":      {MaximumRecordAge: 59 * time.Second},
		"MaximumRetryAttempts":  {MaximumRetryAttempts: new(10_001)},
		"TumblingWindow":        {TumblingWindow: time.Minute},
	} {
		_, err := esm.New(source, recordsHandler, config)
		if (err != nil) != (field != "") || err != nil && !strings.Contains(err.Error(), field+" is ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// What AWS has in provisioned mode only is there without it, which itself is refused:
// whatever partitions there are, they are read at once, by one consumer each at most (KAF-50,
// KAF-52, KAF-56, KAF-71).
func TestProvisionedMode(t *testing.T) {
	t.Parallel()
	source, err := kafka.New(valid())
	if err != nil {
		t.Fatal(err)
	}
	_, err = esm.New(source, recordsHandler, esm.Config{ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: 1}})
	if err == nil || !strings.Contains(err.Error(), "provisioned mode is not supported for this source") {
		t.Error(err)
	}
	_, err = esm.New(source, recordsHandler, esm.Config{
		MaximumRetryAttempts: new(3), MaximumRecordAge: time.Hour, BisectBatchOnFunctionError: true, ReportBatchItemFailures: true,
		OnFailure: esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return nil }),
	})
	if err != nil {
		t.Error(err)
	}
}

// A window starts with the first record, and no later than the batch before has ended (KAF-11,
// KAF-12, KAF-13).
func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 7 * time.Second
		w := newVirtualWorld(t, 1)
		var (
			sizes []int
			at    []time.Time
		)
		m := start(t, w.options("g"), esm.Config{BatchSize: 1000, MaximumBatchingWindow: window}, func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			sizes, at = append(sizes, len(batch)), append(at, time.Now())
			time.Sleep(window / 2)
			return esm.Response{}, nil
		})
		time.Sleep(5*window + time.Second) // a window that began with nothing would be over soon
		began := time.Now()
		for i := range 4 {
			w.send(0, i, i+1)
			time.Sleep(window / 5)
		}
		m.seen.await(t, 4)
		if len(sizes) != 1 || sizes[0] != 4 || at[0].Sub(began).Round(time.Second) != window {
			t.Errorf("batches of %v, the first after %v, want all 4 after %v", sizes, at[0].Sub(began), window)
		}
	})
}

// Members of a group share the partitions (KAF-09, KAF-50).
func TestShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	one, two, idle := start(t, w.options("g"), unwindowed, nil), start(t, w.options("g"), unwindowed, nil), start(t, w.options("g"), unwindowed, nil)
	other := start(t, w.options("of its own"), unwindowed, nil)
	w.awaitShares(3)
	w.send(0, 0, 5)
	w.send(1, 0, 5)
	w.until("all is handled", func() bool { return one.seen.total()+two.seen.total()+idle.seen.total() == 10 })
	other.seen.await(t, 10)
	counts := []int{one.seen.total(), two.seen.total(), idle.seen.total()}
	slices.Sort(counts)
	if !slices.Equal(counts, []int{0, 5, 5}) {
		t.Errorf("three members handled %v of two partitions", counts)
	}
}

// Throttles count as no retry.
func TestThrottle_KAF70(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.send(0, 0, 3)
	var tries atomic.Int32
	config := quick(unwindowed)
	config.MaximumRetryAttempts = new(0)
	m := start(t, w.options("g"), config, func(context.Context, []sources.Record) (esm.Response, error) {
		if tries.Add(1) <= 5 {
			return esm.Response{}, &esm.ThrottleError{}
		}
		return esm.Response{}, nil
	})
	m.seen.await(t, 3)
	m.seen.wantOnce(t, 1, 3)
}

// Topics by pattern: those that there are and those that come, but none that are
// Kafka's own.
func TestTopicPattern(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newWorld(t, 1)
		options := w.options("g")
		options.Topics, options.TopicPattern = nil, "orders.*|bills"
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
		vary(&options)
		w.send(0, 0, 1) // before the mapping, so not read
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		w.send(0, 1, 2)
		for _, topic := range []string{"orders-eu", "more-orders", "bills"} {
			if err := w.cluster.CreateTopic(topic, 1, nil); err != nil {
				t.Fatal(err)
			}
			w.topic = topic
			w.send(0, 0, 1)
		}
		m.seen.await(t, 3)
		if got, want := fmt.Sprint(m.seen.sizes()), "map[bills-0:1 orders-0:1 orders-eu-0:1]"; got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	})
}

// What the brokers refuse at the start ends the mapping, with a reason and no secret (KAF-18,
// KAF-42).
func TestRefused(t *testing.T) {
	t.Parallel()
	const user, password = "reader", "hidden-password"
	w := newWorld(t, 1)
	secured := func(options ...kfake.Opt) []string {
		cluster, err := kfake.NewCluster(append([]kfake.Opt{
			kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "admin"),
		}, options...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		return cluster.ListenAddrs()
	}
	for name, c := range map[string]struct {
		want   string
		change func(*kafka.Options)
	}{
		"no such topic": {"topic nothing does not exist", func(o *kafka.Options) { o.Topics = []string{"orders", "nothing"} }},
		"topic not allowed": {"Read and Describe", func(o *kafka.Options) {
			o.BootstrapServers = secured(kfake.EnableACLs(), kfake.User("PLAIN", user, password))
			o.Access = []access.Config{access.BasicAuth(user, password), access.SASLPlaintext()}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := w.options("g")
			c.change(&options)
			source, err := kafka.New(options)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err = source.Start(ctx, sources.Settings{})
			if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := source.Accept(ctx); !errors.Is(err, sources.ErrUnusable) {
				t.Errorf("Accept: %v", err)
			}
			if err := source.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// A broker that is down is waited for.
func TestStartWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.send(0, 0, 1)
	down := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: 3})
	m := start(t, w.options("g"), unwindowed, nil)
	m.seen.await(t, 1)
	if down.Hits() == 0 {
		t.Error("no call met a fault")
	}
}

// Measure (KAF-170, KAF-171, KAF-173).
func TestMeasure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.send(0, 0, 30)
	w.send(1, 0, 10)
	w.commit(0, 5)
	if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
		t.Fatal(err)
	}
	source, err := kafka.New(w.options("g"))
	if err != nil {
		t.Fatal(err)
	}
	if got := source.Measure(nil); len(got) != 3 {
		t.Errorf("before Start: %v", got)
	}
	g := newGate()
	var committed atomic.Int64
	config := unwindowed
	config.Observer = func(o esm.Observation) {
		if o.Metric == esm.CommittedEventCount {
			committed.Add(int64(o.Count))
		}
	}
	background(t, source, esm.Records(func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
		if partitionOf(&batch[0]) == "orders-0" {
			return esm.Response{}, g.pass(ctx)
		}
		return esm.Response{}, nil
	}), config)
	g.await(t)
	measured := func() string {
		got := source.Measure(nil)
		slices.SortFunc(got, func(a, b sources.Measure) int {
			return strings.Compare(string(a.Name)+a.Partition, string(b.Name)+b.Partition)
		})
		var texts []string
		for _, m := range got {
			texts = append(texts, fmt.Sprintf("%s%s=%d", m.Name, m.Partition, m.Count))
		}
		return strings.Join(texts, " ")
	}
	held := "MaxOffsetLag=22 OffsetLagorders-0=22 OffsetLagorders-1=0 OffsetsLost=3 SumOffsetLag=22"
	w.until("the lag is "+held, func() bool { return measured() == held })
	g.release()
	done := "MaxOffsetLag=0 OffsetLagorders-0=0 OffsetLagorders-1=0 OffsetsLost=3 SumOffsetLag=0"
	w.until("the lag is "+done, func() bool { return measured() == done })
	w.until("all is counted as committed", func() bool { return committed.Load() == 32 })
}

// Commits that fail are counted, and made again.
func TestCommitErrors_KAF172(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.send(0, 0, 5)
	var commits, polls atomic.Int32
	config := unwindowed
	config.Observer = func(o esm.Observation) {
		switch {
		case o.Err == nil:
		case o.Metric == esm.CommitErrorCount:
			commits.Add(1)
		case o.Metric == esm.PollingErrorCount:
			polls.Add(1)
		}
	}
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: 3})
	start(t, w.options("g"), config, nil)
	w.until("it is committed", func() bool { return w.committed("g")[0] == 5 })
	if commits.Load() == 0 {
		t.Error("no commit error was counted")
	}
}

// A RevokeTimeout in which no handler may take all of its time limit is warned of (P5).
func TestShortRevokeTimeoutIsWarnedOf_P5(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for timeout, want := range map[time.Duration]bool{kafka.DefaultRevokeTimeout: false, time.Minute: true} {
		source, err := kafka.New(w.options(timeout.String()))
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		err = source.Start(t.Context(), sources.Settings{Timeout: timeout, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "RevokeTimeout is shorter than Config.Timeout"); got != want {
			t.Errorf("Timeout %v: warned: %v, want %v", timeout, got, want)
		}
		if err := source.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

package esm_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// unprovisionable is a queue without provisioned mode, as MQ's (ESM-110).
func unprovisionable() sources.Source {
	return &stub{Source: sqsLike(), traits: func(t sources.Traits) sources.Traits {
		t.Provisioned = sources.Provisioned{}
		return t
	}}
}

// topic has that of Kafka (ESM-112).
func topic() sources.Source {
	return &stub{Source: stream(), traits: func(t sources.Traits) sources.Traits {
		t.Provisioned = sources.Provisioned{
			MinimumPollers: sources.Bounds[int]{Default: 1, Max: 200},
			MaximumPollers: sources.Bounds[int]{Default: 200, Max: 2000},
		}
		return t
	}}
}

func pollers(minimum, maximum int) esm.Config {
	return esm.Config{ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: minimum, MaximumPollers: maximum}}
}

// Provisioned violations (ESM-110, ESM-111, ESM-112, ESM-114, API-80, API-81, API-82).
func TestProvisionedViolations(t *testing.T) {
	t.Parallel()
	const (
		whole   = "ProvisionedPollerConfig"
		minimum = "ProvisionedPollerConfig.MinimumPollers"
		maximum = "ProvisionedPollerConfig.MaximumPollers"
		noMode  = "must be nil, provisioned mode is not supported for this source"
		least   = "must be between 2 and 200"
		most    = "must be between 2 and 10000"
		exclude = "must be 0, ProvisionedPollerConfig excludes it"
	)
	queue := sqsLike
	withConcurrency := pollers(2, 3)
	withConcurrency.MaximumConcurrency = 7
	for name, c := range map[string]struct {
		source func() sources.Source
		config esm.Config
		want   []esm.Violation
	}{
		"no such mode, queue":    {unprovisionable, pollers(2, 200), []esm.Violation{{whole, "set", noMode}}},
		"no such mode, stream":   {stream, pollers(2, 200), []esm.Violation{{whole, "set", noMode}}},
		"no such mode, empty":    {stream, pollers(0, 0), []esm.Violation{{whole, "set", noMode}}},
		"empty":                  {queue, pollers(0, 0), []esm.Violation{{whole, "empty", "must have MinimumPollers or MaximumPollers, or be nil for no provisioned mode"}}},
		"minimum too low":        {queue, pollers(1, 0), []esm.Violation{{minimum, "1", least}}},
		"minimum negative":       {queue, pollers(-1, 0), []esm.Violation{{minimum, "-1", least}}},
		"minimum too high":       {queue, pollers(201, 0), []esm.Violation{{minimum, "201", least}}},
		"maximum too low":        {queue, pollers(0, 1), []esm.Violation{{maximum, "1", most}}},
		"maximum negative":       {queue, pollers(0, -1), []esm.Violation{{maximum, "-1", most}}},
		"maximum too high":       {queue, pollers(0, 10_001), []esm.Violation{{maximum, "10001", most}}},
		"maximum below minimum":  {queue, pollers(6, 5), []esm.Violation{{maximum, "5", "must not be less than MinimumPollers (6)"}}},
		"both too low":           {queue, pollers(1, 1), []esm.Violation{{minimum, "1", least}, {maximum, "1", most}}},
		"MaximumConcurrency":     {queue, withConcurrency, []esm.Violation{{"MaximumConcurrency", "7", exclude}}},
		"Kafka minimum negative": {topic, pollers(-1, 0), []esm.Violation{{minimum, "-1", "must be between 1 and 200"}}},
		"Kafka maximum too high": {topic, pollers(0, 2001), []esm.Violation{{maximum, "2001", "must be between 1 and 2000"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := esm.New(c.source(), esm.Records(nothing), c.config)
			invalid, ok := errors.AsType[*esm.ConfigError](err)
			if !ok {
				t.Fatalf("New: %v", err)
			}
			if !slices.Equal(invalid.Violations, c.want) {
				t.Errorf("violations %+v, want %+v", invalid.Violations, c.want)
			}
		})
	}
}

// Provisioned edges (ESM-111, ESM-112).
func TestProvisionedEdges(t *testing.T) {
	t.Parallel()
	queue := sqsLike()
	for name, c := range map[string]struct {
		source sources.Source
		config esm.Config
	}{
		"lowest":                {queue, pollers(2, 2)},
		"highest":               {queue, pollers(200, 10_000)},
		"default maximum":       {queue, pollers(200, 0)},
		"default minimum":       {queue, pollers(0, 2)},
		"Kafka lowest":          {topic(), pollers(1, 1)},
		"Kafka highest":         {topic(), pollers(200, 2000)},
		"not provisioned":       {queue, esm.Config{MaximumConcurrency: 7}},
		"not provisioned Kafka": {topic(), esm.Config{}},
	} {
		given := esm.ProvisionedPollerConfig{}
		if c.config.ProvisionedPollerConfig != nil {
			given = *c.config.ProvisionedPollerConfig
		}
		if _, err := esm.New(c.source, esm.Records(nothing), c.config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p := c.config.ProvisionedPollerConfig; p != nil && *p != given {
			t.Errorf("%s: New made %+v of the caller's %+v", name, *p, given)
		}
	}
}

// gauge records the counts of one metric.
type gauge struct {
	metric esm.Metric
	mu     sync.Mutex
	counts []int
}

// around returns an observer that records and tells next.
func (g *gauge) around(next esm.Observer) esm.Observer {
	return func(o esm.Observation) {
		next(o)
		if o.Metric == g.metric {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.counts = append(g.counts, o.Count)
		}
	}
}

func (g *gauge) all() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.counts)
}

func (g *gauge) last() int {
	all := g.all()
	return all[len(all)-1]
}

// second is a handler that takes a second.
func second(context.Context, []sources.Record) (esm.Response, error) {
	time.Sleep(time.Second)
	return esm.Response{}, nil
}

// provisioned starts a mapping of a queue in provisioned mode, with batches of
// one. The gauge records its lanes.
func provisioned(t *testing.T, source sources.Source, j *journal, config esm.Config,
	handle func(context.Context, []sources.Record) (esm.Response, error),
) (lanes *gauge, stop func()) {
	t.Helper()
	config.BatchSize = 1
	config = j.config(config)
	lanes = &gauge{metric: esm.ConcurrentLanes}
	config.Observer = lanes.around(config.Observer)
	end := background(t, mustNew(t, source, j.handler(handle), config))
	return lanes, func() {
		_, err := end()
		equal(t, "Run", err, nil)
	}
}

// Provisioned starts with ten lanes a poller (SQS-25, ESM-111).
func TestProvisionedStartsWithTenLanesAPoller(t *testing.T) {
	for _, c := range []struct{ minimum, maximum, lanes int }{
		{0, 200, 20}, {3, 0, 30}, {200, 0, 2000},
	} {
		t.Run(strconv.Itoa(c.lanes), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := queueOf(memory.QueueOptions{}, numbers(3000)...)
				j := newJournal()
				lanes, stop := provisioned(t, q.Source(), j, pollers(c.minimum, c.maximum), second)
				equal(t, "lanes", lanes.all(), []int{c.lanes})
				equal(t, "batches at once", j.peak(), c.lanes)
				stop()
			})
		})
	}
}

func TestProvisionedGrowsByAThousandAMinute_SQS25(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(40_000)...)
		lanes, stop := provisioned(t, q.Source(), newJournal(), pollers(2, 0), second)
		time.Sleep(time.Minute + time.Millisecond)
		if more := lanes.last() - 20; more < 980 || more > 1000 {
			t.Errorf("%d lanes more in a minute", more)
		}
		last := 20
		for _, n := range lanes.all() {
			if n-last > 17 { // a second's share
				t.Fatalf("from %d to %d lanes at once", last, n)
			}
			last = n
		}
		stop()
	})
}

// Provisioned maximum caps the lanes (SQS-25, ESM-111).
func TestProvisionedMaximumCapsTheLanes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(1000)...)
		j := newJournal()
		lanes, stop := provisioned(t, q.Source(), j, pollers(2, 3), second)
		time.Sleep(20 * time.Second)
		equal(t, "most lanes", slices.Max(lanes.all()), 30)
		equal(t, "most batches at once", j.peak(), 30)
		stop()
	})
}

// However long an observer takes, and whoever overtakes whom, what it is told last is
// true.
func TestLanesAreToldInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(4000)...)
		j := newJournal()
		config := j.config(pollers(2, 4))
		config.BatchSize = 1
		var held atomic.Bool
		lanes := &gauge{metric: esm.ConcurrentLanes}
		tell := lanes.around(j.observe)
		config.Observer = func(o esm.Observation) {
			if o.Metric == esm.ConcurrentLanes && o.Count > 20 && held.CompareAndSwap(false, true) {
				time.Sleep(10 * time.Second)
			}
			tell(o)
		}
		stop := background(t, mustNew(t, q.Source(), j.handler(second), config))
		time.Sleep(30 * time.Second)
		equal(t, "batches at once", j.peak(), 40)
		equal(t, "lanes, as told last", lanes.last(), 40)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// Provisioned minimum stays under failures (SQS-25, SQS-46).
func TestProvisionedMinimumStaysUnderFailures(t *testing.T) {
	for name, failure := range map[string]error{"failed": errHandler, "throttled": &esm.ThrottleError{}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := queueOf(memory.QueueOptions{}, numbers(20_000)...)
				j := newJournal()
				lanes, stop := provisioned(t, q.Source(), j, pollers(2, 20),
					func(ctx context.Context, records []sources.Record) (esm.Response, error) {
						if time.Since(j.began) < 30*time.Second {
							return second(ctx, records)
						}
						time.Sleep(time.Second)
						return esm.Response{}, failure
					})
				time.Sleep(30 * time.Second)
				equal(t, "lanes before", lanes.last(), 200)
				time.Sleep(3 * time.Minute)
				if n := lanes.last(); n > 20+17 { // a second's growth above the minimum
					t.Errorf("%d lanes after failures only, want them to shrink to about the minimum", n)
				}
				if n := slices.Min(lanes.all()); n < 20 {
					t.Errorf("failures left %d lanes, want the provisioned minimum of 20", n)
				}
				stop()
			})
		})
	}
}

// An idle poller makes far fewer than the ten receives a second that AWS's makes
// at most (SQS-25, SQS-26).
func TestProvisionedMinimumStaysWhenIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(2000)...)
		source := &stub{Source: q.Source()}
		var mu sync.Mutex
		fetches := 0
		source.fetch = func() error {
			mu.Lock()
			defer mu.Unlock()
			fetches++
			return nil
		}
		lanes, stop := provisioned(t, source, newJournal(), pollers(2, 20), second)
		time.Sleep(5 * time.Minute)
		if most := slices.Max(lanes.all()); most < 150 {
			t.Errorf("%d lanes at most: no growth, the test proves nothing", most)
		}
		equal(t, "lanes", lanes.last(), 20)
		synctest.Wait()
		mu.Lock()
		before := fetches
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mu.Lock()
		equal(t, "fetches of 20 lanes in ten minutes", fetches-before, 580) // a long poll of 20 s, and a second for its answer
		mu.Unlock()
		equal(t, "lanes later", lanes.last(), 20)
		stop()
	})
}

func TestProvisionedPollersAreCounted_ESM97(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(300)...)
		j := newJournal()
		lanes, used := &gauge{metric: esm.ConcurrentLanes}, &gauge{metric: esm.ProvisionedPollers}
		config := j.config(pollers(2, 4))
		config.BatchSize, config.Name = 1, "orders"
		config.Observer = lanes.around(used.around(func(o esm.Observation) {
			j.observe(o)
			if o.Metric == esm.ProvisionedPollers && (o.Mapping != "orders" || o.Partition == "") {
				t.Errorf("%+v does not name mapping and partition", o)
			}
		}))
		stop := background(t, mustNew(t, q.Source(), j.handler(second), config))
		equal(t, "pollers at the start", used.all(), []int{2})
		time.Sleep(90 * time.Second)
		equal(t, "most pollers", slices.Max(used.all()), 4)
		equal(t, "pollers of the idle mapping", used.last(), 2)
		var want []int
		for _, n := range lanes.all() {
			want = append(want, (n+9)/10)
		}
		got := used.all()
		slices.Sort(got) // lanes report concurrently
		slices.Sort(want)
		equal(t, "pollers, for each change of the lanes", got, want)
		_, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "records invoked", j.count(esm.InvokedEventCount), 300)
	})
}

func TestPollersAreNotCountedOutsideProvisionedMode_ESM97(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(300)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(second), j.config(esm.Config{})))
		equal(t, "lanes told of", j.count(esm.ConcurrentLanes) > 0, true)
		equal(t, "pollers told of", j.count(esm.ProvisionedPollers), 0)
	})
}

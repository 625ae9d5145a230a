package esm_test

import (
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// metered is a source that measures itself.
type metered struct {
	sources.Source
	asked int
}

// Metrics of an adapter.
const (
	held   sources.Metric = "LeasesHeld"
	lost   sources.Metric = "LeasesLost"
	behind sources.Metric = "MillisBehindLatest"
)

func (m *metered) Measure(dst []sources.Measure) []sources.Measure {
	m.asked++
	return append(dst, sources.Measure{Name: held, Count: m.asked},
		sources.Measure{Name: lost, Count: 10 * m.asked * m.asked, Total: true},
		sources.Measure{Name: behind, Partition: "shard", Duration: time.Minute})
}

func TestMeasuresReachTheObserver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []esm.Observation
		config := newJournal().config(esm.Config{Name: "mapping"})
		config.Observer = func(o esm.Observation) {
			mu.Lock()
			defer mu.Unlock()
			if o.Metric == held || o.Metric == lost || o.Metric == behind {
				seen = append(seen, o)
			}
		}
		source := &metered{Source: memory.NewQueue(memory.QueueOptions{}).Source()}
		stop := background(t, mustNew(t, source, newJournal().handler(nil), config))
		time.Sleep(25 * time.Second)
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, 0)
		equal(t, "asked", source.asked, 2)
		equal(t, "seen", seen, []esm.Observation{
			{Metric: held, Kind: esm.Gauge, Mapping: "mapping", Count: 1},
			{Metric: lost, Kind: esm.Counter, Mapping: "mapping", Count: 10},
			{Metric: behind, Kind: esm.Gauge, Mapping: "mapping", Partition: "shard", Duration: time.Minute},
			{Metric: held, Kind: esm.Gauge, Mapping: "mapping", Count: 2},
			{Metric: lost, Kind: esm.Counter, Mapping: "mapping", Count: 30}, // 40 in all
			{Metric: behind, Kind: esm.Gauge, Mapping: "mapping", Partition: "shard", Duration: time.Minute},
		})
	})
}

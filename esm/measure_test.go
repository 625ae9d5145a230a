package esm_test

import (
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/memory"
)

// metered is a source that measures itself.
type metered struct {
	sources.Source
	asked int
}

func (m *metered) Measure(dst []sources.Measure) []sources.Measure {
	m.asked++
	return append(dst, sources.Measure{Name: kinesis.LeasesHeld, Count: m.asked},
		sources.Measure{Name: kinesis.LeasesLost, Count: 10 * m.asked * m.asked, Total: true},
		sources.Measure{Name: kinesis.MillisBehindLatest, Partition: "shard", Duration: time.Minute})
}

func TestMeasuresReachTheObserver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []esm.Observation
		config := newJournal().config(esm.Config{Name: "mapping"})
		config.Observer = func(o esm.Observation) {
			mu.Lock()
			defer mu.Unlock()
			if o.Metric == kinesis.LeasesHeld || o.Metric == kinesis.LeasesLost || o.Metric == kinesis.MillisBehindLatest {
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
			{Metric: kinesis.LeasesHeld, Kind: esm.Gauge, Mapping: "mapping", Count: 1},
			{Metric: kinesis.LeasesLost, Kind: esm.Counter, Mapping: "mapping", Count: 10},
			{Metric: kinesis.MillisBehindLatest, Kind: esm.Gauge, Mapping: "mapping", Partition: "shard", Duration: time.Minute},
			{Metric: kinesis.LeasesHeld, Kind: esm.Gauge, Mapping: "mapping", Count: 2},
			{Metric: kinesis.LeasesLost, Kind: esm.Counter, Mapping: "mapping", Count: 30}, // 40 in all
			{Metric: kinesis.MillisBehindLatest, Kind: esm.Gauge, Mapping: "mapping", Partition: "shard", Duration: time.Minute},
		})
	})
}

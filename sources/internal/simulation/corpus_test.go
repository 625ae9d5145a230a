package simulation

import (
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
)

// corpus is scenarios that broke a promise once, as simple as they still did.
// They failed on the engine before the mending that each names.
var corpus = map[string]struct {
	kind     string
	scenario Scenario
}{
	"P6: two poison records held both lanes of a queue that does not redeliver": {"broker", Scenario{
		Seed: 3, Records: 31, Keys: 1, Partitions: 1, AckBatch: 10, Poison: 15,
		Config: esm.Config{BatchSize: 1, Timeout: time.Second},
	}},
	"P1: the failed rest of a partial failure was neither retried nor redelivered": {"broker", Scenario{
		Seed: 301, Records: 4, Keys: 1, Partitions: 1, AckBatch: 1, Poison: 4,
		Config: esm.Config{ReportBatchItemFailures: true, Timeout: time.Second},
	}},
	"P1: the same, by chance": {"broker", Scenario{
		Seed: 105, Records: 15, Keys: 1, Partitions: 1, AckBatch: 1, Behaviors: map[behavior]float64{behaviorPartial: 0.1},
		Config: esm.Config{
			ReportBatchItemFailures: true, Timeout: time.Second, MaximumBatchingWindow: 50 * time.Millisecond,
		},
	}},
	"P12: a lane went on to retry in a partition that had another owner": {"stream", Scenario{
		Seed: 43, Records: 3, Keys: 1, Partitions: 1, AckBatch: 1, Spread: time.Minute, Slowest: 3 * time.Second,
		Behaviors: map[behavior]float64{behaviorPartial: 0.02}, Faults: map[Fault]float64{FaultLost: 0.3}, Disturbances: 6,
		Config: esm.Config{Timeout: time.Second, MaximumBufferedBytes: 1},
	}},
	"P4: the same, while the new owner handled the key": {"stream", Scenario{
		Seed: 291, Records: 27, Keys: 1, Partitions: 1, AckBatch: 1,
		Behaviors: map[behavior]float64{behaviorSlow: 0.1}, Faults: map[Fault]float64{FaultLost: 0.3}, Disturbances: 2,
		Config: esm.Config{BatchSize: 1},
	}},
	"P4: the same, with sub-lanes and faults": {"stream", Scenario{
		Seed: 438, Records: 51, Keys: 1, Partitions: 4, AckBatch: 1, Spread: time.Second, Slowest: 100 * time.Millisecond,
		Behaviors: map[behavior]float64{behaviorError: 0.1, behaviorGoexit: 0.02, behaviorThrottle: 0.02},
		Faults: map[Fault]float64{
			after(OpAccept): 0.02, after(OpAck): 0.1, before(OpClose): 0.1, after(OpFetch): 0.3, FaultLost: 0.02,
			after(OpStart): 0.1,
		},
		Disturbances: 6,
		Config: esm.Config{
			BatchSize: 2, ParallelizationFactor: 2, Timeout: time.Second,
			RetryBackoff: retry.Backoff{Initial: time.Minute, Max: time.Hour},
		},
	}},
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	for name, c := range corpus {
		for _, kind := range models {
			if kind.Name != c.kind {
				continue
			}
			if r := simulate(t, kind, c.scenario, nil); r.Violation != nil {
				t.Errorf("%s\n%v\n%v%s", name, r.Violation, &c.scenario, tail(r.History))
			}
		}
	}
}

package kinesis_test

import (
	"testing"

	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/sourcetest"
)

func TestFanOutConformance(t *testing.T) {
	t.Parallel()
	for name, shards := range map[string]int{"one shard": 1, "three shards": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				return harness(t, shards, kinesis.Options{ConsumerName: "reader"})
			})
		})
	}
}

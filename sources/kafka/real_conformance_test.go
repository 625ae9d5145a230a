package kafka_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/sourcetest"
)

func TestRealConformance(t *testing.T) {
	t.Parallel()
	for _, v := range []variant{
		{"Classic", 2, func(*kafka.Options) {}},
		{"ServerSide", 2, func(o *kafka.Options) { o.ServerSideAssignment = true }},
		{"Mixed", 3, func(o *kafka.Options) { o.MixPartitions = true }},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				w := newRealWorld(t, v.partitions, nil)
				h := w.harness(w.member(v.vary))
				h.Steal = w.steal
				h.Patience = 5 * time.Second
				return h
			})
		})
	}
}

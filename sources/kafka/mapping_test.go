//go:build synctests

package kafka_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
)

func TestMapping_KAF30(t *testing.T) {
	t.Parallel()
	const partitions, records = 3, 1000
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, partitions)
		for p := range partitions {
			w.send(p, 0, records)
		}
		began := time.Now()
		m := start(t, w.options("g"), esm.Config{MaximumBatchingWindow: esm.NoBatchingWindow}, nil)
		m.seen.await(t, partitions*records)
		t.Log(time.Since(began))
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		m.seen.wantOnce(t, partitions, records)
		for p, at := range w.committed("g") {
			if at != records {
				t.Errorf("partition %d: committed %d, want %d", p, at, records)
			}
		}
	})
}

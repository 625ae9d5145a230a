//go:build synctests

package kafka_test

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// While commits fail, records that were handled are not kept: what waits is a position.
func TestHandledRecordsAreNotKeptForTheirCommit_P7(t *testing.T) {
	t.Parallel()
	const records, size = 200, 100_000
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		var mu sync.Mutex
		var handled []weak.Pointer[kgo.Record]
		options, config := w.options("g"), unwindowed
		options.MixPartitions, config.BatchSize = true, 10
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		background(t, source, esm.Records(func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			for i := range batch {
				handled = append(handled, weak.Make(batch[i].Native.(*kgo.Record)))
			}
			return esm.Response{}, nil
		}), config)
		w.send(0, 0, 1)
		w.until("a commit fails", func() bool { return fault.Hits() > 0 })
		w.fill(0, records/2, size)
		w.fill(1, records/2, size)
		w.until("few records are kept", func() bool {
			runtime.GC()
			mu.Lock()
			defer mu.Unlock()
			kept := 0
			for _, r := range handled {
				if r.Value() != nil {
					kept++
				}
			}
			return len(handled) == records+1 && kept < records/4
		})
		fault.Remove()
		w.until("all is committed", func() bool {
			at := w.committed("g")
			return at[0] == records/2+1 && at[1] == records/2
		})
	})
}

// A lane of several partitions that loses one goes on with the others from the first
// record that is not settled, which it reads again: in order, and none is left out (P1, P4).
func TestMixedLaneGoesOnWithWhatIsNotSettled(t *testing.T) {
	t.Parallel()
	const each = 40
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		options, config := w.options("g"), unwindowed
		options.MixPartitions, options.RevokeTimeout, config.BatchSize = true, 200*time.Millisecond, 10
		w.send(0, 0, each)
		w.send(1, 0, each)
		g := newGate()
		first := start(t, options, config, func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			return esm.Response{}, g.pass(ctx)
		})
		g.await(t) // a batch is handed out, and more is read
		second := start(t, options, config, nil)
		w.until("the group is rebalanced", func() bool {
			members := w.cluster.GroupInfo("g").Members
			return len(members) == 2 && members[0].NumAssigned() == 1 && members[1].NumAssigned() == 1
		})
		g.release()
		w.until("all is committed", func() bool {
			at := w.committed("g")
			return at[0] == each && at[1] == each
		})
		for partition := range 2 {
			name := "orders-" + strconv.Itoa(partition)
			seen := slices.Concat(first.seen.of(name), second.seen.of(name))
			want := 0
			for _, value := range seen {
				if value == strconv.Itoa(want) {
					want++
				}
			}
			if want != each || len(seen) > each+2*config.BatchSize {
				t.Errorf("%s: handled %v", name, seen)
			}
		}
	})
}

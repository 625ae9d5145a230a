//go:build synctests

package kafka_test

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
)

// The lag of a partition is not an old one while its handler is stuck, and the client is
// paused (KAF-170).
func TestLagOfAStuckHandler_P15(t *testing.T) {
	t.Parallel()
	const size, before, more = 1 << 10, 5_000, 3_000
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.fill(0, before, size) // more than a lane buffers
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		g := newGate()
		background(t, source, esm.Records(g.hold), unwindowed)
		g.await(t)
		w.until("the lag is known", func() bool { lag, ok := lagOf(source, "orders-0"); return ok && lag == before })
		w.fill(0, more, size)
		w.until("the lag has grown", func() bool { lag, _ := lagOf(source, "orders-0"); return lag == before+more })
		g.release()
	})
}

// A lag that is not known is not told as 0; one of a partition that cannot be read is
// told.
func TestLagOfWhatCannotBeRead_P15(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 500)
		unlisted := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.KafkaStorageError, Count: -1})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		background(t, source, esm.Records(newGate().hold), config)
		w.awaitMembers(1)
		w.until("it was asked for", func() bool { return unlisted.Hits() >= 2 })
		for _, m := range source.Measure(nil) {
			if m.Name != kafka.OffsetsLost {
				t.Errorf("told %+v, of which nothing is known", m)
			}
		}
		unlisted.Remove()
		w.until("the lag is told", func() bool { lag, ok := lagOf(source, "orders-0"); return ok && lag == 500 })
	})
}

// The lag of a partition whose offset could not be fetched at first counts from that
// offset, and not from the oldest record.
func TestLagAfterAFailedOffsetFetch_P15(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(1, 0, 5)
		w.commit(1, 5)
		started := false
		w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetFetch}, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1,
			When: func(r kmsg.Request) bool { // once, and not that of Start
				first := !started && r.(*kmsg.OffsetFetchRequest).Groups[0].MemberID != nil
				started = started || first
				return first
			},
		})
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		background(t, source, esm.Records(newLedger().handle), config)
		w.until("it is told", func() bool { return seen.has("orders-1") })
		w.until("the lag is known", func() bool { lag, known := lagOf(source, "orders-1"); return known && lag == 0 })
	})
}

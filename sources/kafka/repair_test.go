//go:build synctests

package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// A partition whose offset could not be fetched is read all the same, without a
// rebalance, whether that passes at once or lasts.
func TestOffsetFetchOfOnePartitionFails_P9(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 6} {
		t.Run(fmt.Sprint(times, " times"), func(t *testing.T) {
			t.Parallel()
			eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
				t.Helper()
				w := newVirtualWorld(t, 2)
				w.send(0, 0, 5)
				w.send(1, 0, 5)
				w.commit(1, 2)
				options := w.options("g")
				vary(&options)
				var left = times
				w.cluster.Fault(kfake.Fault{
					Keys: []kmsg.Key{kmsg.OffsetFetch}, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1,
					When: func(r kmsg.Request) bool { // not that of Start
						member := r.(*kmsg.OffsetFetchRequest).Groups[0].MemberID != nil || left < times
						if !member || left == 0 {
							return false
						}
						left--
						return true
					},
				})
				var seen errorsOf
				config := unwindowed
				config.Observer = seen.observe
				m := start(t, options, config, nil)
				m.seen.await(t, 8)
				if got := m.seen.of("orders-1"); !slices.Equal(got, []string{"2", "3", "4"}) {
					t.Errorf("handled %v of the partition", got)
				}
				if !seen.has("orders-1") {
					t.Error("nobody was told")
				}
			})
		})
	}
}

// A batch over the limit of the client's decompression is told of again and again, and the
// lag is true; when it is not there any more, what is behind it is read.
func TestBatchOverTheDecompressionLimit_P14(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 1)
		squeezed := w.newClient(kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		large := &kgo.Record{Topic: w.topic, Value: make([]byte, 2*limit)}
		if err := squeezed.ProduceSync(t.Context(), large).FirstErr(); err != nil {
			t.Fatal(err)
		}
		w.send(0, 2, 5)
		w.send(1, 0, 5)
		options := w.options("g")
		options.ClientOptions = append(options.ClientOptions, kgo.MaxDecompressBatchBytes(limit))
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		handled := newLedger()
		background(t, source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			handled.add(records)
			return esm.Response{}, nil
		}), config)
		handled.await(t, 6)
		w.until("it is told three times", func() bool { return seen.count("orders-0") >= 3 })
		w.until("the lag is told", func() bool {
			return slices.Contains(source.Measure(nil), sources.Measure{Name: kafka.OffsetLag, Partition: "orders-0", Count: 4})
		})
		if err := w.cluster.DeleteRecords(w.topic, 0, 2); err != nil {
			t.Fatal(err)
		}
		handled.await(t, 9)
		if got := handled.of("orders-0"); !slices.Equal(got, []string{"0", "2", "3", "4"}) {
			t.Errorf("handled %v", got)
		}
	})
}

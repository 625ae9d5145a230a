//go:build synctests

package kafka_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources/kafka"
)

// emptied is a batch whose records were compacted away, as Apache Kafka keeps it when it is
// the last one of its producer.
func emptied(from, to int64) []byte {
	const lengthAt, crcAt, crcFrom = 8, 17, 21
	batch := kmsg.RecordBatch{
		FirstOffset: from, Magic: 2, LastOffsetDelta: int32(to - from), FirstTimestamp: -1, MaxTimestamp: -1, ProducerID: 2000, FirstSequence: 3,
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-lengthAt-4))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[crcFrom:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// compactAway has a broker answer as if the records of offsets from to end-1 of the first
// partition had been compacted away: with the batches given, or with what comes behind.
// It returns how often it did.
func (w *world) compactAway(from, end int64, batches []byte) *atomic.Int64 {
	asked := new(atomic.Int64)
	w.cluster.ControlKey(kmsg.Fetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		request := r.(*kmsg.FetchRequest)
		answer := request.ResponseKind().(*kmsg.FetchResponse)
		for i := range request.Topics {
			t := &request.Topics[i]
			of := kmsg.NewFetchResponseTopic()
			of.Topic, of.TopicID = t.Topic, t.TopicID
			for j := range t.Partitions {
				p := &t.Partitions[j]
				if p.Partition == 0 && p.FetchOffset < from {
					p.PartitionMaxBytes = 1 // one batch
				}
				if p.Partition != 0 || p.FetchOffset < from || p.FetchOffset >= end {
					continue
				}
				asked.Add(1)
				if batches == nil {
					p.FetchOffset = end
					continue
				}
				got := kmsg.NewFetchResponseTopicPartition()
				got.HighWatermark, got.LastStableOffset, got.RecordBatches = end, end, batches
				of.Partitions = append(of.Partitions, got)
			}
			if len(of.Partitions) > 0 {
				answer.Topics = append(answer.Topics, of)
			}
		}
		return answer, nil, len(answer.Topics) > 0
	})
	return asked
}

// tailed are options of a member whose requests compactAway understands.
func (w *world) tailed() kafka.Options {
	options := w.options("g")
	options.ClientOptions = append(options.ClientOptions, kgo.DisableFetchSessions())
	return options
}

// A group that has caught up has no lag, and no loss is told later, where the last records
// of a partition were compacted away, and only their batches are there (KAF-69, KAF-170).
func TestPositionPassesWhatWasCompactedAway(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		for _, committed := range []bool{false, true} {
			t.Run(fmt.Sprint("mixed=", mixed, " committed=", committed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t, 1)
					w.send(0, 0, 5)
					w.send(0, 5, 10)
					w.compactAway(5, 10, slices.Concat(emptied(5, 7), emptied(8, 9)))
					w.commit(0, 3)
					options := w.tailed()
					options.MixPartitions, options.ReadCommitted, options.StartingPosition = mixed, committed, kafka.Latest
					source, err := kafka.New(options)
					if err != nil {
						t.Fatal(err)
					}
					var seen errorsOf
					config := unwindowed
					config.Observer = seen.observe
					handled := w.follow(source, config)
					listed := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Observe: true})
					w.until("all is passed", func() bool { return w.committed("g")[0] == 10 })
					w.until("it was looked for again", func() bool { return listed.Hits() >= 1 })
					w.until("there is no lag", func() bool { lag, known := lagOf(source, "orders-0"); return known && lag == 0 })
					if err := w.cluster.DeleteRecords(w.topic, 0, 10); err != nil {
						t.Fatal(err)
					}
					w.send(0, 10, 13)
					w.until("all is handled", func() bool { return w.committed("g")[0] == 13 })
					if got := handled.of("orders-0"); !slices.Equal(got, []string{"3", "4", "10", "11", "12"}) || seen.loss() != nil {
						t.Errorf("handled %v, told of %v", got, seen.loss())
					}
				})
			})
		}
	}
}

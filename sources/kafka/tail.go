package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A partition may end with offsets that have no records any more, because they were
// compacted away. Apache Kafka compacts what lies before the newest segment only, which
// has a record, so that happens there after a failover that cut the newest one off; other
// brokers compact all. The client passes such offsets and does not say so. So the brokers
// are asked what there is at a position that stands still before the end: an empty batch
// tells which offsets it had, and no batch at all that there is none up to the end.

const (
	// bareTime is for how long a broker must say that there is no batch up to the end. It
	// may say so for a moment also because it is busy.
	bareTime = 5 * time.Minute
	// tailLimit is how long it may take to answer.
	tailLimit = 5 * time.Second
	// tailBytes is how much of a partition is asked for, at least one batch.
	tailBytes = 64 << 10
	// tails is how many partitions are asked for at once.
	tails = 16
)

// bareness is that there is no batch between two offsets.
type bareness struct {
	from, end int64
	since     time.Time
}

// learnTails passes ends without records of partitions that stand still.
func (s *Source) learnTails(ctx context.Context, client *kgo.Client) error {
	for a, at := range s.standing() {
		err := s.learnTail(ctx, client, a, at)
		if err != nil {
			return s.failed("Fetch", fmt.Errorf("partition %s: what is behind offset %d: %w", a.name, at.next, err))
		}
	}
	return nil
}

// standing are partitions that the client reads, and whose position has not moved since
// the last time though it lies before the end.
func (s *Source) standing() map[*assignment]place {
	s.mu.Lock()
	defer s.mu.Unlock()
	some := make(map[*assignment]place)
	for _, a := range s.owned {
		stands := a.stood == a.next
		a.stood = a.next
		_, rests := s.resting[a]
		isRead := a.placed && !a.astray && !a.asked && !rests && !a.lane.paused && a.lane.state == serving
		if stands && isRead && a.next >= 0 && a.next < a.end && a.leader >= 0 && len(some) < tails {
			some[a] = place{topicID: s.ids[a.topic], leader: a.leader, next: a.next}
		}
	}
	return some
}

// place is where the next record of a partition is to be found.
type place struct {
	topicID topicID
	leader  int32
	next    int64
}

// learnTail asks what there is of a partition at a place, and passes what is no record.
func (s *Source) learnTail(ctx context.Context, client *kgo.Client, a *assignment, at place) error {
	options := kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: at.next, Topic: a.topic, Partition: a.partition, IsolationLevel: kgo.ReadUncommitted(),
	}
	if s.options.ReadCommitted {
		options.IsolationLevel = kgo.ReadCommitted()
	}
	got, err := within(ctx, tailLimit, func(ctx context.Context) (*kmsg.FetchResponseTopicPartition, error) {
		return s.peek(ctx, client, a, at)
	})
	if err != nil || got.ErrorCode != 0 {
		return err // the client hears of the answer's error too
	}
	fetched, end := kgo.ProcessFetchPartition(options, got, kgo.DefaultDecompressor(), nil)
	if fetched.Err != nil {
		return nil //nolint:nilerr // as above
	}
	bare := len(got.RecordBatches) == 0
	switch {
	case len(fetched.Records) > 0:
		end = at.next
	case bare && s.options.ReadCommitted:
		end = got.LastStableOffset
	case bare:
		end = got.HighWatermark
	}
	s.passTail(a, at.next, end, bare)
	return nil
}

// peek fetches what there is at a place. The answer is empty if the broker does not say.
func (s *Source) peek(ctx context.Context, client *kgo.Client, a *assignment, at place) (*kmsg.FetchResponseTopicPartition, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes = tailBytes
	if s.options.ReadCommitted {
		request.IsolationLevel = 1
	}
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = a.partition, at.next, tailBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = a.topic, at.topicID
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	response, err := client.Broker(int(at.leader)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	answer, ok := response.(*kmsg.FetchResponse)
	if !ok {
		return nil, errors.New("not answered with a FetchResponse")
	}
	for i := range answer.Topics {
		for j := range answer.Topics[i].Partitions {
			if got := &answer.Topics[i].Partitions[j]; got.Partition == a.partition {
				return got, nil
			}
		}
	}
	return new(kmsg.FetchResponseTopicPartition), nil // so answers who wants to be asked less often
}

// passTail has the position of a partition pass offsets that have no record. Where no
// batch says so, the topic must be a compacted one, and that be so for a while.
func (s *Source) passTail(a *assignment, next, end int64, bare bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.owned || a.asked || a.next != next || a.lane.state != serving {
		return
	}
	if bare && end > next {
		if a.bare.from != next || a.bare.since.IsZero() {
			a.bare = bareness{from: next, end: end, since: time.Now()}
		}
		if !a.retention.compacted.Load() || time.Since(a.bare.since) < bareTime {
			return
		}
		end = a.bare.end
	}
	a.bare = bareness{}
	if end <= next {
		return
	}
	a.next = end
	a.lane.put(chunk{of: a, end: kgo.EpochOffset{Epoch: -1, Offset: end}})
}

package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errLeftOut says that an answer has nothing of what was asked for.
var errLeftOut = errors.New("the answer leaves it out")

// committed is what the group has committed of topics. Its errors are made by failure:
// Source.refused at the start, Source.failed later, when what is denied was allowed once.
func (s *Source) committed(
	ctx context.Context, client *kgo.Client, topics []string, failure func(operation string, err error) error,
) (kadm.Offsets, error) {
	listed, err := within(ctx, callLimit, func(ctx context.Context) (kadm.TopicDetails, error) {
		return kadm.NewClient(client).ListTopics(ctx, topics...)
	})
	if err != nil {
		return nil, failure("Metadata", err)
	}
	wanted := make(map[string][]int32)
	for _, topic := range topics {
		err := listed[topic].Err
		if err == nil && len(listed[topic].Partitions) == 0 {
			err = errLeftOut
		}
		if err != nil {
			return nil, failure("Metadata", fmt.Errorf("topic %s: %w", topic, err))
		}
		wanted[topic] = listed[topic].Partitions.Numbers()
	}
	offsets, err := s.fetchOffsets(ctx, client, wanted)
	if err != nil {
		return nil, failure("OffsetFetch", err)
	}
	return offsets, nil
}

// fetchOffsets asks where the group stands in partitions, and returns those of which it
// has committed an offset. It names them: asked for all that a group has, brokers leave out
// what the client may not see, as if nothing were committed.
func (s *Source) fetchOffsets(ctx context.Context, client *kgo.Client, wanted map[string][]int32) (kadm.Offsets, error) {
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = s.options.ConsumerGroupID
	for topic, partitions := range wanted {
		of := kmsg.NewOffsetFetchRequestGroupTopic()
		of.Topic, of.Partitions = topic, partitions
		group.Topics = append(group.Topics, of)
	}
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Groups = append(request.Groups, group)
	answer, err := within(ctx, callLimit, func(ctx context.Context) (*kmsg.OffsetFetchResponse, error) {
		return request.RequestWith(ctx, client)
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Groups) != 1 {
		return nil, fmt.Errorf("group: %w", errLeftOut)
	}
	err = kerr.ErrorForCode(answer.Groups[0].ErrorCode)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return make(kadm.Offsets), nil
	}
	if err != nil {
		return nil, err
	}
	return offsetsOf(&answer.Groups[0], wanted)
}

// offsetsOf are the offsets of an answer, which must have all that is wanted.
func offsetsOf(answer *kmsg.OffsetFetchResponseGroup, wanted map[string][]int32) (kadm.Offsets, error) {
	all, told := make(kadm.Offsets), make(map[key]bool)
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("partition %s: %w", key{t.Topic, p.Partition}.name(), err)
			}
			told[key{t.Topic, p.Partition}] = true
			if p.Offset >= 0 {
				offset := kadm.Offset{Topic: t.Topic, Partition: p.Partition, At: p.Offset, LeaderEpoch: p.LeaderEpoch}
				if p.Metadata != nil {
					offset.Metadata = *p.Metadata
				}
				all.Add(offset)
			}
		}
	}
	for topic, partitions := range wanted {
		for _, partition := range partitions {
			if !told[key{topic, partition}] {
				return nil, fmt.Errorf("partition %s: %w", key{topic, partition}.name(), errLeftOut)
			}
		}
	}
	return all, nil
}

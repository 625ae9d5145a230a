package kafka

import (
	"cmp"
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A topic that is deleted and made anew has another ID. Brokers before Apache Kafka 4.1 take
// commits by the name of the topic only, so one that was meant for the old topic may come to
// be that of the new one. Therefore each commit says, in its metadata, of which topic it is.

// topicID tells a topic from others that had its name before. Old brokers have none.
type topicID = [16]byte

// markPrefix is what stands before the ID of the topic in the metadata of a commit.
const markPrefix = " topic="

// mark is the metadata of a commit of a member: its name, and of which topic it is.
func mark(member string, id topicID) string { return member + markPrefix + hex.EncodeToString(id[:]) }

// marked is the ID of the topic that the metadata of a commit names; zero for none.
func marked(metadata string) (id topicID) {
	_, text, found := strings.Cut(metadata, markPrefix)
	if decoded, err := hex.DecodeString(text); found && err == nil && len(decoded) == len(id) {
		return topicID(decoded)
	}
	return topicID{}
}

// describe asks for topics.
func (s *Source) describe(ctx context.Context, client *kgo.Client, topics []string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: &topic})
	}
	answer, err := within(ctx, callLimit, func(ctx context.Context) (*kmsg.MetadataResponse, error) {
		return request.RequestWith(ctx, client)
	})
	if err != nil {
		return nil, s.failed("Metadata", err)
	}
	return answer, nil
}

// topicIDs asks for the IDs of topics, and leaves out those that brokers do not know.
func (m *member) topicIDs(ctx context.Context, topics []string) (map[string]topicID, error) {
	answer, err := m.source.describe(ctx, m.client, topics)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]topicID)
	for i := range answer.Topics {
		if t := &answer.Topics[i]; t.ErrorCode == 0 && t.Topic != nil {
			ids[*t.Topic] = t.TopicID
		}
	}
	return ids, nil
}

// onFetched learns of which topics the offsets are that the group has committed.
func (m *member) onFetched(_ context.Context, _ *kgo.Client, answer *kmsg.OffsetFetchResponse) error {
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	m.marks = make(map[key]topicID)
	for i := range answer.Groups {
		for j := range answer.Groups[i].Topics {
			t := &answer.Groups[i].Topics[j]
			for k := range t.Partitions {
				if p := &t.Partitions[k]; p.Metadata != nil {
					m.marks[key{t.Topic, p.Partition}] = marked(*p.Metadata)
				}
			}
		}
	}
	return nil
}

// restart has partitions begin at their beginning whose committed offset is that of a topic
// that had the name before, and returns which these are.
func (m *member) restart(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[key]bool, error) {
	marks := make(map[key]topicID)
	m.source.mu.Lock()
	for topic, partitions := range offsets {
		for partition, offset := range partitions {
			if k := (key{topic, partition}); offset.EpochOffset().Offset >= 0 {
				marks[k] = m.marks[k]
			}
		}
	}
	m.source.mu.Unlock()
	others, err := m.ofOthers(ctx, marks)
	for k := range others {
		offsets[k.topic][k.partition] = kgo.NewOffset().AtStart()
	}
	return others, err
}

// ofOthers returns which committed offsets are of other topics than those that have the
// names now. An offset that does not say of which topic it is, is of another one if the
// topic was made anew while this process read it.
func (m *member) ofOthers(ctx context.Context, marks map[key]topicID) (map[key]bool, error) {
	s := m.source
	others, doubtful := make(map[key]bool), make(map[string]topicID)
	s.mu.Lock()
	for k, id := range marks {
		switch {
		case id == topicID{}:
			if s.anew[k.topic] {
				others[k] = true
			}
		case id != s.ids[k.topic] || m.again: // the client may know more than watch does
			doubtful[k.topic] = id
		}
	}
	s.mu.Unlock()
	if len(doubtful) == 0 {
		return others, nil
	}
	ids, err := m.topicIDs(ctx, slices.Sorted(maps.Keys(doubtful)))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, id := range marks {
		now, known := ids[k.topic]
		switch {
		case id == topicID{}:
		case known && now != topicID{} && now != id:
			others[k] = true
		case !known && s.ids[k.topic] == topicID{}:
			s.ids[k.topic] = id // so that what comes under this name is seen to be another
		}
	}
	return others, nil
}

// beginAt has a partition begin at an offset that the group has. The caller holds the mutex.
func (a *assignment) beginAt(at kgo.EpochOffset) { a.next, a.settled, a.committed = at.Offset, at, at }

// check makes a commit say of which topics it is, and leaves out what is doubtful, because
// a commit of it was refused, unless brokers have the very topic again. What is left out is
// noted in errs.
func (c *committer) check(ctx context.Context, r *kmsg.OffsetCommitRequest, doubtful []string, errs map[key]error) error {
	for i := range r.Topics {
		t := &r.Topics[i]
		for j := range t.Partitions {
			if t.TopicID != (topicID{}) {
				t.Partitions[j].Metadata = new(mark(r.MemberID, t.TopicID))
			}
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	ids, err := c.ask(ctx, doubtful)
	r.Topics = slices.DeleteFunc(r.Topics, func(t kmsg.OffsetCommitRequestTopic) bool {
		id, known := ids[t.Topic]
		same := known && (id == topicID{} || t.TopicID == topicID{} || id == t.TopicID)
		if same || !slices.Contains(doubtful, t.Topic) {
			return false
		}
		for j := range t.Partitions {
			errs[key{t.Topic, t.Partitions[j].Partition}] = cmp.Or[error](err, kerr.UnknownTopicOrPartition)
		}
		return true
	})
	if len(r.Topics) == 0 {
		return cmp.Or[error](err, kerr.UnknownTopicOrPartition)
	}
	return nil
}

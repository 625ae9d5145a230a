package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// watchInterval is how often the brokers are asked for what fetches do not tell: the
	// ends of partitions that are not fetched, and whether topics were made anew.
	watchInterval = 5 * time.Second
	// watchPause is the least time between two such questions.
	watchPause = 250 * time.Millisecond
	// current is for how long an answer about an end is told.
	current = 4 * watchInterval
)

// watch asks the brokers now and then, and when it is asked to, until ctx is done. It has a
// client that is no member: a question that is not answered must not hold up a heartbeat,
// which would be behind it on the connection.
func (s *Source) watch(ctx context.Context, client *kgo.Client) {
	defer client.Close()
	var failing time.Time   // when it was last told that nothing can be learned
	described := time.Now() // when all topics were asked for how long they keep records
	for ctx.Err() == nil {
		err := s.learn(ctx, client)
		all := time.Since(described) >= retentionInterval
		if all {
			described = time.Now()
		}
		err = errors.Join(err, s.learnRetention(ctx, client, s.described(all)))
		switch {
		case err == nil:
			failing = time.Time{}
		case ctx.Err() == nil && time.Since(failing) >= time.Minute:
			failing = time.Now()
			s.tell(err)
		}
		sleep(ctx, watchPause)
		timer := time.NewTimer(watchInterval - watchPause)
		select {
		case <-timer.C:
		case <-s.curious:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// learn asks once.
func (s *Source) learn(ctx context.Context, client *kgo.Client) error {
	err := s.learnTopics(ctx, client)
	if err != nil {
		return err
	}
	err = s.learnEnds(ctx, kadm.NewClient(client))
	if err != nil {
		return err
	}
	return s.learnTails(ctx, client)
}

// learnTopics has topics read anew that were deleted and made again. The client does not
// take the new one for the old one, and goes on to ask for the old one for ever.
func (s *Source) learnTopics(ctx context.Context, client *kgo.Client) error {
	s.mu.Lock()
	m := s.member
	for k := range s.owned {
		if _, known := s.ids[k.topic]; !known {
			s.ids[k.topic] = topicID{}
		}
	}
	topics := slices.Collect(maps.Keys(s.ids))
	s.mu.Unlock()
	if len(topics) == 0 {
		return nil
	}
	answer, err := s.describe(ctx, client, topics)
	if err != nil {
		return err
	}
	s.learnLeaders(answer)
	for i := range answer.Topics {
		if t := &answer.Topics[i]; t.ErrorCode == 0 && t.Topic != nil && s.isAnew(*t.Topic, t.TopicID) {
			anew := fmt.Errorf("topic %s was made anew; what was committed of the old one is not taken for a place in it", *t.Topic)
			s.tell(s.failed("Metadata", anew))
			m.reload(*t.Topic)
		}
	}
	return nil
}

// learnLeaders notes which brokers have the partitions.
func (s *Source) learnLeaders(answer *kmsg.MetadataResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			if t.Topic == nil {
				continue
			}
			if a := s.owned[key{*t.Topic, t.Partitions[j].Partition}]; a != nil {
				a.leader = t.Partitions[j].Leader
			}
		}
	}
}

// isAnew learns the ID of a topic, and reports whether it had another one.
func (s *Source) isAnew(topic string, id topicID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.ids[topic]
	if id != (topicID{}) {
		s.ids[topic] = id
	}
	anew := before != topicID{} && id != topicID{} && before != id
	if anew {
		s.anew[topic] = true
		delete(s.starts, topic) // of the old one
	}
	return anew
}

// reload has the client forget a topic, and learn of it anew.
func (m *member) reload(topic string) {
	s := m.source
	all := make(map[string][]int32)
	s.mu.Lock()
	for k := range s.owned {
		if k.topic == topic {
			all[topic] = append(all[topic], k.partition)
		}
	}
	current := s.member == m
	s.mu.Unlock()
	if !current {
		return
	}
	s.drop(all, s.lanesOf(all))
	m.client.PurgeTopicsFromConsuming(topic)
	m.client.AddConsumeTopics(topic) // those of a pattern come back by themselves,
	m.client.ForceMetadataRefresh()  // but not before the client has looked for topics again
}

// learnEnds asks for the ends of all partitions, and for the beginning of those of which
// nothing else is known.
func (s *Source) learnEnds(ctx context.Context, admin *kadm.Client) error {
	owned, fresh := s.topicsOwned()
	if len(owned) == 0 {
		return nil
	}
	ends, err := within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) {
		return admin.ListEndOffsets(ctx, owned...)
	})
	if err != nil {
		return s.failed("ListOffsets", err)
	}
	var starts kadm.ListedOffsets
	if len(fresh) > 0 {
		starts, err = within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) {
			return admin.ListStartOffsets(ctx, fresh...)
		})
		if err != nil {
			return s.failed("ListOffsets", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, a := range s.owned {
		a.complain()
		if at, ok := starts.Lookup(k.topic, k.partition); ok && at.Err == nil && a.first < 0 {
			a.first = at.Offset
		}
		if at, ok := ends.Lookup(k.topic, k.partition); ok && at.Err == nil && at.Offset >= a.next {
			a.end, a.known = at.Offset, time.Now()
		}
	}
	return nil
}

// complain tells now and then that the client does not get an answer where the partition
// begins. It asks again and again by itself. The caller holds the mutex.
func (a *assignment) complain() {
	if !a.placed && time.Since(a.since) >= tellAfter {
		a.since = time.Now()
		a.fail(a.lane.source.failed("OffsetFetch", fmt.Errorf("partition %s: where it begins is not known after %v", a.name, tellAfter)))
	}
}

// topicsOwned are the topics of which partitions are owned, and those of them of which
// nobody knows where a partition is.
func (s *Source) topicsOwned() (all, fresh []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, a := range s.owned {
		if !slices.Contains(all, k.topic) {
			all = append(all, k.topic)
		}
		if a.position() < 0 && !slices.Contains(fresh, k.topic) {
			fresh = append(fresh, k.topic)
		}
	}
	return all, fresh
}

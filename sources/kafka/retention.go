package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources/kafka/access"
)

const (
	// retentionInterval is how often brokers are asked how long topics keep records, and
	// how long one that should be gone is tried at least: brokers look for those as often.
	retentionInterval = 5 * time.Minute
	// describeLimit is how long the start waits for the first answer.
	describeLimit = 5 * time.Second
)

// retention is how long a topic keeps its records, as far as that is known.
type retention struct {
	period    atomic.Int64 // nanoseconds; 0 if it is not known, or for ever
	compacted atomic.Bool
	asked     bool // guarded by the source's mutex
}

// retentionOf is that of a topic. The caller holds the mutex.
func (s *Source) retentionOf(topic string) *retention {
	if s.retentions[topic] == nil {
		s.retentions[topic] = new(retention)
	}
	return s.retentions[topic]
}

// learnRetention asks how long topics keep their records. That the mapping may not know it
// is no error.
func (s *Source) learnRetention(ctx context.Context, client *kgo.Client, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range topics {
		request.Resources = append(request.Resources, kmsg.DescribeConfigsRequestResource{
			ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic, ConfigNames: []string{cleanupPolicy, retentionMs},
		})
	}
	answer, err := within(ctx, describeLimit, func(ctx context.Context) (*kmsg.DescribeConfigsResponse, error) {
		return request.RequestWith(ctx, client)
	})
	if err != nil {
		return s.failed("DescribeConfigs", err)
	}
	for i := range answer.Resources {
		err = errors.Join(err, s.noteRetention(&answer.Resources[i]))
	}
	if err != nil {
		return s.failed("DescribeConfigs", err)
	}
	return nil
}

// The names of what is asked for.
const (
	cleanupPolicy = "cleanup.policy"
	retentionMs   = "retention.ms"
)

// noteRetention notes what was answered of a topic. What was known stays known if there is
// no answer.
func (s *Source) noteRetention(topic *kmsg.DescribeConfigsResponseResource) error {
	s.mu.Lock()
	r := s.retentionOf(topic.ResourceName)
	r.asked = true
	s.mu.Unlock()
	err := kerr.ErrorForCode(topic.ErrorCode)
	switch {
	case access.Refused(err), errors.Is(err, kerr.UnknownTopicOrPartition):
		return nil
	case err != nil:
		return fmt.Errorf("topic %s: %w", topic.ResourceName, err)
	}
	values := make(map[string]string)
	for i := range topic.Configs {
		if c := &topic.Configs[i]; c.Value != nil {
			values[c.Name] = *c.Value
		}
	}
	policies, told := values[cleanupPolicy]
	milli, err := strconv.ParseInt(values[retentionMs], decimal, 64)
	if told && err == nil {
		r.set(strings.Split(policies, ","), milli)
	}
	return nil
}

// set notes what is known. A period that a Duration does not hold is none.
func (r *retention) set(policies []string, milli int64) {
	has := func(policy string) bool {
		return slices.ContainsFunc(policies, func(one string) bool { return strings.TrimSpace(one) == policy })
	}
	if !has("delete") || milli < 0 || milli > math.MaxInt64/int64(time.Millisecond) {
		milli = 0
	}
	r.period.Store(milli * int64(time.Millisecond))
	r.compacted.Store(has("compact"))
}

// expiry tells when records expire that are handed out now.
func (r *retention) expiry() expiry {
	e := expiry{period: time.Duration(r.period.Load())}
	if e.period > 0 {
		e.least = time.Now().Add(retentionInterval)
	}
	return e
}

// expiry is by when records are given up.
type expiry struct {
	period time.Duration // after their time; 0 for never
	least  time.Time
}

// of is when a record of a time expires; zero for never.
func (e *expiry) of(stamp time.Time) time.Time {
	if e.period == 0 || stamp.IsZero() {
		return time.Time{}
	}
	at := stamp.Add(e.period)
	if at.Before(e.least) {
		return e.least
	}
	return at
}

// described are the topics to ask for the retention of: all that are read, or those that
// nobody asked for yet.
func (s *Source) described(all bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var topics []string
	for k, a := range s.owned {
		if (all || !a.retention.asked) && !slices.Contains(topics, k.topic) {
			topics = append(topics, k.topic)
		}
	}
	return topics
}

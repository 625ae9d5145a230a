package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka/access"
)

// callLimit is how long one call of Start may take before all is tried anew.
const callLimit = 30 * time.Second

// Start checks that the brokers can be reached and the topics and the group be read,
// looks up StartingPosition if that is needed, and joins the group. What the brokers
// refuse, and a topic that does not exist, end the mapping (KAF-18).
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	if s.stop != nil {
		return nil
	}

	s.mu.Lock()
	s.listener = settings.Report
	s.mu.Unlock()

	start, err := s.prepare(ctx)
	if err != nil {
		return err
	}

	s.begun = start

	m, err := s.newMember(start) //nolint:contextcheck // it lives until Close
	if err != nil {
		return err
	}

	life, stop := context.WithCancel(context.WithoutCancel(ctx))

	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()

	s.living.Go(func() { s.live(life, m) })

	return nil
}

// fetching is how much is fetched at once and how long a fetch waits for it, unless
// Options.ClientOptions say otherwise. A partition that is resumed, or assigned, is
// fetched when the fetch under way has ended, so that one must not wait long.
func fetching() []kgo.Opt {
	const (
		most          = 16 << 20
		partitionMost = 1 << 20
		longest       = time.Second
	)

	return []kgo.Opt{kgo.FetchMaxBytes(most), kgo.FetchMaxPartitionBytes(partitionMost), kgo.FetchMaxWait(longest)}
}

// consumerOptions are those of the member of the group.
func (s *Source) consumerOptions(start kgo.Offset) []kgo.Opt {
	const margin = 30 * time.Second

	options := []kgo.Opt{
		kgo.ConsumerGroup(s.options.ConsumerGroupID),
		kgo.DisableAutoCommit(),
		kgo.ConsumeStartOffset(start),
		kgo.ConsumeResetOffset(s.options.reset()),
		kgo.RebalanceTimeout(s.options.RevokeTimeout + margin),
		kgo.KeepRetryableFetchErrors(), // or the client fetches again at once, see rest
	}

	if s.options.ServerSideAssignment {
		// The client takes this balancer, and no other, for the server's uniform one.
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	} else {
		options = append(options, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	}

	if s.options.InstanceID != "" {
		options = append(options, kgo.InstanceID(s.options.InstanceID))
	}

	if s.options.ReadCommitted {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}

	if s.options.TopicPattern != "" {
		return append(options, kgo.ConsumeRegex(), kgo.ConsumeTopics(s.options.whole()), kgo.ConsumeExcludeTopics("^__.*"))
	}

	return append(options, kgo.ConsumeTopics(s.options.Topics...))
}

// prepare checks what can be checked, and returns where partitions without a
// committed offset are to begin.
func (s *Source) prepare(ctx context.Context) (kgo.Offset, error) {
	client, err := kgo.NewClient(s.reach...)
	if err != nil {
		return kgo.Offset{}, s.failed("NewClient", fmt.Errorf("%w: %w", err, sources.ErrUnusable))
	}
	defer client.Close()

	admin := kadm.NewClient(client)

	topics, err := s.find(ctx, admin)
	if err != nil {
		return kgo.Offset{}, err
	}

	return s.pin(ctx, admin, topics)
}

// find returns the topics that there are to read.
func (s *Source) find(ctx context.Context, admin *kadm.Client) ([]string, error) {
	found, err := within(ctx, callLimit, func(ctx context.Context) (kadm.TopicDetails, error) {
		return admin.ListTopics(ctx, s.options.Topics...)
	})
	if err != nil {
		return nil, s.refused("Metadata", err)
	}

	if s.options.TopicPattern != "" {
		return s.matching(found), nil
	}

	for _, topic := range s.options.Topics {
		err := found[topic].Err
		if errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.InvalidTopicException) {
			return nil, s.failed("Metadata", fmt.Errorf("topic %s does not exist (create it, or correct Topics): %w: %w",
				topic, err, sources.ErrUnusable))
		}

		if err != nil {
			return nil, s.refused("Metadata", err)
		}
	}

	return s.options.Topics, nil
}

// matching is which of the topics the pattern matches.
func (s *Source) matching(found kadm.TopicDetails) []string {
	pattern := regexp.MustCompile(s.options.whole()) // New has compiled it once

	var topics []string

	for topic := range found {
		if !strings.HasPrefix(topic, "__") && pattern.MatchString(topic) {
			topics = append(topics, topic)
		}
	}

	return topics
}

// pin commits where the group is to start, if it has committed nothing of a topic
// yet. What has no offset after that came later, and begins at its beginning (KAF-08).
func (s *Source) pin(ctx context.Context, admin *kadm.Client, topics []string) (kgo.Offset, error) {
	earliest := kgo.NewOffset().AtStart()

	if len(topics) == 0 {
		return earliest, nil // those of a pattern that come later are read from their beginning
	}

	// Asked for also where it is not needed: it tells whether the group may be read.
	none, err := s.uncommitted(ctx, admin, topics)
	if err != nil || len(none) == 0 || s.options.StartingPosition == TrimHorizon {
		return earliest, err
	}

	listed, err := within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) {
		return admin.ListOffsetsAfterMilli(ctx, s.startMilli(), none...)
	})
	if err == nil {
		err = listed.Error()
	}

	if err != nil {
		return earliest, s.refused("ListOffsets", err)
	}

	answers, err := within(ctx, callLimit, func(ctx context.Context) (kadm.OffsetResponses, error) {
		return admin.CommitOffsets(ctx, s.options.ConsumerGroupID, listed.Offsets())
	})
	if err == nil {
		err = answers.Error()
	}

	switch {
	case err == nil:
		return earliest, nil
	case !isStranger(err):
		return earliest, s.refused("OffsetCommit", err)
	}

	// The group has members, so somebody else has pinned it meanwhile, or never will.
	none, err = s.uncommitted(ctx, admin, none)
	if err != nil || len(none) == 0 {
		return earliest, err
	}

	return s.options.start(), nil
}

// startMilli is StartingPosition as a time; one that no record has is the end.
func (s *Source) startMilli() int64 {
	if s.options.StartingPosition == Latest {
		return math.MaxInt64
	}

	return s.options.StartingPositionTimestamp.UnixMilli()
}

// uncommitted is of which of the topics the group has committed nothing.
func (s *Source) uncommitted(ctx context.Context, admin *kadm.Client, topics []string) ([]string, error) {
	fetched, err := within(ctx, callLimit, func(ctx context.Context) (kadm.OffsetResponses, error) {
		return admin.FetchOffsetsForTopics(ctx, s.options.ConsumerGroupID, topics...)
	})
	if err == nil {
		err = fetched.Error()
	}

	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, s.refused("OffsetFetch", err)
	}

	committed := make(map[string]bool)
	for topic, partitions := range fetched {
		for _, at := range partitions {
			committed[topic] = committed[topic] || at.At >= 0
		}
	}

	var none []string

	for _, topic := range topics {
		if !committed[topic] {
			none = append(none, topic)
		}
	}

	return none, nil
}

// isStranger says that the broker does not take this client for a member of the group:
// it never was one, or others have taken its place.
func isStranger(err error) bool {
	for _, of := range []error{
		kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch, kerr.FencedInstanceID,
	} {
		if errors.Is(err, of) {
			return true
		}
	}

	return false
}

// isThrownOut says that the group has put its member out. One whose static instance is
// somebody else's now is told by the client, and does not come back.
func isThrownOut(err error) bool {
	return isStranger(err) && !errors.Is(err, kerr.StaleMemberEpoch) && !errors.Is(err, kerr.FencedInstanceID)
}

// refused tells what will not pass from what may.
func (s *Source) refused(operation string, err error) error {
	if access.Refused(err) {
		return fmt.Errorf("%w (a mapping needs Read and Describe on the topic and on the group, KAF-42): %w",
			s.failed(operation, err), sources.ErrUnusable)
	}

	return s.failed(operation, err)
}

package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
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
	client, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.life = life
	s.mu.Unlock()
	m, err := s.newMember() //nolint:contextcheck // it lives until Close
	if err != nil {
		stop()
		client.Close()
		return err
	}
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	s.living.Go(func() { s.live(life, m) })
	s.living.Go(func() { s.watch(life, client) })
	if s.options.RevokeTimeout < settings.Timeout && settings.Logger != nil {
		settings.Logger.Warn("kafka: Options.RevokeTimeout is shorter than Config.Timeout: a handler that takes longer is cut off "+
			"when its partition is revoked, and its records are handled again",
			"RevokeTimeout", s.options.RevokeTimeout, "Timeout", settings.Timeout)
	}
	return nil
}

// fetching is how much is fetched at once and how long a fetch waits for it, and how often
// new topics and partitions are looked for, unless Options.ClientOptions say otherwise. A
// partition that is resumed, or assigned, is fetched when the fetch under way has ended,
// so that one must not wait long.
func fetching() []kgo.Opt {
	const (
		maxBytes          = 16 << 20
		maxPartitionBytes = 1 << 20
		maxWait           = time.Second
		maxMetadataAge    = time.Minute
	)
	return []kgo.Opt{
		kgo.FetchMaxBytes(maxBytes), kgo.FetchMaxPartitionBytes(maxPartitionBytes), kgo.FetchMaxWait(maxWait), kgo.MetadataMaxAge(maxMetadataAge),
	}
}

// consumerOptions are those of the member of the group.
func (s *Source) consumerOptions() []kgo.Opt {
	const margin = 30 * time.Second
	options := []kgo.Opt{
		kgo.ConsumerGroup(s.options.ConsumerGroupID),
		kgo.DisableAutoCommit(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), // what is to begin elsewhere has an offset
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),       // see relocate
		kgo.RebalanceTimeout(s.options.RevokeTimeout + margin),
		kgo.KeepControlRecords(),       // so that the position passes them
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

// prepare checks what can be checked, and stores where the group is to start. It returns
// a client that is no member of the group.
func (s *Source) prepare(ctx context.Context) (*kgo.Client, error) {
	const fresh = 100 * time.Millisecond // how long an answer about topics is not asked for again
	client, err := kgo.NewClient(slices.Concat(s.reach, []kgo.Opt{kgo.MetadataMinAge(fresh)})...)
	if err != nil {
		return nil, s.failed("NewClient", fmt.Errorf("%w: %w", err, sources.ErrUnusable))
	}
	topics, err := s.find(ctx, kadm.NewClient(client))
	if err == nil {
		err = s.pin(ctx, client, topics)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	err = s.learnRetention(ctx, client, topics)
	if err != nil {
		s.tell(err)
	}
	return client, nil
}

// find returns the topics that there are to read. One that brokers do not know is asked
// for again for a while: a broker that has just started knows none.
func (s *Source) find(ctx context.Context, admin *kadm.Client) ([]string, error) {
	const (
		pause = 250 * time.Millisecond
		limit = 3 * time.Second
	)
	for began := time.Now(); ; sleep(ctx, pause) {
		topics, err := s.look(ctx, admin)
		if !errors.Is(err, kerr.UnknownTopicOrPartition) || time.Since(began) >= limit || ctx.Err() != nil {
			return topics, err
		}
	}
}

// look is find, once.
func (s *Source) look(ctx context.Context, admin *kadm.Client) ([]string, error) {
	found, err := within(ctx, callLimit, func(ctx context.Context) (kadm.TopicDetails, error) {
		return admin.ListTopics(ctx, s.options.Topics...)
	})
	if err != nil {
		return nil, s.refused("Metadata", err)
	}
	if s.options.TopicPattern != "" {
		return s.matching(found), nil
	}
	s.mu.Lock()
	for topic := range found {
		s.ids[topic] = topicID(found[topic].ID)
	}
	s.mu.Unlock()
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

// pin stores where the group is to start, if it has committed nothing of a topic yet.
// What has no offset after that came later, and begins at its beginning (KAF-08).
func (s *Source) pin(ctx context.Context, client *kgo.Client, topics []string) error {
	if len(topics) == 0 {
		return nil // those of a pattern that come later are read from their beginning
	}

	// Asked for also where it is not needed: it tells whether the group may be read.
	committed, err := s.committed(ctx, client, topics, s.refused)
	if err != nil || s.options.StartingPosition == TrimHorizon {
		return err
	}
	none := without(committed, topics)
	if len(none) == 0 {
		return nil
	}
	listed, err := within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) {
		return kadm.NewClient(client).ListOffsetsAfterMilli(ctx, s.startMilli(), none...)
	})
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return s.refused("ListOffsets", err)
	}
	return s.store(ctx, client, listed.Offsets())
}

// store commits starts, but those of topics of which somebody has stored one since they
// were looked up. So one that overwrites another, which was stored after this question,
// was looked up before that: nothing that came since then is missed.
func (s *Source) store(ctx context.Context, client *kgo.Client, starts kadm.Offsets) error {
	topics := slices.Collect(maps.Keys(starts))
	committed, err := s.committed(ctx, client, topics, s.refused)
	if err != nil {
		return err
	}
	starts = only(starts, without(committed, topics))
	if len(starts) == 0 {
		return nil
	}
	answers, err := within(ctx, callLimit, func(ctx context.Context) (kadm.OffsetResponses, error) {
		return kadm.NewClient(client).CommitOffsets(ctx, s.options.ConsumerGroupID, starts)
	})
	if err == nil {
		err = answers.Error()
	}
	if err != nil && isStranger(err) {
		s.starts = starts // the group has members, and takes it from one of them only
		return nil
	}
	if err != nil {
		return s.refused("OffsetCommit", err)
	}
	return nil
}

// settleStarts stores as a member what Start could not store, before anything is read of
// partitions that have no offset, and has them begin there.
func (m *member) settleStarts(ctx context.Context, offsets map[string]map[int32]kgo.Offset) error {
	s := m.source
	topics := s.unsettled(offsets)
	if len(topics) == 0 {
		return nil
	}
	stored, err := s.committed(ctx, m.client, topics, s.failed)
	if err != nil {
		return err
	}
	s.mu.Lock()
	starts := only(s.starts, without(stored, topics))
	s.mu.Unlock()
	if len(starts) > 0 {
		err := m.storeStarts(starts) //nolint:contextcheck // what is begun is stored whatever becomes of the group
		if err != nil {
			return err
		}
	}
	maps.Copy(stored, starts)
	for _, topic := range topics {
		for partition, at := range offsets[topic] {
			if found, ok := stored.Lookup(topic, partition); ok && at.EpochOffset().Offset < 0 {
				offsets[topic][partition] = kgo.NewOffset().At(found.At).WithEpoch(found.LeaderEpoch)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, topic := range topics {
		delete(s.starts, topic) // what is made anew under this name begins at its beginning
	}
	return nil
}

// unsettled is which topics have a start that is not stored, and a partition that needs
// it.
func (s *Source) unsettled(offsets map[string]map[int32]kgo.Offset) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var topics []string
	for topic, partitions := range offsets {
		if _, is := s.starts[topic]; !is {
			continue
		}
		for _, at := range partitions {
			if at.EpochOffset().Offset < 0 {
				topics = append(topics, topic)
				break
			}
		}
	}
	return topics
}

// storeStarts commits the starts of all partitions of topics at once, so that no member
// takes one for a partition that came later.
func (m *member) storeStarts(starts kadm.Offsets) error {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	for topic, partitions := range starts {
		offsets[topic] = make(map[int32]kgo.EpochOffset)
		for partition, at := range partitions {
			offsets[topic][partition] = kgo.EpochOffset{Epoch: at.LeaderEpoch, Offset: at.At}
		}
	}
	errs, err := m.committer.call(offsets, nil)
	for _, of := range errs {
		err = cmp.Or(err, of)
	}
	if err != nil {
		return m.source.failed("OffsetCommit", fmt.Errorf("where to start: %w", timed(commitLimit, err)))
	}
	return nil
}

// settleLate looks up where partitions begin that have no offset, and has them begin there:
// at their beginning, as they came when the group had begun (KAF-08), or as StartingPosition
// says so. An offset that the client looks up itself cannot be changed before it has read
// something. If it is a relative position the beginning is stored too, before anything is read:
// a mapping that starts later would take a topic that is new as a whole for one that the group
// has never read, and would skip what is there (P16). So it is for partitions that are anew,
// whose offset is of a topic that had the name before. What cannot be looked up or stored now is
// left out of offsets, see displace.
func (m *member) settleLate(ctx context.Context, offsets map[string]map[int32]kgo.Offset, anew map[key]bool) {
	s := m.source
	var late []*assignment
	s.mu.Lock()
	for k, a := range s.owned {
		if at, is := offsets[k.topic][k.partition]; is && at.EpochOffset().Offset < 0 && s.member == m {
			late = append(late, a)
		}
	}
	s.mu.Unlock()
	if len(late) == 0 {
		return
	}
	err := m.storeBeginnings(ctx, late, anew)
	if err != nil {
		s.tell(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range late {
		if a.committed.Offset >= 0 {
			offsets[a.topic][a.partition] = kgo.NewOffset().At(a.committed.Offset)
		} else {
			delete(offsets[a.topic], a.partition)
		}
	}
}

// storeBeginnings looks up where partitions begin, and commits it where that is needed. What
// is committed of one for which that failed stays below 0.
func (m *member) storeBeginnings(ctx context.Context, late []*assignment, anew map[key]bool) error {
	s := m.source
	listed, err := m.beginnings(ctx, late)
	if err != nil {
		return s.failed("ListOffsets", err)
	}
	s.mu.Lock()
	for _, a := range late {
		at, ok := listed.Lookup(a.topic, a.partition)
		if !ok || at.Err != nil {
			err = s.failed("ListOffsets", fmt.Errorf("partition %s: %w", a.name, cmp.Or[error](at.Err, kerr.UnknownTopicOrPartition)))
			continue
		}
		a.settled = kgo.EpochOffset{Epoch: -1, Offset: at.Offset}
		if s.options.StartingPosition == TrimHorizon && !anew[a.key] {
			a.committed = a.settled // it begins there anyway
		}
	}
	s.mu.Unlock()
	failure := m.committer.commit(ctx, late)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range late {
		if a.committed.Offset < 0 {
			a.settled = a.committed
			continue
		}
		a.hasRead, a.same = true, s.ids[a.topic] != topicID{} // with Latest too it is read from its beginning
	}
	return cmp.Or(failure, err)
}

// beginnings asks where partitions begin.
func (m *member) beginnings(ctx context.Context, of []*assignment) (kadm.ListedOffsets, error) {
	topics := make([]string, 0, len(of))
	for _, a := range of {
		topics = append(topics, a.topic)
	}
	slices.Sort(topics)
	return within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) {
		return kadm.NewClient(m.client).ListStartOffsets(ctx, slices.Compact(topics)...)
	})
}

// startMilli is StartingPosition as a time; one that no record has is the end.
func (s *Source) startMilli() int64 {
	if s.options.StartingPosition == Latest {
		return math.MaxInt64
	}
	return s.options.StartingPositionTimestamp.UnixMilli()
}

// without are those topics of which nothing is committed.
func without(committed kadm.Offsets, topics []string) []string {
	return slices.DeleteFunc(slices.Clone(topics), func(topic string) bool { return len(committed[topic]) > 0 })
}

// only are the offsets of topics.
func only(all kadm.Offsets, topics []string) kadm.Offsets {
	some := make(kadm.Offsets)
	for _, topic := range topics {
		if partitions, is := all[topic]; is {
			some[topic] = partitions
		}
	}
	return some
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

// refused tells what will not pass from what may: what was allowed once, at the start, is waited
// for later.
func (s *Source) refused(operation string, err error) error {
	s.mu.Lock()
	started := s.member != nil
	s.mu.Unlock()
	if advice := access.Advice(err); advice != "" && !started {
		return fmt.Errorf("%w (%s): %w", s.failed(operation, err), advice, sources.ErrUnusable)
	}
	return s.failed(operation, s.monitor.explained(err))
}

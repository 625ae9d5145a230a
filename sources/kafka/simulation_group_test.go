//go:build synctests

package kafka_test

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kafka"
)

func asLoss(err error) (*kafka.LossError, bool) { return errors.AsType[*kafka.LossError](err) }

func (w *brokers) violate(promise int, format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	w.sim.Observer().Violate(promise, fmt.Sprintf(format, args...))
}

// started tells that a mapping has started. What comes from now on is no group's start
// to skip (P16).
func (w *brokers) started(p *process) {
	p.started = true
	if w.began {
		return
	}
	w.began = true
	for _, info := range w.cluster.PartitionInfos(simTopic) {
		w.current[info.Partition].latest = info.HighWatermark
	}
}

// opened tells of a new lane.
func (w *brokers) opened(l *watchedLane) {
	l.member = l.process.member()
	l.joined = w.joins[l.member]
	l.process.names[l.member] = true
	for _, p := range w.current {
		if !w.options.MixPartitions && l.ID() == fmt.Sprintf("%s-%d", simTopic, p.number) {
			w.read(l, p)
		}
	}
}

// read tells that a lane reads a partition. Others may do so too that were thrown out and
// do not know it, but no two members of the group.
func (w *brokers) read(l *watchedLane, p *simPartition) {
	if l.reads[p] {
		return
	}
	o := w.sim.Observer()
	l.reads[p] = true
	for _, other := range w.lanes[p.name] {
		switch {
		case other.lost, other.closed, other.process == l.process, other.process.dead.Load(), other.process.life.Over():
		case !w.isMember(l) && w.isMember(other):
			w.lanes[p.name] = append(w.lanes[p.name], l)
			o.Ousted(l.process.life, p.name)
			return
		case !other.asked.IsZero() && (len(l.process.names) > 1 || len(other.process.names) > 1):
			// The client (v1.22.2) claims what a member had that was thrown out as if it had
			// got it in the generation in which it came back; so it may be given to both.
			w.sim.Cover("given to two after one was thrown out")
			o.Ousted(other.process.life, p.name)
		case w.isMember(l) && w.isMember(other):
			w.violate(4, "%s opens %s, which %s reads, and both are in the group", l.process.name, p.name, other.process.name)
		default:
			o.Ousted(other.process.life, p.name)
		}
	}
	w.lanes[p.name] = append(w.lanes[p.name], l)
	o.Opened(l.process.life, p.name)
}

// isMember reports whether a process is in the group as what it was when it got a lane.
func (w *brokers) isMember(l *watchedLane) bool {
	info := w.cluster.GroupInfo(simGroup)
	if info == nil || w.joins[l.member] != l.joined {
		return false
	}
	return slices.ContainsFunc(info.Members, func(m kfake.GroupMember) bool { return m.MemberID == l.member })
}

// revoked tells that a lane is revoked.
func (w *brokers) revoked(l *watchedLane) {
	const margin = time.Second
	if !l.asked.IsZero() || l.closed {
		return
	}
	l.asked = time.Now()
	patience := w.patience()
	for _, p := range ordered(l.reads) {
		w.sim.Observer().Revoked(l.process.life, p.name, patience)
	}
	w.sim.After(patience+margin, "asked "+l.process.name+l.ID(), func() {
		if !l.closed && !l.lost && !l.process.life.Over() {
			w.violate(11, "%s was asked for %s %v ago, and still has it", l.process.name, l.ID(), time.Since(l.asked))
		}
	})
}

// patience is how long a lane may be kept that is revoked.
func (w *brokers) patience() time.Duration {
	if w.options.RevokeTimeout == 0 {
		return kafka.DefaultRevokeTimeout
	}
	return w.options.RevokeTimeout
}

// lost tells that a lane is lost.
func (w *brokers) lost(l *watchedLane) {
	if l.lost || l.closed {
		return
	}
	l.lost = true
	w.sim.Cover("lost")

	// The broker in the process gives a static member that comes back epoch 0 when others
	// have joined meanwhile, and refuses the client that goes on with it: the member joins
	// anew. Apache Kafka gives it the group's epoch.
	comesBack := w.static && w.isServed()
	if w.sim.Scenario.Calm && l.asked.IsZero() && l.process.life.Running() && !comesBack {
		w.violate(11, "%s has lost %s, and was never asked for it", l.process.name, l.ID())
	}
	if !l.asked.IsZero() {
		w.sim.Cover("kept too long")
	}
	w.leave(l)
}

// leave tells that a lane's partitions are read by it no more, but where the process reads
// them again by another lane already.
func (w *brokers) leave(l *watchedLane) {
	for _, p := range ordered(l.reads) {
		again := func(other *watchedLane) bool {
			return other != l && other.process == l.process && !other.lost && !other.closed
		}
		if slices.ContainsFunc(w.lanes[p.name], again) {
			continue
		}
		w.sim.Observer().Lost(l.process.life, p.name)
	}
}

// shut tells that a lane is closed. If nothing went wrong, all that was done in order is
// committed then (P5).
func (w *brokers) shut(l *watchedLane) {
	w.look()
	if !l.lost && w.sim.Scenario.Calm && !w.options.MixPartitions {
		for _, p := range ordered(l.reads) {
			w.sim.Observer().Yielded(l.process.life, p.name)
		}
	}
	l.closed = true
	w.leave(l)
}

// handed tells what a lane hands out.
func (w *brokers) handed(l *watchedLane, records []sources.Record) {
	if l.lost || l.closed {
		return
	}
	for i := range records {
		s := w.records[simulation.Number(records[i].Data)]
		native, _ := records[i].Native.(*kgo.Record)
		w.read(l, s.partition)
		w.sim.Observer().Sized(s.number, records[i].Size)
		w.checkHanded(l, s, native)
		s.handed, s.partition.read = true, true
		w.sim.Observer().Handed(l.process.life, s.number)
	}
}

// checkHanded holds what is handed out against P1 and P16.
func (w *brokers) checkHanded(l *watchedLane, s *sent, native *kgo.Record) {
	p := s.partition
	switch {
	case native.Partition != p.number || s.offset >= 0 && native.Offset != s.offset:
		w.violate(1, "record %d was sent to %s as %d, not to %d as %d", s.number, p.name, s.offset, native.Partition, native.Offset)
	case s.aborted && w.options.ReadCommitted:
		w.violate(1, "record %d is handed out, its transaction was aborted", s.number)
	case w.options.StartingPosition != kafka.TrimHorizon && p.committed < 0 && slices.Contains(w.current, p) && !w.wentOver(l, p):
		w.violate(16, "record %d of %s is handed out, and where the group starts there is not stored", s.number, p.name)
	case s.offset >= 0 && s.offset < p.start:
		w.violate(1, "record %d is handed out, it is from before the start", s.number)
	}
}

// wentOver reports whether a process has read the partition of the topic that was there before:
// the client may go over to the new one by itself, and where that begins is stored a moment
// later then.
func (w *brokers) wentOver(l *watchedLane, p *simPartition) bool {
	return slices.ContainsFunc(w.partitions, func(before *simPartition) bool {
		reads := func(other *watchedLane) bool { return other.process == l.process }
		return before != p && before.number == p.number && slices.ContainsFunc(w.lanes[before.name], reads)
	})
}

// isRelative reports whether a partition's start is one that has to be looked up.
func (w *brokers) isRelative(p *simPartition) bool {
	return w.options.StartingPosition != kafka.TrimHorizon && !p.late
}

// acked holds what a lane says to be settled against P2: the group has it.
func (w *brokers) acked(l *watchedLane, last *sources.Record) {
	w.look()
	s := w.records[simulation.Number(last.Data)]
	if s.partition.committed <= s.offset && !l.lost && !w.absent && slices.Contains(w.current, s.partition) {
		w.violate(2, "%s says that record %d (offset %d of %s) is settled, but %d is committed",
			l.process.name, s.number, s.offset, s.partition.name, s.partition.committed)
	}
}

// asked sees a request before a broker does.
func (w *brokers) asked(p *process, key kmsg.Key, frame []byte) {
	switch key {
	case kmsg.ConsumerGroupHeartbeat:
		if r, _ := requestIn(frame).(*kmsg.ConsumerGroupHeartbeatRequest); r.MemberEpoch == 0 {
			w.joins[r.MemberID]++
		}
	case kmsg.SyncGroup:
		r, _ := requestIn(frame).(*kmsg.SyncGroupRequest)
		w.keepAlive(p, r.MemberID, r.Generation, "CompletingRebalance")
	case kmsg.JoinGroup:
		if r, _ := requestIn(frame).(*kmsg.JoinGroupRequest); r.MemberID != "" {
			w.keepAlive(p, r.MemberID, 0, "PreparingRebalance")
		}
	case kmsg.OffsetCommit:
		r, _ := requestIn(frame).(*kmsg.OffsetCommitRequest)
		w.checkCommit(p, r)
	default:
	}
}

// answers sees that an answer is on its way.
func (w *brokers) answers(key kmsg.Key) {
	if key == kmsg.OffsetCommit && !w.closed {
		w.look()
	}
}

// checkCommit holds a request to commit offsets against P2 and P3: whoever makes it, it
// does not pass what nobody has finished.
func (w *brokers) checkCommit(p *process, r *kmsg.OffsetCommitRequest) {
	for i := range r.Topics {
		if id := r.Topics[i].TopicID; id != ([16]byte{}) && w.cluster.TopicIDInfo(id) == nil {
			continue // it was deleted
		}
		for j := range r.Topics[i].Partitions {
			number, offset := int(r.Topics[i].Partitions[j].Partition), r.Topics[i].Partitions[j].Offset
			metadata := r.Topics[i].Partitions[j].Metadata
			if number >= len(w.current) || w.isStart(w.current[number], offset) || metadata != nil && w.isOfOther(*metadata) {
				continue
			}
			if offset > w.current[number].committed {
				w.checkPassed(p, w.current[number], offset)
			}
		}
	}
	w.sim.After(10*time.Millisecond, "look", w.look) // if the answer is lost
}

// isStart reports whether a commit may be where the group starts. Of a topic that was made
// anew the group has nothing, so who starts before anything of it is read takes it for one
// that was never read.
func (w *brokers) isStart(p *simPartition, offset int64) bool {
	read := func(p *simPartition) bool { return p.read }
	return w.isRelative(p) && !p.read && (p.latest < 0 || offset <= p.latest) ||
		w.options.StartingPosition != kafka.TrimHorizon && p.anew && !slices.ContainsFunc(w.current, read)
}

// isOfOther reports whether a commit says that it is of a topic that had the name before. Old
// brokers take it, and nobody may take it for a place in this one.
func (w *brokers) isOfOther(metadata string) bool {
	_, id, marked := strings.Cut(metadata, "topic=")
	info := w.cluster.TopicInfo(simTopic)
	return marked && info != nil && id != hex.EncodeToString(info.TopicID[:])
}

// checkPassed holds a commit, which a process asked for or the group has, against P2 and
// P3.
func (w *brokers) checkPassed(by *process, p *simPartition, offset int64) {
	for _, s := range p.records {
		if s.offset >= offset || w.sim.Observer().Finished(s.number) {
			continue
		}
		promise := 3
		if s.offset == offset-1 {
			promise = 2
		}
		w.violate(promise, "%s commits offset %d of %s, but record %d (offset %d) is unfinished", by.name, offset, p.name, s.number, s.offset)
	}
}

// look tells what the group has committed.
func (w *brokers) look() {
	info := w.cluster.GroupInfo(simGroup)
	if info == nil || w.closed {
		return
	}
	for _, p := range w.current {
		commit, ok := info.Commits[simTopic][p.number]
		if !ok || commit.Offset == p.committed || w.isOfOther(commit.Metadata) {
			continue
		}
		if w.isStart(p, commit.Offset) {
			w.sim.Cover("start stored")
			p.start, p.committed = commit.Offset, commit.Offset
			w.place(p)
			continue
		}
		w.move(p, commit.Offset)
	}
}

// move tells that the position of a partition was moved.
func (w *brokers) move(p *simPartition, to int64) {
	var passed []int
	for _, s := range p.records {
		if s.offset >= p.committed && s.offset < to {
			passed = append(passed, s.number)
		}
	}
	if w.isRelative(p) && !p.read && p.latest >= 0 && len(passed) > 0 && p.committed < 0 {
		w.violate(16, "the group starts with offset %d of %s, though records came from %d on when it had started", to, p.name, p.latest)
	}
	w.sim.Observer().Passed(w.reader(p), p.name, passed, int(to-max(p.committed, 0)))
	p.committed = to
}

// reader is the life that reads a partition, as far as one knows.
func (w *brokers) reader(p *simPartition) *simulation.Life {
	if lanes := w.lanes[p.name]; len(lanes) > 0 {
		return lanes[len(lanes)-1].process.life
	}
	return w.processes[len(w.processes)-1].life
}

// place tells which records of a partition nobody needs: those before the start, and with
// Latest those that are not read yet when the position was deleted.
func (w *brokers) place(p *simPartition) {
	reset := w.options.StartingPosition == kafka.Latest && p.deleted > max(p.committed, 0)
	for _, s := range p.records {
		switch {
		case s.gone, s.aborted && w.options.ReadCommitted:
		case reset && !w.sim.Observer().Finished(s.number), s.offset < p.deleted && s.offset >= p.committed:
			s.gone = !w.sim.Observer().Finished(s.number)
			// With nothing committed a partition is begun with what there is.
			s.silent = reset || p.committed < 0
			w.sim.Observer().Gone(s.number, true)
		case p.start >= 0 && !p.read:
			w.sim.Observer().Gone(s.number, s.offset < p.start)
		}
	}
}

// control does what the embedded broker does otherwise than a real one: it answers where
// epochs end. A real leader knows where its own began; the embedded one forgets all of
// them until something is produced, so that its clients have to think that everything is
// lost.
func (w *brokers) control(request kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as the broker wants it
	w.cluster.KeepControl()
	asked, is := request.(*kmsg.OffsetForLeaderEpochRequest)
	if !is {
		return nil, nil, false
	}
	response, _ := asked.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, t := range asked.Topics {
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			partition := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			partition.Partition = p.Partition
			switch info := w.cluster.PartitionInfo(t.Topic, p.Partition); {
			case info == nil:
				partition.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case info.Leader == w.cluster.CurrentNode():
				partition.LeaderEpoch, partition.EndOffset = p.LeaderEpoch, info.HighWatermark
			default:
				partition.ErrorCode = kerr.NotLeaderForPartition.Code
			}
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response, nil, true
}

// keepAlive keeps the session of a member that waits for the others to join, or for the
// leader's plan, as a real broker does. The embedded one lets it run out, answers nothing, and
// counts wrongly from then on who has joined. Without a generation it is the one that the
// group has.
func (w *brokers) keepAlive(p *process, member string, generation int32, state string) {
	const share = 4
	w.sim.After(w.session/share, "keep alive "+p.name, func() {
		info := w.cluster.GroupInfo(simGroup)
		if info == nil || info.State != state || p.dead.Load() || w.closed {
			return
		}
		if generation = cmp.Or(generation, info.Epoch); info.Epoch != generation {
			return
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = simGroup, member, generation
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = beat.RequestWith(ctx, w.client)
		cancel()
		w.keepAlive(p, member, generation, state)
	})
}

// sweep does away with what a real broker does not leave behind. The embedded one keeps a
// member for ever that was lost while it waited for others to join. And it may count
// wrongly who has joined, after one whose connection broke while it waited for the leader's
// plan has come back; then nobody's join is answered, and each one that is tried anew puts
// off the time when all would be.
func (w *brokers) sweep() {
	const margin = 30*time.Second + 15*time.Second // the adapter's, and some more
	since, generation := time.Now(), int32(0)
	left := make(map[string]time.Time) // members that nobody is any more
	var look func()
	look = func() {
		if w.closed {
			return
		}
		w.sim.After(time.Second, "sweep", look)
		info := w.cluster.GroupInfo(simGroup)
		if info == nil || w.isServed() {
			return
		}
		if info.State != "PreparingRebalance" || info.Epoch != generation {
			since, generation = time.Now(), info.Epoch
		}
		for _, m := range info.Members {
			if w.isSomebody(m) {
				delete(left, m.MemberID)
			} else if _, known := left[m.MemberID]; !known {
				left[m.MemberID] = time.Now()
			}
			at, gone := left[m.MemberID]
			if gone && time.Since(at) > w.session+2*time.Second || time.Since(since) > w.patience()+margin {
				w.expel(m)
			}
		}
		maps.DeleteFunc(left, func(id string, _ time.Time) bool {
			return !slices.ContainsFunc(info.Members, func(m kfake.GroupMember) bool { return m.MemberID == id })
		})
	}
	w.sim.After(time.Second, "sweep", look)
}

// isSomebody reports whether a member is a process that runs.
func (w *brokers) isSomebody(m kfake.GroupMember) bool {
	return slices.ContainsFunc(w.processes, func(p *process) bool {
		return !p.life.Over() && p.name == m.ClientID && p.member() == m.MemberID
	})
}

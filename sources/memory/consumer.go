package memory

import (
	"slices"

	"github.com/openesm/openesm/sources"
)

// consumer is a reader of the stream with positions of its own, known by name
// and kept while the stream is.
type consumer struct {
	positions  []position // one a shard
	generation int        // of the Source made last
	newest     int        // the latest generation that accepted
}

// position is how far a consumer is in one partition.
type position struct {
	next    int    // index of the first record that is not acked
	settled string // sequence number of the last one that is
	window  []byte // the state of a tumbling window that was stored with it
	owner   *streamPartition
}

// Source returns the stream as one mapping of the named consumer reads it. A
// consumer that is new begins at start, TrimHorizon if not given; one that is
// known goes on where it was, whatever start says (KIN-47).
//
// A later Source of the same consumer takes the partitions over as soon as it
// accepts them: the earlier one's Fetch and Ack give [sources.ErrLost], and
// nothing is handed out to it any more.
func (s *Stream) Source(name string, start ...StartingPosition) sources.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.consumers[name]
	if c == nil {
		c = &consumer{positions: make([]position, len(s.shards))}
		s.consumers[name] = c
		if len(start) > 0 && start[0] == Latest {
			for i, shard := range s.shards {
				c.positions[i].next = len(shard.log)
			}
		}
	}
	c.generation++
	return &streamSource{stream: s, consumer: c, generation: c.generation}
}

// Revoke asks a partition back from the mapping that reads it for a consumer, as the
// rebalance of a Kafka consumer group does: the mapping begins nothing more with it,
// settles what is running, and closes it; from then on it may be handed out again, to
// that mapping too. Revoke waits for none of this. It reports whether there is such a
// mapping.
func (s *Stream) Revoke(consumer, partition string) bool {
	revoked := s.revoked(consumer, partition)
	if revoked == nil {
		return false
	}
	revoked()
	return true
}

// revoked is what Revoke has to call; nil for nothing.
func (s *Stream) revoked(consumer, partition string) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.consumers[consumer]
	i := slices.IndexFunc(s.shards, func(of *shard) bool { return of.id == partition })
	if c == nil || i < 0 || c.positions[i].owner == nil {
		return nil
	}
	return c.positions[i].owner.onRevoked
}

// Position returns the sequence number up to which a consumer has acked a
// partition; "" if it has acked nothing, or one of the two is not known.
func (s *Stream) Position(consumer, partition string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.consumers[consumer]
	if c == nil {
		return ""
	}
	for i, shard := range s.shards {
		if shard.id == partition {
			return c.positions[i].settled
		}
	}
	return ""
}

// Lag returns how many records, of all partitions, a consumer has not acked;
// for one that is not known, how many there are.
func (s *Stream) Lag(consumer string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag, c := 0, s.consumers[consumer]
	for i, shard := range s.shards {
		lag += len(shard.log)
		if c != nil {
			lag -= c.positions[i].next
		}
	}
	return lag
}

// finished tells whether a consumer is done with a partition: all of it is
// acked, no tumbling window is open, and it is closed (KIN-75). The caller holds Stream.mu.
func (c *consumer) finished(of *shard) bool {
	at := &c.positions[of.index]
	return of.ended && at.owner == nil && at.next == len(of.log) && at.window == nil
}

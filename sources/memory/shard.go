package memory

import (
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/openesm/openesm/sources"
)

var (
	errNotOpen     = errors.New("no open partition has this ID")
	errNotAdjacent = errors.New("partitions are not adjacent")
	errTooNarrow   = errors.New("partition is too narrow to split")
)

// shard is a partition as the service has it: a log and a range of hashes.
type shard struct {
	id        string
	index     int // in Stream.shards
	low, high uint64
	parents   []int
	ended     bool
	log       []sources.Record
}

// Partitions returns the IDs of all partitions, ended ones too, in the order
// in which they came to be.
func (s *Stream) Partitions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(s.shards))
	for i, shard := range s.shards {
		ids[i] = shard.id
	}
	return ids
}

// Split ends an open partition and opens two that share its keys (KIN-65).
func (s *Stream) Split(partition string) (left, right string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findOpen(partition)
	if err != nil {
		return "", "", err
	}
	parent := s.open[i]
	if parent.low == parent.high {
		return "", "", fmt.Errorf("%s: %w", partition, errTooNarrow)
	}
	middle := parent.low + (parent.high-parent.low)/2
	a := s.addShard(parent.low, middle, parent.index)
	b := s.addShard(middle+1, parent.high, parent.index)
	s.replace(i, i+1, a, b)
	return a.id, b.id, nil
}

// Merge ends two open partitions that lie side by side and opens one with the
// keys of both (KIN-65).
func (s *Stream) Merge(partition, adjacent string) (child string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findOpen(partition)
	if err != nil {
		return "", err
	}
	j, err := s.findOpen(adjacent)
	if err != nil {
		return "", err
	}
	if i > j {
		i, j = j, i
	}
	if j != i+1 {
		return "", fmt.Errorf("%s, %s: %w", partition, adjacent, errNotAdjacent)
	}
	c := s.addShard(s.open[i].low, s.open[j].high, s.open[i].index, s.open[j].index)
	s.replace(i, j+1, c)
	return c.id, nil
}

// EndPartition ends an open partition. Its keys go to a neighbour from now on;
// if it was the last one, the stream ends.
func (s *Stream) EndPartition(partition string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findOpen(partition)
	if err != nil {
		return err
	}
	s.replace(i, i+1)
	return nil
}

// End ends every open partition: nothing can be put any more, and once a
// consumer has acked all, Accept returns [sources.ErrEnd] to it, so that a
// mapping's Run returns by itself.
func (s *Stream) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(0, len(s.open))
}

// replace ends the open partitions from i up to j and opens others instead.
// The caller holds mu, as with everything below.
func (s *Stream) replace(i, j int, shards ...*shard) {
	for _, parent := range s.open[i:j] {
		parent.ended = true
		s.signal(parent)
	}
	s.open = slices.Replace(s.open, i, j, shards...)
	s.announce()
}

func (s *Stream) addShard(low, high uint64, parents ...int) *shard {
	index := len(s.shards)
	added := &shard{id: fmt.Sprintf("shardId-%012d", index), index: index, low: low, high: high, parents: parents}
	s.shards = append(s.shards, added)
	for _, c := range s.consumers {
		c.positions = append(c.positions, position{})
	}
	return added
}

// openIndex returns which open partition takes a hash. Where one ended without
// children that is its lower neighbour.
func (s *Stream) openIndex(hash uint64) int {
	above := sort.Search(len(s.open), func(i int) bool { return s.open[i].low > hash })
	return max(above-1, 0)
}

func (s *Stream) findOpen(id string) (int, error) {
	i := slices.IndexFunc(s.open, func(o *shard) bool { return o.id == id })
	if i < 0 {
		return 0, fmt.Errorf("%s: %w", id, errNotOpen)
	}
	return i, nil
}

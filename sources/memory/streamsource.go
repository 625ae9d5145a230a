package memory

import (
	"context"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// streamSource is a stream as one mapping of a consumer reads it.
type streamSource struct {
	stream     *Stream
	consumer   *consumer
	generation int
	cursor     int // where the search for a partition goes on; of Accept alone
}

var (
	_ sources.EventAppender  = (*streamSource)(nil)
	_ sources.BatchDescriber = (*streamPartition)(nil)
	_ sources.WindowKeeper   = (*streamPartition)(nil)
	_ sources.Revocable      = (*streamPartition)(nil)
)

// Traits tells the bounds of the service that the stream is as.
func (s *streamSource) Traits() sources.Traits {
	traits := s.stream.kind.traits()
	traits.ARN = s.stream.arn
	return traits
}

// Accept hands out partitions, children after their parents (KIN-66).
func (s *streamSource) Accept(ctx context.Context) (sources.Partition, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, end, changed := s.find()
		switch {
		case p != nil:
			p.displace()
			return p, nil
		case end:
			return nil, sources.ErrEnd
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// Close has nothing to let go of.
func (s *streamSource) Close(context.Context) error { return nil }

// AppendEvent appends the document of the service that the stream is as.
func (s *streamSource) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return eventjson.AppendEvent(dst, records, func(dst []byte, r *sources.Record) []byte {
		return s.stream.kind.append(dst, partition, streamRecordOf(r))
	})
}

// find returns a partition that may be read now. If there is none, end tells
// that none will come, and changed closes when it is time to look again.
func (s *streamSource) find() (p *streamPartition, end bool, changed <-chan struct{}) {
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	changed = s.stream.changed
	if s.generation < s.consumer.newest {
		return nil, s.finished(), changed
	}
	s.consumer.newest = s.generation
	count := len(s.stream.shards)
	for range count {
		found := s.stream.shards[s.cursor%count]
		s.cursor = (s.cursor + 1) % count
		if s.free(found) {
			return s.take(found), false, changed
		}
	}
	return nil, s.finished(), changed
}

// free tells whether a partition may be handed out now.
func (s *streamSource) free(of *shard) bool {
	if s.consumer.finished(of) {
		return false
	}
	if !s.first(of) {
		return false
	}
	owner := s.consumer.positions[of.index].owner
	return owner == nil || owner.source != s
}

// first tells whether all that comes before a partition is finished: its parents
// and theirs, for a parent may have ended without a record.
func (s *streamSource) first(of *shard) bool {
	for _, parent := range of.parents {
		if p := s.stream.shards[parent]; !s.consumer.finished(p) || !s.first(p) {
			return false
		}
	}
	return true
}

// take makes the source the owner of a partition.
func (s *streamSource) take(of *shard) *streamPartition {
	at := &s.consumer.positions[of.index]
	displace := nothing
	if at.owner != nil {
		at.owner.lost = true
		at.owner.signal()
		displace = at.owner.onLost
	}
	at.owner = &streamPartition{
		source: s, shard: of, read: at.next, arrived: make(chan struct{}, 1),
		onRevoked: nothing, onLost: nothing, displace: displace,
	}
	return at.owner
}

// finished tells whether the consumer is done with all the stream.
func (s *streamSource) finished() bool {
	if len(s.stream.open) > 0 {
		return false
	}
	for _, shard := range s.stream.shards {
		if !s.consumer.finished(shard) {
			return false
		}
	}
	return true
}

package memory

import (
	"crypto/md5" //nolint:gosec // the routing of Kinesis (KIN-78), not a secret
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// StreamOptions says what kind of [Stream] to make.
type StreamOptions struct {
	// Name is the last part of the stream's ARN. Default "stream".
	Name string

	// Partitions is how many partitions the stream begins with. Default 1,
	// also for values below 1.
	Partitions int
}

// StartingPosition is where a consumer begins that never read the stream.
type StartingPosition int

const (
	// TrimHorizon begins with the oldest record. It is the default.
	TrimHorizon StartingPosition = iota

	// Latest begins with what is put after the consumer's first Source was
	// made, and with the partitions open then (KIN-69).
	Latest
)

// Stream is an in-memory stream of ordered partitions. Make one with
// [NewStream].
type Stream struct {
	arn     string
	encoder *eventjson.Kinesis

	mu        sync.Mutex // of all below
	shards    []*shard   // in the order they came to be
	open      []*shard   // by lowest hash
	consumers map[string]*consumer
	sequence  uint64
	changed   chan struct{} // closed and replaced when Accept has to look again
}

// StreamRecord is what [sources.Record.Native] points at for records of a
// [Stream]. It must not be modified.
type StreamRecord struct {
	// Partition is the ID of the partition that the record is in.
	Partition string

	// SequenceNumber is a decimal number that grows over the whole stream. It
	// is the record's ID (KIN-150).
	SequenceNumber string

	// Key is the partition key.
	Key string

	// Data is what was put.
	Data []byte

	// Arrived is when the record was put.
	Arrived time.Time

	stream *Stream
	index  int // in shard.log
	shard  int
}

// NewStream returns an empty stream.
func NewStream(options StreamOptions) *Stream {
	if options.Name == "" {
		options.Name = "stream"
	}
	arn := "arn:aws:kinesis:" + region + ":" + account + ":stream/" + options.Name
	role := "arn:aws:iam::" + account + ":role/memory"
	s := &Stream{
		arn:       arn,
		encoder:   eventjson.NewKinesis(streamEventSource, arn, region, role),
		consumers: make(map[string]*consumer),
		changed:   make(chan struct{}),
	}
	count := uint64(max(options.Partitions, 1))
	width := math.MaxUint64 / count
	for i := range count {
		high := (i+1)*width - 1
		if i == count-1 {
			high = math.MaxUint64
		}
		s.open = append(s.open, s.addShard(i*width, high))
	}
	return s
}

// ARN returns the stream's name in event documents.
func (s *Stream) ARN() string { return s.arn }

// Put appends a record to the open partition that the hash of key belongs to
// (KIN-78) and returns the sequence number. data must not be modified any
// more. A stream without open partitions takes nothing and returns "".
func (s *Stream) Put(key string, data []byte) string {
	sum := md5.Sum([]byte(key)) //nolint:gosec // not for security
	hash := binary.BigEndian.Uint64(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return ""
	}
	return s.put(s.open[s.openIndex(hash)], key, data)
}

// PutTo is Put to a partition named by ID, whatever the hash of key, as
// ExplicitHashKey allows.
func (s *Stream) PutTo(partition, key string, data []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findOpen(partition)
	if err != nil {
		return "", err
	}
	return s.put(s.open[i], key, data), nil
}

func (s *Stream) put(to *shard, key string, data []byte) string {
	s.sequence++
	r := &StreamRecord{
		Partition:      to.id,
		SequenceNumber: strconv.FormatUint(s.sequence, 10),
		Key:            key,
		Data:           data,
		Arrived:        time.Now(),
		stream:         s,
		index:          len(to.log),
		shard:          to.index,
	}
	event := r.event()
	to.log = append(to.log, sources.Record{
		ID: r.SequenceNumber, Key: key, Data: data, Native: r, Time: r.Arrived,
		Size: s.encoder.Size(to.id, &event) + 1,
	})
	s.signal(to)
	return r.SequenceNumber
}

// signal has the readers of a partition look. The caller holds mu.
func (s *Stream) signal(to *shard) {
	for _, c := range s.consumers {
		if owner := c.positions[to.index].owner; owner != nil {
			owner.signal()
		}
	}
}

// announce has every Accept look. The caller holds mu.
func (s *Stream) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (r *StreamRecord) event() eventjson.KinesisRecord {
	return eventjson.KinesisRecord{
		PartitionKey:                r.Key,
		SequenceNumber:              r.SequenceNumber,
		Data:                        r.Data,
		ApproximateArrivalTimestamp: r.Arrived,
	}
}

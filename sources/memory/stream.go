package memory

import (
	"crypto/md5" //nolint:gosec // the routing of Kinesis (KIN-78), not a secret
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
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
	arn  string
	kind streamKind

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

	// Change is the change of an item that the record tells of, in the stream of a
	// [Table]; nil in other streams.
	Change *Change

	stream  *Stream
	index   int // in shard.log
	shard   int
	eventID string // of a change
}

// streamKind is the service that a stream is as.
type streamKind interface {
	// traits are those of the service's adapter.
	traits() sources.Traits
	// filtering tells how filter patterns see the records.
	filtering() sources.Filtering
	// size is how long append makes dst longer.
	size(shard string, r *StreamRecord) int
	// append appends a record of an event document.
	append(dst []byte, shard string, r *StreamRecord) []byte
	// appendBatchInfo appends what failure records tell of a batch.
	appendBatchInfo(dst []byte, info *batchinfo.Stream) []byte
}

// NewStream returns an empty stream.
func NewStream(options StreamOptions) *Stream {
	if options.Name == "" {
		options.Name = "stream"
	}
	arn := "arn:aws:kinesis:" + region + ":" + account + ":stream/" + options.Name
	role := "arn:aws:iam::" + account + ":role/memory"
	return newStream(arn, kinesis{eventjson.NewKinesis(streamEventSource, arn, region, role)}, options.Partitions)
}

// newStream returns an empty stream of a kind.
func newStream(arn string, kind streamKind, partitions int) *Stream {
	s := &Stream{arn: arn, kind: kind, consumers: make(map[string]*consumer), changed: make(chan struct{})}
	count := uint64(max(partitions, 1))
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
// more. A stream without open partitions takes nothing and returns "", and so does
// that of a [Table], whose records are the changes of its items.
func (s *Stream) Put(key string, data []byte) string {
	if s.ofTable() {
		return ""
	}
	return s.putRecord(StreamRecord{Key: key, Data: data, Arrived: time.Now()})
}

// putRecord puts a record, which has what the partition does not tell, into the one
// that its key belongs to.
func (s *Stream) putRecord(r StreamRecord) string {
	hash := hashOf(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return ""
	}
	return s.put(s.open[s.openIndex(hash)], &r)
}

// hashOf is the hash that a key's partition is found by.
func hashOf(key string) uint64 {
	sum := md5.Sum([]byte(key)) //nolint:gosec // not for security
	return binary.BigEndian.Uint64(sum[:])
}

// PutTo is Put to a partition named by ID, whatever the hash of key, as
// ExplicitHashKey allows.
func (s *Stream) PutTo(partition, key string, data []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findOpen(partition)
	if err == nil && s.ofTable() {
		err = errOfTable
	}
	if err != nil {
		return "", err
	}
	return s.put(s.open[i], &StreamRecord{Key: key, Data: data, Arrived: time.Now()}), nil
}

func (s *Stream) put(to *shard, r *StreamRecord) string {
	r.Partition, r.SequenceNumber = to.id, s.nextNumber()
	s.sequence++
	r.stream, r.index, r.shard = s, len(to.log), to.index
	size := s.kind.size(to.id, r)
	to.log = append(to.log, sources.Record{
		ID: r.SequenceNumber, Key: r.Key, Data: r.Data, Native: r, Time: r.Arrived, Size: size + 1,
	})
	s.signal(to)
	return r.SequenceNumber
}

// nextNumber is the sequence number of the record that is put next. The caller holds mu.
func (s *Stream) nextNumber() string {
	const decimal = 10
	return strconv.FormatUint(s.sequence+1, decimal)
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

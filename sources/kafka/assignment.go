package kafka

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
)

const decimal = 10

// key names a partition of a topic.
type key struct {
	topic     string
	partition int32
}

// name is what event documents call it (KAF-83).
func (k key) name() string { return k.topic + "-" + strconv.Itoa(int(k.partition)) }

// assignment is a partition of a topic for as long as this member of the group owns
// it. A partition that comes back is another one. All is guarded by the mutex of the
// source.
type assignment struct {
	key
	name   string
	prefix string // of the IDs of its records
	lane   *lane

	retention *retention // of its topic

	owned bool
	// placed says that the client knows where it begins; astray that it does not, or does
	// not read it any more, until it is told where.
	placed, astray bool
	since          time.Time // it is not placed, or this was told
	outside        bool      // the topic does not have the offset that is next
	cut            int64     // where brokers say that the topic was cut off; -1 for nowhere
	same           bool      // what was read or committed is of the very topic
	hasRead        bool      // something was read of it
	mending        bool      // that is looked up
	// rewinding says that the client is to read again what is not settled, from next on:
	// until it does, what it brings is dropped.
	rewinding bool
	skipped   *LossError // by going on with Latest, nil for nothing
	asked     bool       // a rebalance asks it back: nothing more is begun
	// first is the first offset that was read, next the one behind all that was;
	// -1 until they are known.
	first, next int64
	// settled is what may be committed, committed what was.
	settled, committed kgo.EpochOffset
	// passing says that the committer is at a position that no record's settling commits.
	passing bool
	// refusals is how often in a row its commit was refused in a way that may be for good.
	refusals int
	// doubtful says that it was refused because the topic is not there, or another one.
	doubtful bool
	// end is the offset behind the last record, and known when the broker told of it.
	end   int64
	known time.Time
	// troubles is how often in a row it could not be read.
	troubles int
	// leader is the broker that has it, -1 if that is not known; stood where it was when
	// somebody looked whether it stands still; bare what is known to lie there.
	leader int32
	stood  int64
	bare   bareness
}

func newAssignment(k key) *assignment {
	prefix := k.name() + ":"
	return &assignment{
		key: k, name: prefix[:len(prefix)-1], prefix: prefix, retention: new(retention), owned: true, since: time.Now(),
		first: -1, next: -1, end: -1, cut: -1, leader: -1, stood: -1,
		settled: kgo.EpochOffset{Epoch: -1, Offset: -1}, committed: kgo.EpochOffset{Epoch: -1, Offset: -1},
	}
}

// position is behind what was settled, or where it begins; -1 if that is not known.
func (a *assignment) position() int64 {
	switch {
	case a.settled.Offset >= 0:
		return a.settled.Offset
	case a.first >= 0:
		return a.first
	default:
		return a.next
	}
}

// behind is the place behind a record.
func behind(r *kgo.Record) kgo.EpochOffset {
	return kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
}

// records fills dst, which is as long as from. mixed says that there may be other
// partitions in one event document.
func (a *assignment) records(dst []sources.Record, from []*kgo.Record, mixed bool) {
	ids, sizes, expires := a.newIDs(from), sizer{mixed: mixed}, a.retention.expiry()

	// Field by field, which is faster than a record at a time.
	for i, r := range from {
		to := &dst[i]
		to.ID = ids.next(r.Offset)
		to.Key = text(r.Key)
		to.Data = r.Value
		to.Native = r
		to.Time = stamp(r)
		to.Expires = expires.of(to.Time)
		to.Size = sizes.size(r)
		to.Offset = 0
	}
}

// ids makes the IDs of records, in parts of one piece of memory.
type ids struct {
	prefix string
	room   []byte
	decade []byte // the ID of the first of ten offsets
	first  int64  // which that is
}

func (a *assignment) newIDs(from []*kgo.Record) ids {
	d := ids{prefix: a.prefix}
	d.begin(from[len(from)-1].Offset)
	d.room = make([]byte, 0, len(from)*len(d.decade))
	return d
}

// next is the ID of the record with an offset.
func (d *ids) next(offset int64) string {
	if digit := offset - d.first; digit < 0 || digit >= decimal {
		d.begin(offset)
	}
	from := len(d.room)
	d.room = append(d.room, d.decade...)
	d.room[len(d.room)-1] += byte(offset - d.first)
	return text(d.room[from:])
}

// begin goes over to the ten offsets that one is of.
func (d *ids) begin(offset int64) {
	d.first = offset - offset%decimal
	d.decade = strconv.AppendInt(append(d.decade[:0], d.prefix...), d.first, decimal)
}

// text is b as a string that shares its memory, which nobody writes to any more.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// stamp is the record's time; zero for records of an old format that has none (KAF-85),
// and for those whose producer gave none, which is a timestamp of -1.
func stamp(r *kgo.Record) time.Time {
	if r.Attrs.TimestampType() < 0 || r.Timestamp.UnixMilli() < 0 {
		return time.Time{}
	}
	return r.Timestamp.UTC()
}

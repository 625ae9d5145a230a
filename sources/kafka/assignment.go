package kafka

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
)

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

	owned bool
	asked bool // a rebalance asks it back: nothing more is begun
	// first is the first offset that was read, next the one behind all that was;
	// -1 until they are known.
	first, next int64
	// settled is what may be committed, committed what was.
	settled, committed kgo.EpochOffset
	// end is the offset behind the last record that the broker told of.
	end int64
	// troubles is how often in a row it could not be read.
	troubles int
	// missed counts the records that were deleted before they were read.
	missed int64
}

func newAssignment(k key) *assignment {
	prefix := k.name() + ":"

	return &assignment{
		key: k, name: prefix[:len(prefix)-1], prefix: prefix, owned: true, first: -1, next: -1, end: -1,
		settled: kgo.EpochOffset{Epoch: -1, Offset: -1}, committed: kgo.EpochOffset{Epoch: -1, Offset: -1},
	}
}

// behind is the place behind a record.
func behind(r *kgo.Record) kgo.EpochOffset {
	return kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
}

// records fills dst, which is as long as from.
func (a *assignment) records(dst []sources.Record, from []*kgo.Record, size func(*kgo.Record) int) {
	ids := a.newIDs(from)

	// Field by field, which is faster than a record at a time.
	for i, r := range from {
		to := &dst[i]
		to.ID = ids.next(r.Offset)
		to.Key = text(r.Key)
		to.Data = r.Value
		to.Native = r
		to.Time = stamp(r)
		to.Expires = time.Time{}
		to.Size = size(r)
		to.Offset = 0
	}
}

// ids makes the IDs of records that follow each other: parts of one piece of memory.
type ids struct {
	prefix string
	room   []byte
	last   []byte // the ID before
	at     int64  // its offset
}

func (a *assignment) newIDs(from []*kgo.Record) ids {
	const decimal, most = 10, 20

	digits := len(strconv.AppendInt(make([]byte, 0, most), from[len(from)-1].Offset, decimal))

	return ids{prefix: a.prefix, room: make([]byte, 0, len(from)*(len(a.prefix)+digits))}
}

// next is the ID of the record with an offset.
func (d *ids) next(offset int64) string {
	const decimal = 10

	begin := len(d.room)

	if d.last != nil && offset == d.at+1 && d.last[len(d.last)-1] != '9' {
		d.room = append(d.room, d.last...)
		d.room[len(d.room)-1]++
	} else {
		d.room = strconv.AppendInt(append(d.room, d.prefix...), offset, decimal)
	}

	d.last, d.at = d.room[begin:], offset

	return text(d.last)
}

// text is b as a string that shares its memory, which nobody writes to any more.
func text(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// stamp is the record's time; zero for records of an old format that has none
// (KAF-85).
func stamp(r *kgo.Record) time.Time {
	if r.Attrs.TimestampType() < 0 {
		return time.Time{}
	}

	return r.Timestamp
}

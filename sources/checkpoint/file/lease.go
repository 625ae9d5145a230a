package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Kinds of entries, the first byte of each.
const (
	putEntry    = 1 // a lease, which takes the place of the one before
	deleteEntry = 2 // the shard of a lease that is no more
)

var errShort = errors.New("it ends too early, or has too much")

// appendPut appends the payload of a put entry: texts and bytes behind their
// length, numbers as varints.
func appendPut(dst []byte, l *checkpoint.Lease) []byte {
	dst = append(dst, putEntry)
	dst = appendText(dst, l.Shard)
	dst = appendText(dst, l.Owner)
	dst = binary.AppendVarint(dst, l.Counter)
	dst = appendText(dst, l.Position.Sequence)
	dst = binary.AppendVarint(dst, l.Position.SubSequence)
	dst = appendTime(dst, l.Position.Timestamp)
	dst = appendTexts(dst, l.Parents)
	dst = appendTexts(dst, l.Children)
	dst = appendText(dst, l.StartingHashKey)
	dst = appendText(dst, l.EndingHashKey)
	dst = binary.AppendUvarint(dst, uint64(len(l.Window)))
	dst = append(dst, l.Window...)
	if l.Stream != "" { // entries of older releases end before it
		dst = appendText(dst, l.Stream)
	}
	return dst
}

// appendDelete appends the payload of a delete entry.
func appendDelete(dst []byte, shard string) []byte {
	return appendText(append(dst, deleteEntry), shard)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendTexts(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

func appendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	dst = binary.AppendVarint(dst, t.Unix())
	return binary.AppendVarint(dst, int64(t.Nanosecond()))
}

// parse reads a payload. For a delete entry only the lease's Shard is set. What
// it returns shares no memory with the payload.
func parse(payload []byte) (kind byte, l checkpoint.Lease, err error) {
	r := reader{rest: payload}
	switch kind = r.byte(); kind {
	case putEntry:
		l = r.lease()
	case deleteEntry:
		l.Shard = r.text()
	default:
		return kind, l, fmt.Errorf("an entry of kind %d is not known; a newer release may have written it", kind)
	}
	if r.bad || len(r.rest) > 0 {
		return kind, l, errShort
	}
	return kind, l, l.Check()
}

// reader takes a payload apart. After the first thing that is not there, bad is
// set, and everything is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) lease() checkpoint.Lease {
	var l checkpoint.Lease
	l.Shard, l.Owner, l.Counter = r.text(), r.text(), r.number()
	l.Position.Sequence, l.Position.SubSequence, l.Position.Timestamp = r.text(), r.number(), r.time()
	l.Parents, l.Children = r.texts(), r.texts()
	l.StartingHashKey, l.EndingHashKey = r.text(), r.text()
	if window := r.bytes(); len(window) > 0 {
		l.Window = append(l.Window, window...)
	}
	if len(r.rest) > 0 {
		l.Stream = r.text()
		r.bad = r.bad || l.Stream == ""
	}
	return l
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) number() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// count is a length; never more than there are bytes left.
func (r *reader) count() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)) || int(n) > len(r.rest)-size { //nolint:gosec // bounded by a length
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int(n) //nolint:gosec // as above
}

func (r *reader) bytes() []byte {
	n := r.count()
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) texts() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, min(n, 8))
	for range n {
		list = append(list, r.text())
	}
	return list
}

func (r *reader) time() time.Time {
	if r.byte() == 0 {
		return time.Time{}
	}
	seconds, nanos := r.number(), r.number()
	if nanos < 0 || nanos >= int64(time.Second) {
		r.fail()
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

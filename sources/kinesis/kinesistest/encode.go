package kinesistest

import (
	"slices"
	"strconv"
	"sync"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// The fake must cost little beside the client that is measured on it: answers
// are written by hand, into memory that is used again.
//
//nolint:gochecknoglobals // a pool is one for all
var pool sync.Pool

const (
	minPooled = 4 << 10  // bytes
	maxPooled = 20 << 20 // bytes; answers of 10 MiB in base64
	overhead  = 192      // bytes of a record beside its key and data
)

// room returns an empty slice with a capacity.
func room(size int) []byte {
	if size >= minPooled {
		if b, ok := pool.Get().(*[]byte); ok && cap(*b) >= size {
			return (*b)[:0]
		}
	}
	return make([]byte, 0, size)
}

// release gives back a slice that nobody uses any more.
func release(b []byte) {
	if cap(b) >= minPooled && cap(b) <= maxPooled {
		pool.Put(&b)
	}
}

// sizeOf is about how many bytes records take.
func sizeOf(records []record) int {
	size := 0
	for i := range records {
		size += len(records[i].key) + eventjson.Base64Size(len(records[i].data)) + overhead
	}
	return size
}

func (a *batch) size() int { return sizeOf(a.records) + 1024 }

// append appends the JSON of the answer.
func (a *batch) append(dst []byte) []byte {
	dst = appendRecords(append(dst, '{'), a.records)
	if a.end {
		dst = append(dst, `,"NextShardIterator":null`...)
	} else {
		dst = append(dst, `,"NextShardIterator":"`...)
		dst = append(a.iterator.append(dst), '"')
	}
	dst = append(dst, `,"MillisBehindLatest":`...)
	dst = strconv.AppendInt(dst, a.behind, 10)
	return append(appendChildren(dst, a.children), '}')
}

func appendRecords(dst []byte, records []record) []byte {
	dst = append(dst, `"Records":[`...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = records[i].append(dst)
	}
	return append(dst, ']')
}

func (r *record) append(dst []byte) []byte {
	dst = append(dst, `{"SequenceNumber":"`...)
	dst = append(dst, r.number...)
	dst = append(dst, `","ApproximateArrivalTimestamp":`...)
	dst = appendEpoch(dst, r.arrival)
	dst = append(dst, `,"Data":`...)
	dst = eventjson.AppendBase64(dst, r.data)
	if r.key != "" {
		dst = append(dst, `,"PartitionKey":`...)
		dst = eventjson.AppendString(dst, r.key)
	}
	return append(dst, '}')
}

// appendEpoch appends milliseconds as seconds.
func appendEpoch(dst []byte, ms int64) []byte {
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	rest := ms % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}

// appendChildren appends the children, if there are any.
func appendChildren(dst []byte, children []child) []byte {
	if len(children) == 0 {
		return dst
	}
	dst = append(dst, `,"ChildShards":[`...)
	for i := range children {
		c := &children[i]
		dst = append(slices.Grow(dst, overhead), `{"ShardId":"`...)
		dst = append(dst, c.id...)
		dst = append(dst, `","ParentShards":[`...)
		for _, parent := range c.parents {
			dst = append(eventjson.AppendString(dst, parent), ',')
		}
		dst = append(dst[:len(dst)-1], `],`...) // a child has a parent
		dst = append(appendRange(dst, c.keys), '}', ',')
	}
	return append(dst[:len(dst)-1], ']')
}

func appendRange(dst []byte, keys hashRange) []byte {
	dst = append(dst, `"HashKeyRange":{"StartingHashKey":"`...)
	dst = append(dst, keys.text[0]...)
	dst = append(dst, `","EndingHashKey":"`...)
	dst = append(dst, keys.text[1]...)
	return append(dst, `"}`...)
}

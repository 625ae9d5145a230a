package dynamodbstreamstest

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// record is a record. It never changes.
type record struct {
	n       uint64
	number  string
	created time.Time
	size    int    // bytes, as the service counts them (DDB-86)
	json    []byte // as it is answered
}

// shard is a shard of a stream.
type shard struct {
	stream   *stream
	id       string
	hashes   hashRange
	parent   *shard // nil for none
	children []*shard
	first    uint64 // number before its records
	last     uint64 // number after its records, once closed
	opened   time.Time
	listed   time.Time // from when on it is
	closed   time.Time // zero while open
	trimmed  uint64    // number of the last record that was dropped, 0 for none
	records  []record
	put      int // records so far
	readers  readers
}

func byID(sh *shard, id string) int { return strings.Compare(sh.id, id) }

func (sh *shard) isClosed() bool { return !sh.closed.IsZero() }

// at returns the index of the first record from number n on.
func (sh *shard) at(n uint64) int {
	return sort.Search(len(sh.records), func(i int) bool { return sh.records[i].n >= n })
}

// oldest is the number that the trim horizon stands at.
func (sh *shard) oldest() uint64 {
	if len(sh.records) > 0 {
		return sh.records[0].n
	}
	return max(sh.trimmed, sh.first) + 1
}

// since returns the number of the first record that was created at t or later
// (DDB-48), or the one that is given out next.
func (sh *shard) since(t time.Time) uint64 {
	i := slices.IndexFunc(sh.records, func(r record) bool { return !r.created.Before(t) })
	if i < 0 {
		return sh.stream.next
	}
	return sh.records[i].n
}

// accept appends a record and returns its sequence number.
func (sh *shard) accept(r record, host string) string {
	sh.records = append(sh.records, r)
	sh.put++
	sh.tell(Event{What: Put, Host: host}, sh.records[len(sh.records)-1:])
	return r.number
}

// chunk is a stretch of a shard that is handed out.
type chunk struct {
	records []record
	next    uint64 // where the next one begins
	end     bool   // the shard ends here
}

// read returns the records from number n on, at most limit of them, and if more
// than one no more bytes than given.
func (sh *shard) read(n uint64, limit, bytes int) chunk {
	rest := sh.records[sh.at(n):]
	count, size := 0, 0
	for count < min(limit, len(rest)) {
		size += rest[count].size
		if count > 0 && size > bytes {
			break
		}
		count++
	}
	c := chunk{records: rest[:count:count], next: n}
	if count > 0 {
		c.next = rest[count-1].n + 1
	}
	c.end = sh.isClosed() && count == len(rest)
	return c
}

// trim drops the records before number n.
func (sh *shard) trim(n uint64) {
	i := sh.at(n)
	if i == 0 {
		return
	}
	sh.tell(Event{What: Trimmed}, sh.records[:i])
	sh.trimmed = sh.records[i-1].n
	sh.records = slices.Clone(sh.records[i:]) // lets go of the dropped ones
}

// shut closes the shard.
func (sh *shard) shut(now time.Time) {
	st := sh.stream
	sh.closed, sh.last = now, st.take()
	st.open = slices.DeleteFunc(st.open, func(other *shard) bool { return other == sh })
	sh.tell(Event{What: Closed}, nil)
}

// age drops the records that are too old, and the shard itself once it has been
// closed for that long.
func (sh *shard) age(now time.Time) {
	keep := slices.IndexFunc(sh.records, func(r record) bool { return now.Sub(r.created) <= retention })
	switch {
	case keep < 0:
		sh.trim(sh.stream.next)
	case keep > 0:
		sh.trim(sh.records[keep].n)
	}
	if sh.isClosed() && len(sh.records) == 0 && now.Sub(sh.closed) > retention {
		sh.vanish()
	}
}

// vanish takes the shard off the list.
func (sh *shard) vanish() {
	sh.trim(sh.stream.next)
	sh.stream.shards = slices.DeleteFunc(sh.stream.shards, func(other *shard) bool { return other == sh })
}

package kinesistest

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// record is a record. It never changes.
type record struct {
	n       uint64
	arrival int64 // milliseconds since 1970
	number  string
	key     string // "" for a record without one
	data    []byte
}

func (r *record) size() int { return len(r.key) + len(r.data) }

// shard is a shard of a stream. An idle one is no more than this.
type shard struct {
	stream   *stream
	index    int
	id       string
	keys     hashRange
	parents  []*shard // none, one, or two
	children []*shard
	first    uint64 // number before its records
	last     uint64 // number after its records, once closed
	opened   time.Time
	closed   time.Time // zero while open
	gone     bool      // not listed any more
	records  []record
	put      int // records so far
	subs     []*subscription
	reads    window
	asks     window // of iterators
}

// shardID is the ID of the shard with an index.
func shardID(index int) string { return fmt.Sprintf("shardId-%012d", index) }

func (sh *shard) isClosed() bool { return !sh.closed.IsZero() }

// at returns the index of the first record from number n on.
func (sh *shard) at(n uint64) int {
	if len(sh.records) == 0 || sh.records[len(sh.records)-1].n < n {
		return len(sh.records) // where most readers stand
	}
	return sort.Search(len(sh.records), func(i int) bool { return sh.records[i].n >= n })
}

// since returns the number of the first record that arrived at t or later
// (KIN-44), or the one that is given out next. Arrival times need not rise
// (KIN-35).
func (sh *shard) since(t time.Time) uint64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%1e6 > 0 {
		ms++
	}
	i := slices.IndexFunc(sh.records, func(r record) bool { return r.arrival >= ms })
	if i < 0 {
		return sh.stream.next
	}
	return sh.records[i].n
}

// chunk is a stretch of a shard that is handed out.
type chunk struct {
	records []record
	next    uint64 // where the next one begins
	behind  int64  // milliseconds
	end     bool   // the shard ends here
}

// read returns the records from number n on, at most limit of them, and if
// more than one no more bytes than given.
func (sh *shard) read(n uint64, limit, bytes int, now time.Time) chunk {
	rest := sh.records[sh.at(n):]
	count, size := 0, 0
	for count < min(limit, len(rest)) {
		size += rest[count].size()
		if count > 0 && size > bytes {
			break
		}
		count++
	}
	c := chunk{records: rest[:count:count], next: n}
	if count > 0 {
		c.next = rest[count-1].n + 1
	}
	if count < len(rest) {
		c.behind = max(1, now.UnixMilli()-rest[count].arrival)
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
	sh.records = slices.Clone(sh.records[i:]) // lets go of the dropped ones
}

// shut closes the shard.
func (sh *shard) shut(now time.Time) {
	st := sh.stream
	sh.closed, sh.last = now, st.take()
	st.open = slices.DeleteFunc(st.open, func(other *shard) bool { return other == sh })
	sh.tell(Event{What: Closed}, nil)
}

// stir wakes the subscriptions.
func (sh *shard) stir() {
	for _, sub := range sh.subs {
		sub.stir()
	}
}

// expire takes a closed shard off the list.
func (sh *shard) expire() {
	sh.trim(sh.stream.next)
	sh.gone = true
	sh.stream.shards = slices.DeleteFunc(sh.stream.shards, func(other *shard) bool { return other == sh })
	for _, sub := range sh.subs {
		sub.fail(notFound("Shard " + sh.id + " does not exist."))
	}
}

package dynamodbstreamstest

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

const (
	retention = 24 * time.Hour // of records, and of closed shards and streams (DDB-01)
	gap       = 3              // between the numbers that a stream gives out
	maxShards = 1_000          // of a new stream; the fake's own bound

	// firstNumber is after which the sequence numbers of a stream begin, unless it
	// is told otherwise (DDB-12).
	firstNumber = "111100000000000000000000"
)

// stream is the stream of a table. The server's mutex guards it.
type stream struct {
	server   *Server
	table    string
	keys     []string // names of the table's key attributes
	label    string
	arn      string
	view     types.StreamViewType
	status   types.StreamStatus
	created  time.Time
	disabled time.Time // zero while it is not
	first    *big.Int
	next     uint64        // number that is given out next
	delay    time.Duration // until a new shard is listed
	shards   []*shard      // those that there are, by ID
	open     []*shard      // by hash range
}

// lookup returns the stream with an ARN, or the newest one of a table that is
// named. The mutex is held.
func (s *Server) lookup(text string) (*stream, error) {
	for _, st := range slices.Backward(s.streams) {
		if st.arn == text || st.table == text {
			return st, nil
		}
	}
	return nil, notFound("Requested resource not found: Stream: " + text + " not found")
}

// create makes the stream of a table. The mutex is held.
func (s *Server) create(name string, keys []string, setup Setup, now time.Time) (*stream, error) {
	first, ok := new(big.Int).SetString(setup.FirstSequenceNumber, 10)
	if setup.FirstSequenceNumber == "" {
		first, ok = new(big.Int).SetString(firstNumber, 10)
	}
	shards := max(setup.Shards, 1)
	switch {
	case !ok || len(first.String()) < minDigits || len(first.String()) > maxDigits:
		return nil, invalid("A sequence number is decimal and has 21 to 40 digits.")
	case shards > maxShards:
		return nil, invalid("A stream has 1 to 1000 shards to begin with.")
	case !slices.Contains(types.StreamViewType("").Values(), setup.View) && setup.View != "":
		return nil, invalid("The view type " + string(setup.View) + " is not one that there is.")
	}
	view := setup.View
	if view == "" {
		view = types.StreamViewTypeNewAndOldImages
	}
	s.made++
	// Labels of streams that are made in one millisecond differ all the same.
	label := now.Add(time.Duration(s.made) * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000")
	st := &stream{
		server: s, table: name, keys: keys, label: label, view: view, status: types.StreamStatusEnabled,
		arn:     "arn:aws:dynamodb:" + Region + ":" + Account + ":table/" + name + "/stream/" + label,
		created: now, first: first, next: gap,
	}
	s.streams = append(s.streams, st)
	for _, hashes := range whole().divide(shards) {
		st.add(hashes, nil, now)
	}
	return st, nil
}

// take gives out the next number. Between two numbers there are always some
// that belong to nothing.
func (st *stream) take() uint64 {
	n := st.next
	st.next += gap
	return n
}

// text is the sequence number of n.
func (st *stream) text(n uint64) string {
	number := new(big.Int).SetUint64(n)
	return number.Add(number, st.first).String()
}

// parse reads a sequence number. One that is less than any of the stream is none
// of it.
func (st *stream) parse(text string) (uint64, bool) {
	number, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return 0, false
	}
	number.Sub(number, st.first)
	return number.Uint64(), number.IsUint64()
}

// add makes a shard that is open.
func (st *stream) add(hashes hashRange, parent *shard, now time.Time) *shard {
	st.server.shards++
	sh := &shard{
		stream: st, hashes: hashes, parent: parent, opened: now, listed: now, first: st.take(), readers: make(readers),
	}
	// The second part is no counter to the eye, so that nobody goes by the order of
	// shards that are made in one millisecond.
	const scramble = 0x9e3779b1
	sh.id = fmt.Sprintf("shardId-%020d-%08x", now.UnixMilli(), uint32(st.server.shards)*scramble) //nolint:gosec // wraps
	if parent != nil {
		parent.children = append(parent.children, sh)
		sh.listed = now.Add(st.delay)
		if parent.listed.After(sh.listed) {
			sh.listed = parent.listed // no child is found before its parent
		}
	}
	i, _ := slices.BinarySearchFunc(st.shards, sh.id, byID)
	st.shards = slices.Insert(st.shards, i, sh)
	st.open = append(st.open, sh)
	slices.SortFunc(st.open, func(a, b *shard) int { return a.hashes.compare(b.hashes) })
	return sh
}

// shard returns the shard with an ID that there is, and is not hidden yet.
func (st *stream) shard(id string) (*shard, error) {
	i, ok := slices.BinarySearchFunc(st.shards, id, byID)
	if !ok || time.Now().Before(st.shards[i].listed) {
		return nil, notFound("Requested resource not found: Shard: " + id + " in Stream: " + st.arn + " not found")
	}
	return st.shards[i], nil
}

// route returns the open shard that a hash falls in; nil if none is open.
func (st *stream) route(hash uint64) *shard {
	for _, sh := range st.open {
		if sh.hashes.has(hash) {
			return sh
		}
	}
	return nil
}

// disable closes the stream's open shards. The mutex is held.
func (st *stream) disable(status types.StreamStatus, now time.Time) {
	for len(st.open) > 0 {
		st.open[0].shut(now)
	}
	st.status, st.disabled = status, now
}

// SetMilliseconds has changes of items tell when they were made to the millisecond, as
// some servers do; the service tells whole seconds.
func (s *Server) SetMilliseconds(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exact = on
}

// SetAging has records, closed shards and disabled streams dropped when they are 24 hours
// old, as is the case unless it is switched off.
func (s *Server) SetAging(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ageless = !on
}

// age drops what is too old (DDB-01): records, closed shards, and streams that were
// disabled. The mutex is held.
func (s *Server) age() {
	if s.ageless {
		return
	}
	now := time.Now()
	s.streams = slices.DeleteFunc(s.streams, func(st *stream) bool {
		for _, sh := range slices.Clone(st.shards) {
			sh.age(now)
		}
		return !st.disabled.IsZero() && now.Sub(st.disabled) > retention
	})
}

package kinesistest

import (
	"slices"
	"strings"
	"time"
)

const (
	maxShards     = 100_000    // of a stream; the fake's own bound
	defaultRecord = 1 << 20    // bytes (KIN-200)
	retention     = 24         // hours, as told of a new stream; nothing expires by itself
	gap           = 3          // between the numbers that a stream gives out
	minRecordKiB  = 1_024      // of MaxRecordSizeInKiB (KIN-200)
	maxRecordKiB  = 10_240     // as above
	statusActive  = "ACTIVE"   // of streams and consumers
	statusNew     = "CREATING" // of consumers
)

// stream is a stream. The server's mutex guards it.
type stream struct {
	server    *Server
	id        uint64
	name      name
	arn       string
	created   time.Time
	numbers   numbering
	next      uint64   // number that is given out next
	made      int      // shards so far
	shards    []*shard // those listed, by ID
	open      []*shard // by hash range
	consumers []*consumer
	epoch     int64 // of the newest consumer ARN
	maxRecord int   // bytes
	keyless   int   // records without a key so far
	retention int   // hours
}

// lookup returns the stream that a name or an ARN means. The mutex is held.
func (s *Server) lookup(text string) (*stream, error) {
	n := name{region: Region, account: Account, stream: text}
	if strings.HasPrefix(text, "arn:") {
		n, _ = parseARN(text)
	}
	if st, ok := s.streams[n.streamARN()]; ok {
		return st, nil
	}
	return nil, notFound("Stream " + n.stream + " under account " + n.account + " not found.")
}

// AddStream makes a stream in any account and region, named by its ARN, or by
// its name alone in [Account] and [Region]. It is active at once and has
// shards, 1..100,000, of equal hash ranges.
func (s *Server) AddStream(stream string, shards int) error {
	n, ok := parseARN(stream)
	if !ok {
		n = name{region: Region, account: Account, stream: stream}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.create(n, shards, time.Now())
	return err
}

// SetFirstSequenceNumber sets after which sequence number, decimal and of at
// most 100 digits, those of streams that are made later begin. A number of
// nines soon makes them one digit longer, so that only those who compare them
// as numbers get their order right (KIN-51).
func (s *Server) SetFirstSequenceNumber(number string) error {
	if _, ok := newNumbering(number); !ok || len(number) > 100 {
		return invalidArgument("A sequence number is decimal and has at most 100 digits.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = number
	return nil
}

// create makes a stream. The mutex is held.
func (s *Server) create(n name, shards int, now time.Time) (*stream, error) {
	switch {
	case !legalName(n.stream) || n.consumer != "":
		return nil, invalidArgument("A stream's name has 1 to 128 letters, digits, hyphens, underscores and dots.")
	case shards < 1 || shards > maxShards:
		return nil, invalidArgument("A stream has 1 to 100,000 shards.")
	case s.streams[n.arn()] != nil:
		return nil, inUse("Stream " + n.stream + " under account " + n.account + " already exists.")
	}
	first := s.first
	if first == "" {
		first = firstNumber
	}
	numbers, _ := newNumbering(first) // was looked at when it was set
	s.created++
	st := &stream{
		server: s, id: s.created, name: n, arn: n.arn(), created: now,
		numbers: numbers, next: gap, maxRecord: defaultRecord, retention: retention,
	}
	s.streams[st.arn], s.byID[st.id] = st, st
	for _, keys := range divide(shards) {
		st.add(keys, now)
	}
	st.open = slices.Clone(st.shards)
	return st, nil
}

// take gives out the next number. Between two numbers there are always some
// that belong to nothing, as in Kinesis.
func (st *stream) take() uint64 {
	n := st.next
	st.next += gap
	return n
}

// gave says whether the stream has given out a number that is not less.
func (st *stream) gave(number string) bool {
	n, ok := st.numbers.parse(number)
	return ok && n < st.next
}

// add makes a shard, which is not among the open ones yet.
func (st *stream) add(keys hashRange, now time.Time, parents ...*shard) *shard {
	sh := &shard{
		stream: st, index: st.made, id: shardID(st.made), keys: keys,
		opened: now, first: st.take(), parents: parents,
	}
	st.made++
	st.shards = append(st.shards, sh)
	for _, parent := range parents {
		parent.children = append(parent.children, sh)
	}
	return sh
}

// shard returns the listed shard with an ID.
func (st *stream) shard(id string) (*shard, error) {
	i, ok := slices.BinarySearchFunc(st.shards, id, func(sh *shard, id string) int {
		return strings.Compare(sh.id, id)
	})
	if !ok {
		return nil, notFound("Shard " + id + " in stream " + st.name.stream +
			" under account " + st.name.account + " does not exist")
	}
	return st.shards[i], nil
}

// route returns the open shard that a hash key falls in.
func (st *stream) route(key hashKey) *shard {
	i, found := slices.BinarySearchFunc(st.open, key, func(sh *shard, key hashKey) int {
		return sh.keys.from.compare(key)
	})
	if !found {
		i--
	}
	return st.open[i]
}

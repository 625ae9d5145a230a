package kinesistest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"
)

const (
	iteratorLife = 5 * time.Minute // KIN-40
	tokenPrefix  = "AAAAAAAAAA"
	tokenBytes   = 4*8 + 4
)

// iterator is a place in a shard. Its text is opaque to clients.
type iterator struct {
	stream  uint64
	shard   uint64
	next    uint64 // number of the first record that may come
	created time.Time
}

func (it iterator) String() string {
	return string(it.append(make([]byte, 0, len(tokenPrefix)+base64.StdEncoding.EncodedLen(tokenBytes))))
}

// append appends the text.
func (it iterator) append(dst []byte) []byte {
	var raw [tokenBytes]byte
	for i, n := range [...]uint64{it.stream, it.shard, it.next, uint64(it.created.UnixNano())} {
		binary.BigEndian.PutUint64(raw[8*i:], n)
	}
	binary.BigEndian.PutUint32(raw[tokenBytes-4:], crc32.ChecksumIEEE(raw[:tokenBytes-4]))
	return base64.StdEncoding.AppendEncode(append(dst, tokenPrefix...), raw[:])
}

// parseIterator reads the text of an iterator. Anything else is told from one
// by the checksum.
func parseIterator(text string) (iterator, bool) {
	if len(text) < len(tokenPrefix) || text[:len(tokenPrefix)] != tokenPrefix {
		return iterator{}, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text[len(tokenPrefix):])
	if err != nil || len(raw) != tokenBytes ||
		binary.BigEndian.Uint32(raw[tokenBytes-4:]) != crc32.ChecksumIEEE(raw[:tokenBytes-4]) {
		return iterator{}, false
	}
	return iterator{
		stream:  binary.BigEndian.Uint64(raw),
		shard:   binary.BigEndian.Uint64(raw[8:]),
		next:    binary.BigEndian.Uint64(raw[16:]),
		created: time.Unix(0, int64(binary.BigEndian.Uint64(raw[24:]))), //nolint:gosec // was an int64
	}, true
}

// open returns the shard that an iterator's text means, and its place there.
// The mutex is held.
func (s *Server) open(text string) (*shard, iterator, error) {
	it, ok := parseIterator(text)
	if !ok {
		return nil, it, invalidArgument("Invalid ShardIterator.")
	}
	st, ok := s.byID[it.stream]
	if !ok {
		return nil, it, notFound("The stream of the iterator does not exist.")
	}
	if it.shard >= uint64(st.made) { //nolint:gosec // a count
		return nil, it, invalidArgument("Invalid ShardIterator.")
	}
	sh, err := st.shard(shardID(int(it.shard))) //nolint:gosec // less than a count
	return sh, it, err
}

// place is where in a shard a reader begins (KIN-43).
type place struct {
	kind   string
	number *string
	time   *epoch
}

// find returns the number of the first record that may come. The mutex is
// held.
func (p place) find(sh *shard, now time.Time) (uint64, error) {
	switch p.kind {
	case "TRIM_HORIZON":
		return 0, nil
	case "LATEST":
		return sh.stream.next, nil
	case "AT_TIMESTAMP":
		return p.since(sh, now)
	case "AT_SEQUENCE_NUMBER":
		return p.numbered(sh)
	case "AFTER_SEQUENCE_NUMBER":
		n, err := p.numbered(sh)
		return n + 1, err
	default:
		return 0, invalidArgument("The type of iterator is none of AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER, " +
			"TRIM_HORIZON, LATEST, AT_TIMESTAMP.")
	}
}

func (p place) since(sh *shard, now time.Time) (uint64, error) {
	if p.time == nil {
		return 0, invalidArgument("Must specify a timestamp for the iterator type AT_TIMESTAMP.")
	}
	t := p.time.time()
	if t.After(now) {
		return 0, invalidArgument("The timestamp cannot be in the future.")
	}
	return sh.since(t), nil
}

// numbered reads the sequence number. It must be one that the shard has or had,
// or could have had.
func (p place) numbered(sh *shard) (uint64, error) {
	if p.number == nil {
		return 0, invalidArgument("Must specify a sequence number for the iterator type " + p.kind + ".")
	}
	n, ok := sh.stream.numbers.parse(*p.number)
	if !ok || n < sh.first || n >= sh.stream.next || sh.isClosed() && n > sh.last {
		return 0, invalidArgument("The sequence number is invalid for shard " + sh.id +
			" because it did not come from it.")
	}
	return n, nil
}

type getShardIterator struct {
	onStream

	Shard  string  `json:"ShardId"`
	Type   string  `json:"ShardIteratorType"`
	Number *string `json:"StartingSequenceNumber"`
	Time   *epoch  `json:"Timestamp"`
}

func (r *getShardIterator) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Shard, c.Type = r.Shard, r.Type
	if r.Number != nil {
		c.After = *r.Number
	}
}

// form holds the call to the form of its members.
func (r *getShardIterator) form() error {
	switch {
	case !legalName(r.Shard):
		return invalid("shardId", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, of 1 to 128 characters")
	case !isPlace(r.Type):
		return invalid("shardIteratorType", "Member must satisfy enum value set: "+
			"[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")
	default:
		return checkNumber("startingSequenceNumber", r.Number)
	}
}

// isPlace says whether a type of iterators is one that there is.
func isPlace(kind string) bool {
	switch kind {
	case "AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON":
		return true
	default:
		return false
	}
}

func (r *getShardIterator) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := r.form(); err != nil {
		return nil, err
	}
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	sh, err := st.shard(r.Shard)
	if err != nil {
		return nil, err
	}
	if r.Number != nil && (r.Type == "TRIM_HORIZON" || r.Type == "LATEST") {
		return nil, invalidArgument("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and " +
			"StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified " +
			r.Type + " and also a StartingSequenceNumber.")
	}
	if s.limits && !sh.asks.admit(now) {
		return nil, ProvisionedThroughputExceeded()
	}
	next, err := place{kind: r.Type, number: r.Number, time: r.Time}.find(sh, now)
	if err != nil {
		return nil, err
	}
	body := append([]byte(nil), `{"ShardIterator":"`...)
	return append(sh.iterator(next, now).append(body), `"}`...), nil
}

// iterator returns the iterator for a place in the shard.
func (sh *shard) iterator(next uint64, now time.Time) iterator {
	return iterator{stream: sh.stream.id, shard: uint64(sh.index), next: next, created: now} //nolint:gosec // an index
}

package kinesistest

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	maxBatch      = 500      // records of a PutRecords
	maxBatchBytes = 10 << 20 // of a PutRecords
	maxKey        = 256      // runes
	maxHashDigits = 39       // of an explicit hash key
)

// entry is a record as it is put.
type entry struct {
	Data    []byte  `json:"Data"`
	Key     string  `json:"PartitionKey"`
	HashKey *string `json:"ExplicitHashKey"`
}

// placed is the answer to a record that was put, or not.
type placed struct {
	Number  string `json:"SequenceNumber,omitempty"`
	Shard   string `json:"ShardId,omitempty"`
	Code    string `json:"ErrorCode,omitempty"`
	Message string `json:"ErrorMessage,omitempty"`
}

type putRecord struct {
	onStream
	entry

	Behind *string `json:"SequenceNumberForOrdering"`
}

func (r *putRecord) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Records = 1
}

func (r *putRecord) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(r.form(), checkNumber("sequenceNumberForOrdering", r.Behind)); err != nil {
		return nil, err
	}
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	hash, err := r.check(st)
	if err != nil {
		return nil, err
	}
	if r.Behind != nil && !st.gave(*r.Behind) {
		return nil, invalidArgument("ExclusiveMinimumSequenceNumber " + *r.Behind + " used in PutRecord on stream " +
			st.name.stream + " under account " + st.name.account + " is invalid.")
	}
	sh := st.route(hash)
	number := sh.accept(r.Key, r.Data, time.Now(), x.host)
	sh.stir()
	return json.Marshal(placed{Number: number, Shard: sh.id})
}

type putRecords struct {
	onStream

	Records []entry `json:"Records"`
}

func (r *putRecords) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Records = len(r.Records)
}

// run puts the records, but for those that the fault fails. One record that
// is not legal fails all of them.
func (r *putRecords) run(call exchange) ([]byte, error) {
	s := call.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.Records) < 1 || len(r.Records) > maxBatch {
		return nil, invalid("records", "Member must have length between 1 and 500")
	}
	for i := range r.Records {
		if err := r.Records[i].form(); err != nil {
			return nil, err
		}
	}
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	hashes := make([]hashKey, len(r.Records))
	size := 0
	for i := range r.Records {
		size += len(r.Records[i].Data) + len(r.Records[i].Key)
		if hashes[i], err = r.Records[i].check(st); err != nil {
			return nil, err
		}
	}
	if size > maxBatchBytes {
		return nil, invalidArgument("Records must be at most 10 MiB in total.")
	}
	var answer struct {
		Failed  int      `json:"FailedRecordCount"`
		Records []placed `json:"Records"`
	}
	answer.Records = make([]placed, len(r.Records))
	now := time.Now()
	for i := range r.Records {
		if injected := call.fault.Records[i]; injected != nil {
			answer.Failed++
			answer.Records[i] = placed{Code: (*wirefake.Error)(injected).Code(), Message: injected.Message}
			continue
		}
		e := &r.Records[i]
		sh := st.route(hashes[i])
		answer.Records[i] = placed{Shard: sh.id, Number: sh.accept(e.Key, e.Data, now, call.host)}
		sh.stir()
	}
	return json.Marshal(answer)
}

// form holds a record of a call to the form of its members.
func (e *entry) form() error {
	switch n := utf8.RuneCountInString(e.Key); {
	case n < 1 || n > maxKey:
		return invalid("partitionKey", "Member must have length between 1 and 256")
	case e.Data == nil:
		return invalid("data", "Member must not be null")
	case e.HashKey != nil && !isDecimal(*e.HashKey, maxHashDigits):
		return invalid("explicitHashKey", `Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})`)
	default:
		return nil
	}
}

// check holds a record to its rules, and returns where its key falls (KIN-78).
func (e *entry) check(st *stream) (hashKey, error) {
	if n := utf8.RuneCountInString(e.Key); n < 1 || n > maxKey {
		return hashKey{}, invalidArgument("PartitionKey must have 1 to 256 characters.")
	}
	if len(e.Data)+len(e.Key) > st.maxRecord {
		return hashKey{}, invalidArgument("The record is larger than the stream's maximum record size.")
	}
	if e.HashKey == nil {
		return hashOf(e.Key), nil
	}
	hash, ok := parseHash(*e.HashKey)
	if !ok {
		return hashKey{}, invalidArgument("ExplicitHashKey is not a decimal number of 128 bits.")
	}
	return hash, nil
}

// accept appends a record and returns its sequence number. The caller stirs
// the shard.
func (sh *shard) accept(key string, data []byte, arrival time.Time, host string) string {
	n := sh.stream.take()
	number := sh.stream.numbers.text(n)
	sh.records = append(sh.records, record{
		n: n, number: number, key: key, data: data, arrival: arrival.UnixMilli(),
	})
	sh.put++
	if sh.stream.server.watch != nil {
		sh.tell(Event{What: Put, Host: host}, sh.records[len(sh.records)-1:])
	}
	return number
}

// Record is a record of a shard.
type Record struct {
	// Key is the partition key. A record with an empty one has none, as in
	// streams whose records Kinesis distributes by itself (KIN-214); the fake
	// puts such records into the open shards by turns.
	Key string
	// HashKey is the explicit hash key for [Server.PutRecords], "" for none. It
	// is not kept.
	HashKey string
	// Data is the blob. It must not change any more.
	Data []byte
	// Arrival is the approximate arrival time, of which whole milliseconds are
	// kept. For [Server.PutRecords] zero means now; times need not rise
	// (KIN-35).
	Arrival time.Time
	// Shard and Number are the shard's ID and the sequence number, which
	// [Server.PutRecords] gives.
	Shard, Number string
}

// Put puts one record into the stream, named by name or ARN, and returns its
// shard and its sequence number. The data must not change any more.
func (s *Server) Put(stream, key string, data []byte) (shard, number string, err error) {
	records := []Record{{Key: key, Data: data}}
	err = s.PutRecords(stream, records)
	return records[0].Shard, records[0].Number, err
}

// PutRecords puts records, any number of them, into the stream, named by name
// or ARN, and fills in where each of them went. It is all or none.
func (s *Server) PutRecords(stream string, records []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return err
	}
	shards := make([]*shard, len(records))
	for i := range records {
		if shards[i], err = st.shardOf(&records[i]); err != nil {
			return err
		}
	}
	now := time.Now()
	var touched []*shard
	for i := range records {
		r, sh := &records[i], shards[i]
		if r.Arrival.IsZero() {
			r.Arrival = now
		}
		r.Arrival = time.UnixMilli(r.Arrival.UnixMilli())
		r.Shard, r.Number = sh.id, sh.accept(r.Key, r.Data, r.Arrival, "")
		if len(sh.subs) > 0 && !slices.Contains(touched, sh) {
			touched = append(touched, sh)
		}
	}
	for _, sh := range touched {
		sh.stir()
	}
	return nil
}

// shardOf is the open shard that a record goes to.
func (st *stream) shardOf(r *Record) (*shard, error) {
	if r.Key == "" && r.HashKey == "" {
		st.keyless++
		return st.open[st.keyless%len(st.open)], nil
	}
	e := entry{Data: r.Data, Key: r.Key}
	if r.HashKey != "" {
		e.HashKey = &r.HashKey
	}
	hash, err := e.check(st)
	return st.route(hash), err
}

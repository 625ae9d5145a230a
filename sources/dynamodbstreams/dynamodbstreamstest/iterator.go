package dynamodbstreamstest

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

const iteratorLife = 15 * time.Minute // DDB-46

// iterator is a place in a shard. Its text is opaque to clients.
type iterator struct {
	Shard   string `json:"s"`
	Next    uint64 `json:"n"` // number of the first record that may come
	Created int64  `json:"c"` // nanoseconds since 1970
}

// text is the iterator's, with the stream that it is of.
func (it iterator) text(arn string) (string, error) {
	text, err := json.Marshal(it)
	return arn + "|1|" + base64.StdEncoding.EncodeToString(text), err
}

// open returns the shard that an iterator's text means, and its place there.
// The mutex is held.
func (s *Server) open(text string) (*shard, iterator, error) {
	var it iterator
	arn, rest, ok := strings.Cut(text, "|1|")
	raw, err := base64.StdEncoding.Strict().DecodeString(rest)
	if !ok || err != nil || json.Unmarshal(raw, &it) != nil {
		return nil, it, invalid("Invalid ShardIterator")
	}
	st, err := s.lookup(arn)
	if err != nil || st.arn != arn {
		return nil, it, notFound("Requested resource not found: Stream: " + arn + " not found")
	}
	sh, err := st.shard(it.Shard)
	if err != nil {
		return nil, it, notFound("Invalid ShardId in ShardIterator")
	}
	return sh, it, nil
}

type getShardIterator struct {
	ARN    string  `json:"StreamArn"`
	Shard  string  `json:"ShardId"`
	Type   string  `json:"ShardIteratorType"`
	Number *string `json:"SequenceNumber"`
	Time   *epoch  `json:"Timestamp"`
}

func (r *getShardIterator) describe(s *Server, c *Call) {
	c.Shard, c.Type = r.Shard, r.Type
	if r.Number != nil {
		c.After = *r.Number
	}
	if _, err := s.lookup(r.ARN); err == nil {
		c.Stream = r.ARN
	}
}

// form holds the call to the form of its members.
func (r *getShardIterator) form() error {
	if err := checkARN(r.ARN); err != nil {
		return err
	}
	if r.Number != nil && (len(*r.Number) < minDigits || len(*r.Number) > maxDigits || strings.Trim(*r.Number, "0123456789") != "") {
		return invalid("1 validation error detected: Value at 'sequenceNumber' failed to satisfy constraint: " +
			"Member must be decimal and have length between 21 and 40")
	}
	return checkShard("shardId", r.Shard)
}

func (r *getShardIterator) run(x exchange) ([]byte, error) {
	if err := r.form(); err != nil {
		return nil, err
	}
	st, err := x.server.lookup(r.ARN)
	if err != nil || st.arn != r.ARN {
		return nil, notFound("Requested resource not found: Stream: " + r.ARN + " not found")
	}
	sh, err := st.shard(r.Shard)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	next, err := r.place(sh, now)
	if err != nil {
		return nil, err
	}
	if next <= sh.trimmed && !x.fault.LateTrim {
		return nil, TrimmedDataAccess()
	}
	text, err := iterator{Shard: sh.id, Next: next, Created: now.UnixNano()}.text(st.arn)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{"ShardIterator": text})
}

// place returns the number of the first record that may come (DDB-47). After a
// record that was dropped it is that record's own.
func (r *getShardIterator) place(sh *shard, now time.Time) (uint64, error) {
	numbered := r.Type == string(types.ShardIteratorTypeAtSequenceNumber) ||
		r.Type == string(types.ShardIteratorTypeAfterSequenceNumber)
	if numbered != (r.Number != nil) {
		return 0, invalid("SequenceNumber must be given for AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER, and for no other type.")
	}
	if (r.Type == string(types.ShardIteratorTypeAtTimestamp)) != (r.Time != nil) {
		return 0, invalid("Timestamp must be given for AT_TIMESTAMP, and for no other type.")
	}
	switch types.ShardIteratorType(r.Type) {
	case types.ShardIteratorTypeTrimHorizon:
		return sh.oldest(), nil
	case types.ShardIteratorTypeLatest:
		return sh.stream.next, nil
	case types.ShardIteratorTypeAtTimestamp:
		if r.Time.time().After(now) {
			return 0, invalid("Timestamp must not be in the future.") // DDB-48
		}
		return sh.since(r.Time.time()), nil
	case types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber:
		return r.numbered(sh)
	default:
		return 0, invalid("1 validation error detected: Value '" + r.Type + "' at 'shardIteratorType' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_SEQUENCE_NUMBER, TRIM_HORIZON, AT_TIMESTAMP]")
	}
}

// numbered reads the sequence number. It must be one that the shard has or had,
// or could have had.
func (r *getShardIterator) numbered(sh *shard) (uint64, error) {
	n, ok := sh.stream.parse(*r.Number)
	if !ok || n < sh.first || n >= sh.stream.next || sh.isClosed() && n > sh.last {
		return 0, invalid("The sequence number is invalid for shard " + sh.id + " because it did not come from it.")
	}
	if r.Type == string(types.ShardIteratorTypeAfterSequenceNumber) && n > sh.trimmed {
		n++
	}
	return n, nil
}

package dynamodbstreamstest

import (
	"encoding/json"
	"time"
)

const (
	maxGet   = 1_000   // records of a GetRecords (DDB-41)
	maxBytes = 1 << 20 // of a GetRecords (DDB-41)
)

type getRecords struct {
	Iterator string `json:"ShardIterator"`
	Limit    *int   `json:"Limit"`
}

func (r *getRecords) describe(s *Server, c *Call) {
	c.Limit = given(r.Limit, 0)
	if sh, _, err := s.open(r.Iterator); err == nil {
		c.Stream, c.Shard = sh.stream.arn, sh.id
	}
}

func (r *getRecords) run(call exchange) ([]byte, error) {
	s, now := call.server, time.Now()
	limit := given(r.Limit, maxGet)
	switch {
	case limit < 1:
		return nil, invalid("1 validation error detected: Value at 'limit' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 1")
	case limit > maxGet:
		return nil, LimitExceeded()
	}
	sh, it, err := s.open(r.Iterator)
	switch {
	case err != nil:
		return nil, err
	case now.Sub(time.Unix(0, it.Created)) > iteratorLife:
		return nil, ExpiredIterator()
	case it.Next <= sh.trimmed:
		return nil, TrimmedDataAccess()
	case s.limits && !sh.readers.admit(call.host, now):
		return nil, LimitExceeded()
	}
	if call.fault.AtMost > 0 {
		limit = min(limit, call.fault.AtMost)
	}
	if call.fault.Empty && sh.at(it.Next) < len(sh.records) {
		limit = 0
	}
	c := sh.read(it.Next, limit, maxBytes)
	if call.fault.LateEnd && len(c.records) > 0 {
		c.end = false
	}
	if len(c.records) > 0 || c.end {
		sh.tell(Event{What: Read, Host: call.host, End: c.end, Lost: call.fault.Cut == CutAfter}, c.records)
	}
	return c.append(sh, now)
}

// append writes the answer.
func (c *chunk) append(sh *shard, now time.Time) ([]byte, error) {
	const overhead = 1024
	size := overhead
	for i := range c.records {
		size += len(c.records[i].json) + 1
	}
	dst := append(make([]byte, 0, size), `{"Records":[`...)
	for i := range c.records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c.records[i].json...)
	}
	dst = append(dst, ']')
	if !c.end {
		next, err := iterator{Shard: sh.id, Next: c.next, Created: now.UnixNano()}.text(sh.stream.arn)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(next)
		if err != nil {
			return nil, err
		}
		dst = append(append(dst, `,"NextShardIterator":`...), text...)
	}
	return append(dst, '}'), nil
}

package kinesis

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
)

// stock is what was read and not asked for yet. Records stay as they came until they
// are asked for, so that an aggregated one with very many inside takes no more room
// than its data and its keys.
type stock struct {
	records []types.Record // but for the first of them, which is open
	open    opened
}

func (s *stock) empty() bool { return len(s.records) == 0 && s.open.left == 0 }

// arrival is when the next record arrived; zero if there is none.
func (s *stock) arrival() time.Time {
	switch {
	case s.open.left > 0:
		return aws.ToTime(s.open.record.ApproximateArrivalTimestamp)
	case len(s.records) > 0:
		return aws.ToTime(s.records[0].ApproximateArrivalTimestamp)
	default:
		return time.Time{}
	}
}

// put stocks the records of an answer that lie behind what was read before.
func (p *partition) put(from []types.Record) {
	first := 0
	for first < len(from) && !behind(p.source.behindAllOf(&from[first]), p.read) {
		first++
	}

	// A shard's records come in the order of their sequence numbers.
	p.stock.records = from[first:]
	if last := len(from) - 1; first <= last {
		p.read = p.source.behindAllOf(&from[last])
	}
}

// unstock fills buf from the stock and returns how many records that are. What lies
// at or before what it returned last is left out.
func (p *partition) unstock(buf []sources.Record) int {
	var natives []Record // a slice for many, which live about as long as one
	n, now := 0, time.Now()
	for n < len(buf) && p.nextOpen() {
		if len(natives) == 0 {
			natives = make([]Record, min(len(buf)-n, len(p.stock.records)+p.stock.open.left))
		}
		next := &natives[0]
		natives = natives[1:]
		p.stock.open.take(next)
		buf[n] = p.record(next, now)
		n++
	}
	if n > 0 {
		p.fetched = native(&buf[n-1]).position()
	}
	return n
}

// nextOpen opens the next record if the one before has nothing left, and reports
// whether there is one.
func (p *partition) nextOpen() bool {
	s := &p.stock
	for s.open.left == 0 && len(s.records) > 0 {
		s.open = p.source.open(&s.records[0], p.fetched)
		s.records = s.records[1:]
	}
	return s.open.left > 0
}

// record is the engine's record of the SDK's.
func (p *partition) record(n *Record, now time.Time) sources.Record {
	const separator = 1
	event := n.event()
	return sources.Record{
		ID: event.SequenceNumber, Key: event.PartitionKey, Data: nonNil(n.Data), Native: n,
		Time: event.ApproximateArrivalTimestamp, Expires: p.source.expires(event.ApproximateArrivalTimestamp, now),
		Size: p.source.encoder.Size(p.id, &event) + separator,
	}
}

// nonNil keeps an empty blob from being no data at all.
func nonNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

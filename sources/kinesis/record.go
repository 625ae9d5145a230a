package kinesis

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Record is what [sources.Record.Native] points at. It must not be modified.
type Record struct {
	// Record is the SDK's. With Options.Deaggregate that of an aggregated record
	// has the key and the data of its own, and the rest of the one it came in.
	types.Record

	// SubSequence counts the records that came in one, from 0 (KIN-213).
	SubSequence int64

	// Last says that no further record came with it in one. Always so without
	// aggregation.
	Last bool
}

// native is the record that Fetch returned as r.
func native(r *sources.Record) *Record {
	if n, ok := r.Native.(*Record); ok && n != nil {
		return n
	}

	return new(Record)
}

// position is the place right behind a record.
func (r *Record) position() checkpoint.Position {
	return checkpoint.Position{Sequence: aws.ToString(r.SequenceNumber), SubSequence: r.SubSequence}
}

// event is what the event document tells of the record (KIN-190..197).
func (r *Record) event() eventjson.KinesisRecord {
	return eventjson.KinesisRecord{
		PartitionKey:                aws.ToString(r.PartitionKey),
		SequenceNumber:              aws.ToString(r.SequenceNumber),
		Data:                        r.Data,
		ApproximateArrivalTimestamp: aws.ToTime(r.ApproximateArrivalTimestamp),
	}
}

// restock takes the records of an answer in, but for what lies at or before the place
// that was read up to.
func (p *partition) restock(from []types.Record) {
	all := p.natives(from)
	p.stock = all[:0]

	for i := range all {
		if at := all[i].position(); behind(at, p.read) {
			p.stock = append(p.stock, all[i])
			p.read = at
		}
	}
}

// serve fills buf from the stock and returns how many records it has. The stock keeps
// what it has served for as long as somebody points at it, but no longer.
func (p *partition) serve(buf []sources.Record) int {
	n := min(len(buf), len(p.stock))
	for i := range n {
		buf[i] = p.record(&p.stock[i])
	}

	if n > 0 {
		p.fetched = p.stock[n-1].position()
		p.stock = p.stock[n:]
	}

	if len(p.stock) == 0 {
		p.stock = nil // an empty rest would keep the whole
	}

	return n
}

// record makes the engine's record.
func (p *partition) record(n *Record) sources.Record {
	const separator = 1

	event := n.event()

	return sources.Record{
		ID: event.SequenceNumber, Key: event.PartitionKey, Data: nonNil(n.Data), Native: n,
		Time: event.ApproximateArrivalTimestamp, Size: p.source.encoder.Size(p.id, &event) + separator,
	}
}

// nonNil keeps an empty blob from being no data at all.
func nonNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}

	return data
}

// natives are the records of an answer, unpacked if that is asked for.
func (p *partition) natives(from []types.Record) []Record {
	all := make([]Record, 0, len(from))

	for i := range from {
		if p.source.options.Deaggregate {
			all = unpack(all, &from[i])
		} else {
			all = append(all, Record{Record: from[i], Last: true})
		}
	}

	return all
}

package kinesis

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// decoder makes records of those that were read from a shard. They stay as they came
// until they are asked for, so that an aggregated one with very many inside takes no more
// room than its data and its keys.
type decoder struct {
	source *Source
	shard  string
	open   opened // the first of the records, unless nothing of it is left
}

// Decode fills buf with what is inside of the first records.
func (d *decoder) Decode(buf []sources.Record, from []types.Record, after checkpoint.Position) (filled, done int) {
	var natives []Record // a slice for many, which live about as long as one
	now := time.Now()
	for filled < len(buf) {
		for d.open.left == 0 && done < len(from) {
			d.open = d.source.open(&from[done], after)
			if d.open.left == 0 {
				done++
			}
		}
		if d.open.left == 0 {
			break
		}
		if len(natives) == 0 {
			natives = make([]Record, min(len(buf)-filled, len(from)-done-1+d.open.left))
		}
		next := &natives[0]
		natives = natives[1:]
		d.open.take(next)
		if d.open.left == 0 {
			done++
		}
		buf[filled] = d.record(next, now)
		filled++
	}
	return filled, done
}

// record is the engine's record of the SDK's.
func (d *decoder) record(n *Record, now time.Time) sources.Record {
	const separator = 1
	event := n.event()
	return sources.Record{
		ID: event.SequenceNumber, Key: event.PartitionKey, Data: nonNil(n.Data), Native: n,
		Time: event.ApproximateArrivalTimestamp, Expires: d.source.shards.Expires(event.ApproximateArrivalTimestamp, now),
		Size: d.source.encoder.Size(d.shard, &event) + separator,
	}
}

// nonNil keeps an empty blob from being no data at all.
func nonNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

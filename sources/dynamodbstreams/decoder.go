package dynamodbstreams

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// decoder makes the engine's records of the SDK's, one of each.
type decoder struct {
	source *Source
	shard  string
	keys   []byte // of the records of one call, one behind the other
	ends   []int  // of each of them
}

// Decode fills buf with the first of from. All keys of a call are parts of one text.
func (d *decoder) Decode(buf []sources.Record, from []types.Record, after checkpoint.Position) (filled, done int) {
	now, encoder := time.Now(), d.source.encoder()
	d.keys, d.ends = d.keys[:0], d.ends[:0]
	for filled < len(buf) && done < len(from) {
		r := &from[done]
		done++
		if isBefore(r, after) {
			continue
		}
		event := eventOf(r)
		size, unknown := encoder.Size(&event)
		if unknown > 0 {
			d.source.tellUnknown(d.shard, event.SequenceNumber, now)
		}
		d.keys = encoder.AppendKey(d.keys, event.Keys)
		d.ends = append(d.ends, len(d.keys))
		const separator = 1
		buf[filled] = sources.Record{
			ID: event.SequenceNumber, Native: r, Time: event.ApproximateCreationDateTime,
			Expires: d.source.shards.Expires(event.ApproximateCreationDateTime, now), Size: size + separator,
		}
		filled++
	}
	all, begin := string(d.keys), 0
	for i, end := range d.ends {
		buf[i].Key, begin = all[begin:end], end
	}
	return filled, done
}

// isBefore tells a record that lies before the time to begin at: of a server that does
// not know iterators by time all records come.
func isBefore(r *types.Record, after checkpoint.Position) bool {
	if after.Sequence != checkpoint.AtTimestamp || after.Timestamp.IsZero() {
		return false
	}
	created := createdAt(r)
	return !created.IsZero() && created.Before(wholeSecond(after.Timestamp))
}

// wholeSecond is the second that a time is in: records bear no more (DDB-83), so that one
// of 10.9 s is taken for one of 10 s, and would be missed from 10.5 s on.
func wholeSecond(t time.Time) time.Time { return time.Unix(t.Unix(), 0) }

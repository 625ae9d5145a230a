package kinesis

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// AppendEvent appends the event document of records (KIN-190..197). See
// [sources.EventAppender].
func (s *Source) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return eventjson.AppendEvent(dst, records, func(dst []byte, r *sources.Record) []byte {
		event := native(r).event()
		return s.encoder.Append(dst, partition, &event)
	})
}

// Filtering tells how filter patterns see records: data of JSON, and beside it what
// the event document says of the record. Text is refused in patterns, and dropped
// where a pattern is about data (KIN-204, KIN-205, FILT-68).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{Key: "data", Members: eventjson.KinesisMembers(), AppendMetadata: s.appendMetadata}
}

// appendMetadata appends what the event document says of a record besides its data.
func (s *Source) appendMetadata(dst []byte, partition string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := native(r).event()
	return s.encoder.AppendMetadata(dst, partition, &event)
}

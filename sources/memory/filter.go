package memory

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

var (
	_ sources.Filterer = (*queueSource)(nil)
	_ sources.Filterer = (*streamSource)(nil)
)

// Filtering tells how filter patterns see messages, as those of SQS (FILT-50).
func (s *queueSource) Filtering() sources.Filtering {
	return sources.Filtering{Key: "body", Text: true, Members: eventjson.SQSMembers(), AppendMetadata: s.appendMetadata}
}

// appendMetadata appends the message as the event document has it, without the
// text of its body.
func (s *queueSource) appendMetadata(dst []byte, _ string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := messageOf(r).event
	event.Body = ""
	return s.queue.encoder.Append(dst, &event)
}

// Filtering tells how filter patterns see records, as those of Kinesis: data
// is JSON, and what stands beside it is at the top level (FILT-51, FILT-57).
func (s *streamSource) Filtering() sources.Filtering {
	return sources.Filtering{Key: "data", Members: eventjson.KinesisMembers(), AppendMetadata: s.appendMetadata}
}

func (s *streamSource) appendMetadata(dst []byte, partition string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := streamRecordOf(r).event()
	return s.stream.encoder.AppendMetadata(dst, partition, &event)
}

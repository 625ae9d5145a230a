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

// Filtering tells how filter patterns see records, as those of the service that the
// stream is as.
func (s *streamSource) Filtering() sources.Filtering { return s.stream.kind.filtering() }

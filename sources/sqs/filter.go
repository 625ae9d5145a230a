package sqs

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

var _ sources.Filterer = (*Source)(nil)

// Filtering tells how filter patterns see messages: bodies of text or JSON, and
// beside them what the event document says of the message (FILT-50, FILT-55, FILT-56).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{Key: "body", Text: true, Members: eventjson.SQSMembers(), AppendMetadata: s.appendMetadata}
}

// appendMetadata appends the message as the event document has it, without the
// text of its body.
func (s *Source) appendMetadata(dst []byte, _ string, r *sources.Record, _ []sources.AskedMember) []byte {
	scratch := s.scratch.get()
	defer s.scratch.put(scratch)
	scratch.read(message(r))
	scratch.message.Body = ""
	return s.setup.encoder.Append(dst, &scratch.message)
}

package kafka

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Filtering tells how filter patterns see records: a value of JSON or text, what is of
// the other form passes (KAF-151, KAF-153), and beside it what the event document says
// of the record. AWS speaks of the value alone (KAF-150).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{
		Key: "value", Text: true, KeepMismatch: true,
		Members: eventjson.KafkaMembers(), AppendMetadata: appendMetadata,
	}
}

// appendMetadata appends the members of a record that patterns name, and nothing else.
func appendMetadata(dst []byte, _ string, r *sources.Record, asked []sources.AskedMember) []byte {
	var e eventjson.KafkaRecord
	view(r, &e)
	dst = append(dst, '{')
	for i := range asked {
		dst = eventjson.AppendKafkaMember(dst, &e, asked[i].Name, asked[i].Fields)
	}
	return eventjson.CloseList(dst, '}')
}

package dynamodbstreams

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// DisabledError says that the stream takes no more changes: it was disabled, or its table
// was deleted. What is in it is read to the end, and can be for 24 hours after it was
// disabled (DDB-09); then the mapping ends with "Stream not found". It is told once. The
// reaction is to make a mapping for the stream that took its place, with a store of its
// own: this one does not follow it (DDB-10).
type DisabledError struct {
	// Stream is the ARN of the stream.
	Stream string
	// Successor is the ARN of the table's newest stream, if that is another one; "" for
	// none, or if it is not known.
	Successor string
}

// Error tells what comes after the stream.
func (e *DisabledError) Error() string {
	next := "the table has no other one yet"
	if e.Successor != "" {
		next = "changes of the table go to " + e.Successor
	}
	return "the stream is DISABLED: it is read to its end, and nothing comes after that; " + next
}

// noteStatus takes note of what a description says of the stream, and tells once that it
// is disabled.
func (s *Source) noteStatus(ctx context.Context, page *types.StreamDescription) {
	s.mu.Lock()
	before := s.status
	s.status = page.StreamStatus
	s.mu.Unlock()
	if page.StreamStatus != types.StreamStatusDisabled || before == types.StreamStatusDisabled {
		return
	}
	told := &DisabledError{Stream: s.arn()}
	newest, err := s.newest(ctx) // which may not be allowed
	if err == nil && newest != told.Stream {
		told.Successor = newest
	}
	s.shards.Report(told)
}

// unknownInterval is how often values of a kind that is not known are told of.
const unknownInterval = time.Minute

// tellUnknown tells that a record has a value of a kind that the SDK does not know.
func (s *Source) tellUnknown(shardID, number string, now time.Time) {
	s.mu.Lock()
	recent := !s.unknown.IsZero() && now.Sub(s.unknown) < unknownInterval
	if !recent {
		s.unknown = now
	}
	s.mu.Unlock()
	if recent {
		return
	}
	s.shards.Report(fmt.Errorf("shard %s, sequence number %s: an attribute has a value of a type that the SDK does not know: "+
		"it is nil in the SDK's record, and {\"UNKNOWN\":null} in event documents, which fail to be decoded "+
		"(update github.com/aws/aws-sdk-go-v2/service/dynamodbstreams and this module)", shardID, number))
}

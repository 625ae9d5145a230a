package kafka

import (
	"errors"
	"fmt"
)

// LossError says that records were deleted from a topic before they were read: the
// mapping is slower than the topic's retention, or was down for longer (KAF-37). The
// mapping goes on with the oldest record that is left, or, if it had committed the offset
// in an earlier life and begins at Latest, at the end: then what it skips is counted too. So
// it is with Latest where the committed offset is behind the end, and nothing tells that it
// is of this very topic: then all that the topic has may not have been read.
// The reaction is to make it faster, or the retention longer.
type LossError struct {
	// Partition is topic, hyphen, number.
	Partition string
	// From is the first offset that is lost, and Count how many are.
	From, Count int64
}

// Error tells partition and offsets.
func (e *LossError) Error() string {
	return fmt.Sprintf("kafka: partition %s: %d offsets from %d on are lost, "+
		"which the topic does not have any more or Latest skips; the next one is %d",
		e.Partition, e.Count, e.From, e.From+e.Count)
}

// isLoss reports whether an error tells of a loss, which is told once.
func isLoss(err error) bool {
	_, is := errors.AsType[*LossError](err)
	return is
}

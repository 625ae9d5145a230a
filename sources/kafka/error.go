package kafka

import "fmt"

// LossError says that records were deleted from a topic before they were read: the
// mapping is slower than the topic's retention, or was down for longer (KAF-37). The
// mapping goes on behind them; the reaction is to make it faster, or the retention
// longer.
type LossError struct {
	// Partition is topic, hyphen, number.
	Partition string
	// From is the first offset that is gone, and Count how many are.
	From, Count int64
}

// Error tells partition and offsets.
func (e *LossError) Error() string {
	return fmt.Sprintf("kafka: partition %s: %d offsets from %d on were deleted before they were read", e.Partition, e.Count, e.From)
}

package sources

import (
	"errors"
	"fmt"
)

// Sentinel errors. An adapter returns them, alone or wrapped, to have the
// engine react in the one way that each names.
var (
	// ErrEnd from Fetch: the partition was read to its end (a closed shard).
	// The engine settles what is left and closes the partition. From Accept:
	// no partition will come any more; the mapping ends after its last one.
	ErrEnd = errors.New("end of source")

	// ErrLost from Fetch or Ack: the partition is owned by somebody else now
	// (see [Revocable] for telling it sooner).
	// The engine drops what is not settled, acks nothing more, and closes the
	// partition.
	ErrLost = errors.New("partition lost")

	// ErrUnusable from Start or Accept: the source cannot work as it is
	// configured, and trying again will not help. Run returns the error.
	ErrUnusable = errors.New("source unusable")
)

// AckError is returned by Ack when only some records could be settled. Records
// named in neither list are settled.
type AckError struct {
	// Unsettled records may be tried again.
	Unsettled []Record
	// Stale records can no longer be settled: they went back to the source
	// and will be delivered again (SQS-63). They are counted, not retried.
	Stale []Record
	// Err is the first cause that the service gave.
	Err error
}

// Error tells how many records were not settled and the first cause.
func (e *AckError) Error() string {
	return fmt.Sprintf("%d records not settled, %d stale: %v", len(e.Unsettled), len(e.Stale), e.Err)
}

// Unwrap returns the first cause.
func (e *AckError) Unwrap() error { return e.Err }

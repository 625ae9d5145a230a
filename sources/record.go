package sources

import "time"

// Record is one message or stream record, as it travels through the engine. It
// is a value; copying it is cheap and shares what it points at.
type Record struct {
	// ID is what a handler names in batchItemFailures: the message ID of a
	// queue (SQS-80), the sequence number of a stream (KIN-150). It is not
	// empty, and unique within a partition except for redeliveries, and for
	// records that came in one (KIN-213): there it names the first of a batch.
	ID string

	// Key is the order key: message group or partition key; "" for none.
	Key string

	// Data is the record's body. It must not be modified. Where Native has it, and it
	// would have to be written first, it is nil: see Filtering.AppendBody.
	Data []byte

	// Native is the client library's own record, for handlers that want all
	// of it; each adapter documents the type. It must not be modified.
	Native any

	// Time is when the record arrived in its source; a record's age counts
	// from it (KIN-127). Zero if the source does not tell.
	Time time.Time

	// Expires is the moment from which the record is no longer the mapping's:
	// its visibility timeout or its own time to live has passed. The engine
	// neither starts nor retries it from then on; see [Record.Lasts]. Zero for never.
	Expires time.Time

	// Size is how many bytes the record takes in the event document, its
	// separator included. Filled by the adapter; exact, or above the truth.
	Size int

	// Offset counts the records of one partition in the order they were
	// fetched. Filled by the engine, for its own books; adapters ignore it.
	Offset uint64
}

// Lasts reports whether the record is the mapping's at a moment, and for so long after
// it. With 0 this tells whether the record is still the mapping's; with how long a
// handler may take, whether it is worth starting. Everybody who asks either asks here.
func (r *Record) Lasts(now time.Time, d time.Duration) bool {
	left := r.Expires.Sub(now)
	return r.Expires.IsZero() || left > 0 && left >= d
}

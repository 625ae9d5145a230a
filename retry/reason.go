package retry

// Reason is why records are given up: the condition of a failure record, in AWS's
// words (DST-14).
type Reason string

const (
	// RetryAttemptsExhausted: they failed once more than they may be retried.
	RetryAttemptsExhausted Reason = "RetryAttemptsExhausted"
	// RecordAgeExceeded: they are older than MaximumRecordAge.
	RecordAgeExceeded Reason = "RecordAgeExceeded"
	// MaximumPayloadSizeExceeded: a record does not fit into any event document. A
	// [Plan] never gives it. It is the name that Kafka sources have on AWS (DST-23);
	// that of streams is not known (DST-19e), so they share it.
	MaximumPayloadSizeExceeded Reason = "MaximumPayloadSizeExceeded"
)

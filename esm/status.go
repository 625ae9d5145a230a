package esm

import (
	"fmt"
	"slices"
	"time"
)

// State is what a mapping is doing. The values are AWS's (ESM-02).
type State string

const (
	// StateCreating: Run has not been called yet.
	StateCreating State = "Creating"
	// StateEnabling: the on-failure destination is checked, the source starts.
	StateEnabling State = "Enabling"
	// StateEnabled: the source is read.
	StateEnabled State = "Enabled"
	// StateDisabling: the mapping was stopped, and what runs ends.
	StateDisabling State = "Disabling"
	// StateDisabled: Run has returned.
	StateDisabled State = "Disabled"
)

// Status is what a mapping is doing, and what is wrong with it.
type Status struct {
	// State is what it is doing.
	State State
	// Err is what Run returned.
	Err error
	// LastProcessingResult is AWS's summary (ESM-19..23): "No records processed", "OK",
	// or "PROBLEM: " and what failed last. "OK" takes an invocation that succeeded, or
	// had a partial failure and got on.
	LastProcessingResult string
	// Problems are what fails now, what began first before the others.
	Problems []Problem
}

// Problem is something that fails. It is over when the same thing has succeeded for the
// same partition and a minute has passed since the last failure, so that what fails now
// and then beside what succeeds is one problem, and not a new one each time. It is over
// too when the partition is closed, and five minutes after the last failure if nothing
// shows that it has passed. Both times are longer by what the invocation that failed took,
// and asked to wait. What comes back within another minute is the same problem.
//
// Three problems end by other rules. Records that are dropped, and a failure that is
// about the whole source, are one until a minute after the last time. A destination that
// could not be checked at the start is one until it takes a delivery.
type Problem struct {
	// Metric says what fails:
	//
	//	PollingErrorCount                       calls that read, and those of the source's own
	//	InvokeErrorCount                        invocations
	//	FailedInvokeEventCount                  invocations whose batchItemFailures leave
	//	                                        nothing of the batch done
	//	ThrottledEventCount                     invocations, for some seconds in a row
	//	AbandonedInvokeCount                    handlers that do not return
	//	DroppedEventCount                       records, dropped for good
	//	CommitErrorCount                        settlements
	//	OnFailureDestinationDeliveryErrorCount  deliveries, or the check of the destination
	Metric Metric
	// Partition is what it is about; "" for the whole source.
	Partition string
	// Since is the first failure, Last the last one of so many. Count counts calls, of
	// DroppedEventCount records.
	Since, Last time.Time
	Count       int
	// Err is the last failure.
	Err error
}

// Status tells what the mapping is doing, and what is wrong with it. It may be called
// at any time, concurrently with Run and after it.
func (m *Mapping) Status() Status { return m.health.status(time.Now()) }

// result is AWS's summary.
func (h *health) result(problems []Problem) string {
	switch {
	case len(problems) > 0:
		last := slices.MaxFunc(problems, func(a, b Problem) int { return a.Last.Compare(b.Last) })
		return "PROBLEM: " + last.text()
	case h.processed.Load():
		return "OK"
	default:
		return "No records processed"
	}
}

// text is what failed; that of the handler is AWS's (ESM-21).
func (p Problem) text() string {
	switch p.Metric {
	case PollingErrorCount:
		if p.Partition == "" {
			return fmt.Sprint(p.Err)
		}
		return "Reading the source failed"
	case CommitErrorCount:
		return "Settling records failed"
	case DroppedEventCount:
		return "Records were dropped"
	case ThrottledEventCount:
		return "Function call was throttled"
	case FailedInvokeEventCount:
		return "Function call left nothing of its batch done"
	case AbandonedInvokeCount:
		return "Function call does not return"
	case OnFailureDestinationDeliveryErrorCount:
		if p.Partition == "" {
			return "The on-failure destination could not be checked"
		}
		return "Delivery to the on-failure destination failed"
	default:
		return "Function call failed"
	}
}

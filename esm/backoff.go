package esm

import (
	"time"

	"github.com/openesm/openesm/retry"
)

// pollBackoff is the wait after a failed call to a source.
func pollBackoff() retry.Backoff {
	return retry.Backoff{Initial: 200 * time.Millisecond, Max: 20 * time.Second}
}

// acceptBackoff is the wait after a failed Accept. A source that reads ahead has clients
// with a pace of their own, and may have partitions to hand out behind an error.
func acceptBackoff(readsAhead bool) retry.Backoff {
	if readsAhead {
		return retry.Backoff{Initial: 200 * time.Millisecond, Max: time.Second}
	}
	return pollBackoff()
}

// ackBackoff is the wait after a failed settlement.
func ackBackoff() retry.Backoff {
	return retry.Backoff{Initial: 100 * time.Millisecond, Max: 5 * time.Second}
}

// throttleBackoff is the wait after the handler was throttled. AWS publishes
// no numbers (RTY-19).
func throttleBackoff() retry.Backoff {
	return retry.Backoff{Initial: 500 * time.Millisecond, Max: 10 * time.Second}
}

// deliveryBackoff is the wait after a failed delivery to the destination.
func deliveryBackoff() retry.Backoff {
	return retry.Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second}
}

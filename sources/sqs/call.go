package sqs

import (
	"strings"
	"time"

	"github.com/openesm/openesm/sources/awscall"
)

const (
	// callTime is how long a call is waited for.
	callTime = 15 * time.Second
	// receiveTime is how long a receive is waited for beyond its own WaitTimeSeconds.
	receiveTime = 10 * time.Second
	// margin is how much longer a message is hidden than its record is the mapping's, so
	// that what a handler ends in its time can still be deleted.
	margin = callTime
	// beatTime is how long an extension by a heartbeat is waited for at most.
	beatTime = 10 * time.Second
)

// failed wraps the error of a call (SQS-03).
func (s *Source) failed(operation string, err error) error {
	if isMissing(err) {
		return &missingError{operation: operation, queue: s.queue.Name, err: err}
	}
	return &awscall.Error{
		Service: "sqs", Operation: operation, Target: "queue " + s.queue.Name,
		Permission: "sqs:" + strings.TrimSuffix(operation, "Batch"), Err: err,
	}
}

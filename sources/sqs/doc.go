// Package sqs reads Amazon SQS queues, standard and FIFO, for a mapping.
//
// # Use
//
//	client := awssqs.NewFromConfig(config)
//	source, err := sqs.New(client, "arn:aws:sqs:eu-west-1:123456789012:orders", sqs.Options{})
//
// The queue is named by ARN, URL or plain name; the client must be one of its
// region. The zero [Options] are AWS's behaviour. A handler of records finds
// the *types.Message of the SDK in Record.Native and the body in Record.Data.
//
// For many lanes give the SDK an HTTP client with as many idle connections for
// one host as there are lanes; its own default keeps ten.
//
// # Permissions
//
// The client's credentials need, on the queue:
//
//   - sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes, as in
//     Lambda (SQS-03), and kms:Decrypt for an encrypted queue;
//   - sqs:ChangeMessageVisibility, to give back at a stop what was received and
//     not started. Without it those messages return when their visibility
//     timeout ends. Heartbeat and FailureBackoff do not work without it;
//   - sqs:GetQueueUrl if the queue is given by plain name.
//
// # Delivery semantics
//
// At least once. A message is deleted after its batch succeeded and never
// before. What is not deleted comes back when its visibility timeout ends, and
// the queue's redrive policy ends that: SQS has neither a retry limit nor an
// on-failure destination of its own (SQS-50, SQS-51).
//
// Record.Expires is the end of the visibility timeout, less a tenth of it and
// at most one second, because it began before the message arrived; with
// Heartbeat there is none. A delete that comes too late is reported as stale:
// the message is on its way again (SQS-63).
//
// A receive that is under way is not cut off when a Fetch is cancelled. What it
// brings goes to the next Fetch, or is given back by Close. Close waits for it,
// so for at most WaitTime, unless its context ends sooner; a receive that is cut
// off then may leave messages hidden until their visibility timeout ends.
//
// # Standard and FIFO
//
// Idle lanes of a standard queue with batches of less than ten share their
// receives: each receive asks for ten messages, and what nobody waits for lies
// in stock for the next Fetch. So a batch size of 1 costs about a tenth of a
// receive a message. If stock lies longer than a tenth of the visibility
// timeout, receives ask for no more than is wanted for the next minute.
//
// In a FIFO queue every Fetch has a receive of its own, for order within a
// message group depends on what is received together being handled together.
// Record.Key is the message group in a FIFO queue only: the groups of a fair
// (standard) queue order nothing. Failed messages and their group's rest
// return in order (SQS-32); with partial failures the handler must report the
// first failed message of a group and all that follow it (SQS-34).
//
// # What differs from Lambda
//
//   - Messages that were handled with success, but whose delete could not be
//     confirmed, are remembered, ten thousand at most. If one is delivered again
//     it is deleted instead of being handled again; see [Source.Repeats].
//   - What was received and not started is given back at a stop.
//   - Heartbeat and FailureBackoff, if asked for.
//   - In the event document system attributes unknown to this package follow the
//     known ones, by name, and message attributes are ordered by name.
//   - If window and time limit together exceed the visibility timeout, messages
//     are received with window + time limit + 30 s. An older edition of AWS's
//     guide says so (SQS-43), the current one is silent.
//
// # Errors
//
// The text of an error names operation, queue and error code. It leaves the
// service's own message out, which may repeat receipt handles or, after a wrong
// signature, a session token; the SDK's error is found by errors.As.
//
// # Testing
//
// Package sqstest is an SQS in memory, for the SDK's client and for virtual
// time. The tests named TestReal run against a server whose address is in the
// environment variable OPENESM_SQS_ENDPOINT.
package sqs

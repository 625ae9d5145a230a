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
//     not started, and to keep what cannot be started at once. Without it those
//     messages return when their visibility timeout ends, and count a receive.
//     Heartbeat and FailureBackoff do not work without it;
//   - sqs:GetQueueUrl if the queue is given by plain name.
//
// # Delivery semantics
//
// At least once. A message is deleted after its batch succeeded and never
// before. What is not deleted comes back when its visibility timeout ends, and
// the queue's redrive policy ends that: SQS has neither a retry limit nor an
// on-failure destination of its own (SQS-50, SQS-51).
//
// Every receive asks for the visibility timeout that the mapping counts with: the
// queue's own (or [Options].VisibilityTimeout), or batching window + time limit +
// WaitTime + 25 s if that is longer. So whatever a receive brings, though it was
// answered late, can be gathered, started with the handler's whole time limit left and,
// though the handler takes all of that, deleted. Record.Expires is 15 s before the end of
// that time, counted from when the receive was sent: these are the delete's. With
// Heartbeat it is the same, while the messages are hidden in shorter steps, the last of
// which ends 15 s after Record.Expires. A record that has less than the time limit left
// is not handed out. A delete that comes too late is reported as stale: the message is on
// its way again (SQS-63).
//
// So the queue's visibility timeout may be as short as the handler's time limit (SQS-41).
// But whatever it is below that sum, messages of a process that dies come back, and their
// groups in a FIFO queue go on, when the sum is over; so do those that failed where the
// permission sqs:ChangeMessageVisibility is missing.
//
// A receive asks for as many messages as the Fetches that wait have places for, so
// that nothing is received that nobody starts. One that is under way is not cut off
// when its Fetch leaves. What it brings goes to another Fetch that waits, or to the
// next; it is kept as long as it must, by longer visibility timeouts, and given back
// by Close. Close waits for the receives under way, so for at most WaitTime and 10 s,
// unless its context ends sooner: a long poll cannot be ended without losing what it
// brings. One that is cut off may leave messages hidden until their visibility
// timeout ends. [sources.Stopper] ends the reading sooner.
//
// # Deadlines
//
// A receive is waited for as long as it may poll and 10 s more, other calls for 15 s.
// A Fetch waits for none of them longer than it was told to.
//
// # Standard and FIFO
//
// Lanes of a standard queue with batches of less than ten share their receives: ten
// lanes with batches of one that wait at the same time cost one receive. Fewer lanes
// ask for less, in more receives a message. A receive that is not full waits for
// others to share it, some milliseconds at most while messages come. Larger batches
// are gathered by several receives at once: a long poll, and if that comes back full
// 1, 2, 4 and so on up to 10 short ones at a time, until one does not, the batch is
// full or its window over. A wait of less than a second makes short polls, five a
// second at most.
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
//   - Messages stay hidden for window + time limit + WaitTime + 25 s at least, though
//     the queue's visibility timeout may be shorter. (An older edition of AWS's guide
//     tells of window + time limit + 30 s, SQS-43; the current one is silent.) Those
//     that failed come back after the queue's own timeout, counted from the failure;
//     without the permission sqs:ChangeMessageVisibility when the longer one ends.
//   - The queue's visibility timeout is read at the start. If it is changed while the
//     mapping runs, that has no effect until the next start.
//
// # Metrics
//
// The mapping's observer is told how many messages the queue has, by the names of
// CloudWatch, about once a minute ([ApproximateNumberOfMessagesVisible], [ApproximateNumberOfMessagesNotVisible],
// [ApproximateNumberOfMessagesDelayed]), and how old those are that come ([AgeOfOldestReceivedMessage]).
// What is not known is not told. It takes one GetQueueAttributes a minute; if that is
// denied while the mapping runs, it is given up with one line in the log.
//
// # Errors
//
// The text of an error names operation, queue and error code. It leaves the
// service's own message out, which may repeat receipt handles or, after a wrong
// signature, a session token; the SDK's error is found by errors.As. An error that
// no Fetch waits for reaches the mapping's observer and log all the same.
//
// # Testing
//
// Package sqstest is an SQS in memory, for the SDK's client and for virtual
// time. The tests named TestReal run against a server whose address is in the
// environment variable OPENESM_SQS_ENDPOINT.
package sqs

// Package sqstest is a fake of Amazon SQS for tests: a server in memory that
// speaks the service's wire protocol to the real SDK client, and misbehaves on
// demand.
//
//	server := sqstest.New()
//	defer server.Close()
//	client := server.Client()
//
// It needs no network, works in a [testing/synctest] bubble, where visibility
// timeouts, delays, long polls and deduplication intervals pass in virtual
// time, and starts no goroutine that outlives Close. IDs, receipt handles and
// the order of messages come from counters, so that a test sees the same ones
// each time.
//
// # What it does
//
// Standard and FIFO queues with all actions on queues and messages but those
// for tags, permissions and message moves: visibility timeouts, a receipt
// handle a receive, receive counts, redrive policies (SQS-51, SQS-52), delays,
// retention, long polls, message groups that are withheld while in flight
// (SQS-32), deduplication, receives that are tried again by their
// ReceiveRequestAttemptId, attributes with their checksums, the limits on sizes,
// batches and messages in flight, and the rules for bodies, IDs, attributes and
// parameters. Errors are those of the service, so that the SDK makes its own types
// of them.
//
// Where SQS leaves things open the fake chooses:
//
//   - Messages of a standard queue come in the order of arrival, redelivered
//     ones before newer ones.
//   - Only the handle of a message's last receive deletes it. Deleting with an
//     older one, or a message that is gone (SQS-64), succeeds and does
//     nothing; in a FIFO queue deleting fails once the visibility timeout has
//     ended (SQS-63).
//   - A message in a dead-letter queue keeps its ID, its body, its times and
//     its receive count, to which further receives add.
//   - Receives that find too many messages in flight fail with OverLimit on a
//     standard queue if they do not wait; others find nothing.
//   - A queue may be made again at once after DeleteQueue.
//
// Signatures and permissions are not checked.
//
// # What goes wrong
//
// [Server.Inject] gives faults to the next calls of an action, one each;
// [Server.SetFault] has a function choose one for every call. A [Fault] is an
// error, a cut connection before or after the call took effect, a late answer,
// the failure of single batch entries, or a duplicate delivery.
package sqstest

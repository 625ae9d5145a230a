// Package memory is a queue, a stream and a table that live in the process: sources for
// unit tests, for examples, and the reference for authors of adapters.
//
// A [Queue] behaves as an SQS queue does, standard or FIFO: visibility timeouts,
// receive counts, a dead-letter rule, withheld message groups; and it refuses the
// configurations that SQS does. A [Stream] behaves as a Kinesis stream does: ordered
// partitions that split and merge, and may be revoked, and positions kept per
// consumer. A [Table] has items, each change of which is a record in a Stream that
// behaves as one of DynamoDB Streams does. All are the service, and outlive the
// mappings that read them; their Source methods give what one mapping reads, so a
// restart is a new Source on the same Queue or Stream.
//
// End makes a mapping return by itself once all is handled, which is what unit
// tests want: send, end, run, look.
//
// Nothing here has a goroutine of its own and all waiting is by channels and
// timers, so that in a bubble of testing/synctest virtual time decides when a
// message becomes visible again. A Queue or Stream that is read in a bubble
// must be made in that bubble. Everything may be used concurrently.
//
// Records are kept in memory without any bound, those of a Stream until the
// Stream itself is let go.
package memory

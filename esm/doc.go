// Package esm runs event source mappings: the pollers that AWS Lambda runs for
// queues and streams, in your own process.
//
// A [Mapping] is one source, one handler and one configuration. It reads the
// source, gathers batches, invokes the handler synchronously and settles the
// outcome: messages are deleted or the position moves on success; on error a
// queue hands the messages out again, and a stream's batch is retried until it
// succeeds, is given up by rule, or expires. What is given up goes to the
// on-failure destination.
//
//	source := memory.NewQueue(memory.QueueOptions{}).Source() // or sqs.New(...)
//	mapping, err := esm.New(source, esm.Typed(handle), esm.Config{BatchSize: 10})
//	if err != nil {
//		return err
//	}
//	return mapping.Run(ctx)
//
// # Handlers
//
// One engine serves handlers of three strengths: [Bytes] takes event documents;
// [Typed] and [TypedResponse] take decoded events, such as events.SQSEvent of
// aws-lambda-go; [Records] takes native records and no JSON at all. Package
// esm/invoke/function makes a handler of any function that AWS Lambda runs by
// aws-lambda-go.
//
// # Configuration
//
// [Config] bears AWS's names, ranges and defaults. [New] refuses what is out of
// range, or what the source cannot honour, and names every violation at once.
//
// # Two kinds of sources
//
// Unordered sources (SQS, MQ) are read by as many lanes as the concurrency
// allows; each lane fetches, invokes and settles in turn, and records are
// settled one by one. How the concurrency moves is described at Config.MaximumConcurrency.
//
// Ordered sources (streams, topics) are read one partition at a time, ahead of
// the handler and bounded in bytes. With a ParallelizationFactor, sub-lanes by
// partition key handle the records and do not wait for each other. The position
// never passes an unfinished record.
//
// # The life of a message
//
// This is how one message of a queue travels, through the functions by name.
//
// Mapping.Run checks the on-failure destination, if there is one (checkDestination),
// starts the source (start) and serves each partition that Accept hands out
// (serve). A queue is one partition: newPart makes the part that its lanes share, and
// part.serve runs newUnordered.
//
// unordered.run starts the lanes, and grow adds one whenever all of them run the
// handler. queueLane.run takes one batch after the other:
//
//  1. lane.collect gathers the batch, by the rules of package batch. It calls
//     queueLane.fetch, which calls unordered.fetch: gate.enter waits while the service
//     fails, budget.wait waits while too much is held, and Partition.Fetch asks the
//     service. part.separate applies the filter; what it rejects goes to settler.add.
//     look watches whether there is a backlog (unordered.backlog starts a lane) or
//     nothing (scaler.quiet).
//  2. queueLane.process takes the batch. extend and dropUnstartable see to it that each
//     record can be started with the handler's whole time limit left (needed is the
//     rule), and keepRest that what did not fit into the batch lives on.
//  3. invoker.invoke writes the event document and hands it to the runner, a goroutine
//     in which the handler runs. runner.serve returns an answer: what the handler said,
//     read and timed there, whatever it did. invoker.judge makes it the outcome of each
//     record. A handler that does not return is abandoned (overdue).
//  4. queueLane.settle gives what succeeded to settler.add and lets the rest go
//     (letGo). While the handler is throttled, or the source does not redeliver, again
//     has the same records tried again after a while.
//  5. settler gathers records of all lanes, as many as the service deletes in one
//     request, and part.ack calls Partition.Ack as often as it takes.
//
// When the mapping stops, unordered.grow tells the partition (sources.Stopper), lanes
// handle what calls under way still bring while mayStart says that there is time, and
// unordered.run gives back what was not started, when the last lane has ended.
//
// A record of a stream goes the same way with other company: ordered.run reads ahead or
// lets its one lane read (reader), an inbox hands the records of a key to their sublane,
// sublane.handle does what retry.Plan says, the tracker knows the position, and
// ordered.commit stores it.
//
// # Delivery semantics
//
// At least once: a record is settled only after its batch succeeded or was
// given up by rule, so a crash or a lost answer may bring it again. Without
// faults nothing is delivered twice. Within a message group, partition key or
// partition, a record is not started before the ones before it are finished or
// given up; only a record that Kafka retries because a response named it comes again
// after later ones of its own batch (KAF-69).
//
// # Failures
//
// An error, a panic, or a time limit that passed is a failed batch. A response
// may name the records that failed, see Config.ReportBatchItemFailures. A
// [ThrottleError] says that the handler could not start now. Troubles of the
// source are waited out with back-off and jitter; only a source that cannot
// work as configured ends a mapping, and an on-failure destination that the check at
// the start finds unusable ([Checker]).
//
// # Stopping
//
// When the context of Run is done the mapping begins no further fetch, lets
// running invocations end and settles them, and returns. Of a queue it still handles
// what it holds, and what long polls under way bring, while the drain has time for it;
// everything else is given back. After Config.DrainTimeout it cancels what still runs,
// and waits for the calls that settle what ended before.
// A partition that is revoked, as in the rebalance of a consumer group, is stopped in
// the same way, alone.
//
// # Observing
//
// [Observer] is told of every event behind AWS's metrics, under AWS's names;
// the log goes to Config.Logger. Neither holds record payloads. [Mapping.Status] tells
// at any time what the mapping does, and what fails now. A handler that lets nothing get
// on, by throttles or by BatchItemFailures, is a [Problem] too, and a line of the log
// each minute.
//
// # Testing
//
// Package sources/memory has a queue and a stream that live in the process. Its
// End methods let Run return once everything is handled, and everything works
// in the virtual time of testing/synctest, so that windows and retries of
// minutes are tested in milliseconds.
//
// # Facts
//
// Comments cite what AWS does by the id of a fact, as KIN-66, and names of tests without
// the dash. The folder esm/facts has the facts, each with its source, one file for each
// service or subject; the letters say which. P1 to P16 are this library's own promises,
// in esm/facts/promises.md.
package esm

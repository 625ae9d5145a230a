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
// One engine serves handlers of three strengths: [Bytes] takes event documents
// and runs any function that AWS Lambda runs; [Typed] and [TypedResponse] take
// decoded events, such as events.SQSEvent of aws-lambda-go; [Records] takes
// native records and no JSON at all.
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
// work as configured ends a mapping.
//
// # Stopping
//
// When the context of Run is done the mapping fetches nothing more, lets
// running invocations end and settles them, gives back what it has not started,
// and returns. After Config.DrainTimeout it cancels what still runs. A partition that
// is asked back, as in the rebalance of a consumer group, is stopped in the same way,
// alone.
//
// # Observing
//
// [Observer] is told of every event behind AWS's metrics, under AWS's names;
// the log goes to Config.Logger. Neither holds record payloads.
//
// # Testing
//
// Package sources/memory has a queue and a stream that live in the process. Its
// End methods let Run return once everything is handled, and everything works
// in the virtual time of testing/synctest, so that windows and retries of
// minutes are tested in milliseconds.
package esm

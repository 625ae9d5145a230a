// Package destination is where the on-failure destinations are: one package for
// each kind of target. Each has one constructor, New, which takes a client and the
// target's name, makes no call, and gives a value for esm.Config.OnFailure:
//
//	package      target                    the document has the failed records
//	sqs          a standard queue          no: they are still in the stream
//	sns          a standard topic          no
//	s3           a bucket                  yes, as a string of JSON
//	lambda       a function                yes, as a JSON object, up to 1 MB in all
//	eventbridge  an event bus              yes, as a JSON object, up to 1 MB in all
//	kafka        a topic                   yes, as a JSON object, a message a record
//
// What is larger than its target takes is delivered without the records, and what is
// larger even then, as the record of a Kafka batch of some thousand partitions, in parts. AWS allows
// sqs, sns and s3 for Kinesis, DynamoDB Streams and Kafka, and kafka for Kafka in
// provisioned mode; the others are its destinations of asynchronous invocations
// (DST-01..05). Here each of them serves every source that has failures to route.
// Sources that redeliver, such as Amazon SQS, have none: their queue's redrive
// policy ends a message (DST-04).
//
// A Go function is a destination too: esm.DestinationFunc.
//
// # Trouble
//
// When a mapping starts it checks its destination, without a delivery. One that does not
// exist, or that the service says the caller may not deliver to, ends Run with
// esm.ErrDestinationUnusable: a shard would stand still for ever at its first failure.
// The checks need permissions of their own, which AWS does not ask for; without these
// the mapping starts unchecked. So it does, with a line in the log, if a check comes to
// no result.
//
// A destination makes one attempt of a call and turns the SDK's own retries off; the
// mapping tries again, with back-off, until it succeeds. Until then the position of
// the shard stays in front of what is to be delivered, so that nothing is lost;
// esm.Config.OnFailureTimeout bounds that. Other shards, and other keys of the shard
// where ParallelizationFactor is above 1, go on. Deliveries whose answer was lost are
// made again, so a document may come twice, with the same requestId.
//
// Errors name the call, the target, the service's error code and, if the caller
// was refused, the permission that is missing. They never repeat what the service
// says besides.
package destination

// Package shard reads a sharded stream: what Kinesis and DynamoDB Streams have in
// common. A [Stream] finds the shards and shares them out among workers by the leases of
// package lease. A [Partition] is a shard while this worker has its lease: it reads,
// hands out, stores positions, and gives the shard back or ends it. A [Poller] is how
// most partitions read: iterators, pace, and what to do about each error.
//
// What differs from service to service is a [Service]: data about it, what a record says,
// and three calls. Each call makes one attempt and returns the SDK's error as it is.
//
// # Adding a service
//
//	type service struct{ source *Source } // implements shard.Service[types.Record]
//
//	stream := shard.New(service{s}, store, name, arn, options) // in New
//	err := stream.Begin(arn, skew, settings)                   // in Start
//	p, err := stream.Accept(ctx)                               // in Accept; wrap it to add abilities
//	dst = stream.Measure(dst)                                  // in Measure
//	err := stream.Close(ctx)                                   // in Close
//
// A record of the service is R; that of the engine is made by its [Decoder], which may
// make several of one.
package shard

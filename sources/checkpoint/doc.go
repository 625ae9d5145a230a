// Package checkpoint is the contract between the adapters of sharded streams
// (Kinesis, DynamoDB Streams) and the stores that keep how far each shard is
// settled and who reads it.
//
// A [Store] holds the [Lease] of every shard of one stream, for one consumer. A
// lease is written whole and conditionally: a write names the lease as the writer
// knows it, and is refused with [ErrConflict] if somebody else has written
// meanwhile. That is the fence that keeps two owners from settling one shard; no
// clock is compared.
//
// Stores: [Memory] for tests, package file for one process that keeps its
// positions on its own disk, package dynamodb for any number of processes that
// share a stream. Package checkpointtest holds the rules of this contract as a
// test suite.
package checkpoint

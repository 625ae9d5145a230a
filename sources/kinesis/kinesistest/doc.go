// Package kinesistest is a fake of Amazon Kinesis Data Streams for tests: a
// server in memory that speaks the service's wire protocol to the real SDK
// client, and misbehaves on demand.
//
//	server := kinesistest.New()
//	defer server.Close()
//	err := server.AddStream("telemetry", 2)
//	client := server.Client()
//
// It needs no network, works in a [testing/synctest] bubble, where iterators
// expire and subscriptions end in virtual time, and starts no goroutine that
// outlives Close. IDs, sequence numbers and iterators come from counters and
// the clock, so that a test in a bubble sees the same ones each time.
//
// # What it does
//
// Streams by name and by ARN; PutRecord and PutRecords, routed by MD5 or an
// explicit hash key (KIN-78); GetShardIterator with all five types (KIN-43)
// and GetRecords with the bounds of KIN-23, iterators that expire (KIN-40),
// and the end of a closed shard with its children (KIN-28, KIN-67);
// SplitShard and MergeShards, after which the parents can still be read
// (KIN-46); ListShards with filters and pages (KIN-60, KIN-62), DescribeStream,
// DescribeStreamSummary, CreateStream and DeleteStream; the registration of
// consumers (KIN-89, KIN-90); SubscribeToShard for five minutes, with
// continuation numbers that move without records too, and takeover (KIN-81 to
// KIN-88). Errors are those of the service, so that the SDK makes its own types
// of them; a parameter that is not of its form at all is a ValidationException.
//
// Nothing expires by itself: [Server.Trim] drops records as the end of their
// retention does, [Server.Expire] takes a closed shard off the list. The
// limits on callers are enforced after [Server.SetLimits] only.
//
// Where Kinesis leaves things open the fake chooses:
//
//   - A stream and the children of a split or merge are there at once; a
//     stream is always ACTIVE. RegisterStreamConsumer takes a second until the
//     consumer is ACTIVE, AddConsumer none.
//   - The answer that has the last records of a closed shard already has the
//     null iterator and the children; with [Fault.LateEnd] the next one has.
//   - The trimmed sequence number of a reader is no error (KIN-45). One that
//     the shard cannot have had is an InvalidArgumentException.
//   - MillisBehindLatest is how long the next record that was not returned
//     waits, at least 1.
//   - Arrival times are those of the clock, or as [Server.PutRecords] is told.
//   - The trim horizon of a ShardFilter is where the oldest listed shards were
//     open.
//   - A subscription gets an event as soon as there are records, of at most
//     1,000 records and 1 MiB, and every 5 seconds one without records if there
//     are none (KIN-85). The first of these comes after 5 seconds.
//   - An event stream begins with an initial-response message, without which
//     the SDK does not go on. It comes by HTTP/1.1 in chunks: the SDK client
//     asks for HTTP/2 only where both sides send events.
//   - A consumer and shard count as taken for 5 seconds after a subscription,
//     also if its client is gone (KIN-83).
//
// Signatures and permissions are not checked, and writers are not throttled.
//
// # The SDK client
//
// Two things to know of service/kinesis v1.56.11 when testing subscriptions.
// All event streams of a client are decoded by the one protocol object in its
// options, whose state is a data race between them; give each SubscribeToShard
// call an awsjson.New11 of its own. And a connection that is cut looks like
// the orderly end of an event stream: Err returns nil for both.
//
// # What goes wrong
//
// [Server.Inject] gives faults to the next calls of an action, one each;
// [Server.SetFault] has a function choose one for every call. A [Fault] is an
// error, a cut connection before or after the call took effect, a late answer,
// the failure of single records of a PutRecords, an empty or short GetRecords,
// or an event stream that breaks.
package kinesistest

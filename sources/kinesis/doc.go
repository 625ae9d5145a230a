// Package kinesis reads Amazon Kinesis Data Streams for a mapping.
//
// # Use
//
//	client := awskinesis.NewFromConfig(config)
//	store, err := file.Open("telemetry.positions", file.Options{})
//	source, err := kinesis.New(client, "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry", store, kinesis.Options{})
//
// A stream may be named too, as "telemetry". The client must be one of the stream's
// region. The store keeps how far each shard is settled: package checkpoint/file for one
// process, checkpoint/dynamodb for any number of processes that share a stream,
// checkpoint.Memory for tests. One store belongs to one stream and one consumer. A
// handler of records finds a *[Record] in Record.Native, and in it the SDK's
// types.Record.
//
// For many shards give the SDK an HTTP client with as many idle connections for one
// host as there are shards; its own default keeps ten.
//
// The shards are found, read, and let go of by themselves: parents to their end before
// their children (KIN-66, KIN-75), new ones within [Options.ListInterval], at once if
// their parent was read here. Workers that use the same store share them out evenly.
//
// # Permissions
//
// The client's credentials need, on the stream:
//
//   - kinesis:DescribeStreamSummary, kinesis:ListShards, kinesis:GetShardIterator and
//     kinesis:GetRecords;
//   - kms:Decrypt on the key of an encrypted stream.
//
// A permission that is missing at the start ends the mapping, with an error that names
// it. One that is withdrawn later is waited for.
//
// # Delivery semantics
//
// At least once, in order for each partition key. The position of a shard is stored
// after its records succeeded or were given up by a rule, and never before; it never
// passes an open record, with a ParallelizationFactor neither (KIN-105). What lies
// behind the stored position comes again after a crash; package checkpoint/dynamodb
// stores one a second, so that it is up to a second's records more. A stop that drains repeats
// nothing, except with a ParallelizationFactor: there, what one sub-lane finished
// behind an open record of another comes again.
//
// A stored position wins over [Options.StartingPosition] (KIN-47). Latest is stored as
// the moment of the first look, so that a restart before the first record loses
// nothing (KIN-50). The moment is the service's, taken from the date of its answer and
// one to two seconds early: a clock here that is wrong neither misses records nor asks
// for those of the future, but a record of the last two seconds may come along.
//
// Two workers never settle one shard: each write of a lease is conditional. A worker
// that was paused, or cut off from the store, stops its handlers before others may
// begin, if its monotonic clock runs; what it had on its way is refused.
//
// # Pace
//
// An idle shard is asked once a second (KIN-20). While records wait it is asked at
// once, but no more than four times and 2 MiB a second on average, out of the five and
// the 2 MiB that a shard gives to all its standard consumers together (KIN-24). After
// an answer of 10 MiB the shard refuses everybody for five seconds (KIN-25); so answers
// are sized to last about a second, and readers leave gaps by chance: several consumers
// of one shard get about the same of it.
//
// What is read ahead of one shard is one answer, of 10 MiB at most, and another one if
// the pace allows it while the first is served, besides what
// esm.Config.MaximumBufferedBytes allows.
//
// # In trouble
//
//   - A throttle, a server fault, a cut connection, a lost answer: the call is made
//     again with the same iterator, after a growing delay. Nothing is lost or repeated.
//   - A call that is not answered is cut off after 20 seconds, a GetRecords or a
//     subscription that brings nothing after 30, and one that writes a lease after a third
//     of [Options.LeaseDuration]. The error says which it was; the call is made again. A
//     Fetch, and so a batch, waits for no call longer than its window.
//   - A call that is denied ends the mapping with an error if it never was allowed; one
//     that was allowed once is waited for. So it is for every call, those of package
//     checkpoint/dynamodb and a table that is missing included.
//   - What fails in the background, as when the lease table is down, or shards cannot be
//     listed, is told as a failed read.
//   - An answer that lacks what the service always says, as a 200 without a body, counts
//     for nothing: the call is made again. A shard has ended if the answer without a next
//     iterator names its children, or the list of shards says that it is closed.
//   - An iterator that has expired, as it does when a batch is retried for five minutes,
//     is replaced by one behind the last record that was read (KIN-41).
//   - A position that was trimmed: the shard goes on with the oldest record it has, as
//     the service does (KIN-45). So a shard is read on at the last record that was read:
//     if that is gone, records behind it may be lost. It is a [LossError], seen by the
//     observer as a failed read, and counted by [PositionsTrimmed], if more was left to
//     be read, or if the oldest record that is left has waited for half the retention
//     period. Otherwise it is a line of the log: a warning if a record was waiting, and
//     at level Info if none was. A shard that is idle for longer than its retention
//     period, and loses nothing, cannot be told there from one whose mapping was down
//     for that long. A shard that is read no sooner than its records are dropped is
//     looked at once a minute, with enhanced fan-out when its subscription is renewed.
//     How many records are lost is not known, and a shard of which nothing was read
//     tells of none. Watch the metrics IteratorAge and [MillisBehindLatest] against the
//     retention of the stream.
//   - MillisBehindLatest is what the service answered last (KIN-29), or the age of the
//     oldest record that was read and is not settled if that is more: it grows while a
//     handler fails. A shard that was not read in the last half minute, and of which
//     nothing is in hand, has none: what is not known is not told, and no old answer.
//   - A record that is older than the stream's retention is given up by rule, as one that
//     is too old: it goes to the on-failure destination if there is one, is counted, and
//     blocks its shard no longer. The retention is read at the start, and every five
//     minutes or so; what was read before it grows has the old one.
//   - A shard that the service does not know any more has ended, once the list of shards
//     says so too (KIN-74); a warning is logged. If it is the stream that is gone, the
//     mapping ends with "Stream not found", and positions stay as they are. Do not use
//     them for a new stream of the same name: give that a new store.
//   - A store that is down: handlers go on until the lease has run out, which is nine
//     tenths of [Options.LeaseDuration]; then the shard is dropped, and taken again when
//     the store is back. With package checkpoint/file leases do not run out.
//   - A worker that joins asks the others for its share of the shards. They fetch no more
//     of those, finish and store what they have begun, and hand over; nothing is begun
//     twice, but with a ParallelizationFactor as at a stop, and what takes longer than
//     [Options.HandoverTimeout].
//   - A worker that dies: others have its shards after one to one and a half lease times.
//
// # What differs from Lambda
//
//   - The zero Options begin at TRIM_HORIZON; AWS wants a position to be named.
//   - A batch is filled from what is there, up to BatchSize, without a window too.
//   - Options.Deaggregate unpacks aggregated records with shared throughput too (KIN-211).
//   - Records without a partition key (KIN-214) keep the order of their shard: all of
//     them fall in one sub-lane (KIN-218).
//   - A record that is too large for an event document goes to the on-failure
//     destination as MaximumPayloadSizeExceeded (KIN-201 names no condition).
//   - Tumbling windows survive a restart: their state is stored with the position
//     (KIN-186).
//
// # Errors
//
// The text of an error names operation, stream, shard, and error code, and a permission
// that is missing. It leaves the service's own message out; the SDK's error is found by
// errors.As.
//
// # Testing
//
// Package kinesistest is a Kinesis in memory, for the SDK's client and for virtual time.
package kinesis

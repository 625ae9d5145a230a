// Package dynamodbstreams reads Amazon DynamoDB Streams, the changes of a table's items,
// for a mapping.
//
// # Use
//
//	client := awsstreams.NewFromConfig(config)
//	store, err := file.Open("orders.positions", file.Options{})
//	source, err := dynamodbstreams.New(client,
//		"arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000", store, dynamodbstreams.Options{})
//
// A table may be named too, as "orders": its newest stream is read then. The client must
// be one of the table's region. The store keeps how far each shard is settled: package
// checkpoint/file for one process, checkpoint/dynamodb for any number of processes that
// share a stream, checkpoint.Memory for tests. One store belongs to one stream.
//
// A handler of records finds the SDK's *types.Record in Record.Native, and the key of the
// item in Record.Key: its attributes as DynamoDB JSON, in the order of their names.
// Numbers that are equal are one key, however they are written. Record.Data is nil;
// filter patterns see the change all the same.
//
// For many shards give the SDK an HTTP client with as many idle connections for one
// host as there are shards; its own default keeps ten.
//
// The shards are found, read, and let go of by themselves: parents to their end before
// their children (DDB-04), over the roll-overs that the service makes every few hours
// (DDB-02). Workers that use the same store share them out evenly.
//
// # Permissions
//
// The client's credentials need dynamodb:DescribeStream, dynamodb:GetShardIterator and
// dynamodb:GetRecords on the stream, and dynamodb:ListStreams for a table that is named. A
// permission that is missing at the start ends the mapping, with an error that names it.
// One that is withdrawn later is waited for.
//
// # Delivery semantics
//
// At least once, in order for each item (DDB-65). The position of a shard is stored after
// its records succeeded or were given up by a rule, and never before; it never passes
// an open record, with a ParallelizationFactor neither. What lies behind the stored
// position comes again after a crash. A stop that drains repeats nothing, except with a
// ParallelizationFactor: there, what one sub-lane finished behind an open record of
// another comes again.
//
// A stored position wins over [Options.StartingPosition]. Latest is stored as the moment
// of the first look, so that a restart before the first record loses nothing; shards that
// come later are read from their beginning (DDB-53). Records bear whole seconds
// (DDB-83), so that those of the second in which the mapping begins come along.
//
// # Pace
//
// A shard is read four times a second at most (DDB-40), by a thousand records and 1 MB
// at a time (DDB-41). A shard has room for two readers, and in a global table for one
// (DDB-13): a mapping is one of them, however many workers share it. Shards are listed
// once a minute and when one ends, with five calls a second at most (DDB-22).
//
// # In trouble
//
//   - A throttle, a server fault, a cut connection, a lost answer: the call is made
//     again with the same iterator, after a growing delay. Nothing is lost or repeated.
//   - A call that is not answered is cut off, a GetRecords after 15 seconds: the SDK has no
//     time-out of its own. A Fetch, and so a batch, waits for no call longer than its window.
//   - An answer that lacks what the service always says, as a 200 without a body, counts for
//     nothing. A shard has ended if the answer without a next iterator is confirmed: it
//     has children, or the list of shards says that it is closed.
//   - An iterator that has expired, as it does when a batch is retried for a quarter of an
//     hour, is replaced by one behind the last record that was read (DDB-46).
//   - Children that nobody finds at first are asked for again, for some seconds at the end
//     of their parent, and with every list after that (DDB-28). Other shards are read
//     meanwhile.
//   - A position older than 24 hours was trimmed: the shard goes on with its oldest record,
//     and a [LossError] is seen by the observer as a failed read, and counted by
//     [PositionsTrimmed] (DDB-24, DDB-25). Whether records lay between, and how many, the
//     service does not tell.
//   - A record that is older than 24 hours is given up by rule, as one that is too old: it
//     goes to the on-failure destination if there is one, and blocks its shard no longer
//     (DDB-62, DDB-64).
//   - A shard that the service does not know any more has ended, once the list of shards
//     says so too, or a minute later although it is listed (DDB-26); a warning is logged.
//   - A stream that was disabled, or whose table was deleted, is read to its end. A
//     [DisabledError] is told once, with the stream that took its place if there is one;
//     nobody follows it there (DDB-10). 24 hours later the stream is gone, and the mapping
//     ends with "Stream not found".
//   - A value of a type that the SDK does not know is nil in its record, and
//     {"UNKNOWN":null} in event documents, so that decoding them fails and the record is
//     treated by the rules of the mapping instead of being handled in part. It is told once
//     a minute.
//   - An answer that cannot be decoded is asked for again with fewer records, down to one,
//     so that one record does not hold up those before it; that one is told with its shard.
//   - MillisBehindLatest is the age of the last record that was read, and 0 where nothing
//     came, or the age of the oldest record that was read and is not settled if that is
//     more (DDB-51). A shard that was not read in the last half minute, and of which nothing
//     is in hand, has none.
//   - A store that is down, and workers that join, leave or die: as in package kinesis.
//
// # What differs from Lambda
//
//   - The zero Options begin at TRIM_HORIZON; AWS wants a position to be named. There is
//     AtTimestamp too (DDB-49).
//   - A batch is filled from what is there, up to BatchSize, without a window too.
//   - A table may be named.
//   - Tumbling windows survive a restart: their state is stored with the position.
//
// # Testing
//
// Package dynamodbstreamstest is DynamoDB Streams in memory, for the SDK's client and for
// virtual time. memory.NewTable is a table whose changes feed a mapping without any client.
package dynamodbstreams

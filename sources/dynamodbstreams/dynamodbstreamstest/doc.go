// Package dynamodbstreamstest is a fake of Amazon DynamoDB Streams for tests: a
// server in memory that speaks the service's wire protocol to the real SDK
// client, and misbehaves on demand.
//
//	server := dynamodbstreamstest.New()
//	defer server.Close()
//	arn, err := server.AddTable("orders", dynamodbstreamstest.Setup{Keys: []string{"orderId"}})
//	change, err := server.Put("orders", map[string]types.AttributeValue{"orderId": ...})
//	client := server.Client()
//
// It needs no network, works in a [testing/synctest] bubble, where iterators
// expire and records are trimmed in virtual time, and starts no goroutine that
// outlives Close. IDs, sequence numbers and iterators come from counters and the
// clock, so that a test in a bubble sees the same ones each time.
//
// # What it does
//
// Tables whose items are written by Go methods ([Server.Put], [Server.Update],
// [Server.Delete], [Server.Expire]), each of which is a record in the table's
// stream (DDB-07), with what the view type tells of it (DDB-08, DDB-87).
// DescribeStream in pages and with the filter CHILD_SHARDS (DDB-20 to DDB-23),
// GetShardIterator with all five types (DDB-47, DDB-48), GetRecords with the
// bounds of DDB-41, iterators that expire (DDB-46), the null iterator at the end
// of a closed shard, without its children (DDB-43, DDB-44), and ListStreams.
// [Server.Roll] and [Server.Split] close a shard for its children, which can be
// found at once or later (DDB-28). Streams can be disabled, replaced by new ones,
// and removed (DDB-09, DDB-10). Errors are those of the service, so that the SDK
// makes its own types of them.
//
// Records are dropped when they are 24 hours old, and so are shards and streams
// that have been closed for that long (DDB-01); [Server.Trim], [Server.Vanish] and
// [Server.RemoveStream] do it at once. The limits on callers are enforced after
// [Server.SetLimits] only.
//
// Where DynamoDB leaves things open the fake chooses:
//
//   - Shards roll over when they are told to, never by themselves.
//   - The answer that has the last records of a closed shard already has the
//     null iterator; with [Fault.LateEnd] the next one has.
//   - A place at or after a dropped record is refused, also if nothing behind it was
//     dropped; and so is an iterator that stands at one, also if it is of the type
//     TRIM_HORIZON and the record was there when it was made (DDB-24).
//   - The children of an open shard cannot be asked for: a ValidationException.
//   - A deleted table's stream is disabled, and goes after 24 hours.
//   - SizeBytes is about what the service would count.
//
// Signatures and permissions are not checked.
//
// # What goes wrong
//
// [Server.Inject] gives faults to the next calls of an action, one each;
// [Server.SetFault] has a function choose one for every call. A [Fault] is an
// error, a cut connection before or after the call took effect, a late answer, an
// empty or short one, or a list that is not as it should be. [Server.Append] puts
// any record into a shard, such as one with a kind of value that the SDK does not
// know.
package dynamodbstreamstest
